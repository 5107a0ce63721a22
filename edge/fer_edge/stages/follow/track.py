"""One face over time: where it is, where it will be, and how far that is to be trusted."""

from dataclasses import dataclass
from typing import Final

from fer_edge.shared.faces.found import Found
from fer_edge.shared.records import Box, GreyImage, Point
from fer_edge.stages.follow.template import Template

_GOOD: Final = 0.6  # correlation from which the face is where the template says
_ALIKE: Final = 0.8  # below this the face has changed so much that the template is taken anew
_REACH: Final = 0.35  # of its width that a face may be from where it is expected
_REACH_PER_SECOND: Final = 1.5  # more after a longer time: frames are dropped, or a find is old
_FARTHEST: Final = 1.2
_VELOCITY_GAIN: Final = 0.4
_SLOWING: Final = 0.8  # of its velocity a hidden face keeps from frame to frame
_HORIZON_SECONDS: Final = 0.4  # further ahead than this nobody's way is foretold
_LEAST_GAIN: Final = 0.3
_TREND_GAIN: Final = 0.7
_JUMP: Final = 0.15  # of its width: a correction beyond this is no noise and is made at once
_FIRST_CHECKS: Final = (2, 3, 5)
_FAILURES_TO_DOUBT: Final = 4


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a face that is not seen is believed in.

    Attributes:
        coast_seconds: A hidden face is still reported, where it was heading.
        trust_seconds: A face that no check confirms any more is still followed.
        remember_seconds: A face that was dropped gets its number back when it is found again.
    """

    coast_seconds: float
    trust_seconds: float
    remember_seconds: float


class Track:
    """A face that is followed.

    Between checks its place comes from correlation, which follows at once but slowly drifts; a
    check does not drift but jitters by some per cent. So a check corrects the place and
    size by a part of the difference only, and the box is smooth without lagging.

    Args:
        number: Stays the same for the same face.
        grey: The picture it was found in, uint8, (H, W).
        found: Where.
        now: Seconds, on the tracker's clock.
        sure: Whether to report it at once; else only after a surer check.

    Attributes:
        score: Of the last check that found it, on the technique's own scale.
        seen_at: When correlation last found it.
        checked_at: When a check last found it.
        looked_at: When it was last checked, whatever came of it.
        check_in: Frames until the next check is due.
    """

    __slots__ = (
        "_failures", "_found", "_growth", "_successes", "_template", "_vx", "_vy",
        "at", "check_in", "checked_at", "looked_at", "number", "reported", "score", "seen_at",
        "side", "x", "y",
    )  # fmt: skip

    def __init__(
        self, number: int, grey: GreyImage, found: Found, *, now: float, sure: bool
    ) -> None:
        self.number = number
        self.x, self.y, self.side = found.x, found.y, found.side
        self.score = found.score
        self.at = self.seen_at = self.checked_at = self.looked_at = now
        self.reported = sure
        self._vx = self._vy = self._growth = 0.0
        self._found = found
        self._successes = 1
        self._failures = 0
        self.check_in = _FIRST_CHECKS[0]
        self._template = Template(grey, self.x, self.y, self.side)

    @property
    def box(self) -> Box:
        """The face in pixels of the frame."""
        side = round(self.side)
        return Box(round(self.x - self.side / 2), round(self.y - self.side / 2), side, side)

    @property
    def seen(self) -> Found:
        """What the last check found, where it has moved to since."""
        last = self._found
        landmarks = last.landmarks and last.landmarks.moved(
            self.x - last.x,
            self.y - last.y,
            about=Point(last.x, last.y),
            scale=self.side / last.side,
        )
        return Found(self.x, self.y, self.side, self.score, landmarks, last.roll, last.covered)

    def is_gone(self, now: float, patience: Patience) -> bool:
        """Return whether it was hidden or unconfirmed for too long, or proved to be no face."""
        return (
            now - self.seen_at > patience.coast_seconds
            or now - self.checked_at > patience.trust_seconds
            or self._doubtful
        )

    @property
    def _doubtful(self) -> bool:
        """Whether it was never reported and surer checks keep failing."""
        return not self.reported and self._failures >= _FAILURES_TO_DOUBT

    def expected(self, now: float) -> tuple[float, float]:
        """Return where its centre should be at a time."""
        passed = min(now - self.at, _HORIZON_SECONDS)
        return self.x + self._vx * passed, self.y + self._vy * passed

    def step(self, grey: GreyImage, now: float, *, crowded: bool = False) -> bool:
        """Follow it into the next frame.

        Args:
            grey: The frame.
            now: Seconds.
            crowded: Whether another face is so near that it may hide this one. Then only a sure
                match counts, and the template stays: else it would come to show the other face.

        Returns:
            False where it is hidden or gone; its place is then where it was heading.
        """
        x, y = self.expected(now)
        passed = now - self.at
        self.at = now
        self.check_in -= 1
        reach = min(_FARTHEST, _REACH + _REACH_PER_SECOND * passed)
        match = self._template.find(grey, x, y, reach=reach)
        if match is None or match.score < (_ALIKE if crowded else _GOOD):
            self.x, self.y = x, y
            if not crowded:  # who passes behind another one keeps walking
                self._vx *= _SLOWING
                self._vy *= _SLOWING
            self.check_in = min(self.check_in, 1)
            return False
        if passed > 0:
            self._vx += _VELOCITY_GAIN * ((match.x - self.x) / passed - self._vx)
            self._vy += _VELOCITY_GAIN * ((match.y - self.y) / passed - self._vy)
        self.x, self.y = match.x, match.y
        self.seen_at = now
        if match.score < _ALIKE:
            self._template = Template(grey, self.x, self.y, self.side)
        return True

    def confirm(self, grey: GreyImage, found: Found, *, now: float, interval: int) -> None:
        """Take in that a check found it.

        Args:
            grey: The frame.
            found: What the check found.
            now: Seconds.
            interval: Frames between checks of a face that is well known.
        """
        dx, dy = found.x - self.x, found.y - self.y
        growth = found.side / self.side - 1
        gain = max(_LEAST_GAIN, 1 / (self._successes + 1))
        if max(abs(dx), abs(dy)) > _JUMP * self.side or abs(growth) > _JUMP:
            gain = max(gain, 0.7)
        self.x += gain * dx
        self.y += gain * dy
        # Twice larger in a row is no jitter: the face comes nearer.
        trend = growth * self._growth > 0
        self._growth = growth
        self.side *= 1 + (max(gain, _TREND_GAIN) if trend else gain) * growth
        self.score = found.score
        self.seen_at = self.checked_at = self.looked_at = now
        self._found = found
        self._failures = 0
        self._successes += 1
        self.reported = True
        young = self._successes <= len(_FIRST_CHECKS)
        self.check_in = _FIRST_CHECKS[self._successes - 1] if young else interval
        self._template = Template(grey, self.x, self.y, self.side)

    def is_overdue(self, now: float, patience: Patience) -> bool:
        """Return whether so few frames come that it has to be checked before its turn.

        Else it would be dropped for want of a check, and not because one has failed.
        """
        return now - self.looked_at >= patience.trust_seconds / 2

    def doubt(self, *, now: float, interval: int) -> None:
        """Take in that a check did not find it: look again soon, and later less often."""
        self.looked_at = now
        self._failures += 1
        self.check_in = min(interval, 1 + self._failures)
