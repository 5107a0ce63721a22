"""One picture, one tensor: the same bytes along the path of each of the three parts."""

import dataclasses
import hashlib
from dataclasses import dataclass

import numpy as np
import pytest
from tiny_model import tiny_contract, tiny_model

from fer_convert.source.partition import read_data_set
from fer_convert.source.representative import RepresentativeSet
from fer_edge.shared.faces.found import Found
from fer_edge.shared.model.contract import InputSpec
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.model.model_file import parse_model
from fer_edge.shared.model.preprocess import (
    cut_face,
    face_square,
    square_crop,
    whole_picture,
)
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Box, Face
from fer_trainer.data.reading import read_data

LABEL = "happy"


@dataclass(frozen=True)
class Golden:
    """A face in the made-up picture, and the SHA-256 of the int8 tensor that it becomes."""

    name: str
    box: Box
    sha256: str
    equalise: bool = False
    roll: float = 0.0

    @property
    def face(self) -> Face:
        return Face(self.box, 1.0, roll=self.roll)

    @property
    def expected(self) -> str:
        return self.sha256 or hashed(as_int8(cut_face(a_picture(), self.face, InputSpec())))


YUNET_BOX = Found(*face_square(40.2, 20.6, 61.5, 82.3), 0.9).box
"""What becomes of a narrow box that YuNet found."""


GOLDEN = (
    Golden(
        "shrunk",
        Box(31, 17, 90, 90),
        "501768039511f43bc2bff20a7186f3c24c9e61e9c6394e312287b5eb41785775",
    ),
    Golden(
        "grown",
        Box(60, 40, 29, 29),
        "dab4a5c7b32029cf344d16e8eb0c0b3f2a05414ea6196f8e2008a87b0e573c92",
    ),
    Golden(
        "as it is",
        Box(100, 50, 48, 48),
        "caaeb657debc3810442603ad4c550ec51c0b5236452200fe5de7a9000d9b230a",
    ),
    Golden(
        "equalised",
        Box(31, 17, 90, 90),
        "134fe15c89c721d23a148f59e80a67caafc94695cc37a6ca71ed5c492cc4e668",
        equalise=True,
    ),
    Golden(
        "over the edge",
        Box(-20, 80, 70, 70),
        "f9ea2b55c0aa1c957d033f2f10e4b5fcd31c532fd937249d71604925146563d5",
    ),
    Golden(
        "found by YuNet",
        YUNET_BOX,
        "f82ca5882d782ed08ec4da1c358a833c3487eb169203ef46e1e2cb1f60141a48",
    ),
    Golden(
        "found by YuNet, leaning",
        YUNET_BOX,
        "",  # no processor promises the bytes of a warp; the paths must agree
        roll=-31.0,
    ),
)


@pytest.fixture(params=GOLDEN, ids=lambda golden: golden.name)
def golden(request) -> Golden:
    return request.param


