"""`fer-edge run` as a process, and real cameras that are killed, stopped and broken."""

import itertools
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from command_line import wait_until_connected
from endured_faults import FAULTS, endure
from faulty_cameras import (
    WATCHDOG_SECONDS,
    WatchedDaemon,
    http_camera,
    rtsp_camera,
    why_no_rtsp,
)

from fer_edge.shared.opencv import cv2
from fer_edge.testing.fakes import numbered_picture

DRIVER = Path(__file__).with_name("v4l2_camera.c")
SETTINGS = (
    "source.read_timeout_seconds=1",
    "source.reopen_longest_seconds=1",
    "source.frozen_seconds=1",
    "source.black_seconds=1",
)
LASTS_SECONDS = 1.5
CAMERAS = {
    "http": (http_camera, FAULTS.keys()),
    "rtsp vp8": (lambda: rtsp_camera("vp8"), {"kill", "stop", "garbage", "slow", "large"}),
    "rtsp jpeg": (lambda: rtsp_camera("jpeg"), {"damaged", "frozen"}),
}
CASES = [
    pytest.param(camera, fault, marks=pytest.mark.xdist_group(f"camera {camera}"))
    for camera, (_, faults) in CAMERAS.items()
    for fault in sorted(faults)
]
UNNOTICED = {"damaged", "large"}


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """Gives the camera of a kind and the daemon that reads it; one pair at a time lives on."""
    living = {}

    def end():
        for thing in living.values():
            thing.close()
        living.clear()

    def watch(kind):
        if kind not in living:
            end()
            if kind != "http" and (reason := why_no_rtsp()):
                pytest.skip(reason)
            camera = living["camera"] = CAMERAS[kind][0]()
            folder = tmp_path_factory.mktemp("daemon")
            living[kind] = WatchedDaemon(camera.url, SETTINGS, folder=folder)
            living[kind].wait_for_frame()
            time.sleep(1.0)  # until all its threads are there
        return living["camera"], living[kind]

    yield watch
    end()


@pytest.fixture
def camera():
    camera = http_camera()
    yield camera
    camera.close()


@pytest.fixture
def run(tmp_path):
    made = []

    def run(source, *settings, **options):
        made.append(WatchedDaemon(source, (*SETTINGS, *settings), folder=tmp_path, **options))
        return made[-1]

    yield run
    for daemon in made:
        daemon.close()


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_fault_is_noticed_and_recovered_from(watched, kind, name):
    camera, daemon = watched(kind)
    began = time.monotonic()
    outcome = endure(daemon, camera, FAULTS[name], seconds=LASTS_SECONDS)
    ended = time.monotonic()
    if name not in UNNOTICED:
        assert outcome.detected_seconds is not None
        assert outcome.detected_seconds < LASTS_SECONDS + 1.0
    assert outcome.recovered_seconds < 20.0, "pause, opening, and a busy machine"
    if FAULTS[name].outage:
        during = daemon.frames_between(began, began + LASTS_SECONDS)
        assert len(during) < 15, "frames that were on their way"
    numbers = [frame["frame"] for at, frame in daemon.seen.frames]
    assert numbers == sorted(set(numbers))
    beats = [began, *(at for at, note in daemon.seen.notes if note == "WATCHDOG=1"), ended]
    apart = [b - a for a, b in itertools.pairwise(beats) if a >= began]
    assert max(apart) < WATCHDOG_SECONDS, "systemd was told in time that it lives"


def wait_for_face(daemon):
    since, give_up = time.monotonic(), time.monotonic() + 60
    while not any(frame["faces"] for at, frame in daemon.seen.frames if at > since):
        assert time.monotonic() < give_up
        time.sleep(0.05)


@pytest.mark.xdist_group("camera http")
def test_no_track_is_given_to_two_faces(watched):
    camera, daemon = watched("http")
    seen = {}
    wait_for_face(daemon)
    endure(daemon, camera, FAULTS["large"], seconds=1.0)
    wait_for_face(daemon)
    endure(daemon, camera, FAULTS["kill"], seconds=0.3)
    wait_for_face(daemon)
    for at, frame in daemon.seen.frames:
        for face in frame["faces"]:
            seen.setdefault(face["track_id"], []).append(at)
    assert len(seen) > 1
    for moments in seen.values():
        assert max((b - a for a, b in itertools.pairwise(moments)), default=0) < 5.5


