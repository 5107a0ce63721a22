"""The MQTT sink against a broker of a few lines, and the settings that lead to it.

What only a real broker shows is in tests/system/test_broker.py.
"""

import itertools
import json
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from builders import a_face, a_model, a_picture, a_reading, an_observation
from command_line import clean_environment, error_line, fer_edge
from tiny_broker import TinyBroker, wait_until

from fer_edge.assemble import window
from fer_edge.assemble.checking import check_settings
from fer_edge.assemble.event_sinks import make_event_sinks
from fer_edge.assemble.parts import make_sinks
from fer_edge.assemble.window import page_address
from fer_edge.settings import resolve
from fer_edge.shared.data.pictures import decode_grey
from fer_edge.shared.errors import OutputError, SettingsError
from fer_edge.shared.records import Frame
from fer_edge.sinks.mqtt.stills import MOST_STILL_BYTES, Stills, encode
from fer_edge.sinks.mqtt.topics import describe_state, needs_telling
from fer_edge.state.controls import CalibrationNote, Controls
from fer_edge.state.records import CameraHealth, DaemonState

PURPOSE = "light follows who is there"


@pytest.fixture
def tiny_broker():
    brokers = []

    def start(behaviour="", **options):
        brokers.append(TinyBroker(behaviour, **options))
        return brokers[-1]

    yield start
    for one in brokers:
        one.close()


@pytest.fixture
def sinks(tmp_path, monkeypatch):
    """Open the sinks of events and MQTT as the daemon does."""
    opened = []
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))

    def open_them(port, controls=None, **changes):
        flags = {
            "output.file": "", "events.purpose": PURPOSE, "mqtt.host": "127.0.0.1",
            "mqtt.port": str(port), "mqtt.node": "hall",
            **{key.replace("__", "."): str(value) for key, value in changes.items()},
        }  # fmt: skip
        settings = resolve(flags=flags, environment={}, file={}).settings
        made = make_event_sinks(settings, a_model(), controls or Controls())
        opened.extend(made)
        return [named.sink for named in made]

    yield open_them
    for named in opened:
        named.sink.close()


def seen(label):
    return an_observation(readings=(a_reading(face=a_face(track_id=1), stable=label),))


def a_state(**changes):
    fields = {
        "phase": "running", "version": "1", "pid": 1, "started_at": 0.0, "uptime_seconds": 1.0,
        "source": "0", "model": "m", "model_sha256": "ab", "camera": CameraHealth("delivering"),
        "stages_ms": {"age": {"p50": 12.34, "p99": 20.0}},
    }  # fmt: skip
    return DaemonState(**fields | changes)


@pytest.mark.parametrize(("behaviour", "levels"), [("", [5]), ("old", [5, 4]), ("rude", [5, 4])])
def test_an_older_broker_is_spoken_to_in_its_version(sinks, tiny_broker, behaviour, levels):
    broker = tiny_broker(behaviour)
    events, mqtt = sinks(broker.port)
    events.emit(seen("happy"))
    wait_until(lambda: broker.of("fer/hall/events"))
    wait_until(lambda: mqtt.figures()["waiting"] == 0)
    assert broker.levels == levels
    assert mqtt.figures()["protocol"] == {5: "5", 4: "3.1.1"}[levels[-1]]
    assert mqtt.figures()["problem"] == ""


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [("strict", "refuses the connection (Not authorized)"), ("silent", "does not answer")],
)
def test_a_broker_that_does_not_let_us_in_is_named(sinks, tiny_broker, behaviour, words):
    events, mqtt = sinks(tiny_broker(behaviour).port)
    events.emit(seen("happy"))
    wait_until(lambda: words in mqtt.figures()["problem"])
    assert mqtt.figures()["waiting"] == 1
    assert not mqtt.figures()["connected"]


def test_a_port_where_nobody_listens_is_named(sinks):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    _, mqtt = sinks(port)
    wait_until(lambda: "Connection refused" in mqtt.figures()["problem"])


