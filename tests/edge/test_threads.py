"""A thread of the daemon that a defect ends is told of."""

import threading

from fer_edge.daemon.figures import Figures, Names
from fer_edge.daemon.status.text import status_line
from fer_edge.state.health import why_not_well
from fer_edge.state.records import CameraHealth
from fer_edge.state.threads import watching_threads


def die(name, error=ValueError):
    def work():
        raise error("a defect")

    thread = threading.Thread(target=work, name=name)
    thread.start()
    thread.join()


def state_now():
    return Figures(Names("0", "m", "")).state(
        "running", CameraHealth("delivering"), dropped=0, sinks=()
    )


def test_a_thread_that_dies_is_a_state(caplog):
    with watching_threads():
        assert state_now().dead_threads == ()
        for _ in range(3):
            die("scout")
        state = state_now()
    assert state.dead_threads == ("scout",)
    assert "the thread scout has died of ValueError: a defect" in caplog.text
    assert "thread scout has died" in status_line(state)
    (reason,) = why_not_well(state, age_seconds=0, alive_seconds=10)
    assert reason.startswith("the thread scout has died")


def test_no_number_of_threads_swells_it():
    with watching_threads():
        for number in range(30):
            die(f"thread {number}")
        assert len(state_now().dead_threads) == 8


def test_a_thread_that_only_ends_is_none_of_its_business(caplog):
    with watching_threads():
        die("calm", SystemExit)
        assert state_now().dead_threads == ()
    assert caplog.records == []
