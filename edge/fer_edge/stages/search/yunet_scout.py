"""Finding faces nobody knows of yet: YuNet over a reduced picture, in two ranges of size."""

from collections.abc import Sequence
from typing import Final

from fer_edge.shared.faces.cues import FaceCues
from fer_edge.shared.faces.found import Found
from fer_edge.shared.faces.weights import Weights
from fer_edge.shared.faces.yunet import YunetNetwork, look_at, scaled
from fer_edge.shared.faces.yunet_detector import CLOSE_SCORE, LOOK_PX, upright
from fer_edge.shared.records import Box, GreyImage
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

NEAR: Final = Range(320, whole_seconds=4.0, again_seconds=0.3)
FAR: Final = Range(640, 8, 16, 12.0, again_seconds=0.3, left_seconds=4.0)
_SMALLEST_PX: Final = 20  # that is found in a reduced picture
_SLACK: Final = 0.8  # the boxes of far faces err by a fifth
_NOMINAL_NS: Final = 73.0  # a pixel, on a desktop core

_LEAST: Final = 0.5  # score of what is looked at more closely
_KNOWN_LEAST: Final = 0.4  # score that confirms a known face
_CHECK_PX: Final = 96  # side of the window in which a known face is looked for


class YunetScout:
    """Searches pictures for faces, each looked at again at a size that suits the network.

    Args:
        weights: Of the network.
        most: Faces looked at closely in one search.
        min_face_px: Smallest face searched, in pixels of a frame of 640.

    Raises:
        ModelError: OpenCV cannot run these weights as a YuNet.
        DependencyError: The OpenCV at hand has no such class.

    Attributes:
        ranges: Sizes that can hold such faces, the largest first.
    """

    def __init__(self, weights: Weights, *, most: int, min_face_px: int) -> None:
        self.ranges: Sequence[Range] = [
            one
            for one in (NEAR, FAR)
            if one is NEAR or min_face_px * NEAR.side_px < _SMALLEST_PX * FRAME_PX
        ]
        self._min_face = min_face_px / FRAME_PX
        self._most = most
        # Two, for a search may be under way in another thread while a known face is checked.
        self._network = YunetNetwork(weights, least_score=_LEAST)
        self._near = YunetNetwork(weights, least_score=_KNOWN_LEAST)
        self._cues, self._near_cues = FaceCues(), FaceCues()

    def search(self, request: SearchRequest) -> Report:
        """Look for faces."""
        nominal_ms = 0.0
        for one, region in request.ranges:
            found, cost_ms = self._search_range(request.grey, one, region)
            fresh = [face for face in found if not is_known(face.box, request.known)][: self._most]
            nominal_ms += cost_ms + len(fresh) * _NOMINAL_NS * LOOK_PX**2 / 1e6
            looked_at = [self._look(request.grey, face, one) for face in fresh]
            finds = [find for find in looked_at if find is not None]
            if finds:
                return Report(request, finds, one, nominal_ms)
        return Report(request, [], None, nominal_ms)

    def check(self, grey: GreyImage, near: Found) -> Found | None:
        """Look for the face in a window around the place, which leans as the face did."""
        found = look_at(self._near, grey, near, window_px=_CHECK_PX)
        if found is None:
            return None
        cues = self._near_cues.read(grey, found)
        return found._replace(roll=cues.roll, covered=cues.covered)

    def confirm(self, grey: GreyImage, near: Found) -> Found | None:
        """Look more closely, and be sure."""
        found = look_at(self._near, grey, near, window_px=LOOK_PX)
        return found if found is not None and found.score >= CLOSE_SCORE else None

    def _search_range(
        self, grey: GreyImage, one: Range, region: Box | None
    ) -> tuple[list[Found], float]:
        """Return faces in pixels of the picture, surest first, and the nominal cost."""
        factor = min(1.0, one.side_px / max(grey.shape))
        part, left, top = cut_out(grey, region)
        small = reduced(part, factor)
        across, down = small.shape[1] / part.shape[1], small.shape[0] / part.shape[0]
        smallest = _SLACK * self._min_face * max(grey.shape)
        whole = (scaled(face, across, down, left, top) for face in self._network.find(small))
        return [face for face in whole if face.side >= smallest], _NOMINAL_NS * small.size / 1e6

    def _look(self, grey: GreyImage, face: Found, one: Range) -> Find | None:
        """Measure a find; what is far or faint has to look like a face from near as well."""
        measured = upright(self._network, self._cues, grey, face, window_px=LOOK_PX)
        if one is NEAR and face.score >= CLOSE_SCORE:
            return Find(measured, sure=True)
        near = look_at(self._network, grey, measured, window_px=LOOK_PX)
        if near is None:
            return None
        return Find(near._replace(covered=measured.covered), near.score >= CLOSE_SCORE)
