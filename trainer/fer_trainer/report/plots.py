"""The diagrams of a report as SVG and PNG, and the single pictures of documented systems."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from fer_edge.shared.data.samples import Pictures
from fer_edge.shared.records import Image
from fer_edge.shared.report.colours import BLUE, GREY, INK, ORANGE, VERMILION
from fer_edge.shared.scores import Scores
from fer_trainer.run.folder import replace_file

_DOTS_PER_INCH: Final = 150

_STYLE: Final[dict[Any, Any]] = {
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GREY,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "svg.hashsalt": "fer",  # the same figures give the same bytes
    "figure.constrained_layout.use": True,
}
_COLUMNS: Final = 5
_DPI: Final = 120


@dataclass(frozen=True, slots=True)
class Plot:
    """A finished diagram.

    Attributes:
        name: Of its file, without ending.
        alt: What it shows, for those who do not see it.
        png: On white.
        svg: Without a ground, for the page; None for photographs.
    """

    name: str
    alt: str
    png: bytes
    svg: str | None


def plot_curves(history: Mapping[str, Sequence[float]]) -> Plot:
    """Draw loss, accuracy and, where recorded, learning rate over the epochs.

    Args:
        history: The columns of `history.csv`.
    """
    panels = [
        ("Loss", "loss (nats)", ("loss", "val_loss"), 1.0),
        ("Accuracy", "accuracy (%)", ("accuracy", "val_accuracy"), 100.0),
        ("Learning rate", "learning rate", ("learning_rate",), 1.0),
    ]
    panels = [panel for panel in panels if any(column in history for column in panel[2])]

    def draw(figure: Figure) -> None:
        for axes, panel in zip(_row(figure, len(panels)), panels, strict=True):
            title, unit, columns, factor = panel
            for column, colour, line in zip(columns, (BLUE, ORANGE), ("-", "--"), strict=False):
                if column not in history:
                    continue
                values = [factor * value for value in history[column]]
                name = "validation" if column.startswith("val_") else "train"
                marker = "o" if len(values) < 20 else ""
                axes.plot(
                    history["epoch"], values, line, color=colour, label=name, marker=marker, ms=3
                )
            axes.set(title=title, xlabel="epoch", ylabel=unit)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.set_xlim(history["epoch"][0] - 0.5, history["epoch"][-1] + 0.5)
            axes.grid(visible=True)
            if len(columns) > 1:
                axes.legend()

    alt = f"Learning curves over {len(history['epoch'])} epochs"
    return _finish("curves", alt, draw, size=(10, 3.1))


def plot_confusion(scores: Scores, *, of: str) -> Plot:
    """Draw the confusion matrix twice: as counts, and as shares of each true label.

    Args:
        scores: With the matrix.
        of: Which pictures, for the description.
    """

    def draw(figure: Figure) -> None:
        left, right = _row(figure, 2)
        draw_matrix(left, scores.confusion, scores.labels)
        left.set_title("Pictures")
        image = draw_matrix(right, scores.confusion, scores.labels, as_shares=True)
        right.set_title("Share of the true label (%)")
        figure.colorbar(image, ax=right, label="share of the true label (%)", shrink=0.8)

    side = max(3.4, 1.6 + 0.45 * len(scores.labels))
    alt = f"Confusion matrix of {scores.n:,} {of} pictures, accuracy {scores.accuracy:.1%}"
    return _finish("confusion", alt, draw, size=(2.3 * side, side))


def draw_matrix(
    axes: Axes, counts: NDArray[np.int64], labels: Sequence[str], *, as_shares: bool = False
) -> Any:
    """Draw a confusion matrix, shaded by the share of each row.

    Args:
        axes: Where.
        counts: Shape (labels, labels); row: true label, column: predicted label.
        labels: What they are called.
        as_shares: Write percent of the row instead of counts.

    Returns:
        What a colour bar is made for.
    """
    shares = 100 * counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    shown, form = (shares, ".0f") if as_shares else (counts, ",")
    image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=100)
    places = range(len(labels))
    axes.set_xticks(places, labels, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, labels)
    axes.set(xlabel="predicted", ylabel="true")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    for row in places:
        for column in places:
            colour = "#000000" if shares[row, column] > 55 else "#ffffff"
            words = format(shown[row, column], form)
            axes.text(column, row, words, ha="center", va="center", color=colour, fontsize=9)
    return image


def plot_reliability(part: Mapping[str, Any], *, of: str) -> Plot:
    """Draw accuracy over confidence, before and after calibration, and how sure it is.

    Args:
        part: As `calibration.calibration_figures` returns it.
        of: Which pictures, for the description.
    """

    def draw(figure: Figure) -> None:
        left, right = _row(figure, 2)
        left.plot([0, 100], [0, 100], color=GREY, lw=1, label="as sure as right")
        styles = (("before", VERMILION, "s", "--"), ("after", BLUE, "o", "-"))
        for name, colour, marker, line in styles:
            bins = np.array([each for each in part[name]["bins"] if each[2]])
            label = f"{name} calibration, ECE {100 * part[name]['ece']:.1f}%"
            left.plot(100 * bins[:, 3], 100 * bins[:, 4], line, marker=marker, ms=4,
                      color=colour, label=label)  # fmt: skip
            every = np.array(part[name]["bins"])
            edges = 100 * np.append(every[:, 0], every[-1, 1])
            right.stairs(every[:, 2], edges, color=colour, ls=line, lw=1.5, label=name)
        left.set(xlabel="confidence (%)", ylabel="accuracy (%)", xlim=(0, 100), ylim=(0, 100))
        left.set_title("Reliability")
        right.set(xlabel="confidence (%)", ylabel="pictures", xlim=(0, 100))
        right.set_title("How sure it is")
        for axes in (left, right):
            axes.grid(visible=True)
            axes.legend(fontsize=8.5)

    alt = (
        f"Reliability of {part['n']:,} {of} pictures: expected calibration error "
        f"{part['before']['ece']:.3f} before, {part['after']['ece']:.3f} after calibration"
    )
    return _finish("reliability", alt, draw, size=(9, 3.8))


def plot_sheet(
    name: str, title: str, pictures: Pictures, captions: Sequence[str], *, columns: int = 8
) -> Plot:
    """Lay pictures out on a contact sheet.

    Args:
        name: Of the file.
        title: Above the sheet.
        pictures: uint8, as `Pictures` says; at least one.
        captions: Under each picture.
        columns: Pictures in a row.
    """
    rows, tall = -(-len(pictures) // columns), pictures.shape[1] / pictures.shape[2]
    across, down = 1.08, tall + 0.42  # of the grid, in widths of a picture

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axis("off")
        for number, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
            x, y = number % columns * across, -(number // columns) * down
            axes.imshow(picture, cmap="gray", vmin=0, vmax=255, extent=(x, x + 1, y - tall, y))
            axes.text(x + 0.5, y - tall - 0.04, caption, ha="center", va="top", fontsize=8)
        axes.set(title=title, xlim=(0, columns * across), ylim=(-rows * down, 0))

    size = 1.25 * columns, 0.4 + 1.25 * rows * down / across
    return _finish(name, title, draw, size=size, vector=False)


def _row(figure: Figure, columns: int) -> list[Axes]:
    return list(figure.subplots(1, columns, squeeze=False)[0])


def _finish(
    name: str,
    alt: str,
    draw: Callable[[Figure], None],
    *,
    size: tuple[float, float],
    vector: bool = True,
) -> Plot:
    svg, png = io.StringIO(), io.BytesIO()
    with mpl.rc_context(_STYLE), _any_letters():
        figure = Figure(figsize=size)
        draw(figure)
        figure.savefig(png, format="png", dpi=_DOTS_PER_INCH, facecolor="white")
        if vector:
            figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None})
    return Plot(name, alt, png.getvalue(), svg.getvalue() if vector else None)


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
    pictures: Sequence[Image], captions: Sequence[str], *, title: str, path: Path
) -> None:
    """Draw pictures side by side, each with what is said of it.

    Args:
        pictures: uint8, shape (H, W) or (H, W, 3) in RGB each; at least one.
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
    with _any_letters():
        replace_file(path, lambda temporary: figure.savefig(temporary, dpi=_DPI, format="png"))


@contextlib.contextmanager
def _any_letters() -> Iterator[None]:
    """Draw a box for a letter that the font lacks, without a warning: labels are any words."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield
