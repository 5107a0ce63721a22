"""Colours are kept where somebody asks for them, and cost nothing where nobody does."""

import cv2
import numpy as np
import pytest
from builders import PORTRAIT, a_frame

from fer_edge.shared.records import Colour
from fer_edge.sources.orientation import Orientation, TurnedSource
from fer_edge.sources.pixel_formats import choose_decoder
from fer_edge.sources.video import VideoFile
from fer_edge.testing.fakes import ScriptedSource

BGR = cv2.resize(cv2.imread(str(PORTRAIT)), (320, 240))


class Capture:
    def set(self, *_):
        """Take the wish not to convert."""


def planar(code):
    return cv2.cvtColor(BGR, code)


def with_chroma_in_pairs(first, second):
    """Return NV12 or NV21 of I420."""
    yuv = planar(cv2.COLOR_BGR2YUV_I420)
    parts = {"u": yuv[240:300].reshape(120, 160), "v": yuv[300:].reshape(120, 160)}
    pairs = np.dstack([parts[first], parts[second]]).reshape(120, 320)
    return np.vstack([yuv[:240], pairs])


RAW = {
    "MJPG": lambda: cv2.imencode(".jpg", BGR)[1],
    "YUYV": lambda: planar(cv2.COLOR_BGR2YUV_YUY2),
    "YVYU": lambda: planar(cv2.COLOR_BGR2YUV_YVYU),
    "UYVY": lambda: planar(cv2.COLOR_BGR2YUV_UYVY),
    "YU12": lambda: planar(cv2.COLOR_BGR2YUV_I420),
    "YV12": lambda: planar(cv2.COLOR_BGR2YUV_YV12),
    "NV12": lambda: with_chroma_in_pairs("u", "v"),
    "NV21": lambda: with_chroma_in_pairs("v", "u"),
    "BGR3": lambda: BGR,
}


@pytest.mark.parametrize("pixel_format", RAW)
def test_the_colours_of_every_format_of_a_camera(pixel_format):
    decoding = choose_decoder(Capture(), pixel_format, height=240, reduced_by=1)
    raw = RAW[pixel_format]()
    colour = decoding.colour(raw)
    assert colour.shape == BGR.shape
    assert np.abs(colour.astype(int) - BGR).mean() < 6
    assert decoding.grey(raw).shape == BGR.shape[:2]


def test_a_grey_camera_has_no_colours_to_keep():
    decoding = choose_decoder(Capture(), "GREY", height=240, reduced_by=1)
    colour = decoding.colour(BGR[..., 0])
    assert (colour == BGR[..., :1]).all()


def test_a_jpeg_is_as_small_in_colour_as_in_grey():
    decoding = choose_decoder(Capture(), "MJPG", height=240, reduced_by=2)
    raw = RAW["MJPG"]()
    assert decoding.colour(raw).shape == (*decoding.grey(raw).shape, 3) == (120, 160, 3)


def test_colours_are_made_once_and_only_when_asked_for():
    calls = []
    colour = Colour(lambda: calls.append(1) or BGR)
    frame = a_frame(colour=colour)
    assert not calls
    assert frame.image is frame.image is BGR
    assert calls == [1]
    assert a_frame().image.ndim == 2


def test_what_is_turned_is_turned_in_colour():
    frame = a_frame(grey=BGR[..., 0], colour=Colour(lambda: BGR))

    class Once(ScriptedSource):
        def read(self, timeout_seconds):
            return frame

    turned = TurnedSource(Once([]), Orientation(90, mirror=True)).read(1.0)
    assert turned.image.shape == (320, 240, 3)
    assert (turned.image[..., 0] == turned.grey).all()


def test_a_video_is_grey_unless_its_colours_are_asked_for(tmp_path):
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20.0, (320, 240))
    for _ in range(3):
        writer.write(BGR)
    writer.release()
    with VideoFile(path) as plain, VideoFile(path, colour=True) as coloured:
        assert coloured.duration_seconds == pytest.approx(0.15)
        for second in (0.0, 0.05, 0.1):
            grey, colour = plain.read(5.0), coloured.read(5.0)
            assert grey.colour is None
            assert grey.clip_seconds == colour.clip_seconds == pytest.approx(second)
            assert (grey.grey == colour.grey).all(), "what is looked at is the same"
            assert np.abs(colour.image.astype(int) - BGR).mean() < 6
