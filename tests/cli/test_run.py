"""`fer-edge run` from its start to its end."""

import array
import fcntl
import itertools
import json
import os
import pty
import re
import signal
import subprocess
import termios
import time

import numpy as np
import pytest
from builders import PORTRAIT, PORTRAIT_FACE, a_picture, encoded, write_files
from command_line import (
    error_line,
    fer_edge,
    json_lines,
    start_fer_edge,
    wait_until_connected,
)
from web_browser import Browser

from fer_edge.shared.data.pictures import read_grey
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Box
from fer_edge.testing.fakes import MjpegServer


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Sixty frames of the portrait."""
    path = tmp_path_factory.mktemp("video") / "clip.avi"
    grey = read_grey(PORTRAIT)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, grey.shape[::-1])
    for number in range(60):
        writer.write(cv2.cvtColor(np.roll(grey, number % 5, axis=1), cv2.COLOR_GRAY2BGR))
    writer.release()
    return path


@pytest.fixture
def camera():
    with MjpegServer([a_picture(160, 120)]) as server:
        yield server


def wait_for_bytes(path, size):
    until = time.monotonic() + 120
    while path.stat().st_size < size:
        assert time.monotonic() < until, f"{path.name} does not grow"
        time.sleep(0.02)


def test_every_frame_becomes_a_line(video, tiny):
    done = fer_edge("run", "--source", video, "--model", tiny, "--max-frames", 12)
    assert done.returncode == 0
    lines = json_lines(done.stdout)
    assert [line["frame"] for line in lines] == list(range(12))
    assert all(len(line["faces"]) == 1 for line in lines)
    assert "frames       12 (12 with a face)" in done.stderr
    assert "find faces" in done.stderr


def test_lines_are_appended_to_a_file(tmp_path, tiny):
    output = tmp_path / "lines.jsonl"
    for expected in (1, 2):
        done = fer_edge("run", "--source", PORTRAIT.parent, "--model", tiny, "--output", output)
        assert (done.returncode, done.stdout) == (0, "")
        assert len(json_lines(output.read_text())) == expected


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_between_two_frames(camera, tiny, number):
    process = start_fer_edge(
        "run", "--source", camera.url, "--model", tiny,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    first = process.stdout.readline()
    process.send_signal(number)
    rest, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert json_lines(first + rest)
    assert said.startswith("frames  ")


def start_on(camera, tiny, *settings):
    flags = [word for setting in settings for word in ("--set", f"source.{setting}")]
    return start_fer_edge(
        "run", "--source", camera.url, "--model", tiny, *flags,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_a_page_opens_with_one_command_and_ends_with_ctrl_c_while_somebody_looks(tiny, tmp_path):
    process = start_fer_edge(
        "run", "--source", "demo", "--model", tiny, "--view", "--output", tmp_path / "lines",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    said = next(line for line in process.stderr if line.startswith("page"))
    port = int(re.search(r"http://127\.0\.0\.1:(\d+)/", said)[1])
    with Browser(port).watch("/live.mjpeg") as viewer:
        numbers = [number for number, _ in itertools.islice(viewer.pictures(), 3)]
        process.send_signal(signal.SIGINT)
        viewer.everything()
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert numbers == sorted(numbers)
    assert "Traceback" not in said


@pytest.mark.parametrize("patience", [0, 2])
def test_a_camera_that_stays_away_is_given_up(camera, tiny, patience):
    process = start_on(camera, tiny, "read_timeout_seconds=0.5", f"give_up_seconds={patience}")
    process.stdout.readline()
    camera.behaviour = "stall"
    _, said = process.communicate(timeout=120)
    assert process.returncode == 69
    error = said.splitlines()[-1]
    assert error.startswith("error: ")
    assert camera.url in error
    assert "Traceback" not in said
    assert ("is opened again in" in said) == bool(patience)
    assert ("for 2 s opening it again did not help" in error) == bool(patience)


def test_a_camera_that_comes_back_goes_on(camera, tiny):
    process = start_on(camera, tiny, "read_timeout_seconds=0.5", "reopen_longest_seconds=0.2")
    before = json.loads(process.stdout.readline())["frame"]
    camera.behaviour = "end"
    for line in process.stderr:
        if "is opened again in" in line:
            break
    camera.behaviour = "stream"
    after = process.stdout.readline()
    for line in process.stderr:
        if "delivers again" in line:
            break
    process.send_signal(signal.SIGINT)
    rest, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    numbers = [before, *(line["frame"] for line in json_lines(after + rest))]
    assert numbers == sorted(set(numbers))


def test_a_terminal_says_what_is_waited_for(camera, tiny):
    ours, theirs = pty.openpty()
    process = start_fer_edge(
        "run", "--source", camera.url, "--model", tiny, "--set", "source.read_timeout_seconds=0.5",
        stdout=subprocess.PIPE, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    process.stdout.readline()
    camera.behaviour = "end"
    shown = ""
    while "waiting for 2 s" not in shown:
        shown += os.read(ours, 4096).decode()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    os.close(ours)
    lines = [line for line in shown.split("\r\x1b[K") if line]
    assert any(" FPS" in line for line in lines)
    (logged,) = [line for line in lines if "the stream has stopped; the camera" in line]
    assert " WARNING fer_edge.daemon.camera.steady: " in logged, "on a line of its own"
    assert any(line.startswith("camera waiting for 2 s: ") for line in lines)


def test_another_source_is_turned_to_without_a_new_start(camera, tiny, tmp_path):
    settings, output = tmp_path / "fer-edge.toml", tmp_path / "lines.jsonl"
    with MjpegServer([a_picture(320, 240)]) as other, output.open("w") as stdout:
        settings.write_text(f'[source]\nuri = "{camera.url}"\n')
        process = start_fer_edge(
            "run", "--config", settings, "--model", tiny, stdout=stdout, stderr=subprocess.PIPE
        )
        wait_for_bytes(output, 1)
        for uri, said in [(other.url, "settings read anew: source"),
                          ("http://", "the new settings are not used")]:  # fmt: skip
            settings.write_text(f'[source]\nuri = "{uri}"\n')
            process.send_signal(signal.SIGHUP)
            assert any(said in line for line in process.stderr)
            wait_for_bytes(output, output.stat().st_size + 2000)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    numbers = [line["frame"] for line in json_lines(output.read_text())]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("annotates", [True, False])
def test_who_turns_to_counts_only_gets_no_faces_from_then_on(camera, tiny, tmp_path, annotates):
    settings, lines = tmp_path / "fer-edge.toml", tmp_path / "lines.jsonl"
    lines.touch()
    settings.write_text(f'[output]\nfile = "{lines}"\n')
    process = start_fer_edge(
        "run", "--config", settings, "--source", camera.url, "--model", tiny,
        *(("--annotate", tmp_path / "pictures") if annotates else ()), stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_for_bytes(lines, 1)
    settings.write_text('[output]\nfile = ""\n[events]\nmode = "aggregate"\n')
    process.send_signal(signal.SIGHUP)
    said = next(line for line in process.stderr if "settings" in line)
    process.send_signal(signal.SIGINT)
    _, closing = process.communicate(timeout=120)
    assert process.returncode == 0
    if annotates:
        assert "the new settings are not used: events.mode is aggregate, but --annotate" in said
    else:
        assert "settings read anew: output, events" in said
    assert ("with a face" in closing) == annotates


def test_a_second_ctrl_c_ends_it_though_nobody_reads_its_lines(camera, tiny):
    process = start_on(camera, tiny)
    size = fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
    waiting = array.array("i", [0])
    while waiting[0] < size - 1000:
        time.sleep(0.05)
        fcntl.ioctl(process.stdout, termios.FIONREAD, waiting)
    time.sleep(1.5)  # for the line that does not fit
    process.send_signal(signal.SIGINT)
    time.sleep(1)  # two at once would be one
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert process.communicate()[1].endswith("interrupted\n")


@pytest.mark.parametrize("behaviour", ["silent", "stall", "end"])
def test_ctrl_c_ends_it_soon_however_the_camera_does(camera, tiny, behaviour):
    if behaviour == "silent":  # it is being opened
        camera.behaviour = "silent"
    times = ("open_timeout_seconds=60", "read_timeout_seconds=30", "reopen_longest_seconds=60")
    process = start_on(camera, tiny, *times)
    if behaviour == "silent":
        wait_until_connected(process.pid, camera.port)
    else:
        process.stdout.readline()
        camera.behaviour = behaviour
        time.sleep(1)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, said = process.communicate(timeout=120)
    assert time.monotonic() - began < 15, "sooner than anything is waited for"
    if behaviour == "silent":
        assert (process.returncode, said) == (130, ""), "it had not begun"
    else:
        assert process.returncode == 0, said
        assert "Traceback" not in said


def test_a_video_cut_off_gives_the_frames_it_has(video, tiny, tmp_path):
    data = video.read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) // 2])
    done = fer_edge("run", "--source", tmp_path / "cut.avi", "--model", tiny)
    assert done.returncode == 0
    assert 10 < len(json_lines(done.stdout)) < 50
    assert "Traceback" not in done.stderr


def test_a_video_without_frames_is_refused(video, tiny, tmp_path):
    (tmp_path / "head.avi").write_bytes(video.read_bytes()[:300])
    done = fer_edge("run", "--source", tmp_path / "head.avi", "--model", tiny)
    assert "not one frame can be decoded" in error_line(done, code=1)


def test_a_folder_with_one_bad_picture(tmp_path, tiny):
    good = encoded(a_picture())
    write_files(tmp_path, {"1.png": good, "2.png": b"no picture", "3.png": good})
    done = fer_edge("run", "--source", tmp_path, "--model", tiny)
    assert done.returncode == 0
    assert [line["name"] for line in json_lines(done.stdout)] == ["1.png", "3.png"]
    assert "2.png cannot be decoded" in done.stderr


def test_a_recording_is_replayed_as_it_was(tmp_path, tiny):
    recording = tmp_path / "recording.jsonl"
    fer_edge("run", "--source", PORTRAIT.parent, "--model", tiny, "--output", recording)
    done = fer_edge("replay", recording, "--pace", "fast")
    assert done.returncode == 0
    assert json_lines(done.stdout) == json_lines(recording.read_text())
    assert "frames" in done.stderr


def test_a_recording_is_not_replayed_into_itself(tmp_path, tiny):
    recording = tmp_path / "recording.jsonl"
    fer_edge("run", "--source", PORTRAIT.parent, "--model", tiny, "--output", recording)
    before = recording.read_text()
    done = fer_edge("replay", recording, "--output", recording)
    assert done.returncode == 78
    assert "without end" in done.stderr
    assert recording.read_text() == before


@pytest.mark.parametrize("file", ["no.jsonl", "empty.jsonl"])
def test_what_cannot_be_replayed_is_said(tmp_path, file):
    (tmp_path / "empty.jsonl").touch()
    done = fer_edge("replay", tmp_path / file)
    assert done.returncode == 1
    assert "fer-edge run" in done.stderr


@pytest.mark.parametrize(
    "flags", [(), ("--set", "source.rotation=90", "--set", "source.mirror=yes")]
)
def test_rotation_reaches_the_pictures(tmp_path, tiny, flags):
    picture = cv2.imread(str(PORTRAIT), cv2.IMREAD_GRAYSCALE)
    turned = cv2.rotate(cv2.flip(picture, 1), cv2.ROTATE_90_COUNTERCLOCKWISE) if flags else picture
    cv2.imwrite(str(tmp_path / "a.png"), turned)
    (line,) = json_lines(fer_edge("run", "--source", tmp_path, "--model", tiny, *flags).stdout)
    (face,) = line["faces"]
    box = Box(*face["box"])
    assert box.iou(PORTRAIT_FACE) > 0.5
