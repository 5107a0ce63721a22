"""A broker that has been taken over: it neither stops the MQTT sink, nor swells it, nor hides."""

import logging
import struct
import time
from types import SimpleNamespace

import pytest
from builders import a_model
from paho.mqtt.client import Client
from states import a_state
from tiny_broker import TinyBroker, heading, packet, wait_until

from fer_edge.assemble.event_sinks import make_event_sinks
from fer_edge.settings import resolve
from fer_edge.shared.errors import BrokerUnavailableError, OutputError
from fer_edge.sinks.mqtt import connection as connection_module
from fer_edge.sinks.mqtt.connection import Connection, Message
from fer_edge.sinks.mqtt.endpoint import Endpoint
from fer_edge.sinks.mqtt.inbound import MOST_BYTES, BreachError, Gate
from fer_edge.sinks.mqtt.sink import MqttSink
from fer_edge.sinks.switching import Switch
from fer_edge.state.controls import Controls

TOPIC = b"fer/hall/enabled/set"
HUGE = 268_435_455
NUMBER = struct.pack("!H", 7)


def publish(topic=TOPIC, payload=b"OFF", *, quality=0, version=5, properties=b"\0"):
    """Return a message as a broker sends it."""
    body = struct.pack("!H", len(topic)) + topic + (NUMBER if quality else b"")
    return packet(0x30 | quality << 1, body + (properties if version == 5 else b"") + payload)


@pytest.fixture
def broker():
    one = TinyBroker()
    yield one
    one.close()


@pytest.fixture
def connected(broker):
    """A connection to the broker, and what it is asked of in a loop."""
    endpoint = Endpoint("127.0.0.1", broker.port, "hall")
    with Connection(endpoint, will=None, version="5", subscriptions=[TOPIC.decode()]) as made:
        yield made


def step_until_it_ends(connection):
    """Return what is said of the end."""
    for _ in range(2000):
        try:
            connection.step(0.05)
        except BrokerUnavailableError as error:
            return str(error)
    raise AssertionError("it does not end")


BREACHES = {
    "a topic that is no text": (publish(b"fer/\xff\xfe/x", quality=1), "a topic that is no text"),
    "half a letter": (publish(b"fer/\xc3"), "a topic that is no text"),
    "QoS 2": (publish(quality=2), "QoS 2"),
    "QoS 3": (publish(quality=3), "QoS 3"),
    "a release of QoS 2": (packet(0x62, NUMBER), "kind 6"),
    "a request of ours": (packet(0x82, NUMBER + b"\0\0\1#\0"), "kind 8"),
    "a huge message": (heading(0x30, HUGE), "bytes or more"),
    "a huge acknowledgement": (heading(0x40, 5000), "bytes or more"),
    "a huge goodbye": (heading(0xE0, 100_000), "bytes or more"),
    "a length without end": (b"\x30" + b"\x80" * 4, "bytes or more"),
    "a second greeting": (packet(0x20, b"\0\0\0"), "kind 2"),
    "a message cut off": (packet(0x30, b"\0\x63f"), "no MQTT|was ended|Malformed|lost"),
    "properties of nothing": (publish(properties=b"\x7f"), "was lost"),
    "property names of nowhere": (publish(properties=b"\x02\xfe\1"), "was lost"),
    "an answer without a number": (packet(0x40, b""), "was lost"),
}


@pytest.mark.parametrize("kind", BREACHES)
def test_what_breaks_the_protocol_ends_the_connection(broker, connected, kind):
    sent, words = BREACHES[kind]
    broker.send_raw(sent)
    said = step_until_it_ends(connected)
    assert any(word in said for word in words.split("|"))


def test_no_more_is_read_at_once_than_a_packet_may_have(broker, connected, monkeypatch):
    asked, read = [], Client._sock_recv

    def count(self, size):
        asked.append(size)
        return read(self, size)

    monkeypatch.setattr(Client, "_sock_recv", count)
    broker.send_raw(heading(0x30, HUGE) + bytes(64))
    step_until_it_ends(connected)
    assert max(asked) <= MOST_BYTES


def test_messages_that_may_come_do_come(broker, connected):
    broker.send_raw(publish() + publish(quality=1) + publish(payload=b"x" * 3000))
    while len(connected.received) < 3:
        connected.step(0.5)
    assert [message.payload[:3] for message in connected.received] == [b"OFF", b"OFF", b"xxx"]


def test_a_gate_follows_packets_however_they_are_cut():
    greeting, message = packet(0x20, b"\0\0\0"), publish(quality=1)
    whole = greeting + message * 3 + packet(0xD0, b"") + publish(payload=b"y" * 2000)
    for size in (1, 2, 3, 7, 64, len(whole)):
        gate = Gate()
        for start in range(0, len(whole), size):
            part = whole[start : start + size]
            assert gate.let_in(part, backlog=False) == part
        with pytest.raises(BreachError):
            gate.let_in(publish(quality=2), backlog=False)
        with pytest.raises(BreachError):
            gate.let_in(greeting, backlog=False)


@pytest.mark.parametrize(("count", "slowed"), [(150, False), (600, True)])
def test_a_flood_is_read_slowly(broker, connected, monkeypatch, count, slowed):
    pauses = []
    clock = SimpleNamespace(monotonic=lambda: connected._second, sleep=pauses.append)
    monkeypatch.setattr(connection_module, "time", clock)
    broker.send_raw(publish() * count)
    while len(connected.received) < count:
        connected.step(0.5)
    assert bool(pauses) is slowed


