"""The socket that tells how the daemon does."""

import json
import multiprocessing
import os
import socket
import stat
import threading
import time

import pytest
from command_line import stop_process
from states import a_camera, a_state

from fer_edge.daemon.status.asking import PATIENCE_SECONDS, ask, read_state
from fer_edge.daemon.status.place import own_folder, run_name, socket_name, sockets
from fer_edge.daemon.status.socket import StatusSocket, announcing
from fer_edge.daemon.status.text import format_all, format_duration, status_line
from fer_edge.settings import DaemonSettings, Settings, SourceSettings
from fer_edge.shared.errors import OutputError, SettingsError
from fer_edge.state.records import SinkState


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "run"  # short enough for a socket's name
    folder.mkdir(mode=0o700)
    return folder


def a_socket(place, name="", **changes):
    return StatusSocket(place, name, a_state(**changes))


def document(path):
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(str(path))
        channel.settimeout(5)
        received = b""
        while part := channel.recv(65536):
            received += part
    return json.loads(received)


def test_it_tells_the_newest_state_and_how_old_it_is(place):
    with a_socket(place) as told:
        told.show(a_state(frames=77))
        found = document(told.path)
    assert 0 <= found.pop("age_seconds") < 5
    assert found.pop("name") == ""
    assert found == json.loads(json.dumps(a_state(frames=77).to_json()))


def test_only_its_user_and_group_may_ask(place):
    with a_socket(place) as told:
        assert stat.S_IMODE(told.path.stat().st_mode) == 0o660


def test_it_leaves_nothing_behind(place):
    before = threading.active_count()
    told = a_socket(place)
    told.close()
    told.close()
    assert list(place.iterdir()) == []
    assert threading.active_count() == before


def test_a_hundred_may_ask_and_none_has_to_listen(place):
    with a_socket(place) as told:
        held = []
        for _ in range(100):
            channel = socket.socket(socket.AF_UNIX)
            channel.connect(str(told.path))  # waits while the queue is full
            held.append(channel)
        assert document(told.path)["frames"] == 1200
        for channel in held:
            channel.close()


def leave_a_socket_behind(path):
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.close()


@pytest.mark.parametrize("name", ["", "front"])
def test_what_a_killed_daemon_left_is_replaced(place, name):
    leave_a_socket_behind(place / socket_name(name))
    with a_socket(place, name) as told:
        assert told.path == place / socket_name(name)
        assert document(told.path)["name"] == name


def test_a_second_run_without_a_name_takes_its_number(place):
    with a_socket(place) as first, a_socket(place) as second:
        assert first.path.name == "status.sock"
        assert second.path.name == f"status-{os.getpid()}.sock"
        assert document(second.path)["name"] == str(os.getpid())
        assert len(ask([*place.iterdir()])) == 2


def test_a_name_is_given_once(place):
    with a_socket(place, "front"), pytest.raises(SettingsError, match="'front' runs already"):
        a_socket(place, "front")
    with a_socket(place, "front"), a_socket(place, "back"):
        assert {path.name for path in place.iterdir()} == {"status-front.sock", "status-back.sock"}


def test_it_does_not_take_away_anothers_socket(place):
    first = a_socket(place)
    first.path.unlink()
    with a_socket(place) as second:
        first.close()
        assert document(second.path)["frames"] == 1200


@pytest.mark.parametrize("name", ["a b", "../x", "x" * 41, "a/b", "ä"])
def test_names_that_are_none(name):
    with pytest.raises(SettingsError, match=r"daemon\.name"):
        socket_name(name)


@pytest.mark.parametrize("name", ["", "front", "cam-2"])
def test_a_sockets_name_tells_the_runs(tmp_path, name):
    assert run_name(tmp_path / socket_name(name)) == name


def test_systemds_folder_comes_first(tmp_path):
    environment = {"RUNTIME_DIRECTORY": f"{tmp_path}/a:{tmp_path}/b", "XDG_RUNTIME_DIR": "/no"}
    assert own_folder(environment) == tmp_path / "a"


