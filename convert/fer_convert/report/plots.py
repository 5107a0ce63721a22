"""The diagrams of a report."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from fer_convert.judgement.comparison import Answers
from fer_convert.judgement.layer_error import LayerError
from fer_convert.targets import ONNX, Target
from fer_edge.shared.data.samples import Samples
from fer_edge.shared.report.colours import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY
from fer_edge.shared.report.plot import Plot, around, linear, logarithmic, named, stairs
from fer_edge.shared.scores import Scores
from fer_edge.shared.statistics import BINS, reliability

_COLOURS: Final[Mapping[str, str]] = {
    Target.FLOAT32: GREY,
    Target.INT8: BLUE,
    Target.INT16X8: GREEN,
    Target.DYNAMIC: ORANGE,
    Target.FLOAT16: PURPLE,
    ONNX: SKY,
}
_WIDE: Final = 760


def plot_recall(scores: Mapping[str, Scores]) -> Plot:
    """Draw the recall of every label, float32 beside the others, with intervals."""
    labels = list(next(iter(scores.values())).recall)
    plot = Plot(
        "Recall of every label, with its interval", named(labels), linear("recall (%)", 0, 100),
        width=_WIDE,
    )  # fmt: skip
    wide = 0.8 / len(scores)
    for number, (target, score) in enumerate(scores.items()):
        for place, label in enumerate(labels):
            left = place - 0.4 + number * wide
            middle, end = left + 0.46 * wide, score.recall_intervals[label]
            plot.bar(
                (left, 0), (left + 0.92 * wide, 100 * score.recall[label]), _COLOURS[target],
                name=str(target),
            )  # fmt: skip
            plot.line([(middle, 100 * end.low), (middle, 100 * end.high)], width=1)
    return plot


def plot_reliability(answers: Mapping[str, Answers], held_out: Samples) -> tuple[Plot, Plot]:
    """Draw accuracy over confidence, and how often each confidence occurs."""
    bins = {
        target: reliability(given.probabilities.max(axis=1), given.chosen == held_out.labels)
        for target, given in answers.items()
    }
    edges = np.linspace(0, 100, BINS + 1).tolist()
    most = max(each.n for own in bins.values() for each in own)
    percent = linear("confidence (%)", 0, 100)
    right = Plot("Is it as sure as it is right?", percent, linear("accuracy (%)", 0, 100))
    sure = Plot("How sure it is", percent, linear("pictures", 0, most))
    right.line([(0, 0), (100, 100)], GREY, name="as sure as right", width=1, dashed=True)
    for target, own in bins.items():
        points = [(100 * each.confidence, 100 * each.accuracy) for each in own if each.n]
        right.line(points, _COLOURS[target], name=str(target), marked=True)
        counts = [each.n for each in own]
        sure.line(stairs(edges, counts), _COLOURS[target], name=str(target))
    return right, sure


def plot_layers(errors: Mapping[Target, Sequence[LayerError]]) -> Plot:
    """Draw signal to noise behind every operator, in the order of execution."""
    names = [_short(error) for error in max(errors.values(), key=len)]
    heard = {
        target: [(n, e.sqnr_db) for n, e in enumerate(own) if e.sqnr_db is not None]
        for target, own in errors.items()
    }
    decibels = [db for points in heard.values() for _, db in points]
    plot = Plot(
        "Noise behind every operator", named(names),
        around("signal to quantisation noise (dB)", decibels), width=max(_WIDE, 30 * len(names)),
    )  # fmt: skip
    for target, points in heard.items():
        plot.line(points, _COLOURS[target], name=target.value, marked=True)
    return plot


def plot_shifts(answers: Mapping[str, Answers]) -> Plot:
    """Draw how many pictures have a probability that moved by more than so much."""
    reference = answers[Target.FLOAT32].probabilities
    worst = {
        target: np.sort(np.abs(given.probabilities - reference).max(axis=1))[::-1]
        for target, given in answers.items()
        if target != Target.FLOAT32
    }
    furthest = max((float(shifts[0]) for shifts in worst.values()), default=0)
    plot = Plot(
        "How far probabilities shift",
        linear("largest shift of a probability of one picture", 0, furthest),
        logarithmic("pictures that shift as much or more (%)", [100 / len(reference), 100]),
        width=_WIDE,
    )
    # As many points on each part of a logarithmic axis; all pictures would make a page too long.
    ranks = np.unique(np.geomspace(1, len(reference), 200).astype(int))[::-1]
    shares = (100 * ranks / len(reference)).tolist()
    for target, shifts in worst.items():
        edges = [0.0, *shifts[ranks - 1].tolist()]
        plot.line(stairs(edges, shares), _COLOURS[target], name=str(target))
    return plot


def _short(error: LayerError) -> str:
    name = error.layer.split("'")[1] if "'" in error.layer else error.layer
    return f"{name} {error.operator}"
