"""What PiCamera relies on in picamera2: true of the stand-in and of the real one (PICAMERA2=real).

tests/system/test_libcamera.py runs this where there is a real one.
"""

import contextlib
import gc
import importlib
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

# It calls what Python has deprecated, and leaves pipes to the garbage collector.
pytestmark = pytest.mark.filterwarnings("default")

SIZE = (640, 480)
"""What libcamera's virtual cameras give."""


@pytest.fixture(autouse=True)
def pipes_collected():
    """Not while a later test runs, to which an open file is a mistake."""
    yield
    gc.collect()


@pytest.fixture
def library(pi):
    """picamera2 and what goes with it of libcamera."""
    return SimpleNamespace(
        Picamera2=importlib.import_module("picamera2").Picamera2,
        MappedArray=importlib.import_module("picamera2").MappedArray,
        Transform=importlib.import_module("libcamera").Transform,
    )


@pytest.fixture
def camera(library):
    camera = library.Picamera2(0)
    yield camera
    camera.close()


@pytest.fixture
def configured(camera, library):
    camera.configure(configuration(camera, library))
    return camera


@pytest.fixture
def started(configured):
    configured.start()
    return configured


def configuration(camera, library, **changes):
    stream = {"size": SIZE, "format": "YUV420"}
    wanted = {
        "main": dict(stream), "lores": dict(stream), "raw": None, "buffer_count": 6,
        "transform": library.Transform(), "controls": {}, "display": None, "encode": None,
    }  # fmt: skip
    return camera.create_video_configuration(**wanted | changes)


def test_cameras_are_told_with_their_model_and_number(library):
    first = library.Picamera2.global_camera_info()[0]
    assert {"Model", "Id", "Num"} <= first.keys()


def test_a_number_too_high_is_refused(library):
    with pytest.raises(RuntimeError, match="No camera number 99 found"):
        library.Picamera2(99)


def test_an_opening_that_fails_leaves_a_pipe_behind(camera, library):
    """Which is why PiCamera opens as it does; when this fails, it need not any more."""
    before = pipes()
    with pytest.raises(RuntimeError):
        library.Picamera2(0)
    assert pipes() - before


def test_a_camera_in_use_is_refused_with_its_cause(camera, library):
    with pytest.raises(RuntimeError, match="did not complete") as caught:
        library.Picamera2(0)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_it_can_be_opened_again_after_close(library):
    for _ in range(2):
        camera = library.Picamera2(0)
        camera.close()
        camera.close()


def test_unknown_arguments_and_keys_are_refused(camera, library):
    with pytest.raises(TypeError, match="colour"):
        configuration(camera, library, colour="red")
    with pytest.raises(ValueError, match="Bad key 'colour'"):
        configuration(camera, library, main={"size": SIZE, "colour": "red"})


def test_the_small_stream_is_never_the_larger_one(camera, library):
    wanted = configuration(camera, library, main={"size": (320, 240), "format": "YUV420"})
    with pytest.raises(RuntimeError, match="lores stream dimensions may not exceed main stream"):
        camera.configure(wanted)


def test_an_odd_size_is_made_even(camera, library):
    wanted = configuration(camera, library, lores={"size": (161, 121), "format": "YUV420"})
    assert tuple(wanted["lores"]["size"]) == (160, 120)
    wanted["lores"]["size"] = (161, 121)
    with pytest.raises(RuntimeError, match="should be even"):
        camera.configure(wanted)


def test_a_control_that_the_camera_lacks_is_refused(camera, library):
    wanted = configuration(camera, library, controls={"Sauce": 1})
    with pytest.raises(RuntimeError, match="Control Sauce is not advertised by libcamera"):
        camera.configure(wanted)


def test_what_was_configured_is_told_with_its_stride(configured):
    stream = configured.camera_configuration()["lores"]
    assert tuple(stream["size"]) == SIZE
    assert stream["stride"] >= SIZE[0]
    assert stream["format"] in {"YUV420", "NV12"}
    assert 2 <= configured.libcamera_config.at(0).buffer_count <= 16


def test_a_camera_that_runs_is_not_configured(started, library):
    with pytest.raises(RuntimeError, match="must be stopped before configuring"):
        started.configure(configuration(started, library))


def test_a_request_begins_with_the_grey_picture(started, library):
    request = started.capture_request(wait=5.0)
    stream = request.config["lores"]
    with library.MappedArray(request, "lores", reshape=False, write=False) as mapped:
        memory = np.array(mapped.array)
    request.release()
    assert memory.dtype == np.uint8
    assert memory.ndim == 1
    assert memory.size >= stream["stride"] * stream["size"][1] * 3 // 2


def test_frames_are_stamped_in_order_on_a_clock_of_this_machine(started):
    stamps = []
    for _ in range(3):
        request = started.capture_request(wait=5.0)
        stamps.append(request.get_metadata()["SensorTimestamp"])
        request.release()
    assert stamps == sorted(set(stamps))
    clocks = (time.CLOCK_MONOTONIC, time.CLOCK_BOOTTIME)
    assert any(0 <= time.clock_gettime_ns(clock) - stamps[-1] < 10e9 for clock in clocks)


def test_a_request_is_released_once(started):
    request = started.capture_request(wait=5.0)
    request.release()
    with pytest.raises(RuntimeError, match="negative ref_count"):
        request.release()


def test_a_wait_takes_seconds_and_its_job_stays_in_the_queue(configured):
    """Nothing comes from a camera that was not started."""
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        configured.capture_request(wait=0.2)
    assert 0.1 < time.monotonic() - began < 3
    configured.start()
    time.sleep(0.5)  # the first frame goes to the job that nobody waits for any more
    request = configured.capture_request(wait=5.0)
    request.release()


def test_waiting_jobs_can_be_cancelled_from_another_thread(configured):
    raised = []

    def wait():
        try:
            configured.capture_request(wait=10.0)
        except CancelledError as error:
            raised.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.3)
    configured.cancel_all_and_flush()
    thread.join(5.0)
    assert not thread.is_alive()
    assert len(raised) == 1


def test_buffers_that_are_held_are_not_written_to(started, library):
    held = [started.capture_request(wait=5.0) for _ in range(3)]
    pictures = [picture_of(request, library) for request in held]
    for _ in range(5):
        started.capture_request(wait=5.0).release()
    for request, before in zip(held, pictures, strict=True):
        assert np.array_equal(picture_of(request, library), before)
        request.release()


def test_a_camera_whose_buffers_are_all_held_delivers_nothing(started):
    count = started.libcamera_config.at(0).buffer_count
    held = [started.capture_request(wait=5.0) for _ in range(count - 1)]
    with pytest.raises(TimeoutError):
        held += [started.capture_request(wait=0.5) for _ in range(2)]
    for request in held:
        request.release()


def test_it_stops_and_closes_twice_and_leaves_nothing(library):
    def once():
        camera = library.Picamera2(0)
        camera.configure(configuration(camera, library))
        camera.start()
        camera.capture_request(wait=5.0).release()
        camera.stop()
        camera.stop()
        camera.close()
        camera.close()

    once()
    before = resources()
    once()
    assert resources() <= before


def picture_of(request, library):
    with library.MappedArray(request, "lores", reshape=False, write=False) as mapped:
        return np.array(mapped.array)


def pipes():
    """Return the ends of pipes that are open here."""
    gc.collect()
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # that of the listing itself
            target = str(descriptor.readlink())
            if target.startswith("pipe:"):
                found.add((descriptor.name, target))
    return found


def resources():
    gc.collect()
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))
