"""PiCamera, and all that leads to it, with the real picamera2 and libcamera's virtual cameras.

FER_LIBCAMERA_SECONDS says for how long frames are read at a stretch: 20 here, 600 to be sure.
"""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from builders import PORTRAIT
from system import pi_camera_root
from system.booted import VENV, Booted
from system.emulated import MissingError
from system.installed_unit import InstalledUnit
from system.pi_camera_root import BEHAVIOUR, CHECKOUT, ENVIRONMENT, PICAMERA2, PICTURES, PRELOADED

from fer_edge.shared.opencv import cv2

SECONDS = float(os.environ.get("FER_LIBCAMERA_SECONDS", "20"))
AGAIN = f"make -B -C {CHECKOUT} PYTHON=/usr/bin/python3 demo"
INSTALL = "sudo apt install -y python3-picamera2"
HEAP = Path(__file__).with_name("dma_heap.c")
SETUP = f"""
import gc, json, logging, os, resource, threading, time, warnings
from pathlib import Path
warnings.simplefilter("ignore")
import numpy as np
import picamera2
from fer_edge.shared.errors import SourceUnavailableError
from fer_edge.sources.orientation import Orientation
from fer_edge.sources.picamera import PiCamera

def behave(word):
    Path({str(BEHAVIOUR)!r}).write_text(word)

def resources():
    gc.collect()
    return threading.active_count(), len(os.listdir("/proc/self/fd"))

def resident_kib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024

def answer(**values):
    print(json.dumps(values))
"""

pytestmark = pytest.mark.xdist_group("libcamera")


@dataclass(frozen=True)
class Pi:
    """The system, and what its user was told on the way there.

    Attributes:
        system: Where `make demo` was run, picamera2 came, and `make demo` was run again.
        without: What `fer-edge sources` said in between, before picamera2 came.
        found: Afterwards, what the doctor found of picamera2.
    """

    system: Booted
    without: str
    found: dict[str, str]

    def fer_edge(self, *arguments, check=True):
        return self.system.run(
            "env", *PRELOADED, ENVIRONMENT / "bin/fer-edge", *arguments, check=check
        )

    def python(self, script, *, timeout=90):
        """Run a script; return what it answers."""
        python = ENVIRONMENT / "bin/python"
        done = self.system.run("env", *PRELOADED, python, "-c", SETUP + script, timeout=timeout)
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def pi(tmp_path_factory):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler for the buffers: apt-get install -y gcc libc6-dev")
    heap = tmp_path_factory.mktemp("heap") / "heap.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", heap, HEAP, "-ldl"], check=True)
    try:
        system = pi_camera_root.boot(heap)
    except MissingError as error:
        pytest.skip(str(error))
    try:
        put_pictures(system)
        yield set_up(system)
    finally:
        system.close()


def put_pictures(system):
    """Let picamera:1 show a face, with a sensor's noise."""
    folder = system.path(PICTURES)
    folder.mkdir()
    portrait = cv2.resize(cv2.imread(str(PORTRAIT)), (640, 480)).astype(np.int16)
    noise = np.random.default_rng(0)
    for number in range(4):
        noisy = portrait + noise.integers(-2, 3, portrait.shape)
        cv2.imwrite(str(folder / f"{number}.jpg"), noisy.clip(0, 255).astype(np.uint8))


def set_up(system):
    """Do what the guide says, but install picamera2 only after the first `make demo`."""
    system.run("mv", PICAMERA2, "/root/picamera2")
    pi_camera_root.make_demo(system)
    without = system.run(ENVIRONMENT / "bin/fer-edge", "sources").stderr
    system.run("mv", "/root/picamera2", PICAMERA2)
    told = system.run(ENVIRONMENT / "bin/fer-edge", "doctor", "--json", check=False).stdout
    (found,) = (one for one in json.loads(told)["findings"] if one["check"] == "picamera2")
    pi_camera_root.make_demo(system)
    system.run("ln", "-s", ENVIRONMENT, VENV)
    pi_camera_root.install_pytest(system)
    return Pi(system, without, found)


# ---- One environment ----


def test_what_is_missing_is_said_in_one_line(pi):
    assert f"no picamera2 here; run `{INSTALL} && {AGAIN}`" in pi.without
    assert pi.found["found"] == "apt's picamera2 is there, but this environment cannot see it"
    assert pi.found["fix"] == AGAIN


def test_the_environment_of_make_demo_sees_the_cameras(pi):
    cameras = json.loads(pi.fer_edge("sources", "--json").stdout)
    assert [(camera["source"], camera["name"]) for camera in cameras] == [
        ("picamera:0", "Virtual Video Device"), ("picamera:1", "Virtual Pictures"),
    ]  # fmt: skip


