"""What a person at a terminal sees of `fer-edge run`, and the video that it leaves."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios

import cv2
import pytest
from builders import a_picture
from command_line import error_line, fer_edge, json_lines, start_fer_edge, wait_until_connected

from fer_edge.sources.demo_clip import DemoClip
from fer_edge.testing.fakes import MjpegServer


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """One second of the demo's clip, 20 frames."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 20.0, (640, 480))
    with DemoClip() as source:
        for _ in range(20):
            writer.write(source.read(1.0).image)
    writer.release()
    return path


class Terminal:
    """A terminal 120 characters wide at which a program runs."""

    def __init__(self, *arguments):
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.process = start_fer_edge(*arguments, stdout=theirs, stderr=theirs)
        os.close(theirs)

    def read_until(self, words=""):
        """Return what is shown until some words are, or until the end."""
        shown = b""
        while not words or words.encode() not in shown:
            try:
                piece = os.read(self._ours, 4096)
            except OSError:  # how the end of a terminal is told
                break
            if not piece:
                break
            shown += piece
        return shown.decode()

    def close(self):
        os.close(self._ours)
        return self.process.wait(60)


def test_a_terminal_shows_one_line_and_a_summary_and_no_json(clip, tiny):
    terminal = Terminal("run", "--source", clip, "--model", tiny, "--set", "source.pace=own")
    shown = terminal.read_until()
    assert terminal.close() == 0
    assert '"schema"' not in shown
    lines = [line for line in shown.split("\r\x1b[K") if line]
    assert lines[0] == f"opening {clip}"[:119] or lines[0].startswith("clip 0 s "), "if it is quick"
    live = [line for line in lines if line.startswith("clip ")]
    assert live
    for line in live:
        assert re.match(r"clip \d s of 1 s(, \d:\d\d left)?  .*\d FPS  \d+ ms", line)
        assert "\n" not in line
    assert lines[-1].startswith("frames       20 ")
    assert re.search(r"^expressions +\w+ \d\.\d s", lines[-1], flags=re.M)


@pytest.mark.parametrize("flags", [("--json",), ("--output", "-")])
def test_json_at_a_terminal_is_alone_where_it_is_asked_for(clip, tiny, flags):
    terminal = Terminal("run", "--source", clip, "--model", tiny, "--max-frames", 3, *flags)
    shown = terminal.read_until()
    assert terminal.close() == 0
    assert "\x1b" not in shown, "no live line among them"
    lines = shown.replace("\r\n", "\n").splitlines()
    assert [json.loads(line)["frame"] for line in lines[:3]] == [0, 1, 2]


def test_json_and_a_file_are_one_too_many(clip, tiny):
    done = fer_edge("run", "--source", clip, "--json", "--output", "lines.jsonl")
    assert (done.returncode, done.stdout) == (2, "")
    assert "leave one out" in done.stderr


def test_a_clip_becomes_an_annotated_one(clip, tiny, tmp_path):
    out = tmp_path / "out.mp4"
    done = fer_edge("run", "--source", clip, "--model", tiny, "--annotate", out)
    lines = json_lines(done.stdout)
    assert [line["clip_seconds"] for line in lines[:3]] == [0, 0.05, 0.1]
    said = f"\n\nannotated  {out}: 640x480, MPEG-4, 20 frames at 20 a second (1.0 s)"
    assert said in done.stderr
    video, original = cv2.VideoCapture(str(out)), cv2.VideoCapture(str(clip))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 20
    drawn, before = video.read()[1].astype(int), original.read()[1].astype(int)
    assert abs(drawn - before).mean() < 12, "the same, in its colours,"
    assert (abs(drawn - before) > 60).any(-1).sum() > 1000, "with boxes and labels"


def test_so_many_seconds_of_a_clip(clip, tiny):
    done = fer_edge("run", "--source", clip, "--model", tiny, "--max-seconds", 0.4)
    assert json_lines(done.stdout)[-1]["clip_seconds"] == 0.4


@pytest.mark.parametrize("end", ["ctrl-c", "seconds"])
def test_a_camera_leaves_a_playable_video(tiny, tmp_path, end):
    out = tmp_path / "out.mp4"
    limit = ("--max-seconds", 1) if end == "seconds" else ()
    with MjpegServer([a_picture(160, 120)]) as camera:
        process = start_fer_edge(
            "run", "--source", camera.url, "--model", tiny, "--annotate", out, *limit,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        for _ in range(20):
            process.stdout.readline()
        if end == "ctrl-c":
            process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    video = cv2.VideoCapture(str(out))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) >= 5
    assert video.read()[1].shape == (120, 160, 3)


def test_a_video_that_cannot_be_made_is_told_before_anything_is_read(clip, tiny, tmp_path):
    done = fer_edge(
        "run", "--source", clip, "--model", tiny, "--annotate", tmp_path / "a" / "b.mp4"
    )
    assert "b.mp4 cannot be written" in error_line(done, code=1)
    done = fer_edge("run", "--source", clip, "--model", tiny, "--annotate", "out.gif")
    assert "expected one of .mp4" in error_line(done, code=78)


def test_ctrl_c_before_the_first_frame_is_silent(tiny):
    with MjpegServer([a_picture(160, 120)]) as camera:
        camera.behaviour = "silent"
        process = start_fer_edge(
            "run", "--source", camera.url, "--model", tiny,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        wait_until_connected(process.pid, camera.port)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 130


def test_ctrl_c_is_silent_while_the_program_is_loaded():
    code = """
import sys, time
from fer_edge.shared.terminal import entry
def load(name):
    print("loading", name, flush=True)
    time.sleep(60)
entry.import_module = load
entry.fer_edge()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "loading fer_edge.cli\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 130
