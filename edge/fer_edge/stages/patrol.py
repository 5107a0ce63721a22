"""When the scout is sent, and where to."""

from collections.abc import Sequence
from typing import Final

from fer_edge.records import Box, GreyImage
from fer_edge.stages.budget import Budget
from fer_edge.stages.motion import Motion, MotionMap
from fer_edge.stages.scout import LARGE, MEDIUM, SMALL, Errand, Range

_RANGES: Final = (LARGE, MEDIUM, SMALL)
_RARER: Final = {LARGE: 1, MEDIUM: 3, SMALL: 8}  # times the seconds between searches of LARGE
_WHOLE_EVERY: Final = 4  # searches: a face that was missed and keeps still is found then
_STILL: Final = 0.002  # share of the picture; less is noise
_STILL_RARER: Final = 8
_ALERT_SECONDS: Final = 1.0  # after a face was lost the search goes on as if there were none


class Patrol:
    """Decides for each frame whether the scout is sent.

    Where nothing moves a search is rare, where a face is known rarer than where there is none,
    and another scene is searched at once. Most searches cover only what changed since the last.

    Args:
        budget: What the scout may cost.
        search_seconds: Between two searches for large faces while no face is known.
        known_search_seconds: The same while one is.
    """

    def __init__(
        self, budget: Budget, *, search_seconds: float, known_search_seconds: float
    ) -> None:
        self._budget = budget
        self._motion = MotionMap(len(_RANGES))
        self._search_seconds = search_seconds
        self._known_search_seconds = known_search_seconds
        self._alert_until = 0.0
        self._last: dict[Range, float] = {}
        self._searches = dict.fromkeys(_RANGES, 0)
        self._round = 0

    def watch(self, grey: GreyImage) -> Motion:
        """Take the next frame; a new scene is searched at once."""
        motion = self._motion.update(grey)
        if motion.cut:
            self._last.clear()
        return motion

    def alert(self, now: float) -> None:
        """Take in that a face was lost."""
        self._alert_until = now + _ALERT_SECONDS

    def errand(
        self, grey: GreyImage, known: Sequence[Box], motion: Motion, *, now: float
    ) -> Errand | None:
        """Return the search to be made now, if any."""
        calm = bool(known) and now >= self._alert_until
        seconds = self._known_search_seconds if calm else self._search_seconds
        if motion.share < _STILL:
            seconds *= _STILL_RARER
        due = [
            one
            for one in _RANGES
            if one not in self._last or now - self._last[one] >= seconds * _RARER[one]
        ]
        if not due or not self._budget.allows(now):
            return None
        self._last.update(dict.fromkeys(due, now))
        ranges = [(one, region) for one in due if (region := self._region(one, grey)) is not None]
        if not ranges:
            return None
        self._round += 1
        return Errand(grey, ranges, known, self._round, now)

    def _region(self, one: Range, grey: GreyImage) -> Box | None:
        """Return the part to search: what changed, or now and then everything."""
        changed = self._motion.changed_region(_RANGES.index(one))
        self._searches[one] += 1
        if self._searches[one] % _WHOLE_EVERY == 0:
            height, width = grey.shape
            return Box(0, 0, width, height)
        return changed

    def spend(self, milliseconds: float) -> None:
        """Take from the budget what a search cost."""
        self._budget.spend(milliseconds)
