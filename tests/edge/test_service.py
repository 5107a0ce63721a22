"""The daemon's loop: what it tells systemd, how it waits, and how it ends."""

import gc
import itertools
import os
import random
import signal
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from builders import a_picture, an_observation
from notify_socket import NotifySocket

from fer_edge.daemon.figures import Figures, Load, Names
from fer_edge.daemon.service import Service
from fer_edge.daemon.status.text import status_line
from fer_edge.daemon.systemd import SystemdNotifier
from fer_edge.shared.errors import FerError, OutputError
from fer_edge.sinks.fan_out import FanOut, NamedSink
from fer_edge.state.controls import Controls, obey_signals
from fer_edge.state.records import CameraHealth, DaemonState, SinkState
from fer_edge.testing.fakes import ScriptedSource

WATCHDOG_SECONDS = 0.8


def hold(free, held):
    """Wait until it is free, and tell that it is waited for."""
    if not free.is_set():
        held.set()
        assert free.wait(30)


class PhasedCamera:
    """A camera of which a test sets the phase: "delivering" gives frames, others none."""

    def __init__(self, phase="delivering"):
        self.phase = phase
        self.free = threading.Event()
        self.free.set()
        self.held = threading.Event()
        self.failures = 0
        self.ended = False
        self.dropped = 0
        self.paused = 0
        self._source = ScriptedSource(itertools.repeat(a_picture()), live=True)

    def read(self, timeout_seconds):
        hold(self.free, self.held)
        if self.phase == "delivering":
            time.sleep(0.01)
            return self._source.read(timeout_seconds)
        time.sleep(timeout_seconds)
        return None

    def pause(self):
        self.paused += 1

    def health(self):
        return CameraHealth(self.phase, "good", seconds_since_frame=4.2, failures=self.failures)

    def close(self):
        self._source.close()


class StoppablePipeline:
    """A pipeline that hangs for as long as a test holds it."""

    def __init__(self):
        self.free = threading.Event()
        self.free.set()
        self.held = threading.Event()

    def process(self, frame):
        hold(self.free, self.held)
        return an_observation(frame_index=frame.index)

    def close(self):
        """Nothing to end."""


@pytest.fixture
def manager(tmp_path):
    with NotifySocket(tmp_path / "notify") as manager:
        yield manager


class Running:
    """A service that runs on a thread of its own."""

    def __init__(self, manager, camera, *, reload=lambda _service: None, enabled=True):
        self.camera = camera
        self.pipeline = StoppablePipeline()
        self.controls = Controls()
        self.controls.enabled = enabled
        self.failure = None
        watchdog = manager.environment(WATCHDOG_USEC=str(round(WATCHDOG_SECONDS * 1e6)))
        self.service = Service(
            camera, self.pipeline, FanOut([]),
            controls=self.controls,
            figures=Figures(Names("a camera", "a model", "0" * 64)),
            systemd=SystemdNotifier(watchdog),
            reload=reload,
        )  # fmt: skip
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            self.service.run()
        except FerError as error:
            self.failure = error

    def stop(self):
        """Stop it; tell whether it ended sooner than a camera is opened or opened again."""
        self.pipeline.free.set()
        self.camera.free.set()
        self.controls.stop()
        self.thread.join(5)
        return not self.thread.is_alive()


class Outgoing:
    """A sink that takes everything."""

    def emit(self, observation):
        """Take it."""

    def close(self):
        """Nothing to end."""


def tell_all(figures, sinks):
    camera = PhasedCamera().health()
    sinks.report(figures.state("running", camera, dropped=0, sinks=sinks.states()))


@contextmanager
def running(manager, camera=None, **options):
    run = Running(manager, camera or PhasedCamera(), **options)
    run.thread.start()
    try:
        yield run
    finally:
        run.stop()
        run.service.close()


def beats(manager):
    return manager.count("WATCHDOG=1")


def wait_for_beats(manager, more):
    manager.wait_for("WATCHDOG=1", times=beats(manager) + more)


def until(condition):
    give_up = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def starves(manager, held):
    """Tell whether no beat comes within twice the deadline once something is held."""
    assert held.wait(20)
    before = beats(manager)
    time.sleep(2 * WATCHDOG_SECONDS)
    return beats(manager) == before


def test_ready_comes_with_the_first_frame_and_the_status_follows(manager):
    with running(manager):
        manager.wait_for("READY=1")
        manager.wait_for("STATUS=")
        assert beats(manager)


