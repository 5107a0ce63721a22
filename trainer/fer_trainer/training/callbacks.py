"""What happens after each epoch: guard, record, keep, tell."""

import csv
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fer_trainer.backend import keras
from fer_trainer.run.folder import not_written, replace_file
from fer_trainer.training.checkpoint import Checkpoint, capture, remind
from fer_trainer.training.errors import DivergedError

_COLUMNS: Final = (
    "epoch", "learning_rate", "loss", "accuracy", "val_loss", "val_accuracy", "seconds",
)  # fmt: skip


class StopWhenDiverged(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends a run whose loss is no longer a number, before that is kept as a checkpoint."""

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Check the epoch's losses."""
        for name in ("loss", "val_loss"):
            value = float((logs or {}).get(name, 0.0))
            if not math.isfinite(value):
                raise DivergedError(
                    f"{name} is {value} in epoch {epoch + 1}",
                    expected="a finite loss",
                    fix="lower the learning rate, e.g. `--set optimiser.learning_rate=0.01`; "
                    "the checkpoint before is kept",
                )


class History(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes `history.csv`, a line as each epoch ends.

    Args:
        path: Of the file.
        heads: Whose accuracies get columns of their own.

    Attributes:
        epochs: Epochs done.
    """

    def __init__(self, path: Path, *, heads: Sequence[str] = ()) -> None:
        super().__init__()
        self._path = path
        own = [f"{prefix}accuracy_{head}" for head in heads for prefix in ("", "val_")]
        self._columns = (*_COLUMNS[:-1], *own, _COLUMNS[-1])
        self._started = self._learning_rate = 0.0
        self.epochs = 0

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Write the head."""
        self._write("w", self._columns)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Start the clock; the rate of a schedule in steps is the epoch's own only now."""
        self._started = time.monotonic()
        self._learning_rate = float(self.model.optimizer.learning_rate)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Append the epoch; closing the file hands it to the system at once."""
        found = {
            **(logs or {}),
            "epoch": epoch + 1,
            "learning_rate": self._learning_rate,
            "seconds": time.monotonic() - self._started,
        }
        row = [found.get(column, "") for column in self._columns]
        self.epochs = epoch + 1
        self._write("a", [f"{v:.6g}" if isinstance(v, float) else v for v in row])

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps: the file as it is."""
        return {"epochs": self.epochs, "text": self._path.read_bytes().decode()}

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Write the file as it was, without the epochs that are to be repeated."""
        text = str(memory["text"]).encode()
        replace_file(self._path, lambda path: Path(path).write_bytes(text))
        self.epochs = int(memory["epochs"])

    def _write(self, mode: str, row: Sequence[Any]) -> None:
        try:
            with self._path.open(mode, newline="", encoding="utf-8") as file:
                csv.writer(file).writerow(row)
        except OSError as error:
            raise not_written(self._path, error) from error


class KeepCheckpoint(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps all that a killed run needs to go on; comes after every callback it keeps.

    Args:
        path: Of the file, replaced after each epoch.
        callbacks: Those whose memory is kept, each of a class of its own.
        begun: Where to go on.
        surroundings: See `Checkpoint`.
    """

    def __init__(
        self,
        path: Path,
        callbacks: Sequence[Any],
        *,
        begun: Checkpoint | None,
        surroundings: Mapping[str, str],
    ) -> None:
        super().__init__()
        self._path, self._callbacks = path, callbacks
        self._begun, self._surroundings = begun, surroundings
        self._started = time.monotonic()

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Give the other callbacks back what they knew."""
        if self._begun is not None:
            remind(self._begun, self._callbacks)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Replace the checkpoint in one step."""
        before = self._begun.seconds if self._begun else 0.0
        capture(
            self.model,
            self._callbacks,
            epoch=epoch + 1,
            seconds=before + time.monotonic() - self._started,
            surroundings=self._surroundings,
        ).write(self._path)


class Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """One plain line an epoch; on a terminal also the batch reached and the time left.

    Args:
        tell: Takes a line.
        live: Whether stderr is a terminal, where a line may be written over.
    """

    def __init__(self, tell: Callable[[str], None], *, live: bool | None = None) -> None:
        super().__init__()
        self._tell = tell
        self._live = sys.stderr.isatty() if live is None else live
        self._begun = self._drawn = time.monotonic()
        self._first_epoch: int | None = None
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Remember where we are."""
        if self._first_epoch is None:
            self._first_epoch, self._begun = epoch, time.monotonic()
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Draw the line anew, a few times a second."""
        if not self._live or time.monotonic() - self._drawn < 0.3:
            return
        self._drawn = time.monotonic()
        steps = self.params["steps"] or 1
        share = (batch + 1) / steps
        bar = "#" * round(24 * share)
        left = format_duration(self._seconds_left(self._epoch + share))
        line = f"epoch {self._epoch + 1}/{self.params['epochs']} [{bar:<24}] {left} left"
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Tell the epoch's figures."""
        if self._live:
            sys.stderr.write("\r\x1b[K")
        figures = "  ".join(
            f"{name} {float(value):.4f}"
            for name, value in (logs or {}).items()
            if name.startswith("val_") or (name in _COLUMNS and name != "learning_rate")
        )
        left = format_duration(self._seconds_left(epoch + 1))
        self._tell(f"epoch {epoch + 1}/{self.params['epochs']}  {figures}  {left} left")

    def _seconds_left(self, epochs_done: float) -> float:
        done = epochs_done - (self._first_epoch or 0)
        elapsed = time.monotonic() - self._begun
        return elapsed / max(done, 1e-9) * (int(self.params["epochs"]) - epochs_done)


def format_duration(seconds: float) -> str:
    """Return for instance `1:02:03` or `2:03`."""
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
