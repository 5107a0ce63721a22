"""Which find is which face: known, lost a moment ago, or new."""

from collections.abc import Iterable, Sequence
from typing import Final

from fer_edge.shared.faces.found import Found
from fer_edge.stages.follow.track import Track

_SAME_IOU: Final = 0.3
_REACH: Final = 1.5  # widths of a face that one lost may be from where it is expected
_SIZES: Final = (0.65, 1.5)  # ratio of sizes within which it can be the same face
_CROWDED: Final = 1.2  # mean widths between two centres; nearer, one hides hair of the other
_TWICE_IOU: Final = 0.5


def same_face(found: Found, tracks: Iterable[Track]) -> Track | None:
    """Return the track that a find overlaps most, if it is the same face."""
    box = found.box
    best = max(tracks, key=lambda track: track.box.iou(box), default=None)
    return best if best is not None and best.box.iou(box) > _SAME_IOU else None


def returned_face(found: Found, lost: Iterable[Track], *, now: float) -> Track | None:
    """Return the lost track whose face a find can be: the nearest to where that is expected."""

    def distance(track: Track) -> float:
        x, y = track.expected(now)
        return max(abs(found.x - x), abs(found.y - y)) / track.side

    low, high = _SIZES
    possible = [
        track for track in lost if low < found.side / track.side < high and distance(track) < _REACH
    ]
    return min(possible, key=distance, default=None)


def belongs_to_another(found: Found, track: Track, tracks: Iterable[Track]) -> bool:
    """Return whether what a check of one track found lies nearer to another one."""
    box = found.box
    own = track.box.iou(box)
    return any(other is not track and other.box.iou(box) > own for other in tracks)


def crowded(track: Track, tracks: Sequence[Track], *, now: float) -> bool:
    """Return whether another face is so near that it may hide this one."""
    x, y = track.expected(now)
    for other in tracks:
        if other is not track:
            other_x, other_y = other.expected(now)
            near = _CROWDED * (track.side + other.side) / 2
            if abs(other_x - x) < near and abs(other_y - y) < near:
                return True
    return False


def followed_twice(tracks: Sequence[Track]) -> list[Track]:
    """Return tracks that follow another's face: those checked less recently than the other."""
    surest_first = sorted(tracks, key=lambda track: (-track.checked_at, track.number))
    kept: list[Track] = []
    twice: list[Track] = []
    for track in surest_first:
        overlaps = any(track.box.iou(other.box) > _TWICE_IOU for other in kept)
        (twice if overlaps else kept).append(track)
    return twice
