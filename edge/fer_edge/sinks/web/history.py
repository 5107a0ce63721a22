"""What was seen in the last hours, in a fixed number of bins, for the page; nothing is stored."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

from fer_edge.shared.records import UNCERTAIN, Observation

BIN_SECONDS: Final = 60
MOST_BINS: Final = 360
MOST_EVENTS: Final = 200
_LONGEST_GAP_SECONDS: Final = 1.0
"""What was shown is taken to have lasted until the next frame, unless that is far away."""


class _Bin:
    """What was seen in a minute."""

    __slots__ = ("faces", "faces_most", "frames", "number", "seconds")

    def __init__(self, number: int) -> None:
        self.number = number
        self.frames = self.faces = self.faces_most = 0
        self.seconds: dict[str, float] = {}

    def to_json(self, time_at: float) -> dict[str, Any]:
        return {
            "time": round(time_at, 3),
            "frames": self.frames,
            "faces_mean": round(self.faces / self.frames, 3),
            "faces_most": self.faces_most,
            "seconds": {label: round(shown, 2) for label, shown in self.seconds.items()},
        }


class History:
    """Counts what observations show, by the monotonic clock; safe from any thread.

    A clock that is set right moves all bins alike, and leaves no gap between them.

    Args:
        faces: Whether faces may be told of; nothing is kept where not.
        bins: Most of them that are kept.
        clock: Monotonic, in seconds.
        wall_clock: Seconds since the epoch.
    """

    def __init__(
        self,
        *,
        faces: bool = True,
        bins: int = MOST_BINS,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._tells = faces
        self._clock = clock
        self._wall_clock = wall_clock
        self._began = self._shown_at = clock()
        self._shown: tuple[str, ...] = ()
        self._bins: deque[_Bin] = deque(maxlen=bins)
        self._events: deque[str] = deque(maxlen=MOST_EVENTS)
        self._labels: dict[str, None] = {}
        self._lock = threading.Lock()

    def add(self, observation: Observation) -> None:
        """Count an observation."""
        if not self._tells:
            return
        now = self._clock()
        faces = len(observation.readings)
        with self._lock:
            current = self._bin(now)
            self._lasted(current, now)
            current.frames += 1
            current.faces += faces
            current.faces_most = max(current.faces_most, faces)
            self._shown = tuple([reading.stable or UNCERTAIN for reading in observation.readings])
            for reading in observation.readings[:1]:
                self._labels = dict.fromkeys(reading.prediction.labels)

    def note(self, event: str) -> None:
        """Take one of the daemon's events, as a line of JSON."""
        if self._tells:
            with self._lock:
                self._events.append(event)

    def to_json(self) -> bytes:
        """Return what is told of the last hours."""
        with self._lock:
            bins = list(self._told())
            events = list(self._events)
            labels = list(self._told_labels(bins))
        told = json.dumps(
            {
                "bin_seconds": BIN_SECONDS,
                "start": round(self._wall(self._began), 3),
                "labels": labels,
                "bins": bins,
            },
            separators=(",", ":"),
        )
        return f'{told[:-1]},"events":[{",".join(events)}]}}\n'.encode()

    def _told(self) -> Iterator[dict[str, Any]]:
        oldest = self._number(self._clock()) - (self._bins.maxlen or 0)
        for each in self._bins:
            if each.number > oldest:
                yield each.to_json(self._wall(self._began + each.number * BIN_SECONDS))

    def _told_labels(self, bins: list[dict[str, Any]]) -> dict[str, None]:
        """Return the model's labels in its order, those of one before, and what is uncertain."""
        shown = {label: None for each in bins for label in each["seconds"]}
        known = {**self._labels, **shown}
        if known:
            known.pop(UNCERTAIN, None)
            known[UNCERTAIN] = None
        return known

    def _bin(self, now: float) -> _Bin:
        number = self._number(now)
        if not self._bins or self._bins[-1].number != number:
            self._bins.append(_Bin(number))
        return self._bins[-1]

    def _number(self, now: float) -> int:
        return int((now - self._began) // BIN_SECONDS)

    def _lasted(self, current: _Bin, now: float) -> None:
        lasted = min(now - self._shown_at, _LONGEST_GAP_SECONDS)
        self._shown_at = now
        for label in self._shown:
            current.seconds[label] = current.seconds.get(label, 0.0) + lasted

    def _wall(self, at: float) -> float:
        return self._wall_clock() - self._clock() + at
