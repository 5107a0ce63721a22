"""What leaves the daemon with everything switched on: no picture, by the system calls it makes."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import PROGRAM, clean_environment

from fer_edge.shared.opencv import cv2
from fer_edge.sources.portrait import PortraitClip

MARK = b"THESE-PIXELS-ARE-NOBODYS-BUSINESS" + b"-" * 31
SMALLEST_PICTURE = 16_000
"""Bytes: less than a frame of the clip takes as a JPEG of passable quality; a line takes 500."""

SENDING = "write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,sendmmsg,sendfile,splice"
TRACE = ("strace", "-f", "-qq", "-yy", "-s", "4096", "-e", f"trace={SENDING}", "-o")
OWN_PIPE = re.compile(r"^\d+ +\w+\(\d+<pipe:")
"""Videos are decoded in a child, whose frames come through a pipe; what a pipe of ours passes on to
others is looked at where it ends."""
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
    if shutil.which("strace") is None:
        return "no strace: apt-get install -y strace"
    attempt = ["strace", "-qq", "-o", os.devnull, "true"]
    done = subprocess.run(attempt, capture_output=True, check=False)
    return "" if done.returncode == 0 else "processes may not be traced here"


pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Three seconds of a moving face, lossless, with letters for pixels in the uppermost rows."""
    path = tmp_path_factory.mktemp("clip") / "clip.mkv"
    codec = cv2.VideoWriter.fourcc(*"FFV1")
    with PortraitClip(frames=90) as source:
        pictures = [source.read(1.0).grey.copy() for _ in range(90)]
    height, width = pictures[0].shape
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, 30, (width, height), isColor=False)
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
                *TRACE, str(log),
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
            *TRACE, str(log),
            sys.executable, "-c", program, str(clip), str(tmp_path / "stolen"),
        ],
        check=True, timeout=300,
    )  # fmt: skip
    left = what_left(log)
    assert MARK[:33].decode() in "\n".join(left)
    sizes = [int(match[4]) for line in left if (match := CALL.match(line))]
    assert max(sizes) > SMALLEST_PICTURE
