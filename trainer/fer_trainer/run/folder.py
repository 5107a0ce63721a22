"""The files of a run and how they are written: whole or not at all.

`model.keras`, `contract.json` and `metrics.json` are written last, so a run that lacks one of them
is unfinished and no program takes it for a whole one.
"""

import json
import shutil
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from fer_edge.shared import whole_files
from fer_edge.shared.data.samples import Samples
from fer_edge.shared.errors import ModelError, OutputError
from fer_edge.shared.whole_files import Content, remove_rests
from fer_trainer.run.lock import is_lock

RECIPE: Final = "recipe.toml"
SPLIT: Final = "split.json"
HISTORY: Final = "history.csv"
ARCHITECTURE: Final = "architecture.json"
METRICS: Final = "metrics.json"
MODEL: Final = "model.keras"
CONTRACT: Final = "contract.json"
SAMPLES: Final = "samples"
CHECKPOINTS: Final = "checkpoints"
TENSORBOARD: Final = "tensorboard"
REPORT: Final = "report.html"
PICTURES: Final = "report"
LAST: Final = "last.npz"
HEADS: Final = "heads"
"""Of a network with several heads: a folder for each, which is a run folder itself."""

_FIX: Final = "free some space and go on with --resume, or choose another --out"

WHOLE: Final = (RECIPE, SPLIT, HISTORY, ARCHITECTURE, METRICS, MODEL, CONTRACT)
"""Every file that a finished run has at its top."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run's folder.

    Attributes:
        path: Where it is.
    """

    path: Path

    def check_free(self, *, force: bool) -> None:
        """Refuse a folder that holds something, unless `force` allows to replace it.

        Raises:
            OutputError: It is a file, or not empty.
        """
        if self.path.exists() and not self.path.is_dir():
            raise OutputError(
                f"{self.path} is a file", expected="a folder", fix="choose another --out"
            )
        if not force and self.path.is_dir() and not all(map(is_lock, self.path.iterdir())):
            raise OutputError(
                f"{self.path} is not empty",
                expected="a new or empty folder",
                fix="choose another --out, or add --force to replace the run in it",
            )

    def prepare(self) -> None:
        """Make the folder and remove what an earlier run left in it.

        Only the names that a run writes are removed, so a wrong path costs nothing else.

        Raises:
            OutputError: It cannot be made.
        """
        with explained(self.path):
            self._clear()
        self.tidy()

    def tidy(self) -> None:
        """Make a folder ready to go on in: remove what a killed process was just writing.

        Raises:
            OutputError: It cannot be written to.
        """
        with explained(self.path):
            for folder in (self.path, self.path / SAMPLES, self.path / CHECKPOINTS):
                folder.mkdir(parents=True, exist_ok=True)
                remove_rests(folder)

    def is_whole(self) -> bool:
        """Say whether the run has ended and left every file."""
        heads = self.heads()
        own = all((self.path / name).is_file() for name in WHOLE if not heads or name != CONTRACT)
        return own and all(RunFolder(head).is_whole() for head in heads.values())

    def heads(self) -> dict[str, Path]:
        """Return the folders of a run's heads by name; none where its network has one answer."""
        folder = self.path / HEADS
        found = sorted(folder.iterdir()) if folder.is_dir() else []
        return {path.name: path for path in found if path.is_dir()}

    def reopen(self) -> None:
        """Make a finished run an unfinished one, to go on in: what is delivered at the end goes.

        Raises:
            OutputError: It cannot be removed.
        """
        with explained(self.path):
            for name in (METRICS, CONTRACT, MODEL):
                (self.path / name).unlink(missing_ok=True)
            shutil.rmtree(self.path / HEADS, ignore_errors=True)

    def _clear(self) -> None:
        # The files that make a run whole go first, the recipe, by which a run is resumed, last:
        # a process killed in between leaves no checkpoint to a recipe that is not its own.
        for name in (METRICS, CONTRACT, MODEL):
            (self.path / name).unlink(missing_ok=True)
        for name in (HEADS, CHECKPOINTS, SAMPLES, PICTURES, TENSORBOARD):
            shutil.rmtree(self.path / name, ignore_errors=True)
        for name in (REPORT, *reversed(WHOLE)):
            (self.path / name).unlink(missing_ok=True)

    def write_text(self, name: str, text: str) -> None:
        """Write a text file."""
        replace_file(self.path / name, text)

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file, indented."""
        self.write_text(name, json.dumps(value, indent=2, allow_nan=False) + "\n")

    def write_samples(self, name: str, samples: Samples) -> None:
        """Write `samples/NAME.npz` with arrays pictures, labels and names; no pickle in it."""
        arrays: dict[str, Any] = samples.to_arrays()
        target = self.path / SAMPLES / f"{name}.npz"
        replace_file(target, lambda path: np.savez_compressed(path, **arrays))

    def check_whole(self) -> None:
        """Refuse a folder that is no finished run.

        Raises:
            ModelError: It does not exist or lacks a file.
        """
        if not self.path.is_dir():
            raise ModelError(
                f"{self.path} {'is a file' if self.path.exists() else 'does not exist'}",
                expected="the folder of a finished run",
                fix="check the path given as --out to `fer-train fit`",
            )
        if heads := self.heads():
            raise ModelError(
                f"{self.path} has the heads {', '.join(heads)}",
                expected="one of them",
                fix=f"name for instance {next(iter(heads.values()))}",
            )
        missing = [name for name in WHOLE if not (self.path / name).is_file()]
        if missing:
            raise ModelError(
                f"{self.path} lacks {', '.join(missing)}",
                expected="the folder of a finished run",
                fix="let `fer-train fit` end, or train again with --force",
            )


def replace_file(path: Path, content: Content) -> None:
    """Write a file of a run whole, or leave the old one.

    Raises:
        OutputError: The disk is full, the folder has gone, or the like.
    """
    whole_files.replace_file(path, content, fix=_FIX)


def explained(path: Path) -> AbstractContextManager[None]:
    """Turn what the system says of writing a file or folder of a run into an `OutputError`."""
    return whole_files.explained(path, fix=_FIX)