def test_a_broker_that_wants_answers_and_reads_none_is_left():
    gate = Gate()
    gate.let_in(packet(0x20, b"\0\0\0"), backlog=False)
    for _ in range(3000):
        gate.let_in(publish(quality=1), backlog=False)
    flood = publish(quality=1) * 1100
    with pytest.raises(BreachError, match="reads no acknowledgement"):
        gate.let_in(flood, backlog=True)


def test_a_broker_that_acknowledges_nothing_is_left(broker, connected, monkeypatch):
    broker.behaviour = "forgetful"
    monkeypatch.setattr(connection_module, "_MOST_UNANSWERED", 20)
    for _ in range(20):
        connected.publish(Message("fer/hall/state", "{}"))
    with pytest.raises(BrokerUnavailableError, match="acknowledges nothing"):
        connected.publish(Message("fer/hall/state", "{}"))


def test_a_broker_that_goes_silent_is_left_whatever_keepalive_it_wants(monkeypatch):
    one = TinyBroker("forgetful")
    keepalive_off = packet(0x20, b"\0\0\3\x13\0\0")
    one._greet = lambda channel, body: (one.levels.append(5), channel.sendall(keepalive_off))
    endpoint = Endpoint("127.0.0.1", one.port, "hall")
    with Connection(endpoint, will=None, version="5", subscriptions=[]) as connection:
        connection.publish(Message("fer/hall/state", "{}"))
        connection.step(0)
        later = time.monotonic() + 61
        clock = SimpleNamespace(monotonic=lambda: later, sleep=time.sleep)
        monkeypatch.setattr(connection_module, "time", clock)
        with pytest.raises(BrokerUnavailableError, match="acknowledges nothing"):
            connection.step(0)
    one.close()


@pytest.mark.parametrize("greeting", [b"\xff" * 5000, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0"])
def test_who_is_no_broker_is_told_so(greeting):
    one = TinyBroker("silent")
    one._greet = lambda channel, body: (one.levels.append(body[6]), channel.sendall(greeting))
    endpoint = Endpoint("127.0.0.1", one.port, "hall")
    with pytest.raises(BrokerUnavailableError, match="does not answer as an MQTT broker does"):
        Connection(endpoint, will=None, version="5", subscriptions=[])
    one.close()


@pytest.fixture
def start_sink(broker, tmp_path, monkeypatch):
    """Start the MQTT sink of a daemon; gives it and the daemon's controls."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    flags = {
        "output.file": "", "events.purpose": "a test", "mqtt.host": "127.0.0.1",
        "mqtt.port": str(broker.port), "mqtt.node": "hall",
    }  # fmt: skip
    settings = resolve(flags=flags, environment={}, file={}).settings
    made = []

    def start():
        controls = Controls()
        made.extend(make_event_sinks(settings, a_model(), controls))
        return made[-1].sink, controls

    yield start
    for named in made:
        named.sink.close()


@pytest.fixture
def sink(broker, start_sink):
    sink, _ = start_sink()
    sink.report(a_state())
    wait_until(lambda: broker.of("fer/hall/availability"))
    return sink


def test_a_sink_lives_through_a_topic_that_is_no_text(broker, start_sink):
    sink, controls = start_sink()
    sink.report(a_state())
    wait_until(lambda: broker.of("fer/hall/availability"))
    broker.send_raw(publish(b"fer/\xff\xfe/x"))
    wait_until(lambda: sink.figures()["connections"] == 2)
    wait_until(lambda: len(broker.of("fer/hall/availability")) == 2)
    broker.send_raw(publish())
    wait_until(lambda: not controls.enabled)


def test_a_defect_is_counted_and_the_sink_goes_on(broker, sink, caplog, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(type(sink), "_take_commands", lambda *_: 1 / 0)
        broker.send_raw(publish())
        wait_until(lambda: sink.figures()["defects"])
        assert "ZeroDivisionError" in sink.figures()["problem"]
    wait_until(lambda: sink.figures()["connected"])
    assert "this is a defect" in caplog.text


def test_a_thread_that_has_died_is_a_state(start_sink, monkeypatch):
    monkeypatch.setattr(MqttSink, "_work", lambda self: None)
    sink, _ = start_sink()
    wait_until(lambda: "has died" in sink.figures()["problem"])
    with pytest.raises(OutputError, match="has died"):
        sink.report(a_state())


def test_a_broker_that_toggles_is_limited_in_log_and_effect(caplog):
    caplog.set_level(logging.INFO)
    controls, now = Controls(), [0.0]
    switch = Switch(controls, clock=lambda: now[0])
    seen = [True]
    for turn in range(90 * 60):  # a minute at ninety a second
        now[0] = turn / 90
        switch.want(turn % 2 == 1)
        if controls.enabled != seen[-1]:
            seen.append(controls.enabled)
    assert 4 < len(seen) < 14
    assert len(caplog.records) == len(seen) - 1
    now[0] += 31
    switch.want(False)
    switch.turn()
    now[0] += 31
    switch.turn()
    assert controls.enabled is False, "the last command counts"


def test_who_switches_slowly_is_obeyed_at_once():
    controls, now = Controls(), [0.0]
    switch = Switch(controls, clock=lambda: now[0])
    for turn in range(20):
        now[0] = turn * 4.0
        switch.want(turn % 2 == 1)
        assert controls.enabled is (turn % 2 == 1)
