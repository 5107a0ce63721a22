"""The trade-off as a picture: faces found over CPU time, every set of settings a dot."""

from typing import Final

from fer_edge.commands.tune.candidate import Trial
from fer_edge.commands.tune.outcome import Outcome
from fer_edge.shared.report.colours import GREEN, SKY, VERMILION
from fer_edge.shared.report.plot import Plot, linear, logarithmic

_WIDTH: Final = 760
_HEIGHT: Final = 340


def draw_outcome(outcome: Outcome) -> str:
    """Return an SVG that needs nothing from outside."""
    cost = logarithmic("CPU time a frame (ms)", [trial.cpu_ms for trial in outcome.trials])
    plot = Plot(
        "What the settings tried find, and what they cost here",
        cost,
        linear("faces found (%)", 0, 100),
        width=_WIDTH,
        height=_HEIGHT,
    )
    wanted = 100 * outcome.goal.recall
    plot.line([(cost.low, wanted), (cost.high, wanted)], width=1, dashed=True)
    plot.words((cost.high, wanted), f"wanted: {outcome.goal.recall:.0%}", right=-4, down=15)
    for trial in outcome.trials:
        _dot(plot, trial, SKY, radius=4)
    plot.line(_front(outcome), SKY, width=1.5)
    _mark(plot, outcome.first, GREEN, "begun with", down=-10)
    _mark(plot, outcome.chosen, VERMILION, "chosen", down=26)  # off the line of what is wanted
    return plot.to_svg(alone=True) + "\n"


def _front(outcome: Outcome) -> list[tuple[float, float]]:
    """Return the trials that none beats in both."""
    best, points = -1.0, []
    for trial in sorted(outcome.trials, key=lambda t: (t.cpu_ms, -t.recall)):
        if trial.recall > best:
            best = trial.recall
            points.append((trial.cpu_ms, 100 * trial.recall))
    return points


def _mark(plot: Plot, trial: Trial, colour: str, name: str, *, down: float) -> None:
    """Name a trial beside its dot, on the side where there is room."""
    _dot(plot, trial, colour, radius=7)
    right = 12 if plot.x.share(trial.cpu_ms) < 0.6 else -12
    words = f"{name}: {trial.recall:.0%}, {trial.cpu_ms:.2g} ms"
    plot.words((trial.cpu_ms, 100 * trial.recall), words, right=right, down=down)


def _dot(plot: Plot, trial: Trial, colour: str, *, radius: float) -> None:
    title = ", ".join(f"{key} = {value}" for key, value in trial.changes.items()) or "begun with"
    plot.dot((trial.cpu_ms, 100 * trial.recall), colour, radius=radius, title=title)
