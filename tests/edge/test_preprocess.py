"""From a picture and a box to the network's input."""

import dataclasses

import numpy as np
import pytest
from builders import PORTRAIT, PORTRAIT_FACE, a_picture

from fer_edge.shared.data.pictures import read_grey
from fer_edge.shared.errors import PictureError
from fer_edge.shared.model.contract import InputSpec
from fer_edge.shared.model.preprocess import (
    cut_face,
    face_square,
    prepare,
    prepare_crop,
    quantise,
    resize,
    square_crop,
    whole_picture,
)
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Box, Face

WIDTH, HEIGHT = 61, 43


@pytest.fixture
def grey():
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH)).astype(np.uint8)


def naive_crop(grey, box, margin):
    """Cut pixel by pixel, taking the nearest border pixel outside."""
    side = round(max(box.width, box.height) * (1 + 2 * margin))
    left, top = box.x + (box.width - side) // 2, box.y + (box.height - side) // 2
    rows = np.clip(np.arange(top, top + side), 0, grey.shape[0] - 1)
    columns = np.clip(np.arange(left, left + side), 0, grey.shape[1] - 1)
    return grey[np.ix_(rows, columns)]


def random_boxes(count=300):
    rng = np.random.default_rng(1)
    while count:
        x, y = rng.integers(-40, 70, 2)
        width, height = rng.integers(1, 70, 2)
        box = Box(int(x), int(y), int(width), int(height))
        if box.iou(Box(0, 0, WIDTH, HEIGHT)) > 0:
            count -= 1
            yield box


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.5])
def test_any_box_gives_an_unstretched_square_that_repeats_the_border(grey, margin):
    for box in random_boxes():
        np.testing.assert_array_equal(
            square_crop(grey, box, margin=margin), naive_crop(grey, box, margin), err_msg=str(box)
        )


def test_a_square_inside_is_a_view(grey):
    crop = square_crop(grey, Box(5, 6, 11, 11), margin=0.0)
    assert np.shares_memory(crop, grey)
    np.testing.assert_array_equal(crop, grey[6:17, 5:16])


def test_the_centre_stays_where_it_is_with_a_margin(grey):
    crop = square_crop(grey, Box(20, 10, 10, 10), margin=0.2)
    np.testing.assert_array_equal(crop, grey[8:22, 18:32])


@pytest.mark.parametrize(
    ("box", "filled", "border"),
    [
        (Box(-5, 10, 20, 20), np.s_[:, :5], np.s_[:, 5:6]),
        (Box(50, 10, 20, 20), np.s_[:, 11:], np.s_[:, 10:11]),
        (Box(10, -5, 20, 20), np.s_[:5], np.s_[5:6]),
        (Box(10, 35, 20, 20), np.s_[8:], np.s_[7:8]),
    ],
    ids=["left", "right", "above", "below"],
)
def test_a_box_that_sticks_out_is_filled_from_the_border(grey, box, filled, border):
    crop = square_crop(grey, box, margin=0.0)
    assert crop.shape == (20, 20)
    assert (crop[filled] == crop[border]).all()


@pytest.mark.parametrize(
    "box",
    [
        Box(5, 5, 0, 10), Box(5, 5, 10, -1), Box(WIDTH, 0, 9, 9), Box(0, HEIGHT, 9, 9),
        Box(-9, 0, 9, 9), Box(0, -9, 9, 9),
    ],
)  # fmt: skip
def test_a_box_without_overlap_is_refused(grey, box):
    with pytest.raises(ValueError, match="does not overlap a picture of 61x43 pixels"):
        square_crop(grey, box, margin=0.5)


def test_a_crop_of_the_networks_size_stays_as_it_is():
    crop = a_picture(48, 48)
    assert resize(crop, InputSpec()) is crop


@pytest.mark.parametrize("resize_filter", ["area", "linear"])
@pytest.mark.parametrize("side", [1, 47, 49, 96, 200])
def test_any_crop_is_brought_to_the_networks_size(resize_filter, side):
    spec = InputSpec(height=48, width=48, resize_filter=resize_filter)
    resized = resize(np.full((side, side), 77, np.uint8), spec)
    assert (resized.shape, resized.dtype) == ((48, 48), np.uint8)
    assert (resized == 77).all()


def test_area_averages_where_linear_skips():
    stripes = np.tile(np.array([[0, 0, 0, 0, 255, 255, 255, 255]], np.uint8), (384, 48))
    mean = resize(stripes, InputSpec(resize_filter="area"))
    assert set(np.unique(mean)) <= {127, 128}
    assert not np.array_equal(
        mean, resize(np.roll(stripes, 3, 1), InputSpec(resize_filter="linear"))
    )


