"""Begin a training with the weights of another run: its body, and its heads where labels agree."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from fer_edge.shared.errors import SettingsError
from fer_trainer.data.splitting import SplitData
from fer_trainer.jobs.finished import load_run
from fer_trainer.jobs.teachers import refuse_seen
from fer_trainer.recipe.settings import Recipe
from fer_trainer.run import folder as run_folder
from fer_trainer.run.folder import RunFolder

Weights: TypeAlias = Sequence[Any]
"""Of one layer, as `layer.get_weights()` returns them."""


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """What a run has to give.

    Attributes:
        body: Name and weights of each layer below the heads that has weights.
        heads: Weights of the last layer by its labels.
        sha256: Of the networks.
    """

    body: Sequence[tuple[str, Weights]]
    heads: Mapping[tuple[str, ...], Weights]
    sha256: str


def begin_from(network: Any, recipe: Recipe, split: SplitData) -> dict[str, Any] | None:
    """Give a new network the weights of the run that its recipe names, if it names one.

    Args:
        network: The recipe's, changed in place.
        recipe: Names the run.
        split: What is set aside here must not have been learnt from there.

    Returns:
        What a contract says of it: the run's recipe and hash, and whose heads were taken.

    Raises:
        ModelError: The run is unfinished or damaged.
        SettingsError: A layer of its body does not fit, or it learnt from what is set aside here.
    """
    if not recipe.training.init_from:
        return None
    run = Path(recipe.training.init_from)
    source = _read(run)
    refuse_seen(run, split.val, what="the run to begin with")
    body, heads = _layers(network, recipe)
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
        "sha256": source.sha256,
        "heads_taken": taken,
        "heads_new": [name for name in heads if name not in taken],
    }


def _read(run: Path) -> _Source:
    body: list[tuple[str, Weights]] = []
    heads: dict[tuple[str, ...], Weights] = {}
    content = hashlib.sha256()
    for folder in RunFolder(run).heads().values() or [run]:
        contract, network = load_run(folder)
        *below, answer = [layer for layer in network.layers if layer.weights]
        body = [(layer.name, layer.get_weights()) for layer in below]
        heads[contract.labels] = answer.get_weights()
        content.update((folder / run_folder.MODEL).read_bytes())
    return _Source(body, heads, content.hexdigest())


def _layers(
    network: Any, recipe: Recipe
) -> tuple[list[Any], dict[str, tuple[tuple[str, ...], Any]]]:
    """Return the layers of a new network's body, and each head's labels and layer by its name."""
    weighted = [layer for layer in network.layers if layer.weights]
    if not recipe.heads:
        return weighted[:-1], {recipe.labels.title: (recipe.label_names, weighted[-1])}
    answers = {layer.name.partition("_softmax_")[2]: layer for layer in weighted}
    heads = {
        head.name: (recipe.of_head(head).label_names, answers[head.name]) for head in recipe.heads
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
