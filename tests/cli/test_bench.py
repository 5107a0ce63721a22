"""`fer-edge bench` and `fer-edge doctor` as scripts and people use them."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from builders import a_picture, encoded, write_files
from command_line import error_line, fer_edge, json_lines, start_fer_edge

from fer_edge.testing.fakes import MjpegServer

CHEAP = ["--seconds", "0.02", "--set", "detector.max_side_px=64", "--set", "detector.confirm="]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    pictures = {f"{n}.png": encoded(a_picture(seed=n)) for n in range(5)}
    return write_files(tmp_path_factory.mktemp("clip"), pictures)


@pytest.fixture(scope="module")
def written(tmp_path_factory, tiny, clip):
    """Two reports of the same, written with --out."""
    folder = tmp_path_factory.mktemp("reports")
    for name in "ab":
        done = fer_edge("bench", *CHEAP, "--source", clip, "--model", tiny, "--out", folder / name)
        assert (done.returncode, done.stderr) == (0, "")
    return folder


def test_json_is_one_line_with_the_promised_fields(tiny, clip):
    done = fer_edge("bench", "--json", *CHEAP, "--source", clip, "--model", tiny)
    assert (done.returncode, done.stderr) == (0, "")
    (report,) = json_lines(done.stdout)
    promised = {"machine", "model", "network", "stages", "pipeline", "memory", "valid"}
    assert promised <= set(report)
    assert type(report["network"]["p50_ms"]) is float
    assert report["pipeline"]["frames"] == 5
    assert type(report["pipeline"]["cpu_ms_per_frame"]) is float
    assert type(report["memory"]["rss_mb"]) is float


def test_people_get_aligned_tables(written, tiny, clip):
    done = fer_edge("bench", *CHEAP, "--source", clip, "--model", tiny, "--mlperf", "0.05")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    heading = next(line for line in lines if line.startswith("level (ms)"))
    row = next(line for line in lines if line.startswith("network alone"))
    assert len(heading) == len(row)
    assert any(line.startswith("single stream") for line in lines)
    assert (written / "a/bench.html").read_text().startswith("<!DOCTYPE html>")


def test_the_same_measured_twice_is_compared(written):
    done = fer_edge(
        "bench", "compare", "--json", "--tolerance", "9", written / "a/bench.json",
        written / "b/bench.json",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    (result,) = json_lines(done.stdout)
    assert list(result) == [
        "regression", "verdict", "tolerance", "confidence", "changes", "notes",
    ]  # fmt: skip
    assert result["regression"] is False


def steady(path: Path, to: Path, *, factor: float = 1.0) -> Path:
    """Write a report as on a machine with nothing else to do, so many times as slow."""
    report = json.loads(path.read_text())
    samples = [factor * (1 + n % 5 / 100) for n in range(400)]
    report |= {"samples": dict.fromkeys(report["samples"], samples), "waiting": {}}
    to.write_text(json.dumps(report))
    return to


def test_a_regression_is_exit_code_4(written, tmp_path):
    before = steady(written / "a/bench.json", tmp_path / "before.json")
    after = steady(before, tmp_path / "after.json", factor=10)
    done = fer_edge("bench", "compare", before, after)
    assert done.returncode == 4
    assert "REGRESSION: network ms, p50" in done.stdout
    assert done.stderr.startswith("error: network ms, p50")


def test_reports_of_different_models_are_refused(written, clip):
    other = written / "other"
    done = fer_edge("bench", *CHEAP, "--source", clip, "--out", other)
    assert done.returncode == 0
    pair = (written / "a/bench.json", other / "bench.json")
    assert "add --force" in error_line(fer_edge("bench", "compare", *pair), code=1)
    assert fer_edge("bench", "compare", "--force", *pair).returncode in {0, 4}


@pytest.mark.parametrize(
    ("arguments", "code", "found"),
    [
        (["--source", "missing.mp4"], 1, "missing.mp4 does not exist"),
        (["--model", "missing.tflite"], 78, "missing.tflite"),
        (["--set", "detector.cascade=best"], 78, "detector.cascade"),
        (["--data", "missing"], 1, "missing does not exist"),
        (["compare", "no.json", "no.json"], 1, "no.json is no benchmark report"),
    ],
)
def test_what_cannot_be_measured(arguments, code, found):
    assert found in error_line(fer_edge("bench", *CHEAP, *arguments), code=code)


@pytest.mark.parametrize("size", ["640", "640x", "0x0", "axb", "99999x1"])
def test_sizes_that_are_none(size):
    done = fer_edge("bench", "--size", size)
    assert done.returncode == 2
    assert "such as 640x480" in done.stderr


@pytest.mark.parametrize("camera", ["0", "picamera", "rtsp://camera.invalid/stream", "demo"])
def test_a_camera_has_a_pace_of_its_own(camera):
    done = fer_edge("bench", "--source", camera, "--rate", "15")
    assert done.returncode == 2
    assert "--set source.frames_per_second=N" in " ".join(done.stderr.split())


def test_a_folder_that_cannot_be_made_is_told_before_the_work(tmp_path, tiny):
    (tmp_path / "file").write_text("")
    started = time.monotonic()
    done = fer_edge("bench", "--seconds", "30", "--model", tiny, "--out", tmp_path / "file/out")
    assert "file" in error_line(done, code=1)
    assert time.monotonic() - started < 20


def has_child(pid: int) -> bool:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if stat.read_text().rpartition(")")[2].split()[1] == str(pid):
                return True
        except OSError:
            continue
    return False


def test_ctrl_c_keeps_what_was_measured(tiny):
    running = start_fer_edge(
        "bench", "--json", "--seconds", "60", "--model", tiny,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not has_child(running.pid) and time.monotonic() < deadline:  # it measures memory
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    stdout, stderr = running.communicate(timeout=120)
    assert running.returncode == 130
    assert stderr.splitlines()[-1] == "interrupted; kept what was measured before"
    (report,) = json_lines(stdout)
    assert report["valid"] is False
    assert report["interrupted"][-1] == "pipeline"
    assert report["machine"]["kernel"]


class Worn(list):
    """Pictures of a camera that stops delivering after some."""

    def __init__(self, server, lasts):
        super().__init__(server.jpegs)
        self._server, self._left = server, lasts

    def __getitem__(self, number):
        self._left -= 1
        if self._left < 0:
            self._server.behaviour = "stall"
        return super().__getitem__(number)


def test_a_camera_that_stops_leaves_the_report(tiny, tmp_path):
    with MjpegServer() as server:
        server.jpegs = Worn(server, 100)
        done = fer_edge(
            "bench", "--json", *CHEAP, "--source", server.url, "--model", tiny, "--minutes", "1",
            "--set", "source.read_timeout_seconds=0.5", "--out", tmp_path,
        )  # fmt: skip
    (report,) = json_lines(done.stdout)
    assert report["interrupted"] == ["pipeline (partly)", "sustained"]
    assert report["network"]["n"] > 0
    assert json.loads((tmp_path / "bench.json").read_text()) == report
    assert done.returncode == 69
    assert "kept what was measured" in done.stderr
    assert report["invalid_because"][-1] in done.stderr


def test_doctor():
    done = fer_edge("doctor", "--json")
    (told,) = json_lines(done.stdout)
    assert done.returncode == (0 if told["healthy"] else 1)
    found = {finding["check"]: finding["severity"] for finding in told["findings"]}
    assert found["opencv"] == found["runtime"] == "ok"
    assert {"camera", "power", "clock", "userland", "storage"} <= set(found)
    shown = fer_edge("doctor")
    assert shown.returncode == done.returncode
    assert "runtime: TFLite runtime with XNNPACK" in shown.stdout
