"""The single pictures that documented systems leave, drawn with matplotlib without a display."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fer_edge.shared.records import GreyImage
from fer_trainer.report.plots import draw_matrix
from fer_trainer.run.folder import replace_file

_COLUMNS: Final = 5
_DPI: Final = 120


def draw_curve(history: Mapping[str, Sequence[float]], measure: str, path: Path) -> None:
    """Draw a measure in training and validation by epoch.

    Args:
        history: Columns with a number an epoch: `epoch`, `measure` and `val_measure`.
        measure: "loss" or "accuracy".
        path: Of a PNG.
    """
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.add_subplot()
    epochs = history["epoch"]
    marker = "o" if len(epochs) < 3 else None
    for key, name in ((measure, "Training"), (f"val_{measure}", "Validation")):
        axes.plot(epochs, history[key], marker=marker, label=f"{name} {measure}")
    axes.set(
        title=f"Training and validation {measure}", xlabel="Epoch", ylabel=measure.capitalize()
    )
    axes.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
    axes.legend()
    _write(figure, path)


def draw_confusion(
    confusion: NDArray[np.int64], words: Sequence[str], *, title: str, path: Path
) -> None:
    """Draw a confusion matrix: counts, shaded by the share of each row.

    Args:
        confusion: int64, shape (labels, labels); row: true label, column: predicted label.
        words: What the labels are called.
        title: Above it.
        path: Of a PNG.
    """
    side = max(4.0, 1.0 + 0.85 * len(words))
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.add_subplot()
    image = draw_matrix(axes, confusion, words)
    figure.colorbar(image, ax=axes, label="share of the true label (%)", shrink=0.8)
    axes.set_title(title)
    _write(figure, path)


def draw_predictions(
    pictures: Sequence[GreyImage], captions: Sequence[str], *, title: str, path: Path
) -> None:
    """Draw pictures side by side, each with what is said of it.

    Args:
        pictures: uint8, shape (H, W) each; at least one.
        captions: One for each; may have two lines.
        title: Above them.
        path: Of a PNG.
    """
    rows = -(-len(pictures) // _COLUMNS)
    columns = min(_COLUMNS, len(pictures))
    figure = Figure(figsize=(2.1 * columns + 0.4, 2.5 * rows + 0.6), layout="constrained")
    figure.suptitle(_plain(title))
    grid: Any = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, picture, caption in zip(grid.flat, pictures, captions, strict=False):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
        axes.set_title(_plain(caption), fontsize=8)
    _write(figure, path)


def _plain(text: str) -> str:
    """Keep a dollar sign in a file's name from beginning a formula, and bytes from failing."""
    return text.encode("utf-8", "backslashreplace").decode().replace("$", r"\$")


def _write(figure: Figure, path: Path) -> None:
    replace_file(path, lambda temporary: figure.savefig(temporary, dpi=_DPI, format="png"))
