"""PiCamera against a stand-in that behaves as picamera2 does."""

import gc
import itertools
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from fer_edge.shared.errors import (
    EXIT_CONFIG,
    EXIT_UNAVAILABLE,
    DependencyError,
    SourceUnavailableError,
)
from fer_edge.sources.orientation import Orientation
from fer_edge.sources.picamera import PiCamera, list_pi_cameras
from fer_edge.testing.fake_picamera2 import OVERWRITTEN, PADDING, FakeSensor
from fer_edge.testing.fakes import number_of

QUICK = {"open_timeout_seconds": 0.5, "stall_timeout_seconds": 0.3}
USB_SENSOR = FakeSensor(model="UVC", flips=False, autofocus=False, modes=())
NARROW = {"size": (1536, 864), "bit_depth": 10, "fps": 120.1, "crop_limits": (768, 432, 3072, 1728)}


def read_until_it_fails(camera, *, timeout_seconds=5.0):
    with pytest.raises(SourceUnavailableError) as caught:
        read_on(camera, timeout_seconds)
    return str(caught.value)


def read_on(camera, timeout_seconds):
    give_up = time.monotonic() + 10
    while camera.read(timeout_seconds):
        assert time.monotonic() < give_up, "it never failed"


def numbers_read(camera, count):
    """Read frames; return the numbers of their pictures, each of which is whole."""
    pictures = [camera.read(5.0).grey for _ in range(count)]
    assert all(np.ptp(grey) == 0 for grey in pictures)
    return [number_of(grey) for grey in pictures]


def count_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def rises(numbers):
    """Whether numbers (modulo 50) go up; on a busy machine some are missing."""
    steps = [(after - before) % 50 for before, after in itertools.pairwise(numbers)]
    return all(0 < step < 25 for step in steps)


def test_the_picture_is_the_y_plane_without_its_padding(pi):
    with PiCamera(width=150, height=100) as camera:
        frame = camera.read(5.0)
    assert frame.grey.shape == (100, 150)
    assert frame.grey.strides == (192, 1), "rows are padded to 64 bytes, and not copied"
    assert PADDING not in frame.grey
    assert np.ptp(frame.grey) == 0


def test_an_odd_size_is_made_even(pi):
    with PiCamera(width=151, height=101) as camera:
        assert camera.read(5.0).grey.shape == (100, 150)


def test_every_picture_is_the_one_of_its_request(pi):
    with PiCamera(width=64, height=48, frames_per_second=100) as camera:
        assert rises(numbers_read(camera, 40))


def test_a_frame_in_use_is_never_written_over(pi):
    with PiCamera(width=64, height=48, frames_per_second=200) as camera:
        kept = [camera.read(5.0) for _ in range(12)]
        assert rises([number_of(frame.grey) for frame in kept])
        window = camera.read(5.0).grey[10:20, 5:9]  # a part keeps the whole
        before = window.copy()
        for _ in range(10):
            camera.read(5.0)
        assert np.array_equal(window, before)
    assert all(OVERWRITTEN not in frame.grey for frame in kept)


@pytest.mark.parametrize(("buffers", "lent"), [(16, 3), (4, 1), (3, 0), (2, 0)])
def test_kept_frames_do_not_starve_the_camera(pi, buffers, lent):
    pi.sensors = (FakeSensor(most_buffers=buffers),)
    with PiCamera(width=64, height=48, frames_per_second=200) as camera:
        kept = [camera.read(5.0) for _ in range(20)]
    assert rises([number_of(frame.grey) for frame in kept])
    assert sum(not frame.grey.flags.owndata for frame in kept) == lent, "the others are copied"


def test_frames_that_are_dropped_go_back_to_the_camera(pi):
    with PiCamera(width=64, height=48, frames_per_second=200) as camera:
        assert not any(camera.read(5.0).grey.flags.owndata for _ in range(60))
    assert pi.opened[0].starved == 0


def test_pictures_cannot_be_written_to(pi):
    with PiCamera(width=64, height=48) as camera:
        grey = camera.read(5.0).grey
    with pytest.raises(ValueError, match="read-only"):
        grey[0, 0] = 1