def test_the_doctor_is_content(pi):
    told = json.loads(pi.fer_edge("doctor", "--json", check=False).stdout)
    found = {one["check"]: one for one in told["findings"]}
    assert found["picamera2"]["severity"] == found["opencv"]["severity"] == "ok"


def test_a_face_is_read_at_the_prompt(pi):
    lines = pi.fer_edge("run", "--source", "picamera:1", "--max-frames", "40", "--output", "-")
    last = json.loads(lines.stdout.splitlines()[-1])
    assert [face["label"] for face in last["faces"]] == ["happy"]


# ---- The source ----


@pytest.mark.parametrize("source", ["picamera:0", "picamera:1"])
def test_keeps_what_every_source_promises(pi, source):
    done = run_pytest(
        pi, "test_conformance.py", "-k", "given", f"CONFORMANCE_SOURCE={source}",
        "PICAMERA2=real", "CONFORMANCE_FAULTS=stall", f"CAMERA_BEHAVIOUR={BEHAVIOUR}",
    )  # fmt: skip
    pi.system.run("rm", "-f", BEHAVIOUR)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_the_stand_in_behaves_as_picamera2_does(pi):
    done = run_pytest(pi, "test_picamera2_itself.py", "PICAMERA2=real")
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def run_pytest(pi, suite, *arguments):
    variables = [one for one in arguments if re.match("[A-Z0-9_]+=", one)]
    options = [one for one in arguments if one not in variables]
    return pi.system.run(
        "env", f"--chdir={CHECKOUT}", *PRELOADED, *variables, "PYTHONDONTWRITEBYTECODE=1",
        ENVIRONMENT / "bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider",
        "-W", "default",  # picamera2 calls what Python has deprecated
        *options,
        CHECKOUT / "tests/edge/sources" / suite, check=False, timeout=300,
    )  # fmt: skip


