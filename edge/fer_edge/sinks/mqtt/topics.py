"""Where on a broker a device publishes, and what it says of itself there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fer_edge.shared.records import UNCERTAIN, Observation
from fer_edge.shared.strict_json import parse_json
from fer_edge.state.controls import CalibrationNote
from fer_edge.state.records import DaemonState

STATE_SCHEMA: Final = 1
ONLINE: Final = "online"
OFFLINE: Final = "offline"
ON: Final = "ON"
OFF: Final = "OFF"
START: Final = "START"
_SECONDS: Final = 5.0
_SHORTEST: Final = 1
_LONGEST: Final = 60

_PROMPT: Final = ("phase", "enabled", "faces", "expression", "camera", "camera_problem", "baseline")
"""What is worth telling at once when it changes; the rest waits for its time."""


@dataclass(frozen=True, slots=True)
class Topics:
    """A device's topics.

    Attributes:
        base: First level of all.
        node: The device's name.
    """

    base: str
    node: str

    @property
    def events(self) -> str:
        """Each event, not retained."""
        return f"{self.base}/{self.node}/events"

    @property
    def state(self) -> str:
        """How the device does, retained."""
        return f"{self.base}/{self.node}/state"

    @property
    def availability(self) -> str:
        """Whether it is there, retained; the broker's will says when it is not."""
        return f"{self.base}/{self.node}/availability"

    @property
    def picture(self) -> str:
        """A still every some seconds, where that is wanted; never retained."""
        return f"{self.base}/{self.node}/picture"

    @property
    def enabled(self) -> str:
        """Commands that switch it on and off."""
        return f"{self.base}/{self.node}/enabled/set"

    @property
    def calibrate(self) -> str:
        """Commands to calibrate."""
        return f"{self.base}/{self.node}/calibrate/set"

    @property
    def calibration(self) -> str:
        """What becomes of such a command, not retained."""
        return f"{self.base}/{self.node}/calibrate"


def describe_state(
    state: DaemonState, seen: Observation | None, *, enabled: bool, of_faces: bool
) -> dict[str, Any]:
    """Return what is published of a daemon's state.

    Args:
        state: How the daemon does.
        seen: The last observation, if there is one.
        enabled: Whether anybody wants it to look.
        of_faces: Whether faces and their expressions may be told.
    """
    camera = state.camera
    told: dict[str, Any] = {
        "schema": STATE_SCHEMA,
        "phase": state.phase,
        "enabled": ON if enabled else OFF,
        "camera": camera.grade,
        "camera_problem": camera.problem,
        "frames_per_second": round(state.frames_per_second, 1),
        "latency_ms": _latency_ms(state.stages_ms),
        "temperature_c": None if state.temperature_c is None else round(state.temperature_c, 1),
        "throttled": state.throttled,
        "uptime_seconds": round(state.uptime_seconds),
        "version": state.version,
        "model_sha256": state.model_sha256,
        "baseline": state.baseline,
    }
    if of_faces:
        told |= _describe_faces(seen if state.faces else None)
    return told


def describe_end(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the last state of a run, which the broker keeps: nobody is seen any more."""
    nobody = _describe_faces(None) if "faces" in told else {}
    return {**told, "phase": "stopping", "frames_per_second": 0.0, **nobody}


def read_calibrate(payload: bytes) -> float | str | None:
    """Return what a command to calibrate asks for; None where it makes no sense.

    Args:
        payload: START, or JSON with `seconds` (1 to 60), or with the name of a `participant`.

    Returns:
        Seconds, or a participant's name.
    """
    if payload == START.encode():
        return _SECONDS
    try:
        wish = parse_json(payload)
    except ValueError:
        return None
    if not isinstance(wish, dict) or len(wish) != 1:
        return None
    name, seconds = wish.get("participant"), wish.get("seconds")
    if isinstance(name, str) and name:
        return name
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    return float(seconds) if _SHORTEST <= seconds <= _LONGEST else None


def encode_calibration(note: CalibrationNote, *, baseline: str) -> str:
    """Return the answer to a command to calibrate, as one line of JSON."""
    told = {"schema": STATE_SCHEMA, **note._asdict(), "baseline": baseline}
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False)


def needs_telling(new: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    """Return whether a state differs from the one told in a way that should not wait."""
    return any(new.get(name) != told.get(name) for name in _PROMPT)


def encode_state(told: Mapping[str, Any]) -> str:
    """Return a state as one line of JSON."""
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _latency_ms(stages: Mapping[str, Mapping[str, float]]) -> float | None:
    age = stages.get("age", {}).get("p50")
    return None if age is None else round(age, 1)


def _describe_faces(seen: Observation | None) -> dict[str, Any]:
    if seen is None or not seen.readings:
        return {"faces": 0, "expression": None, "confidence": None}
    first = seen.readings[0]
    label = first.stable or UNCERTAIN
    confidence = first.answer.scores.get(label, first.answer.confidence)
    return {
        "faces": len(seen.readings),
        "expression": label,
        "confidence": round(confidence, 3),
    }