def test_a_camera_that_stays_away_ends_it_for_systemd(camera, run):
    daemon = run(camera.url, "source.give_up_seconds=3")
    daemon.wait_for_frame()
    camera.kill()
    began = time.monotonic()
    assert daemon.wait(60) == 69
    assert 2.5 < time.monotonic() - began < 30
    assert "nothing listens" in daemon.said().splitlines()[-1]
    assert "for 3 s opening it again did not help" in daemon.said()


def test_a_picture_that_stays_black_ends_it_for_systemd(camera, run):
    daemon = run(camera.url, "source.give_up_seconds=3")
    daemon.wait_for_frame()
    camera.behave("black")
    assert daemon.wait(90) == 69
    assert "the picture is black, and for 3 s" in daemon.said()


def test_systemd_is_told_what_is_wrong(camera, run):
    daemon = run(camera.url)
    daemon.wait_for_frame()
    camera.behave("stall")
    daemon.wait_until_detected(after=0)
    time.sleep(1.5)
    told = [note for _, note in daemon.seen.notes]
    assert told.count("READY=1") == 1
    waiting = [note for note in told if note.startswith("STATUS=camera ")]
    assert "the stream has stopped" in waiting[-1]


@pytest.mark.parametrize(
    ("kind", "state"),
    [("http", "reading"), ("http", "waiting"), ("rtsp vp8", "opening"), ("rtsp vp8", "stopped")],
)
def test_ctrl_c_ends_it_soon_in_every_state(run, kind, state):
    if kind != "http" and (reason := why_no_rtsp()):
        pytest.skip(reason)
    camera = CAMERAS[kind][0]()
    try:
        if state == "opening":
            FAULTS["stop"].begin(camera)
        daemon = run(camera.url)
        if state == "opening":
            wait_until_connected(daemon.process.pid, urlsplit(camera.url).port)
        else:
            daemon.wait_for_frame()
        if state == "stopped":
            FAULTS["stop"].begin(camera)
            time.sleep(0.3)
        if state == "waiting":
            camera.kill()
            daemon.wait_until_detected(after=0)
            time.sleep(1.5)
        code, seconds = daemon.end()
        assert code == (130 if state == "opening" else 0), daemon.said()
        assert seconds < 7.0, "sooner than an opening is given up"
    finally:
        camera.close()


class TestDevice:
    """A USB camera, as far as OpenCV's V4L2 code can tell."""

    @pytest.fixture
    def behave(self, tmp_path):
        return (tmp_path / "behaviour").write_text

    @pytest.fixture
    def environment(self, tmp_path, behave):
        compiler = shutil.which("cc")
        if sys.platform != "linux" or compiler is None:
            pytest.skip("no C compiler for the camera: apt-get install -y gcc libc6-dev")
        library, picture = tmp_path / "camera.so", tmp_path / "picture.jpg"
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, DRIVER, "-ldl"], check=True)
        cv2.imwrite(str(picture), numbered_picture(30, width=320, height=240))
        behave("stream")
        return {
            "LD_PRELOAD": str(library),
            "CAMERA_PATH": "/dev/video42",
            "CAMERA_JPEG": str(picture),
            "CAMERA_BEHAVIOUR": str(tmp_path / "behaviour"),
        }

    @pytest.mark.parametrize("fault", ["gone", "stall"])
    def test_one_that_vanishes_and_returns_goes_on(self, run, environment, behave, fault):
        daemon = run("/dev/video42", "source.frozen_seconds=0", environment=environment)
        daemon.wait_for_frame()
        time.sleep(0.5)
        before = daemon.resources()
        gone = time.monotonic()
        behave(fault)
        daemon.wait_until_detected(after=gone)
        time.sleep(1.0)
        behave("stream")
        daemon.wait_until_recovered(after=gone)
        daemon.wait_for_resources(before)
        numbers = [frame["frame"] for _, frame in daemon.seen.frames]
        assert numbers == sorted(set(numbers))

    def test_one_that_is_frozen_is_given_up(self, run, environment):
        daemon = run("/dev/video42", "source.give_up_seconds=3", environment=environment)
        assert daemon.wait(90) == 69
        assert "the picture is frozen, and for 3 s" in daemon.said()
