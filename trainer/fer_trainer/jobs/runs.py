"""The whole job of `fer-train runs`: what there is in a folder, and how far each has come."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from fer_edge.shared.errors import DataError, FerError, ModelError
from fer_edge.shared.strict_json import parse_json
from fer_edge.shared.terminal.tables import format_table
from fer_trainer.recipe.files import load_recipe
from fer_trainer.run import folder as run_folder
from fer_trainer.run.folder import RunFolder
from fer_trainer.run.history import best_validation, read_history
from fer_trainer.run.metrics import read_metrics

_HEADER = (
    "run", "recipe", "data", "epochs", "best validation", "at epoch", "disk MB", "state",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunEntry:
    """A run in few words.

    Attributes:
        run: Its folder.
        recipe: Its recipe's name; "" where that cannot be read.
        data: Name of the data set; "" where the run has not recorded it.
        epochs: Done.
        epochs_wanted: By the recipe; a run that ends early has done fewer.
        best_accuracy: The highest in validation; None before the first epoch has ended.
        best_epoch: Which had it.
        bytes: Of all its files.
        state: "finished"; "unfinished", which `--resume` goes on with; or "damaged".
        problem: What is wrong with a damaged one.
    """

    run: str
    recipe: str
    data: str
    epochs: int
    epochs_wanted: int
    best_accuracy: float | None
    best_epoch: int | None
    bytes: int
    state: Literal["finished", "unfinished", "damaged"]
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return all of it."""
        return asdict(self)


def list_runs(folder: Path) -> list[RunEntry]:
    """Return every run in a folder and the folders below it, by path.

    Args:
        folder: With runs, or a run itself.

    Raises:
        DataError: There is no such folder.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder} {'is a file' if folder.exists() else 'does not exist'}",
            expected="a folder with runs of `fer-train fit`",
            fix="name the folder, for instance `fer-train runs runs`",
        )
    return [describe_run(path) for path in _find(folder)]


def describe_run(path: Path) -> RunEntry:
    """Say what a run is and how far it has come; what is damaged is said, not raised."""
    name, wanted, history, data, problem = "", 0, {}, "", ""
    whole = RunFolder(path).is_whole()
    try:
        recipe = load_recipe(str(path / run_folder.RECIPE))
        name, wanted = recipe.name, recipe.training.epochs
        if whole or (path / run_folder.HISTORY).is_file():
            history = read_history(path / run_folder.HISTORY)
        data = _data_name(path, whole=whole)
    except FerError as error:
        problem = error.found
    epoch, accuracy = best_validation(history) or (None, None)
    return RunEntry(
        run=str(path),
        recipe=name,
        data=data,
        epochs=len(history.get("epoch", ())),
        epochs_wanted=wanted,
        best_accuracy=accuracy,
        best_epoch=epoch,
        bytes=_bytes(path),
        state="damaged" if problem else "finished" if whole else "unfinished",
        problem=problem,
    )


def format_runs(runs: Sequence[RunEntry]) -> str:
    """Return a line a run, and below them what is wrong with the damaged ones."""
    rows = [
        [
            entry.run,
            entry.recipe or "-",
            entry.data or "-",
            f"{entry.epochs} of {entry.epochs_wanted}" if entry.epochs_wanted else "-",
            "-" if entry.best_accuracy is None else f"{entry.best_accuracy:.1%}",
            "-" if entry.best_epoch is None else str(entry.best_epoch),
            f"{entry.bytes / 1e6:,.1f}",
            entry.state,
        ]
        for entry in runs
    ]
    problems = [f"{entry.run}: {entry.problem}" for entry in runs if entry.problem]
    return "\n".join([format_table(_HEADER, rows), *problems])


def _find(folder: Path) -> Iterator[Path]:
    """Yield runs; what is inside a run (its heads) is part of it."""
    for root, names, files in os.walk(folder):
        if run_folder.RECIPE in files:
            names.clear()
            yield Path(root)
        names.sort()


def _data_name(path: Path, *, whole: bool) -> str:
    """Return the data set's name: of a finished run from its figures, which old runs have too."""
    if whole:
        folder = next(iter(RunFolder(path).heads().values()), path)
        metrics = read_metrics(folder / run_folder.METRICS)
        name = metrics.get("data", {}).get("name", "")
    else:
        split = path / run_folder.SPLIT
        try:
            name = parse_json(split.read_bytes()).get("data", "") if split.is_file() else ""
        except (OSError, ValueError, AttributeError) as error:
            raise ModelError(
                f"{split} cannot be read ({type(error).__name__}: {error})",
                expected="the file as `fer-train fit` writes it",
                fix="train again with --force",
            ) from error
    return name if isinstance(name, str) else ""


def _bytes(path: Path) -> int:
    """Return the size of all files; one that goes meanwhile (a run goes on) counts nothing."""
    total = 0
    for root, _, files in os.walk(path):
        for name in files:
            try:
                total += (Path(root) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return total
