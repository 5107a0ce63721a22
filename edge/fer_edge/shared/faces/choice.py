"""Which technique finds the faces here."""

from typing import Final, Literal, NamedTuple, TypeAlias

from fer_edge.shared.faces.haar import HaarDetector
from fer_edge.shared.faces.weights import INSTALL, Weights, packaged_weights, read_weights
from fer_edge.shared.faces.yunet_detector import YunetDetector
from fer_edge.shared.opencv import cv2

Kind: TypeAlias = Literal["haar", "yunet"]
KINDS: Final = ("auto", "haar", "yunet")
_FIRST_OPENCV: Final = (4, 8)  # the first that runs the weights of March 2023


class Choice(NamedTuple):
    """The technique that is used, and why.

    Attributes:
        kind: Of the two.
        why: In a few words, for people.
        weights: Of YuNet; None with Haar.
    """

    kind: Kind
    why: str
    weights: Weights | None = None

    @property
    def words(self) -> str:
        """What status, reports and the log say."""
        return f"{self.kind} ({self.why})"


def choose(kind: str = "auto", file: str = "") -> Choice:
    """Return the technique that settings ask for; "auto" is YuNet where it can run, else Haar.

    Raises:
        ModelError: YuNet is wanted and its weights are not there, damaged, or foreign.
        SettingsError: There is no such kind.
    """
    if kind == "haar":
        return Choice("haar", "as set")
    if kind == "auto":
        reason = _hindrance(file)
        if reason:
            return Choice("haar", reason)
    weights = read_weights(file)
    source = "weights as known" if weights.known else f"weights {weights.sha256[:12]}"
    return Choice("yunet", source, weights)


def default_detector() -> HaarDetector | YunetDetector:
    """Return the detector of single pictures that default settings choose.

    Raises:
        FerError: It cannot be loaded.
    """
    weights = choose().weights
    return HaarDetector() if weights is None else YunetDetector(weights)


def _hindrance(file: str) -> str:
    """Return what keeps YuNet from being used; "" where nothing does."""
    if not opencv_runs_yunet():
        return f"OpenCV {cv2.__version__} cannot run YuNet"
    if not file and packaged_weights() is None:
        return f"no weights of YuNet; {INSTALL}"
    return ""


def opencv_runs_yunet() -> bool:
    """Return whether the OpenCV at hand has the class, and is new enough for the weights."""
    version = tuple(int(part) for part in cv2.__version__.split(".")[:2] if part.isdecimal())
    return hasattr(cv2, "FaceDetectorYN") and version >= _FIRST_OPENCV
