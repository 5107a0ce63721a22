"""V4l2Camera through OpenCV's own V4L2 code, against a camera that a preloaded library plays."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fer_edge.shared.opencv import cv2
from fer_edge.testing.fakes import numbered_picture

SOURCE = Path(__file__).with_name("v4l2_camera.c")
SETUP = """
import dataclasses, json, logging, sys, time
import numpy as np
from pathlib import Path
from fer_edge.shared.errors import SourceUnavailableError
from fer_edge.sources.v4l2 import V4l2Camera
from fer_edge.testing.fakes import number_of

logging.basicConfig(level=logging.INFO, stream=sys.stderr)

def behave(word):
    Path(sys.argv[1]).write_text(word)

def failure_of(action):
    began = time.monotonic()
    try:
        while action():
            assert time.monotonic() < began + 20, "it never failed"
    except SourceUnavailableError as error:
        return str(error)

def answer(**values):
    print(json.dumps(values))
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    compiler = shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("no C compiler for the camera: apt-get install -y gcc libc6-dev")
    library = tmp_path_factory.mktemp("driver") / "camera.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    return library


@pytest.fixture
def environment(driver, tmp_path):
    picture, behaviour = tmp_path / "picture.jpg", tmp_path / "behaviour"
    cv2.imwrite(str(picture), numbered_picture(30, width=320, height=240))
    behaviour.write_text("stream")
    return {
        **os.environ,
        "LD_PRELOAD": str(driver),
        "CAMERA_PATH": "/dev/video42",
        "CAMERA_JPEG": str(picture),
        "CAMERA_BEHAVIOUR": str(behaviour),
    }


@pytest.fixture
def run(environment):

    def run(script):
        done = subprocess.run(
            [sys.executable, "-c", SETUP + script, environment["CAMERA_BEHAVIOUR"]],
            env=environment, check=False, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), done.stderr

    return run


def test_keeps_what_every_source_promises(environment, pytestconfig):
    given = {"CONFORMANCE_SOURCE": "/dev/video42", "CONFORMANCE_FAULTS": "stall,garbage,gone"}
    suite = pytestconfig.rootpath / "tests/edge/sources/test_conformance.py"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "given", suite],
        env=environment | given, cwd=pytestconfig.rootpath, check=False, capture_output=True,
        text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_delivers_motion_jpeg_with_the_drivers_clock(run):
    found, log = run("""
behave("stream")
with V4l2Camera(42, width=320, height=240) as camera:
    frames = [camera.read(5.0) for _ in range(10)]
    age_ms = (time.monotonic_ns() - frames[-1].monotonic_ns) / 1e6
    answer(shape=frames[0].grey.shape, numbers=[number_of(frame.grey) for frame in frames],
           indices=[frame.index for frame in frames], age_ms=age_ms)
""")
    assert found["shape"] == [240, 320]
    assert set(found["numbers"]) == {30}
    assert found["indices"] == sorted(set(found["indices"]))
    assert found["age_ms"] > 50
    assert "delivers MJPG 320x240 at 30 frames a second" in log


@pytest.mark.parametrize("form", ["YUYV", "UYVY", "NV12", "GREY"])
def test_takes_the_grey_out_of_uncompressed_pictures(run, form):
    found, log = run(f"""
behave("{form}")
with V4l2Camera("/dev/video42", width=320, height=240) as camera:
    grey = camera.read(5.0).grey
    expected = 250 - np.arange(320) // 2
    answer(shape=grey.shape, off=int(abs(grey.astype(int) - expected).max()))
""")
    assert found == {"shape": [240, 320], "off": 0}
    assert f"delivers {form} 320x240" in log
    assert f"WARNING:fer_edge.sources.v4l2:camera /dev/video42 gives {form}" in log
    assert "where MJPG 320x240 at 30 frames a second was asked for" in log


