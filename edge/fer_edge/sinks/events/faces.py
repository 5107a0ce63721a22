"""What is worth telling of faces: that one appeared, changed its expression, or left."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias

from fer_edge.shared.records import NO_BASELINE, UNCERTAIN, Observation, Reading
from fer_edge.sinks.spool.ids import EventIds

EVENT_SCHEMA: Final = 1

Kind: TypeAlias = Literal["appeared", "changed", "left"]


@dataclass(frozen=True, slots=True)
class Origin:
    """What stands in every event alike.

    Attributes:
        node: The device's name.
        model_sha256: Of the file of the model that read the expressions.
        purpose: What the events may be used for, in the operator's words.
    """

    node: str
    model_sha256: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to one face.

    Attributes:
        id: Unique everywhere; sorts by the order in which a device gave it.
        kind: What happened.
        at: Wall clock of the frame in which it showed, seconds since the epoch.
        seconds: By the monotonic clock: how long the face had been there until it was sure
            ("appeared"), the expression before had lasted ("changed"), or the face had stayed
            ("left").
        track: The face's number, unique among events whose ids begin alike.
        expression: Smoothed; the new one of a change, the last one of a face that left.
        previous: The one before a change, else "".
        confidence: The probability of that expression in this frame.
        why: Why the expression is uncertain, where that is known; else "".
        origin: Device, model and purpose.
        baseline: What the expressions are relative to: "track", "place", "participant", "none".
    """

    id: str
    kind: Kind
    at: float
    seconds: float
    track: int
    expression: str
    previous: str
    confidence: float
    origin: Origin
    baseline: str = NO_BASELINE
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the message as it is sent, versioned by `schema`."""
        message: dict[str, Any] = {
            "schema": EVENT_SCHEMA,
            "id": self.id,
            "kind": self.kind,
            "at": round(self.at, 3),
            "seconds": round(self.seconds, 2),
            "node": self.origin.node,
            "track": self.track,
            "expression": self.expression,
            "confidence": round(self.confidence, 3),
            "model_sha256": self.origin.model_sha256,
            "purpose": self.origin.purpose,
            "baseline": self.baseline,
        }
        if self.previous:
            message["previous"] = self.previous
        if self.why:
            message["why"] = self.why
        return message


class Notice(Protocol):
    """Whatever may be sent as an event."""

    @property
    def id(self) -> str:
        """Unique everywhere."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return the message."""
        ...


class Deriver(Protocol):
    """Makes events of observations."""

    def take(self, observation: Observation) -> Iterator[Notice]:
        """Yield what the next observation brings; must be drained."""
        ...

    def tick(self) -> Iterator[Notice]:
        """Yield what the mere passing of time brings, frames or not; must be drained."""
        ...

    def end(self) -> Iterator[Notice]:
        """Yield what there is to say when nothing more comes; must be drained."""
        ...


def encode(event: Notice) -> str:
    """Return an event as one line of JSON."""
    return json.dumps(event.to_json(), separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class Rhythm:
    """How far apart observations come: of some cameras that is minutes."""

    def __init__(self) -> None:
        self._at: float | None = None
        self._apart = 0.0

    def beat(self, now: float) -> None:
        """Take the time of an observation, in seconds."""
        if self._at is not None:
            self._apart = now - self._at
        self._at = now

    def at_least(self, seconds: float) -> float:
        """Return so many seconds, or more where one observation that is missed takes longer."""
        return max(seconds, 2 * self._apart)


class FaceEvents(Deriver):
    """Follows each face from its appearance to its leaving.

    A face appears once it has a stable label, or has been there for a while without one. Another
    stable label is a change at once, for the smoother gives it only for a clear reason; having
    none is one only after a while. A face that the tracker no longer reports has left once it
    could not come back under the same number. Faces that were never announced leave unannounced.

    Args:
        ids: Gives the events' ids.
        origin: Stands in every event.
        settle_seconds: How long a face without a label must be there, or a label be missing.
        left_seconds: How long a face must be away; twice the time between two frames at least.
        clock: Monotonic, in seconds.
    """

    def __init__(
        self,
        ids: EventIds,
        origin: Origin,
        *,
        settle_seconds: float,
        left_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ids = ids
        self._origin = origin
        self._settle_seconds = settle_seconds
        self._left_seconds = left_seconds
        self._clock = clock
        self._rhythm = Rhythm()
        self._faces: dict[int, _Face] = {}
        self._baseline = NO_BASELINE

    def take(self, observation: Observation) -> Iterator[Event]:
        """Yield the events of an observation; readings without a track number have none."""
        now = self._clock()
        self._rhythm.beat(now)
        self._baseline = observation.baseline
        for reading in observation.readings:
            track = reading.face.track_id
            if track is None:
                continue
            face = self._faces.get(track)
            if face is None:
                face = self._faces[track] = _Face(now)
            face.seen = now
            face.seen_at = observation.captured_at
            if reading.stable != face.expression:
                yield from self._differs(track, face, reading, now)
            else:
                face.doubtful_since = None
            if face.expression:
                face.tell_of(reading)
        if len(self._faces) > len(observation.readings):
            yield from self._gone(now, self._away_seconds)

    def tick(self) -> Iterator[Event]:
        """Yield that faces have left; to be called also when no frames come."""
        return self._gone(self._clock(), self._away_seconds)

    def end(self) -> Iterator[Event]:
        """Let every face leave, so that no consumer waits for it."""
        return self._gone(self._clock(), -1.0)

    @property
    def _away_seconds(self) -> float:
        return self._rhythm.at_least(self._left_seconds)

    def _differs(self, track: int, face: "_Face", reading: Reading, now: float) -> Iterator[Event]:
        label = reading.stable or UNCERTAIN
        if label == UNCERTAIN:
            face.doubtful_since = now if face.doubtful_since is None else face.doubtful_since
            if now - face.doubtful_since < self._settle_seconds:
                return
        previous, lasted = face.expression, now - face.since
        face.expression, face.since, face.doubtful_since = label, now, None
        face.tell_of(reading)
        yield self._event("changed" if previous else "appeared", track, face, previous, lasted)

    def _gone(self, now: float, away_seconds: float) -> Iterator[Event]:
        gone = [track for track, face in self._faces.items() if now - face.seen > away_seconds]
        for track in gone:
            face = self._faces.pop(track)
            if face.expression:
                yield self._event("left", track, face, "", face.seen - face.began)

    def _event(self, kind: Kind, track: int, face: "_Face", previous: str, seconds: float) -> Event:
        return Event(
            id=next(self._ids),
            kind=kind,
            at=face.seen_at,
            seconds=seconds,
            track=track,
            expression=face.expression,
            previous=previous,
            confidence=face.confidence,
            origin=self._origin,
            baseline=self._baseline,
            why=face.why,
        )


class _Face:
    """What was said of a face so far."""

    __slots__ = (
        "began", "confidence", "doubtful_since", "expression", "seen", "seen_at", "since",
        "why",
    )  # fmt: skip

    def __init__(self, now: float) -> None:
        self.began = self.since = self.seen = now
        self.seen_at = 0.0
        self.expression = ""
        self.why = ""
        self.confidence = 0.0
        self.doubtful_since: float | None = None

    def tell_of(self, reading: Reading) -> None:
        """Take in what a frame says of the expression that the face is said to have."""
        answer = reading.answer
        self.confidence = answer.scores.get(self.expression, answer.confidence)
        self.why = reading.why or "" if self.expression == UNCERTAIN else ""
