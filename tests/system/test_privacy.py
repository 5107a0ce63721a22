"""What leaves the daemon, by the system calls it makes: pictures only to those who look."""

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import traced
from command_line import PROGRAM, clean_environment

from fer_edge.shared.opencv import cv2
from fer_edge.sources.portrait import PortraitClip

MARK = b"THESE-PIXELS-ARE-NOBODYS-BUSINESS" + b"-" * 31
SMALLEST_PICTURE = 16_000
"""Bytes: less than a frame of the clip takes as a JPEG of passable quality; a line takes 500."""

SENDING = "write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,sendmmsg,sendfile,splice"
OWN_PIPE = re.compile(r"^\d+ +\w+\(\d+<(pipe:|/memfd:)")
"""Videos are decoded in a child, whose frames come through a pipe, and photos are handed to another
in a file of memory; what is passed on to others from there is looked at where it ends."""
PHOTO_MARK = b"HANDED-IN-BY-SOMEBODY" + b"-" * 11
CALL = re.compile(r"^\d+ +(\w+)\((\d+)<([^>]*(?:>[^,]*)?)>?, .* = (\d+)$")


def _beside(name):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


broker = _beside("broker")


def why_not():
    if broker.mosquitto_program() is None:
        return broker.MISSING
    return traced.why_not()


pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Three seconds of a moving face, lossless, with letters for pixels in the uppermost rows."""
    return a_clip(tmp_path_factory.mktemp("clip") / "clip.mkv", rate=30)


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory):
    """The same for half a minute: whoever has seen enough ends the run."""
    return a_clip(tmp_path_factory.mktemp("clip") / "long.mkv", rate=3)


def a_clip(path, *, rate):
    codec = cv2.VideoWriter.fourcc(*"FFV1")
    with PortraitClip(frames=90) as source:
        pictures = [source.read(1.0).grey.copy() for _ in range(90)]
    height, width = pictures[0].shape
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, rate, (width, height), isColor=False)
    row = np.frombuffer((MARK * (width // len(MARK) + 1))[:width], np.uint8)
    for picture in pictures:
        picture[:8] = row
        writer.write(picture)
    writer.release()
    jpeg = cv2.imencode(".jpg", pictures[0], [cv2.IMWRITE_JPEG_QUALITY, 70])[1]
    assert len(jpeg) > SMALLEST_PICTURE, "so that no frame fits into what is allowed"
    return path


def what_left(log):
    """Return the calls that wrote or sent to anything but a pipe of the program's own."""
    calls = log.read_text(errors="replace").splitlines()
    return [call for call in calls if not OWN_PIPE.match(call)]


def test_no_picture_is_written_or_sent_with_every_sink_on(clip, tmp_path):
    state, run, log = tmp_path / "state", tmp_path / "run", tmp_path / "calls"
    for folder in (state, run, tmp_path / "broker"):
        folder.mkdir()
    with broker.Mosquitto(tmp_path / "broker") as server:
        settings = (
            f"output.file={state / 'lines.jsonl'}", f"events.file={state / 'events.jsonl'}",
            "events.purpose=a test", "mqtt.host=127.0.0.1", f"mqtt.port={server.port}",
            f"web.port={broker.a_free_port()}", "source.pace=own",
        )  # fmt: skip
        done = subprocess.run(
            [
                *traced.tracing(log, SENDING),
                *PROGRAM, "run", "--source", str(clip),
                *(part for setting in settings for part in ("--set", setting)),
            ],
            env=clean_environment(
                {"STATE_DIRECTORY": str(state), "RUNTIME_DIRECTORY": str(run), "TMPDIR": str(run)}
            ),
            cwd=run, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    left = what_left(log)
    calls = [match for line in left if (match := CALL.match(line))]
    places = " ".join(match[3] for match in calls)
    assert "lines.jsonl" in places
    assert "events.jsonl" in places
    assert "TCP" in places, "nothing went to the broker, so nothing is shown"
    assert MARK[:33].decode() not in "\n".join((*left, done.stdout, done.stderr))
    largest = max(calls, key=lambda match: int(match[4]))
    assert int(largest[4]) < SMALLEST_PICTURE, largest[0][:200]
    files = {path.name for path in tmp_path.rglob("*") if path.is_file()} - {"calls"}
    assert files <= {
        "lines.jsonl", "events.jsonl", "announced.json", "events.db", "events.db-wal",
        "events.db.lock", "mosquitto.conf", "mosquitto.log", "mosquitto.db",
    }  # fmt: skip


class Viewer:
    """Somebody who looks at the page of a run, and hands in a photo."""

    def __init__(self, port):
        self.port = port
        self.own_ports = []

    def open(self, path, body=b""):
        """Ask as soon as there is somebody to be asked; return what is answered, to be read."""
        head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: localhost\r\n"
        channel = self._connected()
        self.own_ports.append(channel.getsockname()[1])
        channel.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return channel

    def read(self, path, until, body=b""):
        """Return what is answered up to some words."""
        received = b""
        with self.open(path, body) as channel:
            while until not in received:
                part = channel.recv(65536)
                assert part, received[:200]
                received += part
        return received

    def _connected(self):
        give_up = time.monotonic() + 120
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), timeout=120)
            except OSError:
                assert time.monotonic() < give_up, "nobody answers"
                time.sleep(0.05)