def a_picture() -> np.ndarray:
    """Return a made-up grey picture of 160 x 128 pixels: rings, a slope and a fine grain."""
    y, x = np.mgrid[:128, :160]
    rings = ((x - 70) ** 2 + (y - 60) ** 2) // 37 % 97
    return ((rings + x // 2 + y // 3 + (x * 7 + y * 13) % 11) % 256).astype(np.uint8)


def a_spec(golden) -> InputSpec:
    return InputSpec(dtype="int8", scale=1.0, zero_point=-128, equalise=golden.equalise)


def a_crop(golden) -> np.ndarray:
    """Return the face as it is cut before a data set holds it; one that leans stands upright."""
    if golden.roll:
        return cut_face(a_picture(), golden.face, InputSpec())
    return square_crop(a_picture(), golden.box, margin=0)


def hashed(tensor) -> str:
    assert tensor.dtype == np.int8
    assert tensor.size == 48 * 48
    return hashlib.sha256(tensor.tobytes()).hexdigest()


def as_int8(pixels) -> np.ndarray:
    """Quantise as the contract's scale of 1 and zero point of -128 say, the plain way."""
    return (pixels.astype(np.int16) - 128).astype(np.int8)


@pytest.fixture
def classifier(golden) -> LitertClassifier:
    contract = dataclasses.replace(tiny_contract(), input=a_spec(golden))
    return LitertClassifier(parse_model(tiny_model(contract), where="tiny.tflite"))


@pytest.fixture
def data_set(golden, tmp_path):
    """The face as a data set has it: cut out before, in a class folder, as a lossless file."""
    crop = a_crop(golden)
    (tmp_path / LABEL).mkdir()
    for number in range(5):  # one of them is held out by the converter
        assert cv2.imwrite(str(tmp_path / LABEL / f"{number}.png"), crop)
    return tmp_path


def seen_by(classifier) -> np.ndarray:
    # The interpreter's own memory is the only place that shows what the network was fed.
    return classifier._input()[0].copy()


def test_on_the_device(golden, classifier):
    classifier.classify(a_picture(), [golden.face])
    assert hashed(seen_by(classifier)) == golden.expected


def test_on_the_device_for_a_crop_handed_in_whole(golden, classifier):
    crop = a_crop(golden)
    classifier.classify(crop, [Face(whole_picture(crop), 1.0)])
    assert hashed(seen_by(classifier)) == golden.expected


def test_in_the_converter_for_calibration_and_comparison(golden, classifier, data_set):
    contract = classifier.contract
    calibration, comparison, _ = read_data_set(data_set, contract, seed=0)
    chosen = RepresentativeSet(calibration, calibration.counts(contract.labels), seed=0, trimmed={})
    inner = chosen.pictures[1]  # the first may have had its corners set
    assert hashed(as_int8(inner)) == golden.expected
    classifier.predict(comparison.pictures[0])
    assert hashed(seen_by(classifier)) == golden.expected


def test_in_the_trainer(golden, data_set):
    data = read_data(data_set, labels=tiny_contract().labels, spec=a_spec(golden))
    assert hashed(as_int8(data.splits[None].pictures[0])) == golden.expected


IN_COLOUR = InputSpec(
    height=64, width=64, channels=3, colour="rgb", dtype="int8", scale=1.0, zero_point=-128
)
COLOUR_BOX = Box(31, 17, 90, 90)
COLOUR_SHA256 = "e5e7f146d0172ce1817778124f5f7ec08c148781fa46cd8ff87e7cb9a98d641c"


def a_colour_picture() -> np.ndarray:
    """Return a picture whose blue, green and red differ."""
    grey = a_picture()
    return np.dstack([grey, np.roll(grey, 5, axis=0), np.flip(grey, axis=1)])


def colour_hash(tensor) -> str:
    assert (tensor.dtype, tensor.size) == (np.int8, 64 * 64 * 3)
    return hashlib.sha256(tensor.tobytes()).hexdigest()


def test_colours_are_the_same_along_every_path(tmp_path):
    contract = dataclasses.replace(tiny_contract(), input=IN_COLOUR)
    device = LitertClassifier(parse_model(tiny_model(contract), where="tiny.tflite"))
    device.classify(a_colour_picture(), [Face(COLOUR_BOX, 1.0)])
    assert colour_hash(seen_by(device)) == COLOUR_SHA256
    crop = square_crop(a_colour_picture(), COLOUR_BOX, margin=0)
    (tmp_path / LABEL).mkdir()
    for number in range(5):
        assert cv2.imwrite(str(tmp_path / LABEL / f"{number}.png"), crop)
    calibration, comparison, _ = read_data_set(tmp_path, contract, seed=0)
    trained = read_data(tmp_path, labels=contract.labels, spec=IN_COLOUR).splits[None]
    for pixels in (calibration.pictures[1], comparison.pictures[0], trained.pictures[0]):
        assert colour_hash(as_int8(pixels)) == COLOUR_SHA256