def test_delivers_the_y_plane_in_place_with_the_sensors_clock(pi):
    found = pi.python("""
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


def test_kept_frames_do_not_starve_the_camera(pi):
    found = pi.python("""
with PiCamera() as camera:
    kept = [camera.read(5.0).grey for _ in range(20)]
    answer(frames=len(kept), sums=sorted({int(grey.sum()) for grey in kept}))
""")
    assert found["frames"] == 20


def test_opens_again_and_leaves_nothing_behind(pi):
    found = pi.python("""
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


@pytest.mark.parametrize(
    ("rotation", "mirror", "steps"),
    [(0, False, 0), (90, False, 3), (180, False, 2), (270, False, 1), (0, True, 0), (90, True, 3)],
)
def test_turns_what_the_camera_does_not_turn_itself(pi, rotation, mirror, steps):
    """Quarters of a turn to the left, and then a mirror."""
    found = pi.python(f"""
with PiCamera(1) as camera:
    upright = camera.read(5.0).grey.astype(int)
with PiCamera(1, orientation=Orientation({rotation}, {mirror})) as camera:
    turned = camera.read(5.0).grey.astype(int)
expected = np.rot90(upright, {steps})
expected = expected[:, ::-1] if {mirror} else expected
answer(shapes=[turned.shape, expected.shape], apart=float(abs(turned - expected).mean()),
       upright=float(abs(turned - upright).mean()) if turned.shape == upright.shape else 99)
""")
    assert found["shapes"][0] == found["shapes"][1]
    assert found["apart"] < 5, "but for the noise"
    assert (rotation, mirror) == (0, False) or found["upright"] > 20


def test_a_camera_in_use_and_one_that_is_not_there(pi):
    found = pi.python("""
said = []
with PiCamera():
    before = resources()
    for number in (0, 2, 0, 2):
        try:
            PiCamera(number, open_timeout_seconds=3)
        except SourceUnavailableError as error:
            said.append(str(error))
    after = resources()
answer(said=said, before=before, after=after)
""")
    assert len(found["said"]) == 4
    assert found["after"] == found["before"]
    assert "cannot be used" in found["said"][0]
    assert "libcamera finds 2 here" in found["said"][1]


def test_two_cameras_are_read_beside_one_another(pi):
    found = pi.python("""
with PiCamera(0) as lines, PiCamera(1) as pictures:
    for _ in range(20):
        both = lines.read(5.0), pictures.read(5.0)
    pictures = [frame.grey.astype(int) for frame in both]
    answer(indices=[frame.index for frame in both],
           apart=float(abs(pictures[0] - pictures[1]).mean()))
""")
    assert min(found["indices"]) >= 19
    assert found["apart"] > 20, "two cameras, two pictures"


def test_a_stall_is_said_in_time_and_the_camera_comes_back(pi):
    found = pi.python("""
behave("stream")
with PiCamera(stall_timeout_seconds=1.0) as camera:
    camera.read(5.0)
    before = resources()
    behave("stall")
    began = time.monotonic()
    try:
        while True:
            camera.read(5.0)
    except SourceUnavailableError as error:
        said, took = str(error), time.monotonic() - began
    closing = time.monotonic()
closed = time.monotonic() - closing
try:
    PiCamera(open_timeout_seconds=1.0)
except SourceUnavailableError as error:
    unopened = str(error)
behave("stream")
again = time.monotonic()
with PiCamera() as camera:
    camera.read(5.0)
    came = time.monotonic() - again
    frames = [camera.read(5.0).index for _ in range(20)]
    # A buffer that is just on its way has a descriptor of its own.
    after = min((camera.read(5.0).index, resources())[1] for _ in range(20))
answer(said=said, took=took, closed=closed, unopened=unopened, came=came, frames=frames,
       before=before, after=after)
""")
    assert "picamera:0 has stopped: no frame for 1 s" in found["said"]
    assert found["took"] < 3
    assert found["closed"] < 3
    assert "no frame" in found["unopened"]
    assert found["came"] < 5
    assert found["frames"] == sorted(set(found["frames"]))
    assert found["after"] <= found["before"]


def test_a_short_pause_is_survived_without_losing_a_buffer(pi):
    found = pi.python("""
behave("stream")
with PiCamera(stall_timeout_seconds=20.0) as camera:
    for _ in range(5):
        camera.read(5.0)
        behave("stall")
        time.sleep(0.5)
        behave("stream")
        indices = [camera.read(5.0).index for _ in range(10)]
answer(indices=indices)
""")
    assert found["indices"] == sorted(set(found["indices"]))


def test_frames_come_for_as_long_as_they_are_read(pi):
    found = pi.python(
        f"""
seconds = {SECONDS}
ages = np.zeros(int(seconds * 100))  # what is noted takes no memory on the way
frames = most_kib = early_kib = 0
gap = last = now = 0.0
with PiCamera(1) as camera:
    before = resources()
    began = time.monotonic()
    while now < seconds:
        frame = camera.read(5.0)
        ages[frames] = (time.monotonic_ns() - frame.monotonic_ns) / 1e6
        frames += 1
        last, now = now, time.monotonic() - began
        gap = max(gap, now - last)
        most_kib = max(most_kib, resident_kib())
        early_kib = most_kib if now < seconds / 2 else early_kib
    after = resources()
answer(frames=frames, index=frame.index, dropped=camera.dropped, gap=gap,
       p50_ms=float(np.percentile(ages[:frames], 50)),
       p99_ms=float(np.percentile(ages[:frames], 99)),
       grown_kib=most_kib - early_kib, kib=most_kib, before=before, after=after)
""",
        timeout=SECONDS + 90,
    )
    print(json.dumps(found))  # the figures of docs/log/cameras.md
    assert found["frames"] > 5 * SECONDS
    assert found["index"] + 1 == found["frames"] + found["dropped"]
    assert found["gap"] < 5
    assert found["grown_kib"] < 1024
    assert found["after"] == found["before"]


# ---- Under systemd ----


@pytest.fixture
def service(pi):
    service = InstalledUnit(pi.system)
    service.use_drop_in("picamera2")
    service.drop_in("[Service]\n" + "".join(f"Environment={one}\n" for one in PRELOADED))
    service.configure("picamera:1")
    yield service
    service.forget()
    pi.system.run("rm", "-f", BEHAVIOUR)


def test_the_daemon_reads_it_in_its_sandbox(service):
    service.start()
    seen = re.compile(r"\d+\.\d FPS, camera \w+, 1 face in view")
    service.wait_until(lambda: seen.match(service.told("StatusText")), seconds=30)
    assert service.stop() < 5
    assert service.system.properties("Result", "ExecMainStatus") == ["success", "0"]


def test_the_daemon_outlives_a_stall(service):
    service.start()
    pid = service.pid
    service.system.write(str(BEHAVIOUR), "stall")
    service.wait_until(lambda: "camera waiting" in service.told("StatusText"), seconds=30)
    service.system.write(str(BEHAVIOUR), "stream")
    seen = re.compile(r"[1-9]\d*\.\d FPS")
    service.wait_until(lambda: seen.match(service.told("StatusText")), seconds=30)
    assert service.pid == pid
