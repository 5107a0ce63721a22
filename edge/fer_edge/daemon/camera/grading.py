"""How well a camera does, from excellent to dead, and the figures behind that."""

import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from fer_edge.state.records import Grade

GRADES: Final[tuple[Grade, ...]] = ("excellent", "good", "fair", "poor", "dead")
"""From the best to the worst."""

_RECENT_SECONDS: Final = 10.0
_GAP_SECONDS: Final = 60.0
_FAULT_SECONDS: Final = 300.0
_MOST: Final = 1000  # frames remembered; bounds memory
_SETTLED_SECONDS: Final = 5.0  # for which a rate was held before it counts as the camera's own

_RATE: Final = (0.9, 0.7, 0.4)
_AGE_MS: Final = (200.0, 500.0, 1500.0)
_GAP: Final = (0.5, 1.0, 2.0)
_GAP_PERIODS: Final = (5.0, 10.0, 20.0)
_DROPPED: Final = (0.8, 0.95, 0.99)
_FAULTS: Final = (0, 1, 4)


@dataclass(frozen=True, slots=True)
class CameraFigures:
    """What a camera's grade is made of.

    Attributes:
        frames_per_second: Delivered over the last seconds, dropped ones included.
        wanted_per_second: What was asked for, or the best that it has held where that is less.
        age_ms: Median age of frames when they were read.
        dropped_share: Of the frames of the last seconds, those that nobody read.
        longest_gap_seconds: Between two frames in the last minute.
        faults: In the last five minutes.
        dark: Whether the pictures are.
    """

    frames_per_second: float = 0.0
    wanted_per_second: float = 0.0
    age_ms: float = 0.0
    dropped_share: float = 0.0
    longest_gap_seconds: float = 0.0
    faults: int = 0
    dark: bool = False


def grade(figures: CameraFigures, *, delivering: bool) -> Grade:
    """Return the worst of the grades of its figures; dead where it does not deliver."""
    if not delivering:
        return "dead"
    rate, wanted = figures.frames_per_second, figures.wanted_per_second
    period = 1 / wanted if wanted else 0.0
    gaps = [max(gap, n * period) for gap, n in zip(_GAP, _GAP_PERIODS, strict=True)]
    marks = (
        # Of a single frame no rate is known; the gap after it tells.
        _place(-rate, [-share * wanted for share in _RATE]) if rate else 0,
        _place(figures.age_ms, _AGE_MS),
        _place(figures.longest_gap_seconds, gaps),
        _place(figures.dropped_share, _DROPPED),
        _place(figures.faults, _FAULTS),
        GRADES.index("fair") if figures.dark else 0,
    )
    return GRADES[max(marks)]


def _place(value: float, limits: Sequence[float]) -> int:
    """Return how many of the rising limits a value exceeds."""
    return sum(value > limit for limit in limits)


class CameraRecord:
    """What a camera has done lately.

    Args:
        asked_per_second: The rate asked of it.
    """

    def __init__(self, *, asked_per_second: float) -> None:
        self._asked = asked_per_second
        self._held = 0.0
        self._frames: deque[_Arrival] = deque(maxlen=_MOST)
        self._gaps: deque[tuple[float, float]] = deque()
        self._faults: deque[float] = deque(maxlen=_MOST)

    def add_frame(self, now: float, *, index: int, age_ms: float) -> None:
        """Take in a good frame.

        Args:
            now: When it was read; seconds, monotonic.
            index: Counts those dropped, too.
            age_ms: Since its capture.
        """
        if self._frames:
            self._note_gap(now, now - self._frames[-1].at)
        self._frames.append(_Arrival(now, index, age_ms))

    def add_fault(self, now: float) -> None:
        """Take in a fault; the time until the next frame is its own and no gap."""
        self._faults.append(now)
        self.rest()

    def rest(self) -> None:
        """Take in that no frames are wanted for a while."""
        self._frames.clear()

    def figures(self, now: float, *, dark: bool = False) -> CameraFigures:
        """Return the figures of now.

        Args:
            now: Seconds, monotonic.
            dark: Whether the pictures are.
        """
        recent = [frame for frame in self._frames if now - frame.at <= _RECENT_SECONDS]
        delivered = recent[-1].number - recent[0].number + 1 if recent else 0
        open_gap = now - self._frames[-1].at if self._frames else 0.0
        return CameraFigures(
            frames_per_second=self._rate(recent, now),
            wanted_per_second=self._held,
            age_ms=statistics.median(frame.age_ms for frame in recent) if recent else 0.0,
            dropped_share=1 - len(recent) / delivered if delivered else 0.0,
            longest_gap_seconds=max(open_gap, self._longest_gap(now)),
            faults=sum(now - at <= _FAULT_SECONDS for at in self._faults),
            dark=dark,
        )

    def _rate(self, recent: "list[_Arrival]", now: float) -> float:
        if len(recent) < 2:
            return 0.0
        seconds = max(now - recent[0].at, 1e-9)
        rate = (recent[-1].number - recent[0].number) / seconds
        if seconds >= _SETTLED_SECONDS:
            self._held = max(self._held, min(rate, self._asked))
        return rate

    def _note_gap(self, now: float, gap: float) -> None:
        while self._gaps and self._gaps[-1][1] <= gap:  # never the longest again
            self._gaps.pop()
        self._gaps.append((now, gap))
        self._longest_gap(now)

    def _longest_gap(self, now: float) -> float:
        while self._gaps and now - self._gaps[0][0] > _GAP_SECONDS:
            self._gaps.popleft()
        return self._gaps[0][1] if self._gaps else 0.0


class _Arrival(NamedTuple):
    """When a frame was read, its number, and how old it was."""

    at: float
    number: int
    age_ms: float
