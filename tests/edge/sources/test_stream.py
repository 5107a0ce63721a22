"""Network streams through FFmpeg: what they give, and how they fail."""

import itertools
import logging
import socket
import subprocess
import sys
import time

import pytest

from fer_edge.shared.errors import (
    EXIT_CONFIG,
    EXIT_UNAVAILABLE,
    SettingsError,
    SourceUnavailableError,
)
from fer_edge.sources.stream import NetworkStream, without_secrets
from fer_edge.testing.fakes import MjpegServer, number_of

PROMPT_SECONDS = 4.0
QUICK = {"open_timeout_seconds": 1.0, "read_timeout_seconds": 0.5}  # where it is to fail
PATIENT = {"open_timeout_seconds": 20.0, "read_timeout_seconds": 10.0}  # where it is to work
SOON = {"open_timeout_seconds": 20.0, "read_timeout_seconds": 1.0}  # where it is to work, then fail


def read_until_it_fails(stream, *, timeout_seconds=5.0):
    with pytest.raises(SourceUnavailableError) as caught:
        read_on(stream, timeout_seconds)
    return str(caught.value)


def read_on(stream, timeout_seconds):
    give_up = time.monotonic() + 20
    while stream.read(timeout_seconds):
        assert time.monotonic() < give_up, "it never failed"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_delivers_the_pictures_sent(camera):
    with NetworkStream(camera.url, **PATIENT) as stream:
        frames = [stream.read(5.0) for _ in range(10)]
    pairs = list(itertools.pairwise(frames))
    steps = [(number_of(after.grey) - number_of(before.grey)) % 50 for before, after in pairs]
    indices = [after.index - before.index for before, after in pairs]
    assert steps == indices


def test_a_scheme_may_be_in_capitals(camera):
    with NetworkStream(camera.url.replace("http", "HTTP"), **PATIENT) as stream:
        assert stream.read(5.0) is not None


def test_a_stalled_stream_fails_then_a_new_one_works(camera):
    with NetworkStream(camera.url, **SOON) as stream:
        camera.behaviour = "stall"
        message = read_until_it_fails(stream)
        assert "stopped" in message
    camera.behaviour = "stream"
    with NetworkStream(camera.url, **PATIENT) as stream:
        assert stream.read(5.0) is not None


def test_a_short_stall_is_survived(camera):
    with NetworkStream(camera.url, **PATIENT) as stream:
        camera.behaviour = "stall"
        assert "no frame within 0.1 s" in read_until_it_fails(stream, timeout_seconds=0.1)
        camera.behaviour = "stream"
        assert stream.read(10.0) is not None


def test_a_stream_that_ends_fails_at_once_and_stays_failed(camera):
    with NetworkStream(camera.url, **PATIENT) as stream:
        camera.behaviour = "end"
        read_until_it_fails(stream)
        began = time.monotonic()
        for _ in range(20):
            with pytest.raises(SourceUnavailableError):
                stream.read(5.0)
        assert time.monotonic() - began < PROMPT_SECONDS


def test_a_camera_that_reboots_is_there_again_for_a_new_stream(camera):
    with NetworkStream(camera.url, **SOON) as stream:
        camera.stop()
        read_until_it_fails(stream)
    with pytest.raises(SourceUnavailableError, match="nothing listens on port"):
        NetworkStream(camera.url, **QUICK)
    camera.start()
    with NetworkStream(camera.url, **PATIENT) as stream:
        assert stream.read(5.0) is not None


def test_garbage_on_the_line_is_a_failure(camera):
    with NetworkStream(camera.url, **SOON) as stream:
        camera.behaviour = "garbage"
        read_until_it_fails(stream)


def test_garbage_from_the_start_is_no_stream(camera):
    camera.behaviour = "garbage"
    with pytest.raises(SourceUnavailableError):
        NetworkStream(camera.url, **QUICK)


def test_damaged_pictures_are_passed_over(camera):
    camera.behaviour = "damaged"
    with NetworkStream(camera.url, **PATIENT) as stream:
        assert all(stream.read(5.0) is not None for _ in range(10))


def test_a_silent_server_is_not_waited_for_beyond_the_time(camera):
    camera.behaviour = "silent"
    began = time.monotonic()
    with pytest.raises(SourceUnavailableError) as caught:
        NetworkStream(camera.url, **QUICK)
    assert time.monotonic() - began < 1.5 + PROMPT_SECONDS
    assert caught.value.exit_code == EXIT_UNAVAILABLE