def test_an_event_that_is_not_acknowledged_comes_again_with_the_same_id(sinks, tiny_broker):
    broker = tiny_broker("forgetful")
    events, mqtt = sinks(broker.port)
    for label in ("happy", "sad", "happy"):
        events.emit(seen(label))
    wait_until(lambda: len(broker.of("fer/hall/events")) == 3)
    assert mqtt.figures()["waiting"] == 3
    broker.behaviour = ""
    broker.hang_up()
    wait_until(lambda: mqtt.figures()["waiting"] == 0)
    sent = broker.of("fer/hall/events")
    assert len(sent) == 6
    assert sent[:3] == sent[3:]


def test_a_topic_that_may_not_be_written_is_named_until_it_may(sinks, tiny_broker):
    broker = tiny_broker(denied="homeassistant/device/")
    _, mqtt = sinks(broker.port)
    mqtt.report(a_state())
    wait_until(lambda: "refuses homeassistant/device/" in mqtt.figures()["problem"])
    mqtt.emit(seen("sad"))
    mqtt.report(a_state(faces=1))
    wait_until(lambda: len(broker.of("fer/hall/state")) == 2)
    time.sleep(0.2)  # the acknowledgement of the state is no word on the description
    assert "refuses homeassistant/device/" in mqtt.figures()["problem"]
    broker.denied = None
    broker.send("homeassistant/status", b"online")
    wait_until(lambda: mqtt.figures()["problem"] == "")


def test_no_more_is_sent_than_the_window_holds(sinks, tiny_broker):
    broker = tiny_broker("forgetful")
    events, _ = sinks(broker.port, mqtt__in_flight=10)
    for number in range(100):
        events.emit(seen(("happy", "sad")[number % 2]))
    wait_until(lambda: len(broker.of("fer/hall/events")) == 10)
    time.sleep(0.2)
    assert len(broker.of("fer/hall/events")) == 10


def test_commands_switch_and_nothing_else_does(sinks, tiny_broker):
    broker = tiny_broker()
    controls = Controls()
    _, mqtt = sinks(broker.port, controls)
    mqtt.report(a_state())
    wait_until(lambda: broker.of("fer/hall/availability") == ["online"])
    for payload in (b"", b"off", b"OFF\n", b"0", b"\xff\xfe", b"OFF" * 1000):
        broker.send("fer/hall/enabled/set", payload)
    broker.send("fer/hall/enabled/set", b"OFF", retained=True)
    broker.send("fer/another/enabled/set", b"OFF")
    wait_until(lambda: mqtt.figures()["ignored_commands"] == 8)
    assert controls.enabled
    broker.send("fer/hall/enabled/set", b"OFF")
    wait_until(lambda: not controls.enabled)
    broker.send("fer/hall/enabled/set", b"ON")
    wait_until(lambda: controls.enabled)


def test_commands_may_be_switched_off(sinks, tiny_broker):
    broker = tiny_broker()
    controls = Controls()
    _, mqtt = sinks(broker.port, controls, mqtt__commands=False)
    mqtt.report(a_state())
    wait_until(lambda: broker.of("homeassistant/device/hall/config"))
    broker.send("fer/hall/enabled/set", b"OFF")
    broker.send("homeassistant/status", b"online")
    wait_until(lambda: len(broker.of("homeassistant/device/hall/config")) == 2)
    assert controls.enabled
    described = json.loads(broker.of("homeassistant/device/hall/config")[0])
    assert not {"enabled", "calibrate"} & described["components"].keys()


def test_who_cannot_be_calibrated_has_no_button_for_it(sinks, tiny_broker):
    broker = tiny_broker()
    run_once(sinks, broker)
    run_once(sinks, broker, tracker__mode="each")
    told = json.loads(told_at(broker, CONFIG))["components"]
    assert told["calibrate"] == {"platform": "button"}
    assert len(told["enabled"]) > 1


