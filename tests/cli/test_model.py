"""`fer-edge model`, and a daemon that takes its model from the slots."""

import contextlib
import json
import signal
import socket
import subprocess
import time

import pytest
from builders import PORTRAIT, a_picture
from command_line import error_line, fer_edge, json_lines, start_fer_edge
from tiny_model import tiny_model

from fer_edge import DEFAULT_MODEL
from fer_edge.shared.model.model_file import parse_model
from fer_edge.testing.fakes import MjpegServer

OLD, NEW = tiny_model(seed=1), tiny_model(seed=2)
CONFIG = 78


def sha256(data):
    return parse_model(data, where="").sha256


@pytest.fixture
def model(tmp_path):
    """Runs `fer-edge model` on a state folder of its own; data becomes a file."""

    def run(command, *arguments):
        given = []
        for argument in arguments:
            if isinstance(argument, bytes):
                (tmp_path / "given.tflite").write_bytes(argument)
                given.append(tmp_path / "given.tflite")
            else:
                given.append(argument)
        return fer_edge("model", command, *given, "--state", tmp_path / "state")

    return run


def parsed(done):
    assert done.returncode == 0, done.stderr
    (line,) = json_lines(done.stdout)
    return line


def test_install_tells_what_serves(model):
    assert parsed(model("install", NEW, "--json")) == {
        "changed": True, "serving": "a", "before": "shipped", "name": "tiny", "sha256": sha256(NEW),
        "remarks": [],
    }  # fmt: skip
    assert parsed(model("install", NEW, "--json"))["changed"] is False
    shown = model("install", OLD)
    assert shown.stdout == f"tiny (slot b, sha256 {sha256(OLD)[:12]}...) serves\n"
    assert "systemctl reload fer-edge" in shown.stderr


def test_rollback_tells_what_serves(model):
    model("install", NEW)
    back = parsed(model("rollback", "--json"))
    assert (back["serving"], back["before"], back["name"]) == ("shipped", "a", DEFAULT_MODEL)


def test_status(model, tmp_path):
    model("install", NEW)
    told = parsed(model("status", "--json", "--verify"))
    assert told["folder"] == str(tmp_path / "state" / "models")
    assert (told["serving"], told["before"], told["problem"]) == ("a", "shipped", "")
    assert told["places"]["a"] == {"name": "tiny", "sha256": sha256(NEW), "problem": ""}
    assert told["places"]["b"] is None
    assert told["places"]["shipped"]["name"] == DEFAULT_MODEL
    assert "passes its test (serves)" in model("status", "--verify").stdout


def test_status_of_a_state_folder_that_is_not_there(model, tmp_path):
    assert "there is no folder" in error_line(model("status"), code=CONFIG)
    (tmp_path / "state").mkdir()
    assert model("status").returncode == 0


def test_status_of_a_model_that_cannot_serve(model, tmp_path):
    model("install", NEW)
    (tmp_path / "state/models/a/model.tflite").write_bytes(NEW[:-1])
    done = model("status")
    assert done.returncode == CONFIG
    assert "damaged" in done.stdout


@pytest.mark.parametrize(
    ("data", "found"),
    [(b"text", "not a TFLite model"), (NEW[:-1], "is damaged")],
    ids=["text", "cut off"],
)
def test_install_refuses(model, data, found):
    assert found in error_line(model("install", data), code=CONFIG)


def test_install_of_a_file_that_is_not_there(model, tmp_path):
    assert "does not exist" in error_line(model("install", tmp_path / "no.tflite"), code=CONFIG)


def test_rollback_without_anything_to_go_back_to(model):
    assert "no model that served before" in error_line(model("rollback"), code=CONFIG)


def test_a_state_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "new.tflite").write_bytes(NEW)
    done = fer_edge("model", "install", tmp_path / "new.tflite", "--state", tmp_path / "file/x")
    assert "no model was changed" in error_line(done, code=1)


def test_the_state_folder_is_systemds(tmp_path):
    done = fer_edge("model", "status", "--json", environment={"STATE_DIRECTORY": str(tmp_path)})
    assert json.loads(done.stdout)["folder"] == str(tmp_path / "models")


@contextlib.contextmanager
def a_daemon(tmp_path, camera):
    """Run a daemon that uses the slots; give it and the messages that systemd would get."""
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(address))
        channel.settimeout(20)
        process = start_fer_edge(
            "run", "--source", camera.url, "--model", "slot", "--output", tmp_path / "lines",
            environment={"STATE_DIRECTORY": str(tmp_path / "state"), "NOTIFY_SOCKET": str(address)},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            yield process, lambda: channel.recv(4096).decode()
        finally:
            process.terminate()
            process.communicate(timeout=120)


@pytest.fixture
def camera():
    with MjpegServer([a_picture(160, 120)]) as server:
        yield server


def until(messages, text):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        message = messages()
        if text in message:
            return message
    raise AssertionError(f"systemd was never told {text!r}")


def test_the_daemon_says_that_another_model_serves(model, tmp_path, camera):
    model("install", OLD)
    model("install", NEW)
    (tmp_path / "state/models/b/model.tflite").write_bytes(NEW[:-1])
    with a_daemon(tmp_path, camera) as (_, messages):
        said = until(messages, "tiny serves, for slot b: ")
    assert "is damaged" in said


def test_a_reload_takes_the_new_model_without_losing_the_camera(model, tmp_path, camera):
    model("install", OLD)
    with a_daemon(tmp_path, camera) as (process, messages):
        until(messages, "READY=1")
        process.send_signal(signal.SIGHUP)
        until(messages, "READY=1")
        model("install", NEW)
        process.send_signal(signal.SIGHUP)
        until(messages, "READY=1")
        process.terminate()
        _, said = process.communicate(timeout=120)
    told = [line.partition(": ")[2] for line in said.splitlines() if "settings read anew" in line]
    assert told == ["settings read anew: nothing has changed", "settings read anew: model"]
    frames = [line["frame"] for line in json_lines((tmp_path / "lines").read_text())]
    assert frames == sorted(set(frames)), "a camera that is opened again counts from 0"


def test_classify_with_the_model_that_serves(model, tmp_path):
    model("install", NEW)
    done = fer_edge(
        "classify", "--json", "--model", "slot", PORTRAIT,
        environment={"STATE_DIRECTORY": str(tmp_path / "state")},
    )  # fmt: skip
    assert done.returncode == 0
    assert len(json_lines(done.stdout)) == 1
