"""Which faces a search should find: those on which two thorough searches agree.

Nobody has drawn boxes into a user's own pictures. A face that two cascades trained apart both find,
searched for at full size and in small steps, is one nearly always; a find that neither knows even
with the least confirmation is none nearly always. What lies between counts for nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from fer_edge.shared.errors import DataError
from fer_edge.shared.haar import HaarDetector
from fer_edge.shared.records import Box, Frame

SAME_FACE_IOU: Final = 0.4
LEAST_FACES: Final = 20
_SAMPLED: Final = 90


@dataclass(frozen=True, slots=True)
class KnownFaces:
    """One frame.

    Attributes:
        sure: Boxes of faces that have to be found.
        possible: Boxes that may be found.
    """

    sure: tuple[Box, ...]
    possible: tuple[Box, ...]


def find_known_faces(
    frames: Sequence[Frame],
    *,
    min_face_px: int,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> dict[int, KnownFaces]:
    """Search frames spread evenly over the footage.

    Args:
        frames: The footage.
        min_face_px: Smallest face, pixels of the frame.
        progress: Told how many frames of how many are done.

    Returns:
        By position in `frames`.

    Raises:
        DataError: Too few faces are seen to tune for.
    """
    longest = max(frames[0].grey.shape)
    strict, other, lenient = (
        HaarDetector(
            cascade=cascade,
            confirm="",
            scale_factor=1.05,
            min_neighbours=neighbours,
            min_face_px=min_face_px,
            max_side_px=longest,
        )
        for cascade, neighbours in (("alt2", 4), ("default", 6), ("alt2", 1))
    )
    step = max(1, len(frames) // _SAMPLED)
    places = range(step // 2, len(frames), step)
    known = {}
    for done, place in enumerate(places):
        grey = frames[place].grey
        first, second = ([face.box for face in search.detect(grey)] for search in (strict, other))
        sure = tuple(box for box in first if matches(box, second))
        loose = [face.box for face in lenient.detect(grey)]
        known[place] = KnownFaces(sure, (*first, *second, *loose))
        progress(done + 1, len(places))
    found = sum(len(faces.sure) for faces in known.values())
    if found < LEAST_FACES:
        raise DataError(
            f"{found} faces in {len(known)} frames searched",
            expected=f"at least {LEAST_FACES}, or nothing can be tuned for",
            fix="let somebody look into the camera meanwhile, nearer than "
            f"{min_face_px} pixels of face, or give another clip",
        )
    return known


def matches(box: Box, others: Sequence[Box]) -> bool:
    """Return whether one of `others` shows the same face."""
    return any(box.iou(other) >= SAME_FACE_IOU for other in others)