def test_close_of_a_stalled_stream_is_bounded(camera):
    stream = NetworkStream(camera.url, **PATIENT)
    camera.behaviour = "stall"
    began = time.monotonic()
    stream.close()
    assert time.monotonic() - began < PROMPT_SECONDS


def test_says_when_nothing_listens():
    port = free_port()
    with pytest.raises(SourceUnavailableError, match=f"nothing listens on port {port}") as caught:
        NetworkStream(f"rtsp://127.0.0.1:{port}/stream", **QUICK)
    assert caught.value.exit_code == EXIT_UNAVAILABLE


def test_says_when_there_is_no_such_host():
    with pytest.raises(SourceUnavailableError, match=r"camera\.invalid"):
        NetworkStream("rtsp://camera.invalid/stream", **QUICK)


def test_says_when_what_answers_is_no_video(camera):
    with pytest.raises(SourceUnavailableError, match="not with a video"):
        NetworkStream(camera.url.replace("http:", "rtsp:"), **QUICK)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/hostname", "concat:a.mp4|b.mp4", "data:text/plain,x", "pipe:0", "udp://@:5000",
        "tcp://127.0.0.1:1", "ftp://127.0.0.1/x", "subfile,,start,0,end,9,,:x", "http:/host/x",
        "http://", "rtsp:///path", "rtsp://host:port/x", "rtsp://host:99999/x", "rtsp://[::1/x",
        "camera", "", "gopher://x", "rtmp://host/x", "crypto:rtsp://host/x", "/dev/video0",
    ],
)  # fmt: skip
def test_refuses_what_is_no_stream(url):
    with pytest.raises(SettingsError, match="rtsp://") as caught:
        NetworkStream(url)
    assert caught.value.exit_code == EXIT_CONFIG


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://admin:Geheim1@127.0.0.1:1/live",
        "rtsp://admin:Ge/heim1@127.0.0.1:1/live",
        "rtsp://admin:Ge@heim1@127.0.0.1:1/live",
        "rtsp://admin:Ge#heim1@127.0.0.1:1/live",
        "rtsp://admin:Ge?heim1@127.0.0.1:1/live",
        "http://127.0.0.1:1/video.cgi?user=admin&pwd=Geheim1",
        "http://127.0.0.1:1/video.cgi?pwd=Geheim1#fragment",
        "rtsp://127.0.0.1:1/user=admin&password=Geheim1&channel=1",
        "ftp://admin:Geheim1@127.0.0.1/live",
        "rtsp://:Geheim1@127.0.0.1:1",
    ],
)
def test_passwords_are_never_shown(url, caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises((SettingsError, SourceUnavailableError)) as caught:
        NetworkStream(url, **QUICK)
    shown = f"{caught.value!r} {caught.value} {caplog.text} {without_secrets(url)}"
    assert "heim1" not in shown
    assert "admin" not in shown
    assert "127.0.0.1" in without_secrets(url)


def test_an_address_without_secrets_is_shown_whole():
    url = "rtsp://camera.local:8554/live/stream1"
    assert without_secrets(url) == url
    assert without_secrets("rtsp://me:pw@camera.local/live") == "rtsp://***@camera.local/live"


def test_the_password_reaches_the_camera_and_nobody_else(caplog):
    caplog.set_level(logging.DEBUG)
    with MjpegServer(credentials="viewer:Geheim1") as camera:
        address = camera.url.removeprefix("http://")
        with NetworkStream(f"http://viewer:Geheim1@{address}", **PATIENT) as stream:
            assert stream.read(5.0) is not None
            assert "Geheim1" not in stream.name
        with pytest.raises(SourceUnavailableError, match="user name and password") as caught:
            NetworkStream(f"http://viewer:Falsch1@{address}", **QUICK)
    assert "Falsch1" not in str(caught.value)
    assert "Geheim1" not in caplog.text


@pytest.mark.parametrize("behaviour", ["stream", "stall"])
def test_a_forgotten_stream_does_not_spoil_the_exit(camera, behaviour):
    script = """
import sys, time
from fer_edge.sources.stream import NetworkStream
stream = NetworkStream(sys.argv[1], open_timeout_seconds=60, read_timeout_seconds=60)
assert stream.read(5.0) is not None
print("ready", flush=True)
sys.stdin.readline()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script, camera.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n"
        camera.behaviour = behaviour
        time.sleep(0.2)
        _, noise = process.communicate("\n", timeout=45)
    assert process.returncode == 0, noise
