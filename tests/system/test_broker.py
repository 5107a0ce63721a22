"""Events and state against a real mosquitto, under the configuration that ships."""

import importlib.util
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from builders import PORTRAIT, encoded
from command_line import start_fer_edge

from fer_edge.shared.data.pictures import read_grey
from fer_edge.testing.fakes import MjpegServer


def _beside(name):
    """Import a module of this folder; its tests are imported without being on the path."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


broker = _beside("broker")
faults = _beside("broker_faults")
wait_until = broker.wait_until

COUNT, RATE = 1000, 500
PURPOSE = "light in the hall follows who is there"

pytestmark = [
    pytest.mark.skipif(broker.mosquitto_program() is None, reason=broker.MISSING),
    pytest.mark.xdist_group("broker"),
]


def nothing_lost(told, *, accepted=COUNT):
    assert told["lost"] == 0, told
    assert told["in_order"], told
    assert told["accepted"] >= accepted, told
    return told


def test_a_broker_killed_and_restarted(tmp_path):
    nothing_lost(faults.broker_killed(tmp_path, count=COUNT, rate=RATE, down_seconds=1.0))


def test_a_frozen_broker_is_noticed(tmp_path):
    told = nothing_lost(faults.broker_frozen(tmp_path, count=COUNT, rate=RATE))
    assert told["noticed_seconds"] < 30, "twice the keepalive of 5 s, and some"


def test_a_publisher_killed_three_times(tmp_path):
    told = nothing_lost(faults.publisher_killed(tmp_path, count=COUNT, rate=RATE))
    assert told["duplicates"] < 400  # what was on its way or not yet removed, each time


def test_a_broker_and_then_a_publisher_killed(tmp_path):
    nothing_lost(faults.both_killed(tmp_path, count=COUNT, rate=RATE, down_seconds=1.0))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl: apt-get install openssl")
def test_tls_that_does_not_fit_is_said_and_loses_nothing(tmp_path):
    told = nothing_lost(faults.tls_wrong(tmp_path, count=COUNT, rate=RATE))
    assert "mqtt.tls = true" in told["problems"]["plain"]
    assert "mqtt.ca_file" in told["problems"]["strange authority"]
    assert "mqtt.certificate_file" in told["problems"]["no certificate"]


def test_a_denied_publish_is_said_and_loses_nothing(tmp_path):
    told = nothing_lost(faults.access_denied(tmp_path, count=COUNT, rate=RATE))
    assert told["before"] == 0
    assert "Not authorized" in told["problem"]


def test_a_full_disk_is_said_and_loses_nothing_that_was_accepted(tmp_path):
    told = faults.disk_full(tmp_path, count=3 * COUNT, rate=4 * RATE, room_bytes=1 << 20)
    nothing_lost(told, accepted=100)
    assert told["refused"] > 100
    assert "full" in told["problem"] or "disk I/O error" in told["problem"]


def test_fifty_publishers_at_once(tmp_path):
    told = nothing_lost(faults.fifty_publishers(tmp_path, count=40, rate=20), accepted=2000)
    assert told["publishers"] == 50
    assert told["duplicates"] == 0


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_both_versions_of_the_protocol(tmp_path, protocol):
    with broker.Mosquitto(tmp_path) as server, broker.Subscriber(server.port) as subscriber:
        settings = faults.plain(server, **{"mqtt.protocol": protocol})
        with broker.Publisher(tmp_path, count=100, rate=500, settings=settings) as publisher:
            publisher.wait_for_emission()
            assert faults.finish(publisher, subscriber)["received"] == 100
            assert publisher.figures()["protocol"] == protocol


@pytest.fixture
def shipped_broker(tmp_path):
    """The shipped configuration as it is, installed as docs/guide/mqtt.md says."""
    (tmp_path / "certs").mkdir()
    certificates = broker.make_certificates(tmp_path / "certs")
    shutil.copy(certificates / "ca.pem", certificates / "fer-edge-ca.pem")
    broker.add_users(
        tmp_path / "fer-edge.passwd", faults.SECRET, "hall", "porch", "reader", "home-assistant"
    )
    shutil.copy(broker.SHIPPED / "fer-edge.acl", tmp_path)
    (tmp_path / "fer-edge.acl").chmod(0o600)
    (tmp_path / "password").write_text(faults.SECRET)
    with broker.Mosquitto(tmp_path, verbatim=True) as server:
        yield server


def client_of(server, name, topics="fer/#"):
    return broker.Subscriber(
        server.port, username=name, password=faults.SECRET, topics=topics, client_id=name,
        certificates=server.folder / "certs",
    )  # fmt: skip


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl: apt-get install openssl")
def test_the_shipped_configuration_as_it_is(shipped_broker, tmp_path):
    settings = faults.plain(
        shipped_broker,
        **{
            "mqtt.tls": True,
            "mqtt.ca_file": tmp_path / "certs/ca.pem",
            "mqtt.username": "hall",
            "mqtt.password_file": tmp_path / "password",
        },
    )
    plan = {"count": 50, "rate": 500, "settings": settings}
    with (
        client_of(shipped_broker, "reader") as reader,
        client_of(shipped_broker, "porch") as porch,
        client_of(shipped_broker, "home-assistant") as home,
        broker.Publisher(tmp_path, **plan) as hall,
    ):
        hall.wait_for_emission()
        assert faults.finish(hall, reader)["received"] == 50
        assert reader.of("fer/hall/availability") == ["online"]
        assert porch.ids == [], "one device reads nothing of another"
        assert hall.figures()["problem"] == ""
        for who, topic in (
            (porch, "fer/hall/events"),
            (porch, "fer/hall/enabled/set"),
            (reader, "fer/hall/enabled/set"),
            (reader, "homeassistant/status"),
        ):
            assert who.refused(topic), topic
        assert not home.refused("fer/hall/enabled/set")
        assert not home.refused("homeassistant/status")


def problem_of(folder, settings, words):
    with broker.Publisher(folder, count=1, rate=1, settings=settings) as publisher:
        publisher.wait_for_emission()
        wait_until(lambda: words in publisher.figures()["problem"], what=words)
        assert publisher.figures()["waiting"] == 1


def test_tls_to_a_plain_port_is_said(tmp_path):
    with broker.Mosquitto(tmp_path) as server:
        problem_of(tmp_path, faults.plain(server, **{"mqtt.tls": True}), "speaks TLS on this port")


def test_a_wrong_password_is_said(tmp_path):
    (tmp_path / "passwords").touch(0o600)
    (tmp_path / "password").write_text("a guess\n")
    lines = [f"password_file {tmp_path}/passwords"]
    with broker.Mosquitto(tmp_path, lines=lines, anonymous=False) as server:
        login = {"mqtt.username": "hall", "mqtt.password_file": tmp_path / "password"}
        problem_of(tmp_path, faults.plain(server, **login), "refuses the connection")


def test_two_devices_of_one_name_are_said(tmp_path):
    (tmp_path / "other").mkdir()
    with broker.Mosquitto(tmp_path) as server:
        plan = {"count": 1, "rate": 1, "settings": faults.plain(server)}
        with (
            broker.Publisher(tmp_path, **plan) as one,
            broker.Publisher(tmp_path / "other", **plan) as other,
        ):
            one.wait_for_emission()
            other.wait_for_emission()
            wait_until(
                lambda: any("mqtt.node" in device.figures()["problem"] for device in (one, other))
            )


# The daemon itself.


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "broker"
    folder.mkdir()
    with broker.Mosquitto(folder) as mosquitto:
        yield mosquitto


@pytest.fixture
def reader(server):
    with broker.Subscriber(server.port, topics="#") as subscriber:
        yield subscriber


@pytest.fixture
def camera():
    with MjpegServer([read_grey(PORTRAIT)], frames_per_second=15) as camera:
        yield camera


@pytest.fixture
def start(server, camera, tmp_path):
    """Start `fer-edge run` with the broker; end it if the test has not."""
    started = []

    def start_it(config=None, **changes):
        settings = {
            "output.file": "",
            "events.purpose": PURPOSE,
            "mqtt.host": "127.0.0.1",
            "mqtt.port": server.port,
            "mqtt.node": "hall",
            **{key.replace("__", "."): value for key, value in changes.items()},
        }
        assignments = [f"--set={key}={value}" for key, value in settings.items()]
        if config is not None:
            assignments.append(f"--config={config}")
        process = start_fer_edge(
            "run", "--source", camera.url, *assignments, cwd=tmp_path,
            environment={"STATE_DIRECTORY": str(tmp_path / "state")},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        return process

    yield start_it
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def last_state(reader):
    states = reader.of("fer/hall/state")
    return json.loads(states[-1]) if states else {}


def test_a_face_becomes_an_event_a_state_and_entities(start, reader):
    process = start()
    wait_until(lambda: reader.count() >= 1, what="an event")
    wait_until(lambda: last_state(reader).get("faces") == 1, what="a face in the state")
    assert reader.of("fer/hall/availability") == ["online"]
    (described,) = reader.of("homeassistant/device/hall/config")
    assert json.loads(described)["components"].keys() >= {
        "present", "faces", "expression", "confidence", "frames_per_second", "latency",
        "temperature", "camera_problem", "enabled",
    }  # fmt: skip
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert time.monotonic() - began < 10, "it takes leave for a second; the machine may be busy"
    wait_until(lambda: reader.of("fer/hall/availability")[-1] == "offline")
    # The face has left, so that nobody waits for it.
    events = [json.loads(line) for line in _all_events(reader)]
    assert [events[0]["kind"], events[-1]["kind"]] == ["appeared", "left"]
    assert {event["purpose"] for event in events} == {PURPOSE}


def _all_events(reader):
    wait_until(lambda: '"left"' in "".join(reader.payloads), what="its leaving")
    return reader.payloads


def test_who_comes_later_finds_state_availability_and_entities(start, server, reader):
    start()
    wait_until(lambda: last_state(reader), what="a state")
    reader.close()
    with broker.Subscriber(server.port, topics="#") as late:
        late.client.unsubscribe("#")
        late.client.subscribe("#", 1)
        wanted = {"fer/hall/state", "fer/hall/availability", "homeassistant/device/hall/config"}
        wait_until(lambda: {topic for topic, _, kept in late.messages if kept} >= wanted)


def test_a_killed_daemon_is_offline(start, reader):
    process = start()
    wait_until(lambda: reader.of("fer/hall/availability") == ["online"])
    process.kill()
    wait_until(lambda: reader.of("fer/hall/availability")[-1] == "offline")


def test_home_assistant_restarts(start, reader):
    start()
    wait_until(lambda: reader.of("homeassistant/device/hall/config"))
    reader.client.publish("homeassistant/status", "online", 1)
    wait_until(lambda: len(reader.of("homeassistant/device/hall/config")) == 2, seconds=10)


def test_the_switch_releases_the_camera_and_only_clean_commands_count(start, reader):
    start()
    wait_until(lambda: last_state(reader).get("phase") == "running")
    for nonsense in (b"off", b"OFF ", b"\x00\xff", b"O" * 3000, b"OFF" * 2000):
        reader.client.publish("fer/hall/enabled/set", nonsense, 1)
    reader.client.publish("fer/hall/enabled/set", "OFF", 1, retain=False)
    wait_until(lambda: last_state(reader).get("phase") == "disabled")
    assert (last_state(reader)["enabled"], last_state(reader)["faces"]) == ("OFF", 0)
    reader.client.publish("fer/hall/enabled/set", "ON", 1)
    wait_until(lambda: last_state(reader).get("phase") == "running")


def test_settings_read_anew_reach_the_next_event(start, reader, tmp_path):
    settings = tmp_path / "fer-edge.toml"
    settings.write_text("[smoothing]\nmargin = 0.1\n")
    process = start(config=settings)
    wait_until(lambda: reader.count() == 1, what="a face")
    # Another smoother: the pipeline begins anew, and with it the numbers of the faces.
    settings.write_text("[smoothing]\nmargin = 0.2\n")
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: reader.count() == 3, what="its leaving and return")
    events = [json.loads(payload) for payload in reader.payloads]
    assert [event["kind"] for event in events] == ["appeared", "left", "appeared"]
    assert events[0]["id"].partition("-")[0] != events[2]["id"].partition("-")[0]
    assert [event["id"] for event in events] == sorted(event["id"] for event in events)
    wait_until(lambda: reader.of("fer/hall/availability") == ["online", "offline", "online"])


def test_a_retained_command_is_not_obeyed(start, reader):
    reader.client.publish("fer/hall/enabled/set", "OFF", 1, retain=True).wait_for_publish(5)
    start()
    wait_until(lambda: last_state(reader).get("phase") == "running")


def ended(process):
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said


def test_counts_are_told_of_enough_faces_once_a_period(start, camera, reader):
    camera.jpegs = two_faces()
    process = start(events__mode="aggregate", events__aggregate_seconds=10, events__least_faces=2)
    wait_until(lambda: reader.count() == 1, what="the counts of ten seconds")
    told = json.loads(reader.payloads[0])
    assert (told["kind"], told["faces"]) == ("aggregate", 2)
    assert 10 <= told["seconds"] < 60
    ended(process)
    tells_of_no_single_face(reader)


def test_fewer_faces_than_wanted_are_told_nothing_of(start, camera, reader):
    camera.jpegs = two_faces()
    process = start(events__mode="aggregate", events__least_faces=3)
    wait_until(lambda: last_state(reader).get("phase") == "running")
    time.sleep(3)  # as long as the counts at the end of the other test would need
    ended(process)
    assert reader.count() == 0
    tells_of_no_single_face(reader)


def two_faces():
    portrait = read_grey(PORTRAIT)
    return [encoded(np.hstack([portrait, portrait]), ".jpg")]


def tells_of_no_single_face(reader):
    for topic, payload, _ in reader.messages:
        told = json.loads(payload) if payload.startswith("{") else {}
        counts = told.get("kind") == "aggregate"
        for word in ("faces", "confidence", '"track":', '"expression"'):
            assert word not in payload or (counts and word == "faces"), (topic, payload)


def test_the_first_state_replaces_one_of_another_mode_at_once(start, server, reader):
    process = start()
    wait_until(lambda: last_state(reader).get("faces") == 1)
    process.kill()
    wait_until(lambda: reader.of("fer/hall/availability")[-1] == "offline")
    start(events__mode="aggregate")
    wait_until(lambda: reader.of("fer/hall/availability")[-1] == "online")
    with broker.Subscriber(server.port, topics="fer/hall/state", client_id="late") as late:
        wait_until(lambda: late.of("fer/hall/state"), what="what is retained")
        assert "faces" not in json.loads(late.of("fer/hall/state")[0])


def retained(server, topics="#"):
    """Return what the broker keeps: payloads by topic."""
    with broker.Subscriber(server.port, topics=topics, client_id="who-comes-later") as late:
        late.client.subscribe("the/end", 1)
        late.client.publish("the/end", "", 1)
        wait_until(lambda: "the/end" in {topic for topic, _, _ in late.messages}, what="the end")
        return {topic: payload for topic, payload, kept in late.messages if kept}


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"mqtt__home_assistant": "false"}, {"fer/hall/state", "fer/hall/availability"}),
        (
            {"mqtt__node": "porch"},
            {
                "fer/porch/state", "fer/porch/availability",
                "homeassistant/device/porch/config",
            },
        ),
        (
            {"mqtt__base": "cameras/upstairs"},
            {
                "cameras/upstairs/hall/state", "cameras/upstairs/hall/availability",
                "homeassistant/device/hall/config",
            },
        ),
        (
            {"mqtt__discovery_prefix": "ha"},
            {"fer/hall/state", "fer/hall/availability", "ha/device/hall/config"},
        ),
        (
            {"daemon__name": "front", "mqtt__node": "hall", "mqtt__home_assistant": "false"},
            {"fer/hall/state", "fer/hall/availability"},
        ),
    ],
    ids=["switched off", "another node", "another base", "another prefix", "another run's name"],
)  # fmt: skip
def test_the_broker_keeps_what_is_offered_now_and_nothing_else(start, server, changes, kept):
    process = start()
    wait_until(lambda: "fer/hall/state" in retained(server))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    start(**changes)
    wait_until(lambda: retained(server).keys() == kept, what="its leaving")


def test_a_reload_under_another_name_leaves_nothing_behind(start, server, tmp_path):
    settings = tmp_path / "fer-edge.toml"
    settings.write_text("")
    process = start(config=settings, mqtt__node="hall")
    wait_until(lambda: "homeassistant/device/hall/config" in retained(server))
    settings.write_text('[mqtt]\nbase = "cameras"\nhome_assistant = false\n')
    process.send_signal(signal.SIGHUP)
    wait_until(
        lambda: retained(server).keys() == {"cameras/hall/state", "cameras/hall/availability"}
    )


def test_two_daemons_on_one_machine_are_two_devices(start, server, reader):
    """With nothing but names of their own; neither takes the other's topics or spool."""
    ways = {"daemon__name": "front"}, {"daemon__name": "back"}, {}
    processes = [start(mqtt__node="", web__port=broker.a_free_port(), **way) for way in ways]
    wait_until(lambda: reader.count() >= 3, what="an event of each")
    nodes = {json.loads(payload)["node"] for payload in reader.payloads}
    assert len(nodes) == 3
    assert sorted(node.rpartition("-")[2] for node in nodes)[:1] == ["back"]
    for node in nodes:
        assert reader.of(f"fer/{node}/availability") == ["online"], "nobody took its place"
    for process in processes:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 0, said


