"""The diagrams of a report, as SVG."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from fer_convert.judgement.comparison import Answers
from fer_convert.judgement.layer_error import LayerError
from fer_convert.targets import Target
from fer_edge.shared.data.samples import Samples
from fer_edge.shared.scores import Scores
from fer_edge.shared.statistics import BINS, reliability

# Okabe and Ito, Color Universal Design, 2008: for the colour-blind, too.
_COLOURS: Final[Mapping[Target, str]] = {
    Target.FLOAT32: "#999999",
    Target.INT8: "#0072b2",
    Target.INT16X8: "#009e73",
    Target.DYNAMIC: "#e69f00",
    Target.FLOAT16: "#cc79a7",
}
_STYLE: Final[dict[Any, Any]] = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "svg.hashsalt": "fer",  # the same figures give the same bytes
    "figure.constrained_layout.use": True,
}


def plot_recall(scores: Mapping[Target, Scores]) -> str:
    """Draw the recall of every label, float32 beside the others, with intervals."""
    labels = list(next(iter(scores.values())).recall)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        wide = 0.8 / len(scores)
        for number, (target, score) in enumerate(scores.items()):
            places = np.arange(len(labels)) + (number - (len(scores) - 1) / 2) * wide
            height = np.array([100 * score.recall[label] for label in labels])
            ends = [score.recall_intervals[label] for label in labels]
            whiskers = np.array(
                [
                    height - [100 * end.low for end in ends],
                    [100 * end.high for end in ends] - height,
                ]
            )
            axes.bar(places, height, wide * 0.92, color=_COLOURS[target], label=target.value,
                     yerr=np.maximum(whiskers, 0), error_kw={"lw": 0.9})  # fmt: skip
        axes.set_xticks(range(len(labels)), labels)
        axes.set(ylabel="recall (%)", ylim=(0, 100))
        axes.grid(visible=True, axis="y")
        axes.legend(ncols=len(scores), loc="lower center", bbox_to_anchor=(0.5, 1.0))

    return _svg(draw, size=(max(5.0, 1.25 * len(labels)), 3.4))


def plot_reliability(answers: Mapping[Target, Answers], held_out: Samples) -> str:
    """Draw accuracy over confidence, and how often each confidence occurs."""

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        left.plot([0, 100], [0, 100], color="#bbbbbb", lw=1, label="as sure as right")
        edges = np.linspace(0, 100, BINS + 1)
        for target, given in answers.items():
            confidence = given.probabilities.max(axis=1)
            bins = reliability(confidence, given.chosen == held_out.labels)
            left.plot(
                [100 * each.confidence for each in bins if each.n],
                [100 * each.accuracy for each in bins if each.n],
                marker="o", ms=3.5, color=_COLOURS[target], label=target.value,
            )  # fmt: skip
            counts = [each.n for each in bins]
            right.stairs(counts, edges, color=_COLOURS[target], lw=1.5, label=target.value)
        left.set(xlabel="confidence (%)", ylabel="accuracy (%)", xlim=(0, 100), ylim=(0, 100))
        right.set(xlabel="confidence (%)", ylabel="pictures", xlim=(0, 100))
        for axes, title in ((left, "Is it as sure as it is right?"), (right, "How sure it is")):
            axes.set_title(title)
            axes.grid(visible=True)
            axes.legend(fontsize=8.5)

    return _svg(draw, size=(9, 3.6))


def plot_layers(errors: Mapping[Target, Sequence[LayerError]]) -> str:
    """Draw signal to noise behind every operator, in the order of execution."""
    longest = max(map(len, errors.values()))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for target, own in errors.items():
            heard = [(n, e.sqnr_db) for n, e in enumerate(own) if e.sqnr_db is not None]
            axes.plot(*zip(*heard, strict=True), marker="o", ms=3.5, color=_COLOURS[target],
                      label=target.value)  # fmt: skip
        names = next(own for own in errors.values() if len(own) == longest)
        axes.set_xticks(
            range(longest), [_short(error) for error in names],
            rotation=50, ha="right", rotation_mode="anchor", fontsize=8,
        )  # fmt: skip
        axes.set_ylabel("signal to quantisation noise (dB)")
        axes.grid(visible=True)
        axes.legend()

    return _svg(draw, size=(max(6.0, 0.42 * longest + 1), 4.2))


def plot_shifts(answers: Mapping[Target, Answers]) -> str:
    """Draw how many pictures have a probability that moved by more than so much."""
    reference = answers[Target.FLOAT32].probabilities

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for target, given in answers.items():
            if target is Target.FLOAT32:
                continue
            worst = np.sort(np.abs(given.probabilities - reference).max(axis=1))
            share = 100 * (1 - np.arange(len(worst)) / len(worst))
            axes.step(worst, share, color=_COLOURS[target], label=target.value)
        axes.set_yscale("log")
        axes.set(xlabel="largest shift of a probability of one picture",
                 ylabel="pictures that shift as much or more (%)")  # fmt: skip
        axes.grid(visible=True)
        axes.legend()

    return _svg(draw, size=(6.4, 3.4))


def _short(error: LayerError) -> str:
    name = error.layer.split("'")[1] if "'" in error.layer else error.layer
    return f"{name} {error.operator}"


def _svg(draw: Callable[[Figure], None], *, size: tuple[float, float]) -> str:
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size)
        draw(figure)
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()
