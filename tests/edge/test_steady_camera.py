"""A camera that fails and comes back, by scripted sources."""

import gc
import itertools
import logging
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest

from fer_edge.daemon.camera.steady import SteadyCamera
from fer_edge.settings import SourceSettings
from fer_edge.shared.errors import (
    DependencyError,
    SettingsError,
    SourceStuckError,
    SourceUnavailableError,
)
from fer_edge.sources.picamera import PiCamera
from fer_edge.sources.stream import NetworkStream
from fer_edge.testing.fake_picamera2 import PiRig
from fer_edge.testing.fakes import (
    MjpegServer,
    ScriptedSource,
    Stall,
    noisy_picture,
    numbered_picture,
)

QUICK = {"read_timeout_seconds": 0.2, "reopen_longest_seconds": 0.05, "give_up_seconds": 30.0}
PROMPT_SECONDS = 4.0  # "at once", on a busy machine


def broken(found="the cable is out"):
    return SourceUnavailableError(found, expected="a camera", fix="plug it in")


def pictures(count, *, first=0):
    return [noisy_picture(first + number) for number in range(count)]


class Bench:
    """Opens one scripted source after the other; the last one over and over."""

    def __init__(self, *scripts, live=True):
        self.opened = []
        self._scripts = list(scripts)
        self._live = live

    def __call__(self):
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        if isinstance(script, Exception):
            raise script
        assert all(source.closed for source in self.opened), "a device is held only once"
        self.opened.append(ScriptedSource(script, live=self._live))
        return self.opened[-1]


@pytest.fixture
def steady():
    made = []

    def make(opening, **changes):
        made.append(SteadyCamera(opening, SourceSettings(**QUICK | changes)))
        return made[-1]

    yield make
    for camera in made:
        camera.close()


def frames_of(camera, count):
    """Return the next good frames."""
    found = []
    give_up = time.monotonic() + 20
    while len(found) < count:
        assert time.monotonic() < give_up, camera.health()
        frame = camera.read(0.05)
        if frame is not None:
            found.append(frame)
    return found


def read_until_it_raises(camera):
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        camera.read(0.05)
    raise AssertionError(camera.health())


def wait_for_problem(camera):
    give_up = time.monotonic() + 20
    while not camera.health().problem:
        assert time.monotonic() < give_up, camera.health()
        camera.read(0.05)


def until(condition):
    give_up = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def test_frames_go_through_as_they_are(steady):
    camera = steady(Bench(itertools.chain(pictures(3), itertools.repeat(Stall(9)))))
    assert [frame.index for frame in frames_of(camera, 3)] == [0, 1, 2]
    assert (camera.health().phase, camera.health().failures) == ("delivering", 0)


@pytest.mark.parametrize("fault", [broken(), Stall(1e6)])
def test_a_fault_is_recovered_from_and_frames_count_on(steady, fault):
    bench = Bench([*pictures(3), fault], pictures(3), pictures(1))
    camera = steady(bench)
    frames = frames_of(camera, 6)
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4, 5]
    clocks = [frame.monotonic_ns for frame in frames]
    assert clocks == sorted(clocks)
    health = camera.health()
    assert (health.failures, health.reopenings, health.problem) == (1, 1, "")
    assert bench.opened[0].closed


def test_a_live_source_that_ends_has_failed(steady):
    camera = steady(Bench(pictures(2), pictures(2)))
    assert [frame.index for frame in frames_of(camera, 4)] == [0, 1, 2, 3]
    assert not camera.ended


def test_what_is_wrong_is_said_while_it_waits(steady):
    camera = steady(
        Bench([*pictures(1), broken()], broken("nothing listens")), reopen_longest_seconds=1000.0
    )
    frames_of(camera, 1)
    until(lambda: camera.read(0.05) is None and camera.health().phase == "waiting")
    health = camera.health()
    assert health.grade == "dead"
    assert health.problem in {"the cable is out", "nothing listens"}
    assert health.frames_per_second == 0