def test_equalising_spreads_the_greys():
    dull = (a_picture(48, 48) // 4 + 100).astype(np.uint8)
    assert np.ptp(resize(dull, InputSpec())) < 70
    assert np.ptp(resize(dull, InputSpec(equalise=True))) == 255


PIXELS = np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (InputSpec(dtype="int8", scale=1.0, zero_point=-128), PIXELS.astype(int) - 128),
        (InputSpec(dtype="uint8", scale=1.0, zero_point=0), PIXELS),
        (InputSpec(dtype="float32"), PIXELS),
        (InputSpec(dtype="int8", scale=2.0, zero_point=-100), np.rint(PIXELS / 2) - 100),
        (InputSpec(dtype="int8", scale=1.0, zero_point=0), np.minimum(PIXELS, 127)),
        (InputSpec(dtype="uint8", scale=0.5, zero_point=3), np.minimum(PIXELS * 2.0 + 3, 255)),
        (InputSpec(dtype="int16", scale=255 / 32767), np.rint(PIXELS * (32767 / 255))),
    ],
    ids=["raw int8", "raw uint8", "float", "scaled", "saturates", "saturates above", "int16"],
)
def test_quantisation(spec, expected):
    out = np.zeros((16, 16, 1), spec.dtype)
    quantise(PIXELS, spec, out)
    np.testing.assert_array_equal(out[:, :, 0], expected)


def test_preparing_a_face_is_cutting_resizing_and_quantising(grey):
    spec = InputSpec(dtype="int8", zero_point=-128, crop_margin=0.25)
    box, out = Box(10, 8, 20, 16), np.zeros((48, 48, 1), np.int8)
    prepare(grey, Face(box, 1.0), spec, out)
    crop = naive_crop(grey, box, 0.25)
    np.testing.assert_array_equal(out[:, :, 0], resize(crop, spec).astype(int) - 128)


def test_a_picture_that_is_a_crop_gets_no_margin():
    crop = a_picture(48, 48)
    np.testing.assert_array_equal(prepare_crop(crop, InputSpec(crop_margin=0.3)), crop)


def test_an_oblong_crop_is_padded_not_stretched():
    oblong = a_picture(48, 30)
    prepared = prepare_crop(oblong, InputSpec())
    np.testing.assert_array_equal(prepared[9:39], oblong)
    assert (prepared[:9] == oblong[0]).all()
    assert (prepared[39:] == oblong[-1]).all()


def test_the_box_of_a_whole_picture(grey):
    assert whole_picture(grey) == Box(0, 0, WIDTH, HEIGHT)


def test_a_strip_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(PictureError, match="1x500000 pixels is no face crop"):
        prepare_crop(np.zeros((500_000, 1), np.uint8), InputSpec())


class TestLeaningFaces:
    """Turned upright."""

    @pytest.mark.parametrize("degrees", [-60, -40, 20, 40])
    def test_a_face_that_leans_is_cut_as_if_it_did_not(self, degrees):
        portrait = read_grey(PORTRAIT)
        middle = (PORTRAIT_FACE.x + 44.5, PORTRAIT_FACE.y + 44.5)
        matrix = cv2.getRotationMatrix2D(middle, -degrees, 1)
        leaning = cv2.warpAffine(portrait, matrix, (400, 400), borderMode=cv2.BORDER_REPLICATE)
        upright = cut_face(portrait, Face(PORTRAIT_FACE, 1.0), InputSpec()).astype(int)
        turned = cut_face(leaning, Face(PORTRAIT_FACE, 1.0, roll=degrees), InputSpec())
        as_it_is = cut_face(leaning, Face(PORTRAIT_FACE, 1.0), InputSpec())
        assert np.abs(turned - upright).mean() < 8
        assert np.abs(as_it_is - upright).mean() > 20

    @pytest.mark.parametrize("channels", [(), (3,)])
    def test_one_that_is_large_is_shrunk_by_the_mean_so_that_noise_goes(self, channels):
        noise = np.random.default_rng(0).normal(128, 40, (300, 300, *channels))
        picture = np.clip(noise, 0, 255).astype(np.uint8)
        face = Face(Box(50, 50, 200, 200), 1.0, roll=30)
        upright = cut_face(picture, dataclasses.replace(face, roll=0.0), InputSpec())
        assert cut_face(picture, face, InputSpec()).std() < 1.5 * upright.std()
        linear = InputSpec(resize_filter="linear")
        assert cut_face(picture, face, linear).std() > 2 * upright.std(), "as its contract says"

    def test_the_input_need_not_be_square(self):
        spec = InputSpec(height=64, width=40)
        face = Face(Box(40, 40, 90, 90), 1.0, roll=30)
        assert cut_face(a_picture(200, 200), face, spec).shape == (64, 40)

    def test_one_that_hardly_leans_is_cut_to_the_byte_as_it_stands(self, grey):
        face = Face(Box(10, 8, 20, 20), 1.0)
        for roll in (0.0, 11.9, -11.9):
            np.testing.assert_array_equal(
                cut_face(grey, dataclasses.replace(face, roll=roll), InputSpec()),
                resize(square_crop(grey, face.box, margin=0), InputSpec()),
            )

    def test_it_may_stick_out_of_the_picture_but_not_lie_outside(self, grey):
        height, width = grey.shape
        face = Face(Box(-8, height - 12, 24, 24), 1.0, roll=30)
        assert cut_face(grey, face, InputSpec()).shape == (48, 48)
        with pytest.raises(ValueError, match="does not overlap"):
            cut_face(grey, Face(Box(width + 5, 0, 9, 9), 1.0, roll=30), InputSpec())


def test_yunet_s_narrow_box_becomes_the_square_that_networks_know():
    assert face_square(100, 50, 80, 100) == (140, 100, 95)
