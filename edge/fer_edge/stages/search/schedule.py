"""When the scout is sent, where to, and what of a second it may take."""

from collections.abc import Sequence
from typing import Final

from fer_edge.shared.model.preprocess import whole_picture
from fer_edge.shared.records import Box, GreyImage
from fer_edge.stages.search.motion import Motion, MotionMap
from fer_edge.stages.search.scout import Range, Report, SearchRequest

_ALERT_SECONDS: Final = 1.0  # after a face was lost the search goes on as if there were none
_ASIDE, _ABOVE = 2.0, 1.2  # widths of a face to its sides and above in which its body moves


class Budget:
    """Fills at a constant rate up to a cap; work takes from it and may overdraw it once.

    Overdrawn, it allows nothing until it has filled up again, so the rate holds over any time
    longer than one piece of work.

    Args:
        ms_per_second: The rate.
        burst_ms: The cap; it starts full.
    """

    def __init__(self, ms_per_second: float, *, burst_ms: float) -> None:
        self._rate = ms_per_second
        self._cap = burst_ms
        self._left = burst_ms
        self._at: float | None = None

    def allows(self, now: float) -> bool:
        """Return whether anything is left at a time in seconds."""
        if self._at is not None:
            self._left = min(self._cap, self._left + max(0.0, now - self._at) * self._rate)
        self._at = now
        return self._left > 0

    def spend(self, milliseconds: float) -> None:
        """Take what was used."""
        self._left -= milliseconds


class SearchSchedule:
    """Decides for each frame whether the scout is sent.

    Another scene is searched at once and wholly, and any scene wholly every few seconds. Between,
    only what changed is searched: nothing where nothing moves, and not where a person moves whose
    face is known.

    Args:
        budget: What the scout may cost.
        search_seconds: Between two searches of the first range while no face is known.
        known_search_seconds: The same while one is.
        ranges: Sizes of faces that are searched, in this order, each at its own rhythm.
    """

    def __init__(
        self,
        budget: Budget,
        *,
        search_seconds: float,
        known_search_seconds: float,
        ranges: Sequence[Range],
    ) -> None:
        self._budget = budget
        self._ranges = ranges
        self._motion = MotionMap(len(ranges))
        self._search_seconds = search_seconds
        self._known_search_seconds = known_search_seconds
        self._alert_until = 0.0
        self._last: dict[Range, float] = {}
        self._last_whole: dict[Range, float] = {}
        self._planned: dict[Range, float] = {}
        self._round = 0

    def watch(self, grey: GreyImage) -> Motion:
        """Take the next frame; a new scene is searched at once."""
        motion = self._motion.update(grey)
        if motion.cut:
            self._new_scene()
        return motion

    def start_anew(self) -> None:
        """Take in that the frames to come are another clip's, whose time begins anew."""
        self._alert_until = 0.0
        self._round = 0
        self._new_scene()

    def _new_scene(self) -> None:
        self._last.clear()
        self._last_whole.clear()
        self._planned.clear()

    def alert(self, now: float) -> None:
        """Take in that a face was lost."""
        self._alert_until = now + _ALERT_SECONDS

    def found(self, report: Report) -> None:
        """Take in what a search brought."""
        if report.found_in is None:
            return
        now = report.request.now
        searched = [one for one, _ in report.request.ranges]
        for one in searched[searched.index(report.found_in) + 1 :]:
            if one.left_seconds:
                self._planned[one] = now + one.left_seconds
        if report.found_in.again_seconds:
            self._planned[report.found_in] = now + report.found_in.again_seconds

    def request(
        self, grey: GreyImage, known: Sequence[Box], doubtful: Sequence[Box], *, now: float
    ) -> SearchRequest | None:
        """Return the search to be made now, if any.

        Args:
            grey: The frame, uint8, (H, W).
            known: Faces that are followed.
            doubtful: Places that are looked at already or were lately, and found to hold none.
            now: Seconds, on the tracker's clock.
        """
        calm = bool(known) and now >= self._alert_until
        seconds = self._known_search_seconds if calm else self._search_seconds
        due = [
            one
            for one in self._ranges
            if one not in self._last
            or now - self._last[one] >= seconds * (one.rarer_known if calm else one.rarer)
        ]
        planned = next((one for one, at in self._planned.items() if now >= at), None)
        if not (due or planned) or not self._budget.allows(now):
            return None
        if planned is not None:
            del self._planned[planned]
            self._last[planned] = self._last_whole[planned] = now
            ranges = [(planned, whole_picture(grey))]
        else:
            bodies = [_body(box, grey) for box in known]
            ranges = self._with_regions(due, grey, bodies, now)
        if not ranges:
            return None
        self._round += 1
        return SearchRequest(grey, ranges, (*known, *doubtful), self._round, now)

    def spend(self, milliseconds: float) -> None:
        """Take from the budget what a search cost."""
        self._budget.spend(milliseconds)

    def _with_regions(
        self, due: Sequence[Range], grey: GreyImage, bodies: Sequence[Box], now: float
    ) -> list[tuple[Range, Box]]:
        """Return what of the picture to search for each range; at most one search is whole."""
        ranges: list[tuple[Range, Box]] = []
        fresh = not self._last
        whole = False
        for one in due:
            changed = self._motion.changed_region(self._ranges.index(one), except_in=bodies)
            self._last[one] = now
            stale = now - self._last_whole.get(one, now) >= one.whole_seconds
            if fresh or (stale and not whole):
                whole = whole or not fresh
                self._last_whole[one] = now
                changed = whole_picture(grey)
            if changed is not None:
                ranges.append((one, changed))
        return ranges


def _body(face: Box, grey: GreyImage) -> Box:
    """Return about where the person of a face is: around it and all below."""
    left = face.x - round(_ASIDE * face.width)
    top = face.y - round(_ABOVE * face.width)
    return Box(left, top, face.width + round(2 * _ASIDE * face.width), grey.shape[0] - top)