def test_a_calibration_is_commanded_and_acknowledged(sinks, tiny_broker):
    broker = tiny_broker()
    controls = Controls()
    _, mqtt = sinks(broker.port, controls)
    mqtt.report(a_state())
    wait_until(lambda: broker.of("fer/hall/availability") == ["online"])
    wrong = (b"", b"start", b'{"seconds": 0}', b'{"seconds": true}', b'{"participant": 1}', b"[5]")
    for payload in wrong:
        broker.send("fer/hall/calibrate/set", payload)
    broker.send("fer/hall/calibrate/set", b"START", retained=True)
    wait_until(lambda: mqtt.figures()["ignored_commands"] == len(wrong) + 1)
    assert controls.take_calibration() is None
    for payload, wish in (
        (b"START", 5.0), (b'{"seconds": 3}', 3.0), (b'{"participant": "anna"}', "anna"),
    ):  # fmt: skip
        broker.send("fer/hall/calibrate/set", payload)
        wait_until(lambda wish=wish: controls.take_calibration() == wish)
    for count, phase in enumerate(("running", "done"), start=1):
        controls.calibration = CalibrationNote(phase, "steadiness 0.98 of 1")
        mqtt.report(a_state(baseline="participant"))
        wait_until(lambda count=count: len(broker.of("fer/hall/calibrate")) == count)
    first, last = map(json.loads, broker.of("fer/hall/calibrate"))
    assert (first["phase"], last["phase"]) == ("running", "done")
    assert last == {
        "schema": 1, "phase": "done", "text": "steadiness 0.98 of 1", "baseline": "participant",
    }  # fmt: skip


def test_a_message_too_long_is_not_read_to_its_end(sinks, tiny_broker):
    """A broker that speaks MQTT 5 keeps it back; an older one does not know the limit."""
    broker = tiny_broker("old")
    _, mqtt = sinks(broker.port)
    mqtt.report(a_state())
    wait_until(lambda: broker.of("fer/hall/availability") == ["online"])
    broker.promise(200_000_000)
    wait_until(lambda: mqtt.figures()["connections"] == 2)


def test_a_flood_of_births_is_answered_once_a_while(sinks, tiny_broker):
    broker = tiny_broker()
    _, mqtt = sinks(broker.port)
    mqtt.report(a_state())
    wait_until(lambda: broker.of("homeassistant/device/hall/config"))
    for _ in range(500):
        broker.send("homeassistant/status", b"online")
    wait_until(lambda: len(broker.of("homeassistant/device/hall/config")) >= 2)
    assert len(broker.of("homeassistant/device/hall/config")) < 5


def test_the_state_is_told_when_something_matters(sinks, tiny_broker):
    broker = tiny_broker()
    _, mqtt = sinks(broker.port)
    mqtt.emit(seen("happy"))
    for number in range(20):
        mqtt.report(a_state(faces=1, frames_per_second=float(number)))
    wait_until(lambda: broker.of("fer/hall/state"))
    mqtt.emit(seen("sad"))
    mqtt.report(a_state(faces=1))
    wait_until(lambda: len(broker.of("fer/hall/state")) == 2)
    first, second = map(json.loads, broker.of("fer/hall/state"))
    assert (first["faces"], first["expression"], first["latency_ms"]) == (1, "happy", 12.3)
    assert second["expression"] == "sad"


def test_no_faces_are_told_once_nothing_is_looked_at():
    running = describe_state(a_state(faces=1), seen("happy"), enabled=True, of_faces=True)
    waiting = describe_state(a_state(phase="waiting"), seen("happy"), enabled=True, of_faces=True)
    assert (running["faces"], waiting["faces"]) == (1, 0)
    assert needs_telling(waiting, running)
    counts_only = describe_state(a_state(), seen("happy"), enabled=True, of_faces=False)
    assert not counts_only.keys() & {"faces", "expression", "confidence"}


def test_closing_ends_soon_whatever_the_broker_does(sinks, tiny_broker):
    for broker in (tiny_broker("silent"), tiny_broker("forgetful"), tiny_broker()):
        events, mqtt = sinks(broker.port)
        events.emit(seen("happy"))
        time.sleep(0.2)
        began = time.monotonic()
        events.close()
        mqtt.close()
        mqtt.close()
        assert time.monotonic() - began < 4.5, "sooner than an attempt to connect is given up"


