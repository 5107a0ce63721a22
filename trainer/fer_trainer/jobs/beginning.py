"""Begin a training with the weights of another network: its body, and its heads where labels agree.

The other is a finished run, or a model file as the converter makes it of one.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from fer_edge.shared.errors import SettingsError
from fer_edge.shared.model.model_file import ModelFile, read_model
from fer_trainer.data.splitting import SplitData
from fer_trainer.jobs.finished import load_network, load_run
from fer_trainer.jobs.model_file import take_weights
from fer_trainer.jobs.teachers import refuse_seen
from fer_trainer.network.builder import head_layer
from fer_trainer.recipe.settings import Recipe
from fer_trainer.run import folder as run_folder
from fer_trainer.run.folder import RunFolder

Weights: TypeAlias = Sequence[Any]
"""Of one layer, as `layer.get_weights()` returns them."""

_PICTURES: Final = 512
"""So many tell what a model file's batch norms did."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """What a run has to give.

    Attributes:
        body: Name and weights of each layer below the heads that has weights.
        heads: Weights of the last layer by its labels.
        sha256: Of the run's networks, or of each file.
    """

    body: Sequence[tuple[str, Weights]]
    heads: Mapping[tuple[str, ...], Weights]
    sha256: Sequence[str]


def begin_from(network: Any, recipe: Recipe, split: SplitData) -> dict[str, Any] | None:
    """Give a new network the weights of what its recipe begins with, if it names something.

    Args:
        network: The recipe's, changed in place.
        recipe: Names a run or a model file.
        split: What is set aside here must not have been learnt from there.

    Returns:
        What a contract says of it: name and hash, and whose heads were taken.

    Raises:
        ModelError: The run is unfinished, or it or the file is damaged.
        SettingsError: A layer of its body does not fit, or it learnt from what is set aside here.
    """
    if not recipe.training.init_from:
        return None
    run, *beside = _paths(recipe)
    body, heads = _layers(network, recipe)
    if run.is_file():
        source = _from_files([run, *beside], network, [each for _, each in heads.values()], split)
    else:
        source = _read(run)
        refuse_seen(run, split.val, what="the run to begin with")
        _check_body(run, source, body)
        for layer, (_, weights) in zip(body, source.body, strict=True):
            layer.set_weights(weights)
    taken = []
    for name, (labels, layer) in heads.items():
        if labels in source.heads:
            layer.set_weights(source.heads[labels])
            taken.append(name)
    return {
        "run": run.resolve().name,
        "sha256": source.sha256[0],
        **({"beside": _named_files(beside, source.sha256[1:])} if beside else {}),
        "heads_taken": taken,
        "heads_new": [name for name in heads if name not in taken],
    }


def _paths(recipe: Recipe) -> list[Path]:
    """Return what a recipe begins with: a run, a model file, or several files."""
    paths = [Path(each) for each in (recipe.training.init_from, *recipe.training.init_beside)]
    for path in paths:
        if not path.exists():
            raise SettingsError(
                f"{path} does not exist",
                expected="a finished run, or a model file",
                fix="check --init-from, or training.init_from and init_beside",
            )
        if path.is_dir() and len(paths) > 1:
            raise SettingsError(
                f"{path} is a run, and others are to stand beside it",
                expected="model files, where there are several",
                fix="give the model file that the converter makes of it",
            )
    return paths


def _named_files(paths: Sequence[Path], sha256: Sequence[str]) -> list[dict[str, str]]:
    return [
        {"run": path.resolve().name, "sha256": each}
        for path, each in zip(paths, sha256, strict=True)
    ]


def _read(run: Path) -> _Source:
    folders = RunFolder(run).heads()
    contracts = {name: load_run(folder)[0] for name, folder in (folders or {"": run}).items()}
    # Each head as it was trained: what is delivered of it may have another one's answer mixed in.
    network = load_network(run / run_folder.MODEL)
    answers = {
        name: head_layer(network, name) if name else _weighted(network)[-1] for name in contracts
    }
    last = {id(layer) for layer in answers.values()}
    body = [
        (layer.name, layer.get_weights()) for layer in _weighted(network) if id(layer) not in last
    ]
    heads = {contracts[name].labels: layer.get_weights() for name, layer in answers.items()}
    sha256 = hashlib.sha256((run / run_folder.MODEL).read_bytes()).hexdigest()
    return _Source(body, heads, [sha256])


def _weighted(network: Any) -> list[Any]:
    return [layer for layer in network.layers if layer.weights]


def _from_files(
    paths: Sequence[Path], network: Any, heads: Sequence[Any], split: SplitData
) -> _Source:
    """Give a network the bodies of model files; return their heads."""
    models = [read_model(path) for path in paths]
    for model in models:
        _refuse_unlike(model, network, split)
    chosen = np.random.default_rng(0).permutation(len(split.train))[:_PICTURES]
    answers = take_weights(models, network, heads, split.train.pictures[np.sort(chosen)])
    alike: dict[tuple[str, ...], list[Any]] = {}
    for model, answer in zip(models, answers, strict=True):
        alike.setdefault(model.contract.labels, []).append(answer)
    # Files with the same labels answer together: by the mean of their log-probabilities.
    means = {labels: np.mean(each, axis=0) for labels, each in alike.items()}
    heads_read = {labels: [mean[:-1], mean[-1]] for labels, mean in means.items()}
    return _Source((), heads_read, [model.sha256 for model in models])


def _refuse_unlike(model: ModelFile, network: Any, split: SplitData) -> None:
    """Refuse a file of another input, or one that learnt from what is set aside here.

    A file does not name its pictures, only what they were altogether and how many were set aside.
    Of the same data it must have set the same aside; of other data nobody knows, which is said.
    """
    contract = model.contract
    if contract.task != "multiclass" or contract.input.shape != tuple(network.input_shape[1:]):
        raise SettingsError(
            f"{model.path} is {contract.task} and takes pictures of {contract.input.shape}",
            expected=f"a multiclass network for {tuple(network.input_shape[1:])}",
            fix="begin with another file",
        )
    data, aside = (
        each if isinstance(each := contract.provenance.get(key), Mapping) else {}
        for key in ("data", "split")
    )
    parts = {part.origin.content_sha256: part for part in (split, *split.heads.values())}
    ours = parts.get(str(data.get("content_sha256")))
    if ours is None:
        _log.warning(
            "%s learnt from %s; if pictures of it are in this data, validation says too much",
            model.path, data.get("name", "data that it does not name"),
        )  # fmt: skip
    elif (aside.get("seed"), aside.get("val")) != (split.seed, len(ours.val)):
        raise SettingsError(
            f"{model.path} was trained on the same data, and set {aside.get('val')} pictures aside "
            f"with seed {aside.get('seed')}, where this run sets {len(ours.val)} aside with "
            f"seed {split.seed}",
            expected="a file of the same data and split",
            fix="give both the same data, data.seed and data.validation_fraction",
        )


def _layers(
    network: Any, recipe: Recipe
) -> tuple[list[Any], dict[str, tuple[tuple[str, ...], Any]]]:
    """Return the layers of a new network's body, and each head's labels and layer by its name."""
    weighted = _weighted(network)
    if not recipe.heads:
        return weighted[:-1], {recipe.labels.title: (recipe.label_names, weighted[-1])}
    heads = {
        head.name: (recipe.of_head(head).label_names, head_layer(network, head.name))
        for head in recipe.heads
    }
    last = {id(layer) for _, layer in heads.values()}
    return [layer for layer in weighted if id(layer) not in last], heads


def _check_body(run: Path, source: _Source, body: Sequence[Any]) -> None:
    """Refuse a body that does not fit; the first layer that does not is named."""
    for place in range(max(len(body), len(source.body))):
        wanted = _named(body[place].name, body[place].get_weights()) if place < len(body) else None
        found = _named(*source.body[place]) if place < len(source.body) else None
        if wanted is None or found is None or wanted[1] != found[1]:
            have, want = (
                f"{each[0]} {each[1]}" if each else "no further layer" for each in (found, wanted)
            )
            raise SettingsError(
                f"{run} does not fit this recipe: where that needs {want}, it has {have}",
                expected="a run with the same layers below its heads",
                fix="begin with another run, or with network.layers of its recipe.toml",
            )


def _named(name: str, weights: Weights) -> tuple[str, list[tuple[int, ...]]]:
    return name, [tuple(weight.shape) for weight in weights]