def test_a_users_folder_is_made_private(tmp_path):
    folder = own_folder({"XDG_RUNTIME_DIR": str(tmp_path)})
    assert folder == tmp_path / "fer-edge"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert own_folder({"XDG_RUNTIME_DIR": str(tmp_path)}) == folder


@pytest.mark.parametrize("trap", ["open to others", "link", "file"])
def test_a_folder_that_others_could_enter_is_not_used(tmp_path, trap):
    folder = tmp_path / "fer-edge"
    if trap == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    elif trap == "file":
        folder.write_text("")
    else:
        folder.mkdir()
        folder.chmod(0o770)
    with pytest.raises(OutputError):
        own_folder({"XDG_RUNTIME_DIR": str(tmp_path)})


def test_every_place_is_looked_at_once(tmp_path):
    system, home = tmp_path / "sys", tmp_path / "home"
    for folder, name in [
        (system / "fer-edge", "status.sock"),
        (system / "fer-edge-back", "status-back.sock"),
        (home / "fer-edge", "status-123.sock"),
        (system / "other", "status.sock"),
    ]:
        folder.mkdir(parents=True)
        leave_a_socket_behind(folder / name)
    environment = {"RUNTIME_DIRECTORY": str(system / "fer-edge"), "XDG_RUNTIME_DIR": str(home)}
    found = [str(path.relative_to(tmp_path)) for path in sockets(environment, system=system)]
    assert found == [
        "sys/fer-edge/status.sock", "home/fer-edge/status-123.sock",
        "sys/fer-edge-back/status-back.sock",
    ]  # fmt: skip


def test_a_daemon_that_is_well(place):
    with a_socket(place) as told:
        (found,) = ask([told.path])
    assert found.well
    assert found.pid == os.getpid()
    assert found.state == a_state()
    assert found.to_json() == {**found.document, "well": True, "problems": []}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"phase": "starting"}, "starting"),
        ({"phase": "disabled"}, "switched off"),
        ({"camera": a_camera(phase="waiting", problem="gone")}, "camera waiting"),
        ({"sinks": (SinkState("mqtt", 1, 1, "no broker"),)}, "mqtt: no broker"),
    ],
)
def test_a_daemon_that_is_not_well(place, changes, problem):
    with a_socket(place, **changes) as told:
        (found,) = ask([told.path])
    assert not found.well
    assert found.problems[0].startswith(problem)


def test_a_hanging_loop_is_told_although_the_socket_answers(place, monkeypatch):
    monkeypatch.setattr("fer_edge.daemon.status.asking.ALIVE_SECONDS", 0.2)
    with a_socket(place) as told:
        time.sleep(0.3)
        (found,) = ask([told.path])
    assert found.problems == ("the loop has not turned for 0 s",)


def listen_and_wait(place, ready):
    with a_socket(place):
        ready.set()
        time.sleep(60)


@pytest.fixture
def other_process(place):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=listen_and_wait, args=(place, ready))
    process.start()
    assert ready.wait(60)
    yield process
    process.kill()
    process.join()


def test_a_stopped_process_is_told_in_time(place, other_process):
    stop_process(other_process.pid)
    began = time.monotonic()
    (found,) = ask([place / "status.sock"])
    assert time.monotonic() - began < 10, "it would never answer"
    assert PATIENCE_SECONDS < 2
    assert found.problems == (
        f"process {other_process.pid} does not answer: it is stopped, or hangs",
    )
    assert found.to_json()["pid"] == other_process.pid


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_somebody_else_is_told_that_they_may_not_ask(place):
    with a_socket(place) as told:
        os.seteuid(65534)
        try:
            (found,) = ask([told.path])
        finally:
            os.seteuid(0)
    assert "may be asked by root, or by members of its group, only" in found.problems[0]


def test_a_killed_process_does_not_count(place, other_process):
    assert len(ask([place / "status.sock"])) == 1
    other_process.kill()
    other_process.join()
    assert (place / "status.sock").exists()
    assert ask([place / "status.sock"]) == []


def an_answer(**changes):
    return json.dumps({**a_state().to_json(), "age_seconds": 0.5, **changes}).encode()