def test_a_second_daemon_without_a_name_says_what_it_needs(start, reader):
    start()
    wait_until(lambda: reader.count() >= 1)
    second = start()
    _, said = second.communicate(timeout=20)
    assert second.returncode == 1
    assert "is used by another process" in said
    assert "--name" in said


def test_no_frame_reaches_the_disk_or_the_broker(start, reader, tmp_path):
    process = start(events__file="events.jsonl")
    wait_until(lambda: reader.count() >= 1)
    wait_until(lambda: last_state(reader).get("faces") == 1)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    for _, payload, _ in reader.messages:
        assert payload in {"online", "offline"} or isinstance(json.loads(payload), dict)
        assert len(payload) < 4000
    assert all(len(payload) < 600 for payload in reader.payloads)
    written = {
        path.relative_to(tmp_path).as_posix(): path
        for path in tmp_path.rglob("*")
        if path.is_file() and "broker" not in path.parts
    }
    assert written.keys() == {
        "events.jsonl", "state/events.db", "state/events.db.lock", "state/announced.json",
    }  # fmt: skip
    kept = json.loads(written["state/announced.json"].read_text())
    assert [sorted(each) for each in kept.values()] == [["components", "topics"]]
    assert all(json.loads(line) for line in written["events.jsonl"].read_text().splitlines())
    with sqlite3.connect(written["state/events.db"]) as spool:
        assert spool.execute("SELECT count(*) FROM events").fetchone() == (0,)
    spool.close()
    assert written["state/events.db"].stat().st_size < 64_000
    assert written["state/events.db"].stat().st_mode & 0o077 == 0
