"""When a daemon counts as well."""

import pytest
from states import a_camera, a_state

from fer_edge.state.health import Pulse, why_not_delivering, why_not_well
from fer_edge.state.records import SinkState

WAITING = a_camera(phase="waiting", grade="dead", seconds_since_frame=12.3, problem="no route")


def test_a_daemon_that_delivers_is_well():
    assert why_not_well(a_state(), age_seconds=0.5, alive_seconds=5) == []


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (None, "starting"),
        (a_state(phase="starting"), "starting"),
        (a_state(phase="stopping"), "stopping"),
        (a_state(phase="disabled"), "switched off"),
        (a_state(phase="waiting", camera=WAITING), "camera waiting, no frame for 12 s: no route"),
        (a_state(phase="running", camera=a_camera(phase="opening")), "camera opening"),
    ],
)
def test_a_daemon_that_does_not_deliver_says_why(state, reason):
    (said,) = why_not_delivering(state, age_seconds=0.5, alive_seconds=5)
    assert said.startswith(reason)


def test_a_loop_that_hangs_outweighs_the_last_good_state():
    assert why_not_delivering(a_state(), age_seconds=6.2, alive_seconds=5) == [
        "the loop has not turned for 6 s"
    ]


def test_a_failing_sink_is_not_well_but_delivers():
    state = a_state(sinks=(SinkState("jsonl", 1, 1, "no space"),))
    assert why_not_delivering(state, age_seconds=0, alive_seconds=5) == []
    assert why_not_well(state, age_seconds=0, alive_seconds=5) == ["jsonl: no space"]


@pytest.mark.parametrize("name", ["problem", "spool_problem"])
def test_what_a_sink_complains_of_among_its_figures_counts(name):
    figures = {name: "not authorised", "protocol": "5", "problems_before": 3}
    state = a_state(sinks=(SinkState("mqtt", 1, 0, "", figures),))
    assert why_not_well(state, age_seconds=0, alive_seconds=5) == ["mqtt: not authorised"]


def test_a_pulse_ages_from_its_start_and_each_beat_renews_it(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("fer_edge.state.health.time.monotonic", lambda: now[0])
    pulse = Pulse()
    now[0] += 3
    assert (pulse.state, pulse.age_seconds) == (None, 3.0)
    pulse.beat(a_state())
    now[0] += 1
    assert (pulse.state, pulse.age_seconds) == (a_state(), 1.0)


def test_another_model_than_the_one_that_should_serve_is_not_well():
    state = a_state(model="edge-small", model_problem="slot a: golden vectors differ")
    assert why_not_delivering(state, age_seconds=0, alive_seconds=5) == []
    assert why_not_well(state, age_seconds=0, alive_seconds=5) == [
        "model edge-small serves: slot a: golden vectors differ"
    ]
