"""Finding faces nobody knows of yet: Haar over a reduced picture, in three ranges of size."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, cast

from fer_edge.shared.haar import load_cascade, without_nested
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Box, Face, GreyImage
from fer_edge.stages.search.face_check import Checked, FaceCheck

_BASE_PX: Final = 20  # the smallest face a cascade finds
_NOMINAL_NS: Final = 40.0  # a pixel searched at one size, on a desktop core
_DENSE_FROM: Final = 2.0  # times the smallest size; from there on OpenCV tries every pixel, not
_DENSE: Final = 4.0  # every second one across and down
_NOMINAL_LOOK_MS: Final = 4.0
SURE_HITS: Final = 14
"""Hits of `second_opinion` that only faces reach: what is none had at most 12."""
_PADDING: Final = 0.08  # of the picture, around what changed


class Range(NamedTuple):
    """Faces of a range of sizes, and how they are searched.

    Attributes:
        side_px: The picture's longer side is reduced to this.
        largest_px: Largest face searched, in pixels of the reduced picture; 0 is no limit.
        scale_factor: Ratio between two sizes.
        min_neighbours: Overlapping hits needed beside the first.
    """

    side_px: int
    largest_px: int
    scale_factor: float
    min_neighbours: int


LARGE: Final = Range(240, 0, 1.2, 1)
MEDIUM: Final = Range(320, 42, 1.1, 2)
SMALL: Final = Range(640, 42, 1.1, 2)
_FRAME_PX: Final = 640  # longer side of the frame in whose pixels the smallest face is told


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

    face: Checked
    sure: bool


class Report(NamedTuple):
    """What an request brought.

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


class HaarScout:
    """Searches pictures for faces, each confirmed by another cascade at a finer size.

    Two cascades take turns because each finds faces that the other one does not.

    Args:
        most: Faces looked at closely in one search.
        min_face_px: Smallest face searched, in pixels of a frame of 640.

    Raises:
        DependencyError: The OpenCV at hand has no Haar cascades.

    Attributes:
        ranges: Sizes that can hold such faces, the largest first.
    """

    def __init__(self, *, most: int, min_face_px: int) -> None:
        self.ranges = [
            one
            for one in (LARGE, MEDIUM, SMALL)
            if not one.largest_px or one.largest_px * _FRAME_PX > min_face_px * one.side_px
        ]
        self._min_face = min_face_px / _FRAME_PX
        self._cascades = load_cascade("default"), load_cascade("alt2")
        self._second = second_opinion()
        self._others = (
            FaceCheck("alt2", face_px=48, scale_factor=1.1, min_neighbours=2),
            FaceCheck("default", face_px=48, scale_factor=1.1, min_neighbours=2),
        )
        self._most = most

    def search(self, request: SearchRequest) -> Report:
        """Do an request."""
        nominal_ms = 0.0
        finds: list[Find] = []
        turn = request.round % 2
        for one, region in request.ranges:
            found, cost_ms = self._search_range(request.grey, one, region, self._cascades[turn])
            nominal_ms += cost_ms
            fresh = [face for face in found if not _is_known(face.box, request.known)]
            nominal_ms += _NOMINAL_LOOK_MS * len(fresh[: self._most])
            looked_at = [self._look(request.grey, face.box, turn) for face in fresh[: self._most]]
            finds += [find for find in looked_at if find is not None]
            if finds:
                return Report(request, finds, one, nominal_ms)
        return Report(request, finds, None, nominal_ms)

    def _search_range(
        self, grey: GreyImage, one: Range, region: Box | None, cascade: Any
    ) -> tuple[list[Face], float]:
        """Return faces in pixels of the picture, surest first, and the nominal cost."""
        factor = min(1.0, one.side_px / max(grey.shape))
        left, top, part = 0, 0, grey
        if region is not None:
            region = _padded(region, grey)
            left, top = region.x, region.y
            part = grey[top : top + region.height, left : left + region.width]
        small = _reduce(part, factor)
        if min(small.shape) < _BASE_PX:
            return [], 0.0
        smallest = max(_BASE_PX, round(self._min_face * one.side_px))
        boxes, hits = cascade.detectMultiScale2(
            small,
            one.scale_factor,
            one.min_neighbours,
            0,
            (smallest, smallest),
            (one.largest_px, one.largest_px),
        )
        found = [
            Face(
                Box(
                    left + round(box[0] / factor), top + round(box[1] / factor),
                    round(box[2] / factor), round(box[3] / factor),
                ),
                float(count),
            )
            for box, count in zip(boxes, hits, strict=True)
        ]  # fmt: skip
        distinct = without_nested(sorted(found, key=lambda face: (-face.score, -face.box.area)))
        return distinct, _nominal_ms(small, one)

    def _look(self, grey: GreyImage, box: Box, turn: int) -> Find | None:
        """Look at a supposed face with the other cascades."""
        x, y, side = box.x + box.width / 2, box.y + box.height / 2, float(box.width)
        other = self._others[turn].check(grey, x, y, side)
        if other is None:
            return None
        second = self._second.check(grey, x, y, side)
        if second is None:
            return None
        return Find(other, second.hits >= SURE_HITS)


def second_opinion() -> FaceCheck:
    """Return the check that tells faces best from what only looks like one; it is dear."""
    return FaceCheck("alt", face_px=64, scale_factor=1.05, min_neighbours=3)


def _padded(region: Box, grey: GreyImage) -> Box:
    height, width = grey.shape
    margin = round(_PADDING * max(height, width))
    left, top = max(0, region.x - margin), max(0, region.y - margin)
    right = min(width, region.x + region.width + margin)
    bottom = min(height, region.y + region.height + margin)
    return Box(left, top, right - left, bottom - top)


def _reduce(grey: GreyImage, factor: float) -> GreyImage:
    """Shrink a picture; one that is several times as large is halved by leaving out rows first."""
    step = max(1, int(1 / factor / 3))
    height, width = grey.shape
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return cast("GreyImage", cv2.resize(grey[::step, ::step], size, interpolation=cv2.INTER_AREA))


def _nominal_ms(small: GreyImage, one: Range) -> float:
    largest = one.largest_px or min(small.shape)
    pixels, size = 0.0, float(_BASE_PX)
    while size <= min(largest, *small.shape):
        dense = _DENSE if size > _DENSE_FROM * _BASE_PX else 1.0
        pixels += dense * small.size * (_BASE_PX / size) ** 2
        size *= one.scale_factor
    return pixels * _NOMINAL_NS / 1e6


def _is_known(box: Box, known: Sequence[Box]) -> bool:
    return any(box.iou(other) > 0.3 for other in known)
