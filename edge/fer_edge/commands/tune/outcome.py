"""What tuning found: for people, for programs, as a settings file and as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fer_edge.commands.tune.candidate import Trial
from fer_edge.commands.tune.search import Goal
from fer_edge.shared import typed_tables
from fer_edge.shared.errors import GateError
from fer_edge.shared.report.colours import GREEN, SKY, VERMILION
from fer_edge.shared.report.plot import Plot, linear, logarithmic
from fer_edge.shared.terminal.tables import format_table
from fer_edge.shared.typed_tables import nest, toml_value

_WIDTH: Final = 760
_HEIGHT: Final = 340


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a search.

    Attributes:
        chosen: The best settings.
        first: What the search began with.
        trials: All of them.
        goal: What was wanted.
        faces: Faces known in the footage.
        frames: Of the footage.
        size: Width and height of a frame, pixels.
        model: The model that the chosen settings run.
        cost_factor: CPU time of a search here, as a multiple of a desktop core's.
    """

    chosen: Trial
    first: Trial
    trials: Sequence[Trial]
    goal: Goal
    faces: int
    frames: int
    size: tuple[int, int]
    model: str
    cost_factor: float

    @property
    def goal_is_met(self) -> bool:
        """Whether the chosen settings reach the goal."""
        return self.goal.is_met(self.chosen)

    def to_json(self) -> dict[str, Any]:
        """Return everything that was tried."""
        return {
            "goal": {
                "recall": self.goal.recall,
                "cpu_ms": self.goal.cpu_ms or None,
                "latency_ms": self.goal.latency_ms or None,
                "met": self.goal_is_met,
            },
            "footage": {"frames": self.frames, "known_faces": self.faces, "size": list(self.size)},
            "model": self.model,
            "search_cost_factor": round(self.cost_factor, 3),
            "begun_with": self.first.to_json(),
            "chosen": self.chosen.to_json(),
            "trials": [trial.to_json() for trial in self.trials],
        }


def format_outcome(outcome: Outcome) -> str:
    """Return a table of what counts, and what the chosen settings change."""
    rows = [
        [
            name,
            f"{trial.recall:.1%}",
            f"{trial.false_finds:.1f}",
            f"{trial.cpu_ms:.2f}",
            f"{trial.latency_ms:.2f}",
        ]
        for name, trial in (("begun with", outcome.first), ("chosen", outcome.chosen))
    ]
    header = ["settings", "faces found", "false per 100 frames", "CPU ms a frame", "p90 ms a frame"]
    changes = [f"  {key} = {toml_value(value)}" for key, value in outcome.chosen.changes.items()]
    return "\n".join(
        [
            f"{outcome.frames} frames of {outcome.size[0]}x{outcome.size[1]}, "
            f"{outcome.faces} faces known in them, {len(outcome.trials)} sets of settings tried",
            f"a search for faces takes {outcome.cost_factor:.1f} times what it takes on a desktop",
            format_table(header, rows),
            "changes:" if changes else "nothing found is better than what was begun with",
            *changes,
        ]
    )


def to_toml(outcome: Outcome) -> str:
    """Return a settings file of the chosen settings; those not named keep their defaults."""
    chosen = outcome.chosen
    head = (
        f"# Found by `fer-edge tune` on {outcome.frames} frames of "
        f"{outcome.size[0]}x{outcome.size[1]}: {chosen.recall:.1%} of {outcome.faces} faces,\n"
        f"# {chosen.cpu_ms:.2f} ms of CPU a frame, {chosen.latency_ms:.2f} ms at the 90th "
        "percentile. Use it with --config.\n"
    )
    return head + typed_tables.to_toml(nest(chosen.changes))


def require_goal(outcome: Outcome) -> None:
    """Refuse settings that do not reach the goal.

    Raises:
        GateError: They do not.
    """
    if outcome.goal_is_met:
        return
    goal, chosen = outcome.goal, outcome.chosen
    wanted = [f"{goal.recall:.0%} of the faces"]
    wanted += [f"{goal.cpu_ms:g} ms of CPU a frame"] if goal.cpu_ms else []
    wanted += [f"{goal.latency_ms:g} ms for nine frames of ten"] if goal.latency_ms else []
    raise GateError(
        f"the best settings find {chosen.recall:.1%} of the faces in {chosen.cpu_ms:.2f} ms of "
        f"CPU, {chosen.latency_ms:.2f} ms for nine frames of ten",
        expected=", ".join(wanted),
        fix="ask for less, raise --smallest-face, or try another --model",
    )


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