def test_what_is_undelivered_goes_with_the_next_run(sinks, tiny_broker):
    first = sinks(tiny_broker("strict").port)
    first[0].emit(seen("happy"))
    for sink in first:
        sink.close()
    broker = tiny_broker()
    sinks(broker.port)
    wait_until(lambda: len(broker.of("fer/hall/events")) == 2)
    kinds = [json.loads(payload)["kind"] for payload in broker.of("fer/hall/events")]
    assert kinds == ["appeared", "left"]


# What the broker keeps of the device.


def told_at(broker, topic):
    """Return what a broker keeps under a topic; None where that is nothing, or nothing ever was."""
    return (broker.of(topic) or [""])[-1] or None


def run_once(sinks, broker, **changes):
    """Open the sinks, let the broker hear of the device, and close them."""
    made = sinks(broker.port, **changes)
    before = len(broker.of("fer/hall/availability")) + len(broker.of("fer/porch/availability"))
    made[-1].report(a_state())
    wait_until(
        lambda: (
            len(broker.of("fer/hall/availability")) + len(broker.of("fer/porch/availability"))
            > before
        )
    )
    wait_until(lambda: made[-1].figures()["problem"] == "")
    for sink in made:
        sink.close()


CONFIG = "homeassistant/device/hall/config"


def test_the_description_goes_when_home_assistant_is_not_wanted_any_more(sinks, tiny_broker):
    broker = tiny_broker()
    run_once(sinks, broker)
    assert told_at(broker, CONFIG)
    run_once(sinks, broker, mqtt__home_assistant=False)
    assert told_at(broker, CONFIG) is None
    sent = len(broker.of(CONFIG))
    run_once(sinks, broker, mqtt__home_assistant=False)
    assert len(broker.of(CONFIG)) == sent, "once is enough"


def test_what_a_version_before_left_goes_although_nobody_remembers(sinks, tiny_broker, tmp_path):
    broker = tiny_broker()
    run_once(sinks, broker)
    (tmp_path / "state/announced.json").unlink()
    run_once(sinks, broker, mqtt__home_assistant=False)
    assert told_at(broker, CONFIG) is None
    (tmp_path / "state/announced.json").unlink()
    run_once(sinks, broker, events__mode="aggregate")
    told = json.loads(told_at(broker, CONFIG))["components"]
    assert told["expression"] == {"platform": "sensor"}


def test_who_never_was_there_withdraws_nothing(sinks, tiny_broker):
    broker = tiny_broker()
    run_once(sinks, broker, mqtt__home_assistant=False)
    assert broker.of(CONFIG) == []


def test_components_that_are_not_offered_any_more_are_removed(sinks, tiny_broker):
    broker = tiny_broker()
    run_once(sinks, broker)
    run_once(sinks, broker, mqtt__commands=False, events__mode="aggregate")
    told = json.loads(told_at(broker, CONFIG))["components"]
    bare = {name for name, entity in told.items() if entity.keys() == {"platform"}}
    assert bare == {"present", "faces", "expression", "confidence", "enabled", "calibrate"}
    run_once(sinks, broker)
    told = json.loads(told_at(broker, CONFIG))["components"]
    assert all(len(entity) > 1 for entity in told.values()), "they may come back"


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        (
            {"mqtt__node": "porch"},
            [CONFIG, "fer/hall/state", "fer/hall/availability"],
        ),
        ({"mqtt__discovery_prefix": "ha"}, [CONFIG]),
        ({"mqtt__node": "porch", "mqtt__home_assistant": False}, [CONFIG, "fer/hall/state"]),
    ],
)
def test_what_stood_under_another_name_goes(sinks, tiny_broker, changes, gone):
    broker = tiny_broker()
    run_once(sinks, broker)
    run_once(sinks, broker, **changes)
    assert [told_at(broker, topic) for topic in gone] == [None] * len(gone)


def test_what_the_broker_did_not_acknowledge_is_withdrawn_again(sinks, tiny_broker):
    first, broker = tiny_broker(), tiny_broker("forgetful")
    run_once(sinks, first)
    made = sinks(first.port, mqtt__node="porch")
    first.behaviour = "forgetful"
    made[-1].report(a_state())
    wait_until(lambda: told_at(first, CONFIG) is None)
    for sink in made:
        sink.close()
    sent = len(first.of(CONFIG))
    first.behaviour = ""
    run_once(sinks, first, mqtt__node="porch")
    assert len(first.of(CONFIG)) == sent + 1
    assert broker.of(CONFIG) == [], "another broker is told nothing of it"