def test_the_first_opening_is_not_tried_twice(steady):
    camera = steady(Bench(broken("no such camera")))
    with pytest.raises(SourceUnavailableError, match="no such camera; expected a camera"):
        read_until_it_raises(camera)
    assert camera.health().failures == 0


def test_it_is_given_up_after_its_time(steady):
    camera = steady(Bench([*pictures(2), broken()], broken("nothing listens")), give_up_seconds=2.0)
    frames_of(camera, 2)
    began = time.monotonic()
    with pytest.raises(SourceUnavailableError, match="nothing listens, and for 2 s") as caught:
        read_until_it_raises(camera)
    assert 1.5 < time.monotonic() - began < 2 + PROMPT_SECONDS
    assert caught.value.exit_code == 69


def test_it_is_given_up_at_once_where_that_is_wanted(steady, caplog):
    bench = Bench([*pictures(2), broken()], pictures(2))
    camera = steady(bench, give_up_seconds=0.0)
    frames_of(camera, 2)
    with pytest.raises(SourceUnavailableError, match=r"^the cable is out; expected"):
        read_until_it_raises(camera)
    assert len(bench.opened) == 1
    assert not caplog.records


def test_what_opens_and_delivers_nothing_is_not_proven(steady):
    camera = steady(Bench([*pictures(2), broken()], [Stall(1e6)]), give_up_seconds=PROMPT_SECONDS)
    frames_of(camera, 2)
    with pytest.raises(SourceUnavailableError, match=r"delivered no frame.*did not help"):
        read_until_it_raises(camera)


@pytest.mark.parametrize("where", ["opening", "reading"])
def test_whatever_a_source_raises_is_a_fault_that_is_counted_and_recovered_from(steady, where):
    odd = OverflowError("too large for a C long")
    scripts = [odd] if where == "opening" else [[*pictures(1), odd]]
    camera = steady(Bench([*pictures(1), broken()], *scripts, pictures(100)))
    frames_of(camera, 1)
    frames_of(camera, 5)
    assert camera.health().failures == 2


def test_whatever_a_source_raises_at_the_start_ends_it_as_unavailable(steady):
    camera = steady(Bench(IndexError("string index out of range")))
    with pytest.raises(SourceUnavailableError, match="IndexError: string index out of range"):
        read_until_it_raises(camera)


def test_a_driver_that_keeps_its_threads_is_given_up_at_once(steady):
    stuck = SourceStuckError("3 captures are stuck", expected="fewer", fix="restart")
    camera = steady(Bench([*pictures(1), broken()], stuck))
    frames_of(camera, 1)
    with pytest.raises(SourceStuckError):
        read_until_it_raises(camera)


def test_the_time_out_that_is_said_is_the_one_that_was_set(steady):
    camera = steady(Bench([*pictures(1), Stall(1e6)]), read_timeout_seconds=0.3)
    frames_of(camera, 1)
    wait_for_problem(camera)
    assert camera.health().problem == "the camera delivered no frame within 0.3 s"


def test_a_daemon_that_slept_tries_again_before_it_gives_up(steady, monkeypatch):
    bench = Bench([*pictures(1), broken()], broken("nothing listens"))
    camera = steady(bench, give_up_seconds=3.0)
    frames_of(camera, 1)
    wait_for_problem(camera)
    awake = time.monotonic
    monkeypatch.setattr("fer_edge.daemon.camera.steady.time.monotonic", lambda: awake() + 60)
    assert camera.read(0.3) is None, "it waits anew"
    with pytest.raises(SourceUnavailableError, match="for 3 s opening it again did not help"):
        read_until_it_raises(camera)


def test_a_camera_that_does_not_deliver_has_no_rate(steady):
    camera = steady(Bench([*pictures(20), broken()], broken("nothing listens")))
    frames_of(camera, 20)
    assert camera.health().frames_per_second > 0
    wait_for_problem(camera)
    health = camera.health()
    assert (health.frames_per_second, health.age_ms) == (0.0, 0.0)


