"""Finding faces nobody knows of yet: what every technique takes, brings and promises."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol, cast, runtime_checkable

from fer_edge.shared.faces.found import Found
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Box, GreyImage

FRAME_PX: Final = 640
"""Longer side of the frame in whose pixels the smallest face is told."""
_PADDING: Final = 0.08  # of the picture, around what changed
_KNOWN_IOU: Final = 0.3


class Range(NamedTuple):
    """Faces of a range of sizes: what the picture is reduced to for them, and how often.

    Attributes:
        side_px: The picture's longer side is reduced to this.
        rarer: Times the seconds between searches of what is searched most often.
        rarer_known: The same while a face is known.
        whole_seconds: Between two searches of the whole picture.
        again_seconds: After a find until the whole picture is searched once more, for small faces
            come in groups; 0 for never.
        left_seconds: Until it is searched after a find in an earlier range had put it off; 0 for
            never.
    """

    side_px: int
    rarer: int = 1
    rarer_known: int = 1
    whole_seconds: float = 4.0
    again_seconds: float = 0.0
    left_seconds: float = 0.0


class SearchRequest(NamedTuple):
    """A search to be made.

    Attributes:
        grey: uint8, shape (H, W).
        ranges: Searched in this order until one finds a face; each with the part of the picture
            to search, or None for all of it.
        known: Boxes of faces already followed, and of what lately proved to be none.
        round: Counts the searches; the cascades take turns.
        now: Seconds, on the tracker's clock.
    """

    grey: GreyImage
    ranges: Sequence[tuple[Range, Box | None]]
    known: Sequence[Box]
    round: int
    now: float


class Find(NamedTuple):
    """A face that was found.

    Attributes:
        face: Where.
        sure: Whether it needs no further confirmation.
    """

    face: Found
    sure: bool


class Report(NamedTuple):
    """What a request brought.

    Attributes:
        request: As it was sent.
        finds: New faces, surest first.
        found_in: The range of sizes they are of; None where there are none.
        nominal_ms: What it costs on a desktop core, computed and not measured: the same each time.
    """

    request: SearchRequest
    finds: list[Find]
    found_in: Range | None
    nominal_ms: float


@runtime_checkable
class Scout(Protocol):
    """A technique of finding faces in frames that follow one another.

    `search` may run in another thread than `check` and `confirm`.
    """

    ranges: Sequence[Range]
    """What can be searched, in the order in which it is to be."""

    def search(self, request: SearchRequest) -> Report:
        """Look for faces that are not known, in the whole picture or a part of it."""
        ...

    def check(self, grey: GreyImage, near: Found) -> Found | None:
        """Return the known face that is about where and as it was; None where it is not."""
        ...

    def confirm(self, grey: GreyImage, near: Found) -> Found | None:
        """Return what is about there if it is surely a face."""
        ...


def cut_out(grey: GreyImage, region: Box | None) -> tuple[GreyImage, int, int]:
    """Return a part of a picture and where it begins, left and top; all of it without a region.

    There is some more around it than the region: what moved is only a part of a face.
    """
    if region is None:
        return grey, 0, 0
    height, width = grey.shape
    margin = round(_PADDING * max(height, width))
    left, top = max(0, region.x - margin), max(0, region.y - margin)
    right = min(width, region.x + region.width + margin)
    bottom = min(height, region.y + region.height + margin)
    return grey[top:bottom, left:right], left, top


def reduced(grey: GreyImage, factor: float) -> GreyImage:
    """Shrink a picture; one that is several times as large is halved by leaving out rows first."""
    step = max(1, int(1 / factor / 3))
    height, width = grey.shape
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return cast("GreyImage", cv2.resize(grey[::step, ::step], size, interpolation=cv2.INTER_AREA))


def is_known(box: Box, known: Sequence[Box]) -> bool:
    """Return whether a find is a face that is followed already."""
    return any(box.iou(other) > _KNOWN_IOU for other in known)
