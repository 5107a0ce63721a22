"""PiCamera through the real picamera2 and libcamera, with libcamera's virtual camera.

docs/reference/cameras.md says how to get them. LIBCAMERA_PYTHON names a Python that has both, with
numpy, OpenCV and click.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PYTHON = os.environ.get("LIBCAMERA_PYTHON", "/usr/bin/python3")
INSTALLED = Path("/usr/share/libcamera/pipeline/virtual/virtual.yaml")
PROBE = """
import cv2, importlib.util, libcamera
raise SystemExit(importlib.util.find_spec("picamera2") is None)
"""
SETUP = """
import gc, json, os, threading, time, warnings
warnings.simplefilter("ignore")
import virtual_camera
virtual_camera.prepare()
import picamera2
from fer_edge.shared.errors import SourceUnavailableError
from fer_edge.sources.discovery import find_cameras
from fer_edge.sources.orientation import Orientation
from fer_edge.sources.picamera import PiCamera

def resources():
    gc.collect()
    return threading.active_count(), len(os.listdir("/proc/self/fd"))

def answer(**values):
    print(json.dumps(values))
"""


@pytest.fixture(scope="module")
def heap(tmp_path_factory):
    if not Path(PYTHON).exists() or subprocess.run(
        [PYTHON, "-c", PROBE], check=False, capture_output=True
    ).returncode:  # fmt: skip
        pytest.skip(f"{PYTHON} has no libcamera or no picamera2; see docs/reference/cameras.md")
    if not INSTALLED.exists():
        pytest.skip(f"no virtual camera: copy {HERE / 'virtual.yaml'} to {INSTALLED}")
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler for the buffers: apt-get install -y gcc libc6-dev")
    library = tmp_path_factory.mktemp("heap") / "heap.so"
    source = HERE / "dma_heap.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.fixture
def run(heap):
    def run(script):
        environment = {
            **os.environ,
            "LD_PRELOAD": str(heap),
            # libcamera 0.4's virtual camera does not set its frames' status: zero is success.
            "GLIBC_TUNABLES": "glibc.malloc.perturb=255:glibc.malloc.tcache_count=0",
            "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1] / "edge")]),
        }
        done = subprocess.run(
            [PYTHON, "-c", SETUP + script],
            env=environment, check=False, capture_output=True, text=True, timeout=90,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_delivers_the_y_plane_in_place_with_the_sensors_clock(run):
    found = run("""
with PiCamera() as camera:
    frames = []
    for _ in range(10):
        frame = camera.read(5.0)
        frames.append((frame.grey.shape, frame.grey.flags.owndata, int(frame.grey[0].max()),
                       (time.monotonic_ns() - frame.monotonic_ns) / 1e6))
    answer(frames=frames, dropped=camera.dropped)
""")
    shapes, copied, brightest, ages_ms = zip(*found["frames"], strict=True)
    assert shapes == ([480, 640],) * 10
    assert not all(copied)
    assert set(brightest) == {235}, "the test pattern is of white lines, in limited range"
    assert all(0 < age < 1000 for age in ages_ms)


def test_kept_frames_do_not_starve_the_camera(run):
    found = run("""
with PiCamera() as camera:
    kept = [camera.read(5.0).grey for _ in range(20)]
    answer(frames=len(kept), sums=sorted({int(grey.sum()) for grey in kept}))
""")
    assert found["frames"] == 20


def test_opens_again_and_leaves_nothing_behind(run):
    found = run("""
counts = []
for _ in range(6):
    with PiCamera() as camera:
        shapes = [camera.read(5.0).grey.shape for _ in range(5)]
    del camera
    counts.append(resources())
answer(counts=counts)
""")
    counts = found["counts"]
    assert max(counts[3:]) <= max(counts[:3]), counts


def test_turns_what_the_camera_does_not_turn_itself(run):
    found = run("""
answers = {}
for rotation, mirror in ((0, False), (180, False), (0, True), (90, True)):
    with PiCamera(orientation=Orientation(rotation, mirror)) as camera:
        answers[f"{rotation} {mirror}"] = camera.read(5.0).grey.shape
answer(**answers)
""")
    assert found == {
        "0 False": [480, 640], "180 False": [480, 640], "0 True": [480, 640],
        "90 True": [640, 480],
    }  # fmt: skip


def test_a_camera_in_use_and_one_that_is_not_there(run):
    found = run("""
said = []
with PiCamera():
    for number in (0, 1):
        try:
            PiCamera(number, open_timeout_seconds=3)
        except SourceUnavailableError as error:
            said.append(str(error))
answer(said=said)
""")
    assert len(found["said"]) == 2
    assert "cannot be used" in found["said"][0]
    assert "libcamera finds 1 here" in found["said"][1]


def test_is_listed(run):
    found = run("""
answer(cameras=[camera.to_json() for camera in find_cameras().cameras])
""")
    camera = found["cameras"][0]
    assert (camera["source"], camera["name"]) == ("picamera:0", "Virtual Video Device")