def test_wrong_settings_are_not_retried(steady):
    wrong = DependencyError("no picamera2", expected="it", fix="install it")
    camera = steady(Bench([*pictures(1), broken()], wrong))
    frames_of(camera, 1)
    with pytest.raises(DependencyError):
        read_until_it_raises(camera)


def test_each_problem_is_logged_once_and_so_is_the_return(steady, caplog):
    caplog.set_level(logging.INFO)
    away = broken("nothing listens")
    camera = steady(Bench([*pictures(1), broken()], away, away, away, away, pictures(2)))
    frames_of(camera, 3)
    said = [record.getMessage() for record in caplog.records]
    assert [line.split(";")[0].split(",")[0] for line in said] == [
        "the cable is out", "nothing listens", "the camera delivers again",
    ]  # fmt: skip
    assert camera.health().failures == 5


class SlowToOpen:
    """Takes its time to open; what it opens is known."""

    def __init__(self):
        self.go_on = threading.Event()
        self.begun = threading.Event()
        self.source = ScriptedSource(itertools.cycle(pictures(9)), live=True)

    def __call__(self):
        self.begun.set()
        self.go_on.wait(20)
        return self.source


def test_a_read_keeps_its_time_while_the_camera_is_opened(steady):
    slow = SlowToOpen()
    camera = steady(slow)
    for _ in range(3):
        began = time.monotonic()
        assert camera.read(0.05) is None
        assert time.monotonic() - began < PROMPT_SECONDS
    assert camera.health().phase == "opening"
    slow.go_on.set()
    frames_of(camera, 1)


def test_close_does_not_wait_for_an_attempt_and_what_it_opens_is_closed(steady):
    slow = SlowToOpen()
    camera = steady(slow)
    assert slow.begun.wait(5)
    began = time.monotonic()
    camera.close()
    assert time.monotonic() - began < PROMPT_SECONDS
    slow.go_on.set()
    until(lambda: slow.source.closed)
    assert camera.read(0.05) is None
    camera.close()


def test_a_source_that_is_slow_to_close_does_not_hold_the_reader(steady):
    closed = threading.Event()

    class SlowToClose(ScriptedSource):
        def close(self):
            closed.wait(20)
            super().close()

    sources = iter([SlowToClose([*pictures(1), broken()], live=True),
                    ScriptedSource(pictures(1), live=True)])  # fmt: skip
    camera = steady(lambda: next(sources))
    frames_of(camera, 1)
    began = time.monotonic()
    assert camera.read(0.05) is None
    assert time.monotonic() - began < PROMPT_SECONDS
    closed.set()
    frames_of(camera, 1)


def test_nothing_is_left_behind():
    def resources():
        gc.collect()
        return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))

    before = resources()
    camera = SteadyCamera(Bench([*pictures(1), broken()]), SourceSettings(**QUICK))
    frames_of(camera, 5)
    camera.close()
    until(lambda: resources() <= before)


def test_what_a_source_leaves_in_cycles_does_not_pile_up(steady):
    left = []

    class Cyclic(ScriptedSource):
        def __init__(self):
            super().__init__(itertools.cycle(pictures(3)), live=True)
            self.itself = self
            left.append(weakref.ref(self))

    camera = steady(Cyclic)
    gc.disable()
    try:
        frames_of(camera, 1)
        camera.pause()
        until(lambda: left[0]() is None)
    finally:
        gc.enable()


class TestPause:
    def test_it_releases_the_device_until_the_next_read(self, steady):
        bench = Bench(itertools.cycle(pictures(9)))
        camera = steady(bench)
        frames_of(camera, 2)
        assert camera.health().grade == "excellent"
        camera.pause()
        camera.pause()
        until(lambda: bench.opened[0].closed)
        assert camera.health().phase == "off"
        assert camera.health().grade == "excellent", "as it was"
        assert [frame.index for frame in frames_of(camera, 2)] == [2, 3]
        assert camera.health().failures == 0
        assert camera.health().reopenings == 0, "it had not failed"

    def test_the_time_off_does_not_count_as_waiting(self, steady):
        camera = steady(
            Bench(itertools.cycle(pictures(9)), broken(), itertools.cycle(pictures(9))),
            give_up_seconds=1.0,
        )
        frames_of(camera, 1)
        camera.pause()
        time.sleep(1.1)
        frames_of(camera, 1)

    def test_what_is_being_opened_then_is_closed(self, steady):
        slow = SlowToOpen()
        camera = steady(slow)
        assert slow.begun.wait(5)
        camera.pause()
        slow.go_on.set()
        until(lambda: slow.source.closed)


