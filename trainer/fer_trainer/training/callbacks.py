"""What happens after each epoch: guard, record, keep, tell."""

import csv
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fer_edge.shared.errors import FerError
from fer_edge.shared.terminal.progress import ProgressLine, draw_bar, format_duration
from fer_trainer.backend import keras
from fer_trainer.run.folder import explained, replace_file
from fer_trainer.training.checkpoint import Checkpoint, capture, remind

_COLUMNS: Final = (
    "epoch", "learning_rate", "loss", "accuracy", "val_loss", "val_accuracy", "seconds",
)  # fmt: skip


class DivergedError(FerError, ArithmeticError):
    """The loss became infinite or not a number."""


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
        replace_file(self._path, str(memory["text"]))
        self.epochs = int(memory["epochs"])

    def _write(self, mode: str, row: Sequence[Any]) -> None:
        with explained(self._path), self._path.open(mode, newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(row)


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
        batch: Pictures in one, over all devices; 0 leaves the throughput out.
        line: Where the batch is shown; stderr.
    """

    def __init__(
        self, tell: Callable[[str], None], *, batch: int = 0, line: ProgressLine | None = None
    ) -> None:
        super().__init__()
        self._tell = tell
        self._batch = batch
        self._line = line or ProgressLine()
        self._begun = time.monotonic()
        self._first_epoch: int | None = None
        self._epochs_begun = 0
        self._epoch = 0
        self._epoch_begun = self._begun
        self._pictures, self._seconds = 0, 0.0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Remember where we are."""
        if self._epochs_begun < 2:
            # Again at the second, for the first makes the graph, and says nothing of the others.
            self._first_epoch, self._begun = epoch, time.monotonic()
        self._epochs_begun += 1
        self._epoch, self._epoch_begun = epoch, time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Draw the line anew, a few times a second."""
        # Validation, which ends an epoch, is not counted.
        self._pictures = (batch + 1) * self._batch
        self._seconds = time.monotonic() - self._epoch_begun
        if not self._line.is_due:
            return
        share = (batch + 1) / (self.params["steps"] or 1)
        left = format_duration(self._seconds_left(self._epoch + share))
        epoch = f"epoch {self._epoch + 1}/{self.params['epochs']}"
        self._line(f"{epoch} {draw_bar(share)} {self._pace()}{left} left")

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Tell the epoch's figures."""
        self._line.close()
        figures = "  ".join(
            f"{name} {float(value):.4f}"
            for name, value in (logs or {}).items()
            if name.startswith("val_") or (name in _COLUMNS and name != "learning_rate")
        )
        left = format_duration(self._seconds_left(epoch + 1))
        self._tell(
            f"epoch {epoch + 1}/{self.params['epochs']}  {figures}  {self._pace()}{left} left"
        )

    def _pace(self) -> str:
        """Return the throughput of this epoch's training."""
        if not self._pictures:
            return ""
        return f"{self._pictures / max(self._seconds, 1e-9):,.0f} pictures/s  "

    def _seconds_left(self, epochs_done: float) -> float:
        done = epochs_done - (self._first_epoch or 0)
        elapsed = time.monotonic() - self._begun
        return elapsed / max(done, 1e-9) * (int(self.params["epochs"]) - epochs_done)
