"""Thorough searches that quicker ones are measured by."""

from typing import NamedTuple

from fer_edge.pipeline.protocols import Detector
from fer_edge.settings import DetectorSettings
from fer_edge.shared.faces.choice import choose
from fer_edge.shared.faces.haar import HaarDetector
from fer_edge.shared.faces.weights import Weights
from fer_edge.shared.faces.yunet_detector import YunetDetector


class References(NamedTuple):
    """Three searches that together tell faces from what is none.

    Attributes:
        strict: What it finds is a face nearly always, if `other` finds it as well.
        other: Errs in other places than `strict`.
        lenient: What it does not find is none nearly always.
    """

    strict: Detector
    other: Detector
    lenient: Detector


def make_references(settings: DetectorSettings, *, min_face_px: int, longest_px: int) -> References:
    """Load the thorough searches of the technique that settings choose.

    Haar: two cascades that were trained apart. YuNet: the picture at its own size and
    at three quarters of it.

    Args:
        settings: Which technique.
        min_face_px: Smallest face, pixels of the frame.
        longest_px: Longer side of the frame.

    Raises:
        FerError: As `make_detector` says.
    """
    weights = choose(settings.kind, settings.file).weights
    if weights is None:
        return References(*(
            HaarDetector(
                cascade=cascade,
                confirm="",
                scale_factor=1.05,
                min_neighbours=neighbours,
                min_face_px=min_face_px,
                max_side_px=longest_px,
            )
            for cascade, neighbours in (("alt2", 4), ("default", 6), ("alt2", 1))
        ))  # fmt: skip
    return References(
        _yunet(weights, longest_px, 0.75),
        _yunet(weights, 3 * longest_px // 4, 0.6),
        _yunet(weights, longest_px, 0.3),
    )


def _yunet(weights: Weights, side_px: int, least_score: float) -> Detector:
    return YunetDetector(weights, side_px=side_px, second_side_px=0, least_score=least_score)