def test_a_damaged_memory_is_said_and_keeps_nobody_from_working(
    sinks, tiny_broker, tmp_path, caplog
):
    broker = tiny_broker()
    run_once(sinks, broker)
    (memory,) = (tmp_path / "state").glob("announced*.json")
    for content in (
        b"",
        b"[]",
        b'{"x": 1}',
        b"\xff",
        b'{"x": {"topics": ["#"], "components": {}}}',
    ):
        memory.write_bytes(content)
        run_once(sinks, broker)
        assert "stays at the broker" in caplog.text
        caplog.clear()
        assert f"127.0.0.1:{broker.port}" in json.loads(memory.read_text())


def test_the_first_state_stands_before_the_device_is_online(sinks, tiny_broker):
    """One of another mode that is still retained must not be taken for what is seen now."""
    broker = tiny_broker()
    _, mqtt = sinks(broker.port, events__mode="aggregate")
    wait_until(lambda: mqtt.figures()["connected"])
    assert broker.of("fer/hall/availability") == []
    mqtt.report(a_state())
    wait_until(lambda: broker.of("fer/hall/availability") == ["online"])
    topics = [topic for topic, _ in broker.published]
    assert topics.index("fer/hall/state") < topics.index("fer/hall/availability")
    assert "faces" not in json.loads(broker.of("fer/hall/state")[0])


def test_the_last_state_says_that_nobody_is_seen(sinks, tiny_broker):
    broker = tiny_broker()
    _, mqtt = sinks(broker.port)
    mqtt.emit(seen("happy"))
    mqtt.report(a_state(faces=1))
    wait_until(lambda: broker.of("fer/hall/availability") == ["online"])
    assert json.loads(broker.of("fer/hall/state")[-1])["faces"] == 1
    mqtt.close()
    wait_until(lambda: broker.of("fer/hall/availability")[-1] == "offline")
    last = json.loads(broker.of("fer/hall/state")[-1])
    assert (last["phase"], last["faces"], last["expression"]) == ("stopping", 0, None)


# Stills.


LOOKING = {"mqtt__camera": True, "web__port": 9834, "web__view": "picture"}


def a_frame_now(index, picture=None):
    return Frame(
        index, time.time(), time.monotonic_ns(), a_picture(64, 48) if picture is None else picture
    )


def show_until(mqtt, condition):
    """Show frame after frame, as the pipeline does."""
    index = itertools.count()

    def shown():
        mqtt.show(a_frame_now(next(index)), seen("happy"))
        return condition()

    wait_until(shown)


def test_stills_are_sent_and_not_kept_by_the_broker(sinks, tiny_broker):
    broker = tiny_broker()
    _, mqtt = sinks(broker.port, **LOOKING, mqtt__camera_seconds=3600)
    mqtt.report(a_state())
    show_until(mqtt, lambda: broker.of("fer/hall/picture"))
    (picture,) = broker.of("fer/hall/picture")
    assert decode_grey(picture, where="it").shape == (48, 64)
    (head,) = [head for topic, head in broker.heads if topic == "fer/hall/picture"]
    assert head & 0x0F == 0, "QoS 0 and not retained"
    wait_until(lambda: mqtt.figures()["pictures"] == 1)
    told = json.loads(broker.of(CONFIG)[0])["components"]
    assert told["picture"]["topic"] == "fer/hall/picture"


