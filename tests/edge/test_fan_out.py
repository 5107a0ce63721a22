"""Sinks that fail, are slow, or must not fail."""

import logging
import sqlite3
import time

import pytest
from builders import an_observation

from fer_edge.pipeline.protocols import Reporter, Sink
from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import OutputError
from fer_edge.sinks import fan_out
from fer_edge.sinks.fan_out import FanOut, NamedSink
from fer_edge.state.records import CameraHealth, DaemonState

SEEN = an_observation()
STATE = DaemonState("running", "1", 1, 0.0, 1.0, "0", "tiny", "", CameraHealth())


def full(found="the disk is full"):
    return OutputError(found, expected="space", fix="make room")


class Plain(Closing):
    """A sink that raises what it is told to, and remembers what it took."""

    def __init__(self):
        self.raises = None
        self.takes_seconds = 0.0
        self.took = []
        self.closed = 0

    def emit(self, observation):
        time.sleep(self.takes_seconds)
        if self.raises is not None:
            raise self.raises
        self.took.append(observation)

    def close(self):
        self.closed += 1
        if self.raises is not None:
            raise self.raises


class Telling(Plain):
    """The same, and it takes the state."""

    def __init__(self):
        super().__init__()
        self.states = []
        self.report_raises = self.figures_raise = None

    def report(self, state):
        if self.report_raises is not None:
            raise self.report_raises
        self.states.append(state)

    def figures(self):
        if self.figures_raise is not None:
            raise self.figures_raise
        return {"spooled": len(self.took)}


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only when it is told to."""

    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(fan_out, "time", clock)
    return clock


@pytest.fixture
def good():
    return Plain()


@pytest.fixture
def bad():
    return Telling()


@pytest.fixture
def sinks(good, bad):
    return FanOut([NamedSink("bad", bad), NamedSink("good", good)])


def state_of(sinks, name="bad"):
    return next(state for state in sinks.states() if state.name == name)


def test_the_fakes_keep_the_protocols():
    assert isinstance(Telling(), Sink)
    assert isinstance(Telling(), Reporter)
    assert not isinstance(Plain(), Reporter)


def test_all_get_all(sinks, good, bad):
    for _ in range(3):
        sinks.emit(SEEN)
        sinks.report(STATE)
    assert (len(good.took), len(bad.took), len(bad.states)) == (3, 3, 3)
    assert state_of(sinks).figures == {"spooled": 3}
    assert [(state.emitted, state.failures) for state in sinks.states()] == [(3, 0), (3, 0)]


@pytest.mark.parametrize(
    "error", [full(), ConnectionResetError("gone"), sqlite3.OperationalError("locked"), KeyError(1)]
)
def test_one_that_fails_stops_no_other(sinks, good, bad, error):
    bad.raises = error
    sinks.emit(SEEN)
    assert len(good.took) == 1
    state = state_of(sinks)
    assert (state.emitted, state.failures) == (0, 1)
    assert str(error) in state.problem


def test_it_is_left_alone_for_longer_and_longer(sinks, bad, clock):
    bad.raises = full()
    attempts = []
    for _ in range(3000):
        sinks.emit(SEEN)
        attempts.append(state_of(sinks).failures)
        clock.now += 0.1
    failures = attempts[-1]
    assert 6 < failures < 15, "in five minutes"
    assert attempts[30] >= 2


def test_what_is_said_meanwhile_is_not_kept_for_it(sinks, bad, clock):
    bad.raises = full()
    sinks.emit(SEEN)
    bad.raises = None
    sinks.emit(SEEN)
    assert bad.took == []
    clock.now += 1.0
    sinks.emit(SEEN)
    assert len(bad.took) == 1


def test_it_works_again(sinks, bad, clock, caplog):
    caplog.set_level(logging.INFO)
    bad.raises = full()
    for _ in range(4):
        sinks.emit(SEEN)
        clock.now += 60
    bad.raises = None
    sinks.emit(SEEN)
    assert state_of(sinks).problem == ""
    assert state_of(sinks).failures == 4
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2, "the same problem is said once"
    assert said[0].startswith("bad: the disk is full; expected space; make room; tried again in")
    assert said[1] == "bad works again"
    bad.raises = full("full again")
    sinks.emit(SEEN)
    bad.raises = None
    clock.now += 1.0
    sinks.emit(SEEN)
    assert state_of(sinks).emitted == 2, "the pauses began anew"


def test_a_defect_is_logged_with_where_it_is(sinks, bad, caplog):
    bad.raises = ZeroDivisionError("a defect")
    sinks.emit(SEEN)
    assert "ZeroDivisionError: a defect" in caplog.text
    assert "Traceback" in caplog.text


def test_one_that_cannot_take_the_state_still_takes_observations(sinks, bad, clock):
    bad.report_raises = full("no port")
    sinks.report(STATE)
    sinks.emit(SEEN)
    assert len(bad.took) == 1
    assert (state_of(sinks).failures, state_of(sinks).problem[:7]) == (1, "no port")
    bad.report_raises = None
    sinks.report(STATE)
    assert bad.states == [], "it is left alone for a moment"
    clock.now += 1.0
    sinks.report(STATE)
    assert len(bad.states) == 1
    assert state_of(sinks).problem == ""


def test_figures_that_fail_are_none(sinks, bad):
    bad.figures_raise = KeyError("spool")
    state = state_of(sinks)
    assert state.figures == {}
    assert state_of(sinks).failures >= 1


def test_a_slow_one_is_named_and_goes_on(sinks, good, bad, monkeypatch, caplog):
    monkeypatch.setattr(fan_out, "_SLOW_SECONDS", 0.05)
    bad.takes_seconds = 0.06
    for _ in range(3):
        sinks.emit(SEEN)
    assert (len(good.took), len(bad.took)) == (3, 3)
    assert state_of(sinks).problem.startswith("slow: 0.")
    assert state_of(sinks).failures == 0
    assert caplog.text.count("bad is slow") == 1
    bad.takes_seconds = 0.0
    sinks.emit(SEEN)
    assert state_of(sinks).problem == ""


@pytest.mark.parametrize("error", [full(), BrokenPipeError()])
def test_an_essential_one_ends_the_run(good, error):
    essential = Plain()
    essential.raises = error
    sinks = FanOut([NamedSink("jsonl", essential, essential=True), NamedSink("good", good)])
    with pytest.raises(type(error)):
        sinks.emit(SEEN)
    with pytest.raises(type(error)):
        sinks.close()


def test_what_fails_on_closing_keeps_none_open(sinks, good, bad, caplog):
    bad.raises = full()
    sinks.close()
    assert (good.closed, bad.closed) == (1, 1)
    assert "the disk is full" in caplog.text


def test_an_essential_one_that_fails_on_closing_keeps_none_open(good):
    essential = Plain()
    essential.raises = full()
    sinks = FanOut([NamedSink("jsonl", essential, essential=True), NamedSink("good", good)])
    with pytest.raises(OutputError):
        sinks.close()
    assert good.closed == 1