def test_telling_its_state_every_second_leaves_no_memory_behind():
    sinks = FanOut([NamedSink("a", Outgoing()), NamedSink("b", Outgoing())])
    figures = Figures(Names("a camera", "a model", "0" * 64))
    gc.collect()  # also empties what Python keeps for reuse
    for _ in range(100):
        tell_all(figures, sinks)
    before = sys.getallocatedblocks()
    for _ in range(500):
        tell_all(figures, sinks)
    assert sys.getallocatedblocks() - before < 100


def test_the_load_is_the_share_of_a_core_since_the_state_before():
    told = iter([(10.0, 1.0), (12.0, 1.5), (12.1, 1.6), (13.0, 1.6)])
    now = used = 0.0

    def passes():
        nonlocal now, used
        now, used = next(told)

    passes()
    load = Load(lambda: now, lambda: used)
    passes()
    assert load.percent() == 25
    passes()
    assert load.percent() == 25, "of a moment nothing can be told"
    passes()
    assert load.percent() == pytest.approx(10)


@pytest.mark.parametrize("phase", ["waiting", "disabled", "stopping"])
def test_a_camera_that_does_not_deliver_shows_nobody_and_no_rate(phase):
    figures = Figures(Names("a camera", "a model", "0" * 64))
    camera = CameraHealth("delivering", "good")

    def state(phase):
        return figures.state(phase, camera, dropped=0, sinks=())

    for index in range(5):
        figures.add(an_observation(frame_index=index))
    assert state("running").faces > 0
    assert state("running").frames_per_second > 0
    dead, back = state(phase), state("running")
    assert (dead.faces, dead.frames_per_second) == (0, 0.0)
    assert (back.faces, back.frames_per_second) == (0, 0.0), "until it has seen somebody again"


def test_the_first_frame_does_not_stand_for_all_of_them():
    figures = Figures(Names("a camera", "a model", "0" * 64))
    camera = CameraHealth("delivering", "good")
    latencies = []
    for ms in (500.0, 20.0, 20.0):
        figures.add(an_observation(timings={"age": ms}))
        state = figures.state("running", camera, dropped=0, sinks=())
        latencies.append(state.stages_ms["age"]["p50"])
    assert (latencies[0], latencies[-1]) == (500, 20)


def test_not_ready_while_the_camera_opens_yet_alive(manager):
    with running(manager, PhasedCamera("opening")) as run:
        manager.wait_for("STATUS=camera opening for 4 s")
        wait_for_beats(manager, 4)
        assert "READY=1" not in manager.said
        run.camera.phase = "delivering"
        manager.wait_for("READY=1")


def test_a_camera_that_fails_at_the_start_is_a_state_of_a_daemon_that_is_ready(manager):
    camera = PhasedCamera("opening")
    camera.failures = 1
    with running(manager, camera):
        manager.wait_for("READY=1")


@pytest.mark.parametrize(
    ("phase", "enabled"), [("delivering", True), ("waiting", True), ("off", False)]
)
def test_fed_while_frames_flow_and_while_it_knows_what_it_waits_for(manager, phase, enabled):
    with running(manager, PhasedCamera(phase), enabled=enabled):
        manager.wait_for("READY=1")
        wait_for_beats(manager, 4)


def test_a_pipeline_that_hangs_starves_the_watchdog(manager):
    with running(manager) as run:
        manager.wait_for("READY=1")
        run.pipeline.free.clear()
        assert starves(manager, run.pipeline.held)
        run.pipeline.free.set()
        wait_for_beats(manager, 1)


def test_a_camera_call_that_hangs_starves_the_watchdog(manager):
    camera = PhasedCamera()
    with running(manager, camera):
        manager.wait_for("READY=1")
        camera.free.clear()
        assert starves(manager, camera.held)


@pytest.mark.parametrize(
    ("phase", "enabled"),
    [("delivering", True), ("opening", True), ("waiting", True), ("off", False)],
)
def test_it_stops_soon_in_every_state_and_says_so(manager, phase, enabled):
    with running(manager, PhasedCamera(phase), enabled=enabled) as run:
        manager.wait_for("WATCHDOG=1")
        assert run.stop()
        assert "STOPPING=1" in manager.said
        assert run.failure is None


def test_switched_off_it_releases_the_camera_until_switched_on(manager):
    with running(manager) as run:
        manager.wait_for("READY=1")
        run.controls.enabled = False
        manager.wait_for("STATUS=switched off")
        assert run.camera.paused
        before = manager.count("STATUS=")
        run.controls.enabled = True
        manager.wait_for("STATUS=", times=before + 1)
        until(lambda: "1 face in view" in [said for said in manager.said if "STATUS" in said][-1])