ANSWERS = [
    b"", b"no JSON", b"[]", b"{}", b'{"phase":"running"}', b"[" * 100_000,
    an_answer(age_seconds="old"), an_answer(rss_mb="80"), an_answer(uptime_seconds=float("nan")),
    an_answer(model_sha256=5), an_answer(sinks=3), an_answer(camera=[]), an_answer(stages_ms=[]),
    an_answer(stages_ms={"age": 1.5}), an_answer(stages_ms={"age": {"p50": 1.0}}),
    an_answer(sinks=[{"name": "mqtt", "figures": [1]}]), an_answer(later=float("inf")),
]  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_that_is_none(place, answer):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place / "status.sock"))
        listening.listen()

        def serve():
            channel, _ = listening.accept()
            with channel:
                channel.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        (found,) = ask([place / "status.sock"])
        thread.join()
    assert found.problems == ("its answer is not one of this version of fer-edge",)


def test_fields_of_a_later_version_are_passed_over():
    told = json.loads(json.dumps(a_state().to_json()))
    told["camera"]["colour"] = "red"
    told["sinks"][0]["weight"] = 3
    told["mood"] = "fine"
    assert read_state(told) == a_state()


def test_a_run_can_be_asked_from_its_start_to_its_end(place, monkeypatch):
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(place))
    settings = Settings(
        source=SourceSettings(uri="rtsp://me:hunter2@cam/live"), daemon=DaemonSettings(name="door")
    )
    with announcing(settings) as announce:
        first = document(place / "status-door.sock")
        assert (first["phase"], first["name"]) == ("starting", "door")
        assert "hunter2" not in str(first)
        announce(a_state())
        assert document(place / "status-door.sock")["phase"] == "running"
    assert list(place.iterdir()) == []


def test_a_run_that_cannot_be_asked_works_all_the_same(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "missing"))
    with announcing(Settings()) as announce:
        announce(a_state())
    assert "cannot ask this run" in caplog.text


@pytest.mark.parametrize("name", ["", "hall"])
def test_a_path_too_long_for_a_socket_is_only_a_warning(tmp_path, monkeypatch, caplog, name):
    deep = tmp_path / ("x" * 120)
    deep.mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(deep))
    with announcing(Settings(daemon=DaemonSettings(name=name))):
        assert "cannot ask this run" in caplog.text


def test_people_read_aligned_lines(place):
    with a_socket(place, "front") as told:
        lines = format_all(ask([told.path])).splitlines()
    assert lines == [
        "name     front",
        "state    running, up 1 d 2 h (process 4242)",
        "camera   good, delivering 29.5 FPS, frames 34 ms old; 3 failures, 2 reopenings",
        "source   rtsp://***@cam/live",
        "speed    29.5 FPS, 1200 frames since the start, 7 dropped",
        "latency  36.0 ms from capture to result, 99 % below 52.0 ms"
        " (find faces 0.50 ms, read expressions 0.25 ms)",
        "in view  1 face",
        "model    edge-small (sha256 abababababab), baseline none",
        "jsonl    1200 observations",
        "mqtt     1190 observations, 2 failures, connected, protocol 5, waiting 12, delivered 80",
        "machine  141 MB of memory, 52.1 °C, not throttled",
    ]


def test_where_nothing_may_be_told_of_faces_nothing_is(place):
    with a_socket(place, faces=None) as told:
        (answer,) = ask([told.path])
    assert answer.well
    assert answer.state.faces is None
    assert "in view" not in format_all([answer])
    assert "face" not in status_line(answer.state)


def test_problems_stand_before_figures(place):
    waiting = a_camera(phase="waiting", grade="dead", seconds_since_frame=75, problem="gone")
    with a_socket(place, phase="waiting", camera=waiting, throttled=True) as told:
        lines = format_all(ask([told.path])).splitlines()
    assert lines[1] == "problem  camera waiting, no frame for 75 s: gone"
    assert lines[2].startswith("camera   dead, waiting, no frame for 1 min 15 s; 3 failures")
    assert lines[-1].endswith("THROTTLED")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (7322, "2 h 2 min"), (200_000, "2 d 7 h")],
)
def test_durations(seconds, text):
    assert format_duration(seconds) == text
