"""What tuning found: for people, for programs, and as a settings file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fer_edge.commands.tune.candidate import Trial
from fer_edge.commands.tune.search import Goal
from fer_edge.shared import typed_tables
from fer_edge.shared.errors import GateError
from fer_edge.shared.terminal.tables import format_table
from fer_edge.shared.typed_tables import nest, toml_value


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
    """

    chosen: Trial
    first: Trial
    trials: Sequence[Trial]
    goal: Goal
    faces: int
    frames: int
    size: tuple[int, int]
    model: str

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