def test_frames_outlive_their_camera(pi):
    with PiCamera(width=64, height=48) as camera:
        frame = camera.read(5.0)
        before = frame.grey.copy()
    gc.collect()
    assert np.array_equal(frame.grey, before)


@pytest.mark.parametrize("clock", ["monotonic", "boot"])
def test_the_age_is_measured_from_the_sensors_stamp(pi, clock):
    pi.clock, pi.age_ms = clock, 400.0
    with PiCamera(width=64, height=48) as camera:
        frame = camera.read(5.0)
    assert 390 < (time.monotonic_ns() - frame.monotonic_ns) / 1e6 < 3000
    assert 0.39 < time.time() - frame.captured_at < 3


@pytest.mark.parametrize("age_ms", [-5000.0, 60_000.0])
def test_a_stamp_that_cannot_be_is_not_believed(pi, age_ms):
    pi.age_ms = age_ms
    with PiCamera(width=64, height=48) as camera:
        frame = camera.read(5.0)
    assert 0 <= time.monotonic_ns() - frame.monotonic_ns < 3e9


def test_a_camera_without_stamps_has_ages_all_the_same(pi):
    pi.clock = "none"
    with PiCamera(width=64, height=48) as camera:
        assert 0 <= time.monotonic_ns() - camera.read(5.0).monotonic_ns < 3e9


def test_asks_for_the_rate_and_lets_the_lens_focus(pi):
    with PiCamera(frames_per_second=20):
        assert pi.opened[0].controls == {"FrameDurationLimits": (50000, 50000), "AfMode": 2}


def test_asks_for_no_control_that_the_camera_lacks(pi):
    pi.sensors = (FakeSensor(autofocus=False),)
    with PiCamera():
        assert set(pi.opened[0].controls) == {"FrameDurationLimits"}


@pytest.mark.parametrize("rate", [10, 30, 90])
def test_the_sensor_sees_its_whole_field_in_the_smallest_mode_quick_enough(pi, rate):
    with PiCamera(frames_per_second=rate):
        assert pi.opened[0].camera_configuration()["sensor"]["output_size"] == (2304, 1296)


CORNERS = np.array([[10, 60], [110, 160]], np.uint8)
"""A picture of four plain quarters, as the sensor sees it."""


