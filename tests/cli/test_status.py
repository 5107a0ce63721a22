"""`fer-edge status` beside a running `fer-edge run`."""

import re
import signal
import subprocess
import time

import pytest
from builders import a_picture
from command_line import error_line, fer_edge, json_lines, start_fer_edge, stop_process

from fer_edge.testing.fakes import MjpegServer


@pytest.fixture
def home(tmp_path):
    """A runtime directory of its own, so that no other run is met."""
    return {"XDG_RUNTIME_DIR": str(tmp_path), "RUNTIME_DIRECTORY": ""}


@pytest.fixture
def camera():
    with MjpegServer([a_picture(160, 120)], frames_per_second=20) as server:
        yield server


@pytest.fixture
def start(home, camera, tiny, tmp_path):
    """Start daemons; wait until each has told a frame."""
    running = []

    def start_one(*arguments):
        process = start_fer_edge(
            "run", "--source", camera.url, "--model", tiny, *arguments, environment=home,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        running.append(process)
        assert process.stdout.readline()
        return process

    yield start_one
    for process in running:
        process.kill()
        process.communicate()


def settled(home, *arguments):
    """Ask until a second's worth of frames has been seen."""
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        done = fer_edge("status", "--json", *arguments, environment=home)
        lines = json_lines(done.stdout)
        if lines and all(line.get("frames", 0) > 5 for line in lines):
            return done, lines
        time.sleep(0.2)
    raise AssertionError(done.stderr or done.stdout)


def test_nobody_runs(home):
    assert "no fer-edge runs here" in error_line(fer_edge("status", environment=home), code=69)
    done = fer_edge("status", "--json", "--name", "front", environment=home)
    assert "no fer-edge named 'front'" in error_line(done, code=69)


def test_a_daemon_that_runs_well_says_so(home, start, camera):
    process = start()
    done, (line,) = settled(home)
    assert (done.returncode, done.stderr) == (0, "")
    assert line["schema"] == 1
    assert (line["pid"], line["phase"], line["well"]) == (process.pid, "running", True)
    assert line["source"] == camera.url
    assert line["camera"]["phase"] == "delivering"
    assert 5 < line["frames_per_second"] < 60
    assert line["stages_ms"]["age"]["p50"] > 0
    shown = fer_edge("status", environment=home)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert re.match("state +running, up ", shown.stdout)
    assert f"(process {process.pid})" in shown.stdout


def test_a_stopped_daemon_is_told_within_two_seconds(home, start):
    process = start()
    stop_process(process.pid)
    began = time.monotonic()
    fer_edge("status", "--name", "nobody", environment=home)
    start_of_python = time.monotonic() - began
    began = time.monotonic()
    done = fer_edge("status", environment=home)
    taken = time.monotonic() - began
    process.send_signal(signal.SIGCONT)
    assert done.returncode == 1
    assert f"process {process.pid} does not answer" in done.stdout
    assert taken < 2 + 4 * start_of_python


def test_a_killed_daemon_is_gone_and_the_next_takes_its_place(home, start):
    process = start()
    process.kill()
    process.wait()
    assert fer_edge("status", environment=home).returncode == 69
    start()
    _, (line,) = settled(home)
    assert line["name"] == ""


def test_two_cameras_on_one_machine(home, start):
    start("--name", "front")
    start("--name", "back")
    _, lines = settled(home)
    assert sorted(line["name"] for line in lines) == ["back", "front"]
    done, (line,) = settled(home, "--name", "back")
    assert (done.returncode, line["name"]) == (0, "back")
    assert fer_edge("status", "--name", "side", environment=home).returncode == 69


def test_a_name_that_runs_already_is_refused_before_the_camera_is_touched(home, start, tiny):
    start("--name", "front")
    second = fer_edge(
        "run", "--source", "no.mp4", "--model", tiny, "--name", "front", environment=home
    )
    assert "a fer-edge named 'front' runs already" in error_line(second, code=78)


def test_runs_without_a_name_do_not_hinder_one_another(home, start):
    first, second = start(), start()
    _, lines = settled(home)
    assert {line["pid"] for line in lines} == {first.pid, second.pid}


def test_sigterm_leaves_no_socket(home, start, tmp_path):
    process = start()
    assert [path.name for path in (tmp_path / "fer-edge").iterdir()] == ["status.sock"]
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert list((tmp_path / "fer-edge").iterdir()) == []


def test_watching_follows_a_daemon_until_its_end(home, start):
    process = start()
    settled(home)
    watcher = start_fer_edge(
        "status", "--watch", "--json", environment=home,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    first, second = (json_lines(watcher.stdout.readline())[0] for _ in range(2))
    assert second["frames"] > first["frames"]
    process.kill()
    time.sleep(2.5)
    watcher.send_signal(signal.SIGINT)
    _, said = watcher.communicate(timeout=120)
    assert (watcher.returncode, said) == (69, "")
