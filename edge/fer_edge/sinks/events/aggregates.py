"""Counts of expressions over a period instead of single faces."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fer_edge.shared.records import NO_BASELINE, UNCERTAIN, Observation
from fer_edge.sinks.events.faces import EVENT_SCHEMA, Deriver, Origin, Rhythm
from fer_edge.sinks.spool.ids import EventIds

_GONE_SECONDS: Final = 5.0
"""After which a face that is away is counted and its number forgotten."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """How many faces showed which expression in a period.

    Attributes:
        id: Unique everywhere; sorts by the order in which a device gave it.
        at: Wall clock of the period's end, seconds since the epoch.
        seconds: How long the period was, by the monotonic clock.
        expressions: Faces by the expression that each showed longest.
        origin: Device, model and purpose.
        baseline: What the expressions are relative to, as the last observation says.
    """

    id: str
    at: float
    seconds: float
    expressions: Mapping[str, int]
    origin: Origin
    baseline: str = NO_BASELINE

    def to_json(self) -> dict[str, Any]:
        """Return the message as it is sent, versioned by `schema`; nothing in it is of one face."""
        return {
            "schema": EVENT_SCHEMA,
            "id": self.id,
            "kind": "aggregate",
            "at": round(self.at, 3),
            "seconds": round(self.seconds, 1),
            "node": self.origin.node,
            "faces": sum(self.expressions.values()),
            "expressions": dict(self.expressions),
            "model_sha256": self.origin.model_sha256,
            "purpose": self.origin.purpose,
            "baseline": self.baseline,
        }


class Aggregates(Deriver):
    """Counts faces by expression, and tells the counts only of enough faces together.

    What a period with fewer faces held is forgotten, not carried over: the difference between two
    messages must not be one face. A face counts in each period in which it was there for a while.

    Args:
        ids: Gives the events' ids.
        origin: Stands in every event.
        period_seconds: Over which is counted.
        least_faces: With fewer nothing is told.
        settle_seconds: For which a face must be there to count.
        clock: Monotonic, in seconds.
        wall_clock: Seconds since the epoch.

    Attributes:
        withheld: Periods with faces, but too few of them.
    """

    def __init__(
        self,
        ids: EventIds,
        origin: Origin,
        *,
        period_seconds: float,
        least_faces: int,
        settle_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.withheld = 0
        self._ids = ids
        self._origin = origin
        self._period_seconds = period_seconds
        self._least_faces = least_faces
        self._settle_seconds = settle_seconds
        self._clock = clock
        self._wall_clock = wall_clock
        self._began = clock()
        self._rhythm = Rhythm()
        self._faces: dict[int, _Presence] = {}
        self._baseline = NO_BASELINE
        self._counted: Counter[str] = Counter()

    def take(self, observation: Observation) -> Iterator[Aggregate]:
        """Count the faces of an observation; yield the counts where a period is over."""
        yield from self.tick()
        now = self._clock()
        self._rhythm.beat(now)
        self._baseline = observation.baseline
        for reading in observation.readings:
            track = reading.face.track_id
            if track is None:
                continue
            face = self._faces.get(track)
            if face is None:
                face = self._faces[track] = _Presence(now)
            face.seen = now
            face.shown[reading.stable or UNCERTAIN] += 1
        if len(self._faces) > len(observation.readings):
            self._count_gone(now)

    def tick(self) -> Iterator[Aggregate]:
        """Yield the counts where a period is over."""
        if self._clock() - self._began >= self._period_seconds:
            yield from self.end()

    def end(self) -> Iterator[Aggregate]:
        """Yield the counts of what has passed of the period, and begin the next one."""
        now = self._clock()
        for face in self._faces.values():
            self._count(face)
        # A face that is still there begins anew, so that its expression is the period's own.
        self._faces = {
            track: _Presence(now, seen=face.seen)
            for track, face in self._faces.items()
            if now - face.seen <= self._rhythm.at_least(_GONE_SECONDS)
        }
        counted, self._counted = self._counted, Counter()
        seconds, self._began = now - self._began, now
        if counted.total() >= self._least_faces:
            yield Aggregate(
                next(self._ids),
                self._wall_clock(),
                seconds,
                dict(counted),
                self._origin,
                self._baseline,
            )
        elif counted:
            self.withheld += 1

    def _count_gone(self, now: float) -> None:
        away = self._rhythm.at_least(_GONE_SECONDS)
        gone = [track for track, face in self._faces.items() if now - face.seen > away]
        for track in gone:
            self._count(self._faces.pop(track))

    def _count(self, face: "_Presence") -> None:
        if face.shown and face.seen - face.began >= self._settle_seconds:
            ((expression, _),) = face.shown.most_common(1)
            self._counted[expression] += 1


class _Presence:
    """One face within a period."""

    __slots__ = ("began", "seen", "shown")

    def __init__(self, now: float, *, seen: float | None = None) -> None:
        self.began = now
        self.seen = now if seen is None else seen
        self.shown: Counter[str] = Counter()