def test_a_broker_that_takes_no_picture_gets_none(sinks, tiny_broker):
    broker = tiny_broker("narrow")
    _, mqtt = sinks(broker.port, **LOOKING)
    mqtt.report(a_state())
    show_until(mqtt, lambda: broker.of("fer/hall/availability") == ["online"])
    sent = itertools.count()
    show_until(mqtt, lambda: next(sent) > 20)
    assert (mqtt.figures()["connected"], mqtt.figures()["pictures"]) == (True, 0)
    assert broker.of("fer/hall/picture") == []


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"web__port": 9834, "web__view": "picture"},
        {"mqtt__camera": True, "web__port": 9834, "web__view": "boxes"},
        {"mqtt__camera": True, "web__view": "picture"},
    ],
    ids=["default", "no camera", "boxes", "no port"],
)
def test_no_still_is_sent_unless_both_are_wanted(sinks, tiny_broker, changes):
    broker = tiny_broker()
    _, mqtt = sinks(broker.port, **changes)
    mqtt.report(a_state())
    show_until(mqtt, lambda: broker.of("fer/hall/availability") == ["online"])
    show_until(mqtt, lambda: not mqtt.show(a_frame_now(0), seen("happy")))
    assert "picture" not in json.loads(broker.of(CONFIG)[0])["components"]
    mqtt.close()
    assert broker.of("fer/hall/picture") == []


def test_a_camera_that_was_offered_once_is_withdrawn(sinks, tiny_broker, tmp_path):
    broker = tiny_broker()
    run_once(sinks, broker, **LOOKING)
    run_once(sinks, broker, **LOOKING | {"web__view": "boxes"})
    told = json.loads(told_at(broker, CONFIG))["components"]
    assert told["picture"] == {"platform": "camera"}
    for memory in (tmp_path / "state").glob("announced*.json"):
        memory.unlink()
    run_once(sinks, broker)
    told = json.loads(told_at(broker, CONFIG))["components"]
    assert told["picture"] == {"platform": "camera"}, "also where nobody remembers"


def test_a_still_is_of_bounded_size():
    noise = np.random.default_rng(0).integers(0, 256, (2160, 3840)).astype(np.uint8)
    for picture in (noise, noise[:700, :700], noise[:5000, :40]):
        still = encode(a_frame_now(0, picture))
        assert len(still) <= MOST_STILL_BYTES
        assert max(decode_grey(still, where="it").shape) <= 640


def test_a_still_is_made_as_often_as_is_wanted_and_of_a_new_frame():
    now = 1000.0
    stills = Stills(pause_seconds=10.0, clock=lambda: now)
    assert not stills.show(a_frame_now(0)), "nobody has asked yet"
    assert stills.take() is None
    assert stills.show(a_frame_now(1))
    assert not stills.show(a_frame_now(2)), "one is enough"
    assert stills.patience() == 0
    assert stills.take()
    assert (stills.take(), stills.patience()) == (None, 10.0)
    now += 10.0
    assert stills.take() is None, "the camera may be off"
    assert stills.show(a_frame_now(3))
    assert stills.take()


def test_a_frame_that_waited_for_the_broker_is_not_sent():
    stills = Stills(pause_seconds=10.0)
    stills.take()
    old = Frame(0, time.time(), time.monotonic_ns() - 11 * 10**9, a_picture())
    assert stills.show(old)
    assert stills.take() is None
    assert stills.show(a_frame_now(1))


@pytest.mark.parametrize(
    ("changes", "address"),
    [
        ({}, ""),
        ({"web.view": "off", "web.address": "192.0.2.7"}, ""),
        ({"web.address": "127.0.0.1"}, ""),
        ({"web.address": "192.0.2.7"}, "http://192.0.2.7:9834/"),
        ({"web.address": "2001:db8::7"}, "http://[2001:db8::7]:9834/"),
        ({"web.address": "0.0.0.0", "web.names": "hall.example, hall"}, "http://hall.example:9834/"),
        (
            {"web.address": "hall.example", "web.certificate": "/etc/ssl/hall.pem"},
            "https://hall.example:9834/",
        ),
    ],
)  # fmt: skip
def test_the_page_is_linked_where_it_can_be_opened(changes, address):
    flags = {"web.port": "9834", "web.view": "boxes", **changes}
    assert page_address(resolve(flags=flags, environment={}, file={}).settings.web) == address


