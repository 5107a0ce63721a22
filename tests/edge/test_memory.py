"""What pictures, videos and cameras may make of memory: less than the unit's MemoryMax."""

import numpy as np
import pytest
from builders import a_contract
from peak_memory import MOST_MB, peak_of
from tiny_model import tiny_model

from fer_edge.shared.opencv import cv2
from fer_edge.testing.fakes import MjpegServer


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.tflite"
    path.write_bytes(tiny_model(a_contract()))
    return path


def plain(width, height):
    return np.full((height, width), 90, np.uint8)


def colour(width, height):
    return np.full((height, width, 3), 90, np.uint8)


BOMBS = {
    "largest.png": (plain(8000, 8000), [], 0),
    "largest.gif": (colour(4300, 4300), [], 0),
    "largest.webp": (plain(5200, 5200), [], 0),
    "passes.jpg": (plain(6000, 6000), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], 0),
    "larger.png": (plain(8001, 8001), [], 1),
    "larger.gif": (colour(5000, 5000), [], 1),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_picture_is_read_or_refused_within_the_units_memory(tmp_path, tiny, name):
    picture, options, code = BOMBS[name]
    cv2.imwrite(str(tmp_path / name), picture, options)
    found, said, peak = peak_of("classify", "--model", tiny, tmp_path / name, tmp_path=tmp_path)
    assert found == code, said
    assert peak < MOST_MB
    assert (f"{name} claims {picture.shape[1]}x" in said) is bool(code)


@pytest.mark.parametrize("name", ["largest.gif", "passes.jpg", "larger.png"])
def test_nor_does_a_picture_as_a_video_take_more(tmp_path, tiny, name):
    cv2.imwrite(str(tmp_path / name), *BOMBS[name][:2])
    code, said, peak = peak_of(
        "run", "--source", tmp_path / name, "--model", tiny, tmp_path=tmp_path
    )
    assert code in {0, 1}, said
    assert peak < MOST_MB


@pytest.mark.parametrize(
    ("size", "options", "code"),
    [((7000, 6000), [], 0), ((9000, 9000), [], 69),
     ((7000, 6000), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], 69)],
    ids=["42 megapixels", "81 megapixels", "42 megapixels in passes"],
)  # fmt: skip
def test_a_camera_of_enormous_pictures_is_read_smaller_or_is_a_fault(
    tmp_path, tiny, size, options, code
):
    with MjpegServer(frames_per_second=5) as camera:
        camera.jpegs = [cv2.imencode(".jpg", plain(*size), options)[1].tobytes()]
        found, said, peak = peak_of(
            "run", "--source", camera.url, "--model", tiny, "--max-frames", 3, tmp_path=tmp_path
        )
    assert found == code, said
    assert peak < MOST_MB
    assert (f"a picture of {size[0]}x{size[1]} pixels" in said) is bool(code)