def a_photo():
    """Return a BMP, which is not compressed, with letters for pixels."""
    pixels = np.tile(np.frombuffer(PHOTO_MARK * 5, np.uint8), (120, 1))
    return cv2.imencode(".bmp", pixels)[1].tobytes()


@pytest.mark.parametrize("view", ["boxes", "picture"])
def test_pictures_go_to_those_who_look_and_photos_nowhere(long_clip, tmp_path, view):
    port = broker.a_free_port()
    log = tmp_path / "calls"
    settings = (
        "output.file=lines.jsonl", f"web.port={port}", f"web.view={view}", "source.pace=own",
    )  # fmt: skip
    running = subprocess.Popen(
        [
            *traced.tracing(log, SENDING),
            *PROGRAM, "run", "--source", str(long_clip),
            *(part for setting in settings for part in ("--set", setting)),
        ],
        env=clean_environment(
            {"STATE_DIRECTORY": str(tmp_path), "RUNTIME_DIRECTORY": str(tmp_path)}
        ),
        cwd=tmp_path, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    viewer = Viewer(port)
    try:
        seen = viewer.read("/events", b'"faces":[{')
        assert b"event: frame" in seen
        told = viewer.read("/photo", b'"baseline"', a_photo())
        others = list(viewer.own_ports)
        if view == "picture":
            viewer.read("/live.mjpeg", b"JFIF")
        else:
            assert b"404" in viewer.read("/live.mjpeg", b"\r\n")
    finally:
        os.killpg(running.pid, signal.SIGTERM)
        running.wait(120)
    assert b'"width": 160' in told
    left = what_left(log)
    calls = [match for line in left if (match := CALL.match(line))]
    assert MARK[:33].decode() not in "\n".join(left)
    assert PHOTO_MARK.decode() not in "\n".join(left)
    assert PHOTO_MARK.decode() in log.read_text(errors="replace"), "so the trace would show it"
    pictures = [match for match in calls if "JFIF" in match[0] or int(match[4]) > SMALLEST_PICTURE]
    assert bool(pictures) == (view == "picture")
    places = {match[3] for match in pictures}
    assert all(f"127.0.0.1:{port}->" in place for place in places), places
    assert not [
        place for place in places if place.rpartition(":")[2].strip("]") in map(str, others)
    ]
    files = {path.name for path in tmp_path.rglob("*") if path.is_file()} - {"calls"}
    assert files == {"lines.jsonl"}


def test_the_trace_would_show_a_picture(clip, tmp_path):
    """A program that does write its frames is found out by the same means."""
    log = tmp_path / "calls"
    program = (
        "import sys; from pathlib import Path; from fer_edge.sources.video import VideoFile\n"
        "with VideoFile(Path(sys.argv[1])) as clip: grey = clip.read(5.0).grey\n"
        "open(sys.argv[2], 'wb').write(grey.tobytes())"
    )
    subprocess.run(
        [
            *traced.tracing(log, SENDING),
            sys.executable, "-c", program, str(clip), str(tmp_path / "stolen"),
        ],
        check=True, timeout=300,
    )  # fmt: skip
    left = what_left(log)
    assert MARK[:33].decode() in "\n".join(left)
    sizes = [int(match[4]) for line in left if (match := CALL.match(line))]
    assert max(sizes) > SMALLEST_PICTURE