def test_a_device_without_a_name_is_linked_by_its_address(monkeypatch):
    flags = {"web.port": "9834", "web.view": "boxes", "web.address": "0.0.0.0"}
    settings = resolve(flags=flags, environment={}, file={}).settings.web
    monkeypatch.setattr(window, "own_address", lambda: "192.0.2.9")
    assert page_address(settings) == "http://192.0.2.9:9834/"
    monkeypatch.setattr(window, "own_address", lambda: "127.0.0.1")
    assert page_address(settings) == "", "it is in no network"


# Settings.


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"events.purpose": " "}, "what for"),
        ({"events.purpose": "x" * 501}, "what for"),
        ({"events.mode": "aggregate", "output.file": "-"}, "tells of faces"),
        ({"tracker.mode": "each"}, "tracker.mode"),
        ({"mqtt.node": "hall/#"}, "mqtt.node"),
        ({"mqtt.base": "+"}, "mqtt.base"),
        ({"mqtt.discovery_prefix": ""}, "mqtt.discovery_prefix"),
        ({"mqtt.ca_file": "ca.pem"}, "mqtt.tls"),
        ({"mqtt.tls": "yes", "mqtt.ca_file": "missing.pem"}, "missing.pem"),
        ({"mqtt.password_file": "missing"}, "mqtt-password"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path, changes, words):
    flags = {
        "output.file": "", "events.purpose": PURPOSE, "mqtt.host": "127.0.0.1", "mqtt.node": "hall",
        "events.spool": str(tmp_path / "events.db"), **changes,
    }  # fmt: skip
    settings = resolve(flags=flags, environment={}, file={}).settings
    with pytest.raises(SettingsError, match=words):
        check_settings(settings)
    assert not (tmp_path / "events.db").exists()


def test_a_camera_that_sends_nothing_is_warned_of(caplog, tmp_path):
    flags = {
        "output.file": "", "events.purpose": PURPOSE, "mqtt.host": "127.0.0.1", "mqtt.node": "hall",
        "mqtt.camera": "true", "events.spool": str(tmp_path / "events.db"),
    }  # fmt: skip
    check_settings(resolve(flags=flags, environment={}, file={}).settings)
    assert "no still is sent" in caplog.text


def test_a_password_comes_from_a_file_or_a_credential(sinks, tiny_broker, tmp_path, monkeypatch):
    (tmp_path / "mqtt-password").write_text("from a credential\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    broker = tiny_broker()
    sinks(broker.port, mqtt__username="hall")
    wait_until(lambda: broker.passwords)
    assert broker.passwords[0].endswith(b"from a credential")


def test_without_a_broker_a_file_or_a_page_there_is_no_sink():
    settings = resolve(flags={"output.file": ""}, environment={}, file={}).settings
    assert make_sinks(settings, Controls()) == []


def test_events_may_go_to_a_file_alone(tmp_path):
    file = tmp_path / "events.jsonl"
    flags = {"events.file": str(file), "events.purpose": PURPOSE}
    settings = resolve(flags=flags, environment={}, file={}).settings
    (named,) = make_event_sinks(settings, a_model(), Controls())
    named.sink.emit(seen("happy"))
    assert json.loads(file.read_text())["expression"] == "happy"
    assert file.stat().st_mode & 0o777 == 0o600, "whatever the umask"
    named.sink.close()
    assert [file] == list(tmp_path.iterdir())


def test_a_file_that_cannot_be_opened_is_said(tmp_path):
    flags = {"events.file": str(tmp_path / "no" / "events"), "events.purpose": PURPOSE}
    settings = resolve(flags=flags, environment={}, file={}).settings
    with pytest.raises(OutputError, match=r"events\.file"):
        make_event_sinks(settings, a_model(), Controls())


def test_the_command_line_says_what_is_missing(tmp_path):
    done = fer_edge("run", "--source", tmp_path, "--set", "mqtt.host=127.0.0.1")
    assert "events.purpose" in error_line(done, code=78)


def test_the_client_is_loaded_only_where_it_is_wanted(tmp_path):
    code = (
        "import sys\nfrom fer_edge.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "assert not [name for name in sys.modules if name.startswith('paho')]\n"
        "assert 'sqlite3' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], env=clean_environment(), check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
