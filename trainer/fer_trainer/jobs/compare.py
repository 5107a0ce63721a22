"""The whole job of `fer-train compare`: runs over one another, and tested on the same pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.data.samples import read_samples
from fer_edge.shared.errors import FerError, ModelError
from fer_edge.shared.scores import Scores
from fer_edge.shared.statistics import PairedTest, paired_test
from fer_edge.shared.strict_json import parse_json
from fer_edge.shared.terminal.progress import ProgressLine
from fer_edge.shared.whole_files import make_folder, replace_file
from fer_trainer.jobs.recipes import recipe_cost
from fer_trainer.jobs.runs import RunEntry, describe_run
from fer_trainer.recipe.files import load_recipe
from fer_trainer.report.comparison import ComparedRun, Comparison, render_comparison
from fer_trainer.run import folder as run_folder
from fer_trainer.run.folder import RunFolder
from fer_trainer.run.history import read_history
from fer_trainer.run.metrics import read_metrics
from fer_trainer.scores.calibration import temper_answers
from fer_trainer.scores.evaluation import choose, score

_AGAIN: Final = "copy the run again, or train again"


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """What a finished run's network says of the pictures held out.

    Attributes:
        data: Hash of the data set's pictures.
        names: Of the pictures, inside the data set.
        right: bool, shape (N,).
        scores: On all of them.
    """

    data: str
    names: tuple[str, ...]
    right: NDArray[np.bool_]
    scores: Scores


def compare_runs(paths: Sequence[Path]) -> Comparison:
    """Compare runs; the networks of those that are finished are asked about their held-out part.

    Args:
        paths: Two run folders or more, finished or not; or heads of a run.

    Raises:
        ModelError: One of them is no run, or is damaged.
    """
    entries = [_entry(path) for path in paths]
    names = _names(paths)
    with ProgressLine() as line:
        judged = [
            _judge(path) if entry.state == "finished" else None
            for path, entry in line.each("asking", zip(paths, entries, strict=True), len(paths))
        ]
    runs = [
        _compared(path, name, entry, own)
        for path, name, entry, own in zip(paths, names, entries, judged, strict=True)
    ]
    tests: dict[str, PairedTest] = {}
    untested: dict[str, str] = {}
    for name, own in zip(names[1:], judged[1:], strict=True):
        found = _test(judged[0], own)
        if isinstance(found, str):
            untested[name] = found
        else:
            tests[name] = found
    return Comparison(runs, tests, untested)


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Write the page.

    Raises:
        OutputError: It cannot be written.
    """
    make_folder(path.parent)
    replace_file(path, render_comparison(comparison))


def _entry(path: Path) -> RunEntry:
    if not (path / run_folder.RECIPE).is_file():
        raise ModelError(
            f"{path} is no run",
            expected="the folder of a run, finished or not",
            fix="see `fer-train runs`",
        )
    if RunFolder(path).heads():
        RunFolder(path).check_whole()  # which names them
    entry = describe_run(path)
    if entry.problem:
        raise ModelError(entry.problem, expected="a run as `fer-train fit` leaves it", fix=_AGAIN)
    return entry


def _names(paths: Sequence[Path]) -> list[str]:
    """Return folders' names, or their whole paths where two have the same."""
    short = [path.resolve().name for path in paths]
    names = [str(path) if short.count(name) > 1 else name for path, name in zip(paths, short)]  # noqa: B905
    return [f"{name} ({n})" if names.count(name) > 1 else name for n, name in enumerate(names, 1)]


def _compared(path: Path, name: str, entry: RunEntry, judged: _Judged | None) -> ComparedRun:
    history = path / run_folder.HISTORY
    part = "validation"
    if judged is not None and read_metrics(path / run_folder.METRICS)["test"] is not None:
        part = "test"
    return ComparedRun(
        name=name,
        recipe=entry.recipe,
        data=entry.data,
        state=entry.state,
        epochs_wanted=entry.epochs_wanted,
        parameters=recipe_cost(load_recipe(str(path / run_folder.RECIPE))).parameters,
        history=read_history(history) if history.is_file() else {},
        part=part,
        scores=None if judged is None else judged.scores,
    )


def _judge(path: Path) -> _Judged:
    # Here, because Keras is needed where a run is finished only.
    from fer_trainer.jobs.finished import load_run  # noqa: PLC0415
    from fer_trainer.training.loop import predict  # noqa: PLC0415

    contract, network = load_run(path)
    try:
        samples = read_samples(path / run_folder.SAMPLES / "heldout.npz", contract, fix=_AGAIN)
    except FerError as error:
        raise ModelError(error.found, expected=error.expected, fix=error.fix) from error
    answers = temper_answers(predict(network, samples.pictures), contract.output.temperature)
    chosen = choose(answers, threshold=contract.threshold)
    return _Judged(
        _data_hash(path),
        samples.names,
        np.asarray(chosen == samples.labels),
        score(answers, samples.labels, contract.labels, threshold=contract.threshold),
    )


def _data_hash(run: Path) -> str:
    """Return the hash of what a run was judged by; a head's split.json is that of all heads."""
    data = read_metrics(run / run_folder.METRICS).get("data", {})
    if "content_sha256" in data:
        return str(data["content_sha256"])
    split = run / run_folder.SPLIT  # of an earlier version, which knew no heads
    try:
        record: Any = parse_json(split.read_bytes())
        return str(record["content_sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{split} cannot be read ({type(error).__name__}: {error})",
            expected="the file as `fer-train fit` writes it",
            fix=_AGAIN,
        ) from error


def _test(first: _Judged | None, other: _Judged | None) -> PairedTest | str:
    """Test two in pairs, or say why that cannot be done."""
    if first is None or other is None:
        return "the first run is unfinished" if first is None else "it is unfinished"
    if first.scores.labels != other.scores.labels:
        return f"its labels are others ({', '.join(other.scores.labels)})"
    if first.data != other.data:
        return "it was trained on other data, so that names do not tell which pictures are the same"
    places = {name: place for place, name in enumerate(first.names)}
    pairs = [(places[name], own) for own, name in enumerate(other.names) if name in places]
    if not pairs:
        return "no picture was held out by both"
    before, after = np.array(pairs).T
    return paired_test(first.right[before], other.right[after])
