"""What was tried and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fer_convert.file.flatbuffer import Graph
from fer_convert.judgement.comparison import Answers, Measurement
from fer_convert.judgement.gate import Verdict
from fer_convert.targets import Target
from fer_edge.shared.model.model_file import ModelFile


@dataclass(frozen=True, slots=True)
class Candidate:
    """One setting of a step, translated.

    Attributes:
        settings: What makes it this one.
        target: What it is.
        flatbuffer: As converted.
        calibration: On which pictures its ranges were found, as a contract records it.
        ranges: How they were found, in the same way.
    """

    settings: Mapping[str, Any]
    target: Target
    flatbuffer: bytes = field(repr=False)
    calibration: Mapping[str, Any] = field(repr=False)
    ranges: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A step's chosen candidate, measured on the held-out pictures.

    Attributes:
        candidate: The chosen one.
        model: It, ready to run; its contract is not yet complete.
        graph: What its flatbuffer holds.
        answers: To the held-out pictures.
        measurement: What the answers are worth.
        verdict: What the gate says of them.
    """

    candidate: Candidate
    model: ModelFile
    graph: Graph
    answers: Answers
    measurement: Measurement
    verdict: Verdict


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """One step of a rescue.

    Attributes:
        step: Its name.
        tried: Settings with what they gave on the validation part.
        result: None where the step cannot be done with this network.
        problem: Why not, then.
        seconds: Wall time; left out of what contracts record.
    """

    step: str
    tried: tuple[Mapping[str, Any], ...]
    result: Result | None
    problem: str
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether the gate was met."""
        return self.result is not None and self.result.verdict.passed

    def record(self) -> dict[str, Any]:
        """Return the attempt as a contract records it: without times."""
        if self.result is None:
            return {"step": self.step, "passed": False, "problem": self.problem}
        return {
            "step": self.step,
            "target": self.result.candidate.target.value,
            "settings": dict(self.result.candidate.settings),
            "tried_on_validation": [dict(tried) for tried in self.tried],
            "held_out": self.result.measurement.to_json(),
            "passed": self.passed,
        }

    def to_json(self) -> dict[str, Any]:
        """Return the attempt as a report tells it."""
        verdict = {} if self.result is None else {"verdict": self.result.verdict.to_json()}
        return {**self.record(), **verdict, "seconds": round(self.seconds, 1)}


@dataclass(frozen=True, slots=True, eq=False)
class Rescue:
    """All that was tried.

    Attributes:
        attempts: In their order; only the last can have passed.
        parts: How many pictures were tuned on and how many chose among settings.
    """

    attempts: tuple[Attempt, ...]
    parts: Mapping[str, int]

    @property
    def delivered(self) -> Attempt | None:
        """The attempt that met the gate."""
        return next((attempt for attempt in self.attempts if attempt.passed), None)

    @property
    def best(self) -> Attempt | None:
        """The one that met the gate, or else the most accurate on the held-out pictures."""
        done = [attempt for attempt in self.attempts if attempt.result is not None]
        return self.delivered or max(done, key=_standing, default=None)

    def to_json(self) -> dict[str, Any]:
        """Return what the report says."""
        return {
            "parts": dict(self.parts),
            "attempts": [attempt.to_json() for attempt in self.attempts],
            "delivered": None if self.delivered is None else self.delivered.step,
            "best": None if self.best is None else self.best.step,
        }


def _standing(attempt: Attempt) -> tuple[float, float]:
    if attempt.result is None:
        return 0.0, 0.0
    drift = attempt.result.measurement.drift
    return attempt.result.measurement.scores.accuracy, drift.agreement if drift else 0.0
