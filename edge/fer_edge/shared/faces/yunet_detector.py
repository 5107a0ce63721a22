"""Faces of single pictures with YuNet: a quick look, and closer ones where that shows little."""

from typing import Final

from fer_edge.shared.faces.cues import FaceCues
from fer_edge.shared.faces.found import Found
from fer_edge.shared.faces.weights import Weights
from fer_edge.shared.faces.yunet import YunetNetwork, from_turned, look_at, resized, scaled
from fer_edge.shared.model.preprocess import LEVEL_WITHIN
from fer_edge.shared.patch import turned_patch
from fer_edge.shared.records import Face, GreyImage

_FAINT: Final = 0.5  # score from which a find is worth a closer look
CLOSE_SCORE: Final = 0.7
"""Score of a close look that only faces reach; the same for a picture that was turned."""
LOOK_PX: Final = 128
"""Side of the window for a close look."""
_NEVER: Final = 2.0  # no score is so high
_LARGER: Final = 0.65  # score of a larger look that is believed in a small picture
_ENLARGED: Final = 2.0  # times its own size, at most, that a small picture is looked at
_TURNS: Final = (-35.0, 35.0)  # degrees by which a picture is turned where nobody is found
_SAME_IOU: Final = 0.3


class YunetDetector:
    """Searches a whole picture, shrunk to a bounded size, for faces however they lean.

    Faint finds are looked at again from near. Where nobody is found, the picture is looked at in a
    larger size, for far faces are small, and then turned to both sides, for the network knows
    upright faces best. So only pictures without a face cost more.

    Args:
        weights: Of the network.
        side_px: Longer side of the picture for the first look.
        second_side_px: The same for the second, at most; 0 for none.
        least_score: From which a find is a face.

    Raises:
        ModelError: OpenCV cannot run these weights as a YuNet.
        DependencyError: The OpenCV at hand has no such class.
    """

    def __init__(
        self,
        weights: Weights,
        *,
        side_px: int = 320,
        second_side_px: int = 640,
        least_score: float = 0.6,
    ) -> None:
        self._least_score = least_score
        self._network = YunetNetwork(weights, least_score=min(_FAINT, least_score))
        self._cues = FaceCues()
        self._side_px = side_px
        self._second_side_px = second_side_px

    def detect(self, grey: GreyImage) -> list[Face]:
        """Return the faces of a picture, surest first.

        Args:
            grey: uint8, shape (H, W).

        Returns:
            Faces with boxes in pixels of `grey`, the square that expression networks know, and
            landmarks; the score is the network's, 0 to 1.
        """
        longest = max(grey.shape)
        found = self._seen(grey, min(self._side_px, longest), surely=self._least_score)
        nearer_px = min(self._second_side_px, round(_ENLARGED * longest))
        if not found and nearer_px > min(self._side_px, longest):
            surely = max(_LARGER, self._least_score) if nearer_px > longest else _NEVER
            found = self._seen(grey, nearer_px, surely=surely)
        if not found:
            found = self._leaning(grey)
        measured = (
            upright(self._network, self._cues, grey, one, window_px=LOOK_PX) for one in found
        )
        return [one.as_face() for one in sorted(measured, key=lambda one: -one.score)]

    def _seen(self, grey: GreyImage, side_px: int, *, surely: float) -> list[Found]:
        """Look at the picture as it stands, and from near at what scores less than `surely`."""
        small, across, down = resized(grey, side_px)
        whole = (scaled(one, across, down, 0, 0) for one in self._network.find(small))
        faces = []
        for one in whole:
            if one.score < surely:
                near = look_at(self._network, grey, one, window_px=LOOK_PX)
                if near is None or near.score < max(CLOSE_SCORE, self._least_score):
                    continue
            faces.append(one)
        return faces

    def _leaning(self, grey: GreyImage) -> list[Found]:
        """Look at the picture turned to either side."""
        height, width = grey.shape
        longest = max(grey.shape)
        size_px = min(self._side_px, longest)
        distinct: list[Found] = []
        for roll in _TURNS:
            turned = turned_patch(
                grey, width / 2, height / 2, float(longest), roll=roll, size_px=size_px
            )
            if turned is None:
                continue
            for one in self._network.find(turned.pixels):
                found = from_turned(one, turned, roll)
                inside = 0 <= found.x < width and 0 <= found.y < height
                if inside and found.score >= max(CLOSE_SCORE, self._least_score):
                    distinct = _with(distinct, found)
        return distinct


def upright(
    network: YunetNetwork, cues: FaceCues, grey: GreyImage, found: Found, *, window_px: int
) -> Found:
    """Return a find with its cues; one that leans is measured in a window that leans as much.

    Args:
        network: To measure with.
        cues: To read with.
        grey: uint8, shape (H, W).
        found: In it.
        window_px: Side of the window, in its pixels.
    """
    read = cues.read(grey, found)
    if abs(read.roll - found.roll) < LEVEL_WITHIN:
        return found._replace(roll=read.roll, covered=read.covered)
    again = look_at(network, grey, found._replace(roll=read.roll), window_px=window_px)
    return (found if again is None else again)._replace(roll=read.roll, covered=read.covered)


def _with(faces: list[Found], another: Found) -> list[Found]:
    """Return faces with one more; of two finds of one face the surer stays."""
    same = [one for one in faces if one.box.iou(another.box) > _SAME_IOU]
    if any(one.score >= another.score for one in same):
        return faces
    return [one for one in faces if one not in same] + [another]
