"""Finding faces nobody knows of yet: Haar over a reduced picture, in three ranges of size."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from fer_edge.shared.faces.cues import FaceCues
from fer_edge.shared.faces.found import Found
from fer_edge.shared.faces.haar import load_cascade, without_nested
from fer_edge.shared.records import Box, Face, GreyImage
from fer_edge.stages.search.haar_check import FaceCheck, first_found
from fer_edge.stages.search.scout import (
    FRAME_PX,
    Find,
    Range,
    Report,
    SearchRequest,
    cut_out,
    is_known,
    reduced,
)

_BASE_PX: Final = 20  # the smallest face a cascade finds
_NOMINAL_NS: Final = 40.0  # a pixel searched at one size, on a desktop core
_DENSE_FROM: Final = 2.0  # times the smallest size; from there on OpenCV tries every pixel, not
_DENSE: Final = 4.0  # every second one across and down
_NOMINAL_LOOK_MS: Final = 4.0
SURE_HITS: Final = 14
"""Hits of `second_opinion` that only faces reach: what is none had at most 12."""

LARGE: Final = Range(240)
MEDIUM: Final = Range(320, 3, 6, 6.0, again_seconds=0.3, left_seconds=1.0)
SMALL: Final = Range(640, 8, 16, 12.0, again_seconds=0.3, left_seconds=4.0)


class _Way(NamedTuple):
    """How a range is searched.

    Attributes:
        largest_px: Largest face searched, in pixels of the reduced picture; 0 is no limit.
        scale_factor: Ratio between two sizes.
        min_neighbours: Overlapping hits needed beside the first.
    """

    largest_px: int
    scale_factor: float
    min_neighbours: int


_WAYS: Final[Mapping[Range, _Way]] = {
    LARGE: _Way(0, 1.2, 1),
    MEDIUM: _Way(42, 1.1, 2),
    SMALL: _Way(42, 1.1, 2),
}


class HaarScout:
    """Searches pictures for faces, each confirmed by another cascade at a finer size.

    Two cascades take turns because each finds faces that the other one does not. Whether a face
    is covered they cannot tell; a small network does.

    Args:
        most: Faces looked at closely in one search.
        min_face_px: Smallest face searched, in pixels of a frame of 640.

    Raises:
        DependencyError: The OpenCV at hand has no Haar cascades, or there is no TFLite runtime.
        ModelError: The small network's file is damaged.

    Attributes:
        ranges: Sizes that can hold such faces, the largest first.
    """

    def __init__(self, *, most: int, min_face_px: int) -> None:
        self.ranges: Sequence[Range] = [
            one
            for one in (LARGE, MEDIUM, SMALL)
            if not (most_px := _WAYS[one].largest_px)
            or most_px * FRAME_PX > min_face_px * one.side_px
        ]
        self._min_face = min_face_px / FRAME_PX
        self._cascades = load_cascade("default"), load_cascade("alt2")
        self._second = second_opinion()
        self._others = (
            FaceCheck("alt2", face_px=48, scale_factor=1.1, min_neighbours=2),
            FaceCheck("default", face_px=48, scale_factor=1.1, min_neighbours=2),
        )
        # Apart from those above, for a search may be under way in another thread.
        self._checks = (
            FaceCheck("alt2", face_px=32, scale_factor=1.1, min_neighbours=2),
            FaceCheck("default", face_px=32, scale_factor=1.1, min_neighbours=2),
        )
        self._confirming = second_opinion()
        self._cues, self._near_cues = FaceCues(), FaceCues()
        self._most = most

    def search(self, request: SearchRequest) -> Report:
        """Look for faces; the cascades take turns by the request's round."""
        nominal_ms = 0.0
        finds: list[Find] = []
        turn = request.round % 2
        for one, region in request.ranges:
            found, cost_ms = self._search_range(request.grey, one, region, self._cascades[turn])
            nominal_ms += cost_ms
            fresh = [face for face in found if not is_known(face.box, request.known)]
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
        part, left, top = cut_out(grey, region)
        small = reduced(part, factor)
        if min(small.shape) < _BASE_PX:
            return [], 0.0
        smallest = max(_BASE_PX, round(self._min_face * one.side_px))
        way = _WAYS[one]
        boxes, hits = cascade.detectMultiScale2(
            small,
            way.scale_factor,
            way.min_neighbours,
            0,
            (smallest, smallest),
            (way.largest_px, way.largest_px),
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
        return distinct, _nominal_ms(small, way)

    def _look(self, grey: GreyImage, box: Box, turn: int) -> Find | None:
        """Look at a supposed face with the other cascades."""
        x, y, side = box.x + box.width / 2, box.y + box.height / 2, float(box.width)
        other = self._others[turn].check(grey, x, y, side)
        if other is None:
            return None
        second = self._second.check(grey, x, y, side)
        if second is None:
            return None
        return Find(_with_cues(self._cues, grey, other), second.score >= SURE_HITS)

    def check(self, grey: GreyImage, near: Found) -> Found | None:
        """Look at a known face with one cascade, and with the other where that finds nothing."""
        found = first_found(self._checks, grey, near.x, near.y, near.side)
        return None if found is None else _with_cues(self._near_cues, grey, found)

    def confirm(self, grey: GreyImage, near: Found) -> Found | None:
        """Ask the second opinion."""
        found = self._confirming.check(grey, near.x, near.y, near.side)
        return found if found is not None and found.score >= SURE_HITS else None


def _with_cues(cues: FaceCues, grey: GreyImage, found: Found) -> Found:
    # Haar finds upright faces alone: by how much one leans is not worth a second measurement.
    return found._replace(covered=cues.read(grey, found).covered)


def second_opinion() -> FaceCheck:
    """Return the check that tells faces best from what only looks like one; it is dear."""
    return FaceCheck("alt", face_px=64, scale_factor=1.05, min_neighbours=3)


def _nominal_ms(small: GreyImage, way: _Way) -> float:
    largest = way.largest_px or min(small.shape)
    pixels, size = 0.0, float(_BASE_PX)
    while size <= min(largest, *small.shape):
        dense = _DENSE if size > _DENSE_FROM * _BASE_PX else 1.0
        pixels += dense * small.size * (_BASE_PX / size) ** 2
        size *= way.scale_factor
    return pixels * _NOMINAL_NS / 1e6