class TestPicture:
    def test_a_frozen_camera_is_opened_again_and_proven_by_what_changes(self, steady):
        still = noisy_picture(99)
        bench = Bench(
            [*pictures(3), *[still] * 10**5], [*[still] * 5, *pictures(9, first=50), Stall(1e6)]
        )
        camera = steady(bench, frozen_seconds=0.3)
        seen = []
        give_up = time.monotonic() + 10
        while (len(bench.opened) < 2 or not seen) and time.monotonic() < give_up:
            frame = camera.read(0.02)
            if len(bench.opened) == 2 and frame is not None:
                seen.append(frame.grey)
        assert seen[0].tobytes() == noisy_picture(50).tobytes(), "none of the frozen ones"
        assert (camera.health().failures, camera.health().reopenings) == (1, 1)

    @pytest.mark.parametrize(
        ("picture", "problem"), [(noisy_picture(0), "frozen"), (numbered_picture(3), "black")]
    )
    def test_it_is_given_up_where_that_does_not_help(self, steady, picture, problem):
        bench = Bench(itertools.chain(pictures(3), itertools.repeat(picture)))
        camera = steady(
            bench,
            frozen_seconds=0.4 if problem == "frozen" else 60,
            black_seconds=0.3,
            give_up_seconds=PROMPT_SECONDS,
        )
        with pytest.raises(SourceUnavailableError, match=f"the picture is {problem}, and for"):
            read_until_it_raises(camera)
        assert len(bench.opened) > 1

    def test_dark_pictures_are_only_graded_lower(self, steady):
        dark = [noisy_picture(number, level=8) for number in range(50)]
        camera = steady(Bench(itertools.cycle(dark)), black_seconds=0.1, frozen_seconds=0.1)
        frames_of(camera, 1)
        give_up = time.monotonic() + 0.5
        while time.monotonic() < give_up:
            assert camera.read(PROMPT_SECONDS) is not None
        assert (camera.health().grade, camera.health().problem) == ("fair", "the picture is dark")


class TestFile:
    def test_it_ends(self, steady):
        camera = steady(Bench(pictures(3), live=False))
        assert len(frames_of(camera, 3)) == 3
        assert camera.read(1.0) is None
        assert camera.ended
        assert camera.health().phase == "ended"

    def test_the_same_picture_is_no_fault_of_it(self, steady):
        camera = steady(Bench([noisy_picture(0)] * 9, live=False), frozen_seconds=0.01)
        frames_of(camera, 9)

    def test_a_frame_that_is_due_later_is_waited_for(self, steady):
        camera = steady(Bench([noisy_picture(0), Stall(0.6), noisy_picture(1)], live=False))
        assert len(frames_of(camera, 2)) == 2

    def test_its_failure_is_final(self, steady):
        camera = steady(
            Bench([*pictures(1), SettingsError("a", expected="b", fix="c")], live=False)
        )
        frames_of(camera, 1)
        with pytest.raises(SettingsError):
            read_until_it_raises(camera)