def test_says_what_was_negotiated_and_warns_of_nothing_else(run):
    found, log = run("""
behave("stream")
with V4l2Camera(42, width=320, height=240) as camera:
    answer(negotiated=dataclasses.asdict(camera.negotiated))
""")
    assert found["negotiated"] == {
        "format": "MJPG", "width": 320, "height": 240, "frames_per_second": 30.0, "reduced_by": 1,
    }  # fmt: skip
    assert "WARNING" not in log


def test_warns_of_a_low_rate(run):
    _, log = run("""
behave("slow")
with V4l2Camera(42, width=320, height=240) as camera:
    answer(frame=camera.read(5.0).index)
""")
    assert "gives MJPG 320x240 at 10 frames a second where" in log


@pytest.mark.parametrize(
    ("asked", "shape"), [((160, 120), [120, 160]), ((80, 60), [60, 80]), ((200, 150), [240, 320])]
)
def test_shrinks_large_pictures_while_decoding(run, asked, shape):
    found, _ = run(f"""
behave("stream")
with V4l2Camera(42, width={asked[0]}, height={asked[1]}) as camera:
    frame = camera.read(5.0)
    answer(shape=frame.grey.shape, number=number_of(frame.grey))
""")
    assert found == {"shape": shape, "number": 30}


@pytest.mark.parametrize("stamps", ["unstamped", "ahead", "fixed"])
def test_stamps_that_cannot_be_are_not_believed(run, stamps):
    found, _ = run(f"""
behave("{stamps}")
with V4l2Camera(42, width=320, height=240) as camera:
    frames = [camera.read(5.0) for _ in range(20)]
    age_ms = (time.monotonic_ns() - frames[-1].monotonic_ns) / 1e6
    clocks = [frame.monotonic_ns for frame in frames]
    answer(age_ms=age_ms, rising=clocks == sorted(set(clocks)))
""")
    assert found["rising"]
    assert 0 <= found["age_ms"] < 45, "younger than the driver's own stamps would make it"


@pytest.mark.parametrize("fault", ["stall", "gone", "garbage"])
def test_a_fault_is_said_and_the_camera_works_again_after_it(run, fault):
    found, _ = run(f"""
behave("stream")
camera = V4l2Camera(42)
behave("{fault}")
fault = failure_of(lambda: camera.read(10.0))
camera.close()
behave("stream")
with V4l2Camera(42) as camera:
    answer(fault=fault, again=number_of(camera.read(5.0).grey))
""")
    assert "camera /dev/video42 has stopped" in found["fault"]
    assert found["again"] == 30


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("stall", "opens but delivers no frame"),
        ("garbage", "opens but delivers no frame"),
        ("busy", "stop the program that uses it"),
        ("gone", "does not exist"),
    ],
)
def test_a_camera_without_a_frame_is_refused(run, fault, reason):
    found, _ = run(f"""
behave("{fault}")
answer(fault=failure_of(lambda: V4l2Camera(42)))
""")
    assert reason in found["fault"]


@pytest.mark.parametrize(
    ("behaviour", "usable", "formats"),
    [
        ("stream", True, ["YUYV", "MJPG"]),
        ("GREY", True, ["GREY"]),
        ("Bayer", False, ["RGGB"]),
        ("metadata", False, []),
    ],
)
def test_is_found_with_its_formats(run, tmp_path, behaviour, usable, formats):
    (tmp_path / "video42").mkdir()
    (tmp_path / "video42" / "name").write_text("A camera: of USB\n")
    found, _ = run(f"""
from fer_edge.sources.discovery import find_cameras
behave("{behaviour}")
cameras = find_cameras(names=Path({str(tmp_path)!r})).cameras
answer(camera=next(camera.to_json() for camera in cameras if camera.source == "42"))
""")
    camera = found["camera"]
    assert (camera["name"], camera["driver"]) == ("A camera: of USB", "preloaded")
    assert (camera["usable"], camera["formats"]) == (usable, formats)
    assert usable == (not camera["problem"])
