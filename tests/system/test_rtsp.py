"""NetworkStream against a real RTSP server, stopped, killed and started again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faulty_cameras import SYSTEM_PYTHON, why_no_rtsp

from fer_edge.shared.errors import SourceUnavailableError
from fer_edge.sources.stream import NetworkStream

CAMERA = Path(__file__).with_name("rtsp_camera.py")
PICTURE = (
    "videotestsrc is-live=true pattern=ball ! "
    "video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! "
)
ENCODERS = {
    "vp8": "vp8enc deadline=1 keyframe-max-dist=15 ! rtpvp8pay name=pay0 pt=96",
    "jpeg": "jpegenc ! rtpjpegpay name=pay0 pt=26",
}


class RtspCamera:
    def __init__(self, encoder):
        self.process = subprocess.Popen(
            [SYSTEM_PYTHON, CAMERA, PICTURE + ENCODERS[encoder]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.url = f"rtsp://127.0.0.1:{int(self.process.stdout.readline())}/live"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.kill()
        self.process.stdout.close()


@pytest.fixture(scope="module", autouse=True)
def gstreamer():
    if reason := why_no_rtsp():
        pytest.skip(reason)


@pytest.fixture(params=ENCODERS)
def camera(request):
    camera = RtspCamera(request.param)
    yield camera
    camera.close()


def open_stream(camera):
    return NetworkStream(camera.url, open_timeout_seconds=20.0, read_timeout_seconds=2.0)


def read_until_it_fails(stream):
    with pytest.raises(SourceUnavailableError) as caught:
        read_on(stream)
    return str(caught.value)


def read_on(stream):
    give_up = time.monotonic() + 20
    while stream.read(10.0):
        assert time.monotonic() < give_up, "it never failed"


def test_keeps_what_every_source_promises(camera, pytestconfig):
    suite = pytestconfig.rootpath / "tests/edge/sources/test_conformance.py"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "given", suite],
        env=os.environ | {"CONFORMANCE_SOURCE": camera.url}, cwd=pytestconfig.rootpath,
        check=False, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_delivers_moving_pictures(camera):
    with open_stream(camera) as stream:
        frames = [stream.read(5.0) for _ in range(20)]
    assert all(frame.grey.shape == (240, 320) for frame in frames)
    assert len({frame.grey.tobytes() for frame in frames}) > 10


def test_a_frozen_camera_fails_in_time_and_works_once_it_wakes(camera):
    with open_stream(camera) as stream:
        camera.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        assert "stopped" in read_until_it_fails(stream)
        assert time.monotonic() - began < 12
    with pytest.raises(SourceUnavailableError):
        NetworkStream(camera.url, open_timeout_seconds=0.5, read_timeout_seconds=0.5)
    camera.process.send_signal(signal.SIGCONT)
    with open_stream(camera) as stream:
        assert stream.read(5.0) is not None


def test_a_killed_camera_fails_and_stays_away(camera):
    with open_stream(camera) as stream:
        camera.kill()
        read_until_it_fails(stream)
    with pytest.raises(SourceUnavailableError, match="nothing listens"):
        NetworkStream(camera.url)


def test_a_path_that_is_not_there_is_said(camera):
    with pytest.raises(SourceUnavailableError, match="check address, path"):
        NetworkStream(camera.url.replace("/live", "/other"))