class TestChange:
    def test_another_source_is_turned_to_and_counts_go_on(self, steady):
        first, second = Bench(itertools.cycle(pictures(9))), Bench(itertools.cycle(pictures(9)))
        camera = steady(first)
        before = frames_of(camera, 3)[-1].index
        camera.change(second, SourceSettings(uri="1", **QUICK))
        assert frames_of(camera, 1)[0].index == before + 1
        assert first.opened[0].closed

    def test_another_patience_does_not_let_the_device_go(self, steady):
        bench = Bench([*pictures(2), broken()])
        camera = steady(bench)
        frames_of(camera, 2)
        camera.change(bench, SourceSettings(**QUICK | {"give_up_seconds": 0.0}))
        with pytest.raises(SourceUnavailableError):
            read_until_it_raises(camera)
        assert len(bench.opened) == 1

    def test_one_that_cannot_be_is_left_for_the_former(self, steady, caplog):
        former = Bench(itertools.cycle(pictures(9)))
        camera = steady(former)
        frames_of(camera, 1)
        camera.change(
            Bench(SettingsError("no such scheme", expected="a", fix="b")),
            SourceSettings(uri="x://", **QUICK),
        )
        frames_of(camera, 1)
        assert len(former.opened) == 2
        assert "the new source is not used: no such scheme" in caplog.text

    def test_one_that_does_not_answer_is_waited_for(self, steady):
        camera = steady(Bench(itertools.cycle(pictures(9))))
        frames_of(camera, 1)
        camera.change(Bench(broken(), broken(), pictures(9)), SourceSettings(uri="1", **QUICK))
        frames_of(camera, 1)
        assert camera.health().failures == 2


def test_dropped_frames_are_summed_over_reopenings(steady):
    with MjpegServer([noisy_picture(n) for n in range(20)], frames_per_second=100) as server:
        camera = steady(lambda: NetworkStream(server.url))
        frames_of(camera, 1)
        time.sleep(0.3)
        frames_of(camera, 1)
        before = camera.dropped
        assert before > 0
        server.behaviour = "end"
        until(lambda: camera.read(0.05) is None and camera.health().failures)
        server.behaviour = "stream"
        index = frames_of(camera, 1)[0].index
        time.sleep(0.3)
        assert frames_of(camera, 1)[0].index > index + 1
        assert camera.dropped > before


class TestPiCamera:
    @pytest.fixture
    def pi(self, monkeypatch):
        rig = PiRig(draw=lambda number, width, height: noisy_picture(
            number, width=width, height=height))  # fmt: skip
        for name, module in rig.modules().items():
            monkeypatch.setitem(sys.modules, name, module)
        return rig

    @staticmethod
    def opening():
        return PiCamera(width=64, height=48, open_timeout_seconds=0.5, stall_timeout_seconds=0.3)

    @pytest.mark.parametrize("behaviour", ["stall", "errors"])
    def test_it_is_closed_properly_and_opened_again(self, pi, steady, behaviour):
        camera = steady(self.opening)
        frames_of(camera, 2)
        pi.behaviour = behaviour
        until(lambda: camera.read(0.05) is None and camera.health().failures >= 2)
        pi.behaviour = "stream"
        frames_of(camera, 2)
        assert len(pi.opened) >= 3
        assert [one.is_open for one in pi.opened] == [False] * (len(pi.opened) - 1) + [True]

    def test_one_that_was_unplugged_is_found_again(self, pi, steady):
        sensors, pi.sensors = pi.sensors, ()
        pi.sensors = sensors
        camera = steady(self.opening)
        frames_of(camera, 2)
        pi.sensors, pi.behaviour = (), "stall"
        until(lambda: camera.read(0.05) is None and "finds 0 here" in camera.health().problem)
        pi.sensors, pi.behaviour = sensors, "stream"
        frames_of(camera, 2)

    def test_one_that_another_program_took_is_given_up(self, pi, steady):
        class Held(set):
            def discard(self, number):
                """Nobody gives it back."""

        camera = steady(self.opening, give_up_seconds=3.0)
        frames_of(camera, 2)
        pi.busy = Held({0})
        pi.behaviour = "stall"
        until(lambda: camera.read(0.05) is None and "resource busy" in camera.health().problem)
        with pytest.raises(SourceUnavailableError, match=r"resource busy.*did not help"):
            read_until_it_raises(camera)


def test_a_device_that_is_switched_off_does_not_open_its_camera_at_the_start():
    bench = Bench(pictures(3))
    with SteadyCamera(bench, SourceSettings(**QUICK), wanted=False) as camera:
        time.sleep(0.2)
        assert bench.opened == []
        assert len(frames_of(camera, 1)) == 1