def corners_of(grey):
    height, width = grey.shape
    return [
        [int(grey[y, x]) for x in (width // 4, 3 * width // 4)]
        for y in (height // 4, 3 * height // 4)
    ]


@pytest.mark.parametrize("flips", [True, False], ids=["flips itself", "cannot flip"])
@pytest.mark.parametrize(
    ("rotation", "mirror", "corners"),
    [
        (0, False, [[10, 60], [110, 160]]),
        (90, False, [[110, 10], [160, 60]]),
        (180, False, [[160, 110], [60, 10]]),
        (270, False, [[60, 160], [10, 110]]),
        (0, True, [[60, 10], [160, 110]]),
        (90, True, [[10, 110], [60, 160]]),
        (180, True, [[110, 160], [10, 60]]),
        (270, True, [[160, 60], [110, 10]]),
    ],
)
def test_turns_pictures(pi, flips, rotation, mirror, corners):
    pi.sensors = (FakeSensor(flips=flips),)
    pi.draw = lambda _number, width, height: np.kron(
        CORNERS, np.ones((height // 2, width // 2), np.uint8)
    )
    with PiCamera(width=64, height=48, orientation=Orientation(rotation, mirror)) as camera:
        grey = camera.read(5.0).grey
    assert corners_of(grey) == corners
    assert grey.shape == ((48, 64) if rotation in {0, 180} else (64, 48))
    by_the_camera = rotation in {0, 180} and flips
    assert grey.flags.owndata == (not by_the_camera and (rotation, mirror) != (0, False))


def test_a_sensor_of_one_mode_gets_that(pi):
    pi.sensors = (FakeSensor(modes=(NARROW,)),)
    with PiCamera():
        assert pi.opened[0].camera_configuration()["sensor"]["output_size"] == (1536, 864)


def test_a_usb_camera_is_read_if_it_delivers_planes(pi):
    pi.sensors = (USB_SENSOR,)
    with PiCamera(width=64, height=48) as camera:
        assert rises(numbers_read(camera, 3))


def test_another_format_is_refused(pi):
    pi.sensors = (FakeSensor(formats=("YUYV",)),)
    with pytest.raises(SourceUnavailableError, match=r"delivers YUYV.*NV12"):
        PiCamera()


@pytest.mark.parametrize("behaviour", ["stall", "errors"])
def test_a_camera_that_stops_is_said_in_time_and_works_again(pi, behaviour):
    with PiCamera(stall_timeout_seconds=0.3) as camera:
        camera.read(5.0)
        pi.behaviour = behaviour
        began = time.monotonic()
        assert "picamera:0 has stopped: no frame for 0.3 s" in read_until_it_fails(camera)
        assert time.monotonic() - began < 3
        for _ in range(3):
            with pytest.raises(SourceUnavailableError, match="has stopped"):
                camera.read(1.0)
    pi.behaviour = "stream"
    with PiCamera() as camera:
        assert rises(numbers_read(camera, 5))


def test_a_short_pause_is_survived_without_losing_a_buffer(pi):
    with PiCamera(stall_timeout_seconds=5.0, frames_per_second=100) as camera:
        camera.read(5.0)
        pi.behaviour = "stall"
        assert "no frame within 0.1 s" in read_until_it_fails(camera, timeout_seconds=0.1)
        pi.behaviour = "stream"
        assert rises(numbers_read(camera, 20))


def test_a_camera_that_never_delivers_is_refused_in_time(pi):
    pi.behaviour = "stall"
    began = time.monotonic()
    with pytest.raises(SourceUnavailableError) as caught:
        PiCamera(**QUICK)
    assert time.monotonic() - began < 4
    assert caught.value.exit_code == EXIT_UNAVAILABLE


def test_no_camera_says_what_to_do(pi):
    pi.sensors = ()
    with pytest.raises(SourceUnavailableError, match=r"finds 0 here.*rpicam-hello") as caught:
        PiCamera()
    assert caught.value.exit_code == EXIT_UNAVAILABLE


def test_a_number_too_high_names_the_others(pi):
    pi.sensors = (FakeSensor(), FakeSensor(model="imx219"))
    with pytest.raises(SourceUnavailableError, match="one of these: picamera:0, picamera:1"):
        PiCamera(2)


def test_the_second_camera_can_be_read_beside_the_first(pi):
    pi.sensors = (FakeSensor(), FakeSensor(model="imx219"))
    with PiCamera(0) as first, PiCamera(1) as second:
        assert rises(numbers_read(first, 3))
        assert rises(numbers_read(second, 3))


def test_a_camera_in_use_says_why(pi):
    with (
        PiCamera(),
        pytest.raises(SourceUnavailableError, match=r"resource busy.*free camera.*fuser"),
    ):
        PiCamera()


def test_without_picamera2_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(DependencyError, match="sudo apt install -y python3-picamera2") as caught:
        PiCamera()
    assert caught.value.exit_code == EXIT_CONFIG


def test_a_picamera2_of_another_numpy_is_named_as_such(monkeypatch):
    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == "picamera2":
                raise ValueError("numpy.dtype size changed, may indicate binary incompatibility")

    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(DependencyError, match=r"size changed.*numpy<2"):
        PiCamera()


def test_a_missing_binding_is_named(monkeypatch):
    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == "picamera2":
                raise ModuleNotFoundError("No module named 'libcamera'", name="libcamera")

    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(DependencyError, match=r"no libcamera here.*expected picamera2"):
        PiCamera()


def test_failures_leave_nothing_behind(pi):
    before = set(threading.enumerate())  # by name: a neighbour's may still be ending
    with PiCamera():
        descriptors = count_descriptors()
        for _ in range(3):
            with pytest.raises(SourceUnavailableError):
                PiCamera()
        assert count_descriptors() == descriptors
        pi.behaviour = "stall"
    with pytest.raises(SourceUnavailableError):
        PiCamera(**QUICK)
    assert pi.busy == set()
    assert set(threading.enumerate()) <= before


def test_cameras_are_listed(pi):
    assert [camera["Model"] for camera in list_pi_cameras()] == ["imx708"]