def test_a_reload_is_between_reloading_and_ready(manager):
    with running(manager, reload=lambda _service: time.sleep(0.05)) as run:
        manager.wait_for("READY=1")
        run.controls.reload()
        manager.wait_for("RELOADING=1")
        manager.wait_for("READY=1", times=2)
        kinds = [said.partition("=")[0] for said in manager.said]
        assert kinds.count("READY") == 2
        assert kinds.index("RELOADING") < len(kinds) - 1 - kinds[::-1].index("READY")


def test_a_reload_that_cannot_go_back_ends_the_run(manager):
    def fail(_service):
        raise OutputError("the port is taken", expected="a free one", fix="free it")

    with running(manager, reload=fail) as run:
        manager.wait_for("READY=1")
        run.controls.reload()
        run.thread.join(20)
        assert isinstance(run.failure, OutputError)
        assert sum(said.startswith("READY=1") for said in manager.said) == 2


def test_a_signal_during_a_wait_never_blocks():
    """An event, which takes a lock, does: within seconds, where signals come at any moment."""
    controls = Controls()
    previous = signal.signal(signal.SIGALRM, lambda *_: controls.stop())
    moments = random.Random(0)
    try:
        for _ in range(10_000):
            controls = Controls()
            signal.setitimer(signal.ITIMER_REAL, moments.uniform(1e-6, 3e-5))
            controls.wait(0.0001)
        signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, previous)


@pytest.mark.parametrize("wish", ["stop", "reload", "switch off"])
def test_a_wish_ends_a_wait(wish):
    controls = Controls()

    def ask():
        if wish == "switch off":
            controls.enabled = False
        else:
            getattr(controls, wish)()

    asking = threading.Timer(0.05, ask)
    asking.start()
    began = time.monotonic()
    controls.wait(20)
    asking.join()
    assert time.monotonic() - began < 5


def test_a_wait_that_is_over_at_once_ends():
    """A queue's does not, in CPython 3.11."""
    for _ in range(10_000):
        Controls().wait(2e-6)


def test_signals_are_obeyed_and_handed_back():
    before = signal.getsignal(signal.SIGHUP)
    controls = Controls()
    with obey_signals(stop=controls.stop, reload=controls.reload):
        os.kill(os.getpid(), signal.SIGHUP)
        assert controls.take_reload()
        assert not controls.take_reload()
        os.kill(os.getpid(), signal.SIGTERM)
        assert controls.stopping
    assert signal.getsignal(signal.SIGHUP) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_without_a_reload_ask_to_stop_and_leave_a_hangup_alone(number):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    hangup = signal.getsignal(signal.SIGHUP)
    stop = threading.Event()
    with obey_signals(stop=stop.set):
        assert not stop.is_set()
        assert signal.getsignal(signal.SIGHUP) is hangup
        signal.raise_signal(number)
        assert stop.is_set()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_second_interrupt_is_not_caught():
    stop = threading.Event()
    with obey_signals(stop=stop.set):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert stop.is_set()


def a_state(phase, **changes):
    return DaemonState(
        phase, "1", 1, 0.0, 1.0, "camera", "model", "0" * 64,
        **{"camera": CameraHealth("delivering", "good"), **changes},
    )  # fmt: skip


def test_the_status_line_tells_what_matters():
    lost = CameraHealth("waiting", "dead", seconds_since_frame=12.4, problem="no route to it")
    dark = CameraHealth("delivering", "fair", problem="the picture is dark")
    sinks = (SinkState("jsonl", problem="disk full"), SinkState("mqtt"))
    offline = (SinkState("mqtt", figures={"connected": False}),)
    lines = [
        status_line(a_state("running", frames_per_second=14.96, faces=1)),
        status_line(a_state("running", faces=2, sinks=sinks, throttled=True)),
        status_line(a_state("running", camera=dark, sinks=offline)),
        status_line(a_state("waiting", camera=lost, sinks=sinks)),
        status_line(a_state("disabled", camera=CameraHealth("off"))),
    ]
    assert lines == [
        "15.0 FPS, camera good, 1 face in view",
        "0.0 FPS, camera good, 2 faces in view, jsonl fails, throttled",
        "0.0 FPS, camera fair, 0 faces in view, mqtt offline: the picture is dark",
        "camera waiting for 12 s, jsonl fails: no route to it",
        "switched off; the camera is released",
    ]
