"""What happens to a network camera, and what came of it in a daemon that reads it."""

import itertools
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from faulty_cameras import RATE, CameraProcess, WatchedDaemon

_FLOW = 10  # frames within a second after which they flow again


@dataclass(frozen=True)
class Fault:
    """A fault that begins and ends.

    Attributes:
        name: For people.
        begin: Brings it about.
        end: Lifts it.
        outage: Whether good frames stop for its whole time.
    """

    name: str
    begin: Callable[[CameraProcess], None]
    end: Callable[[CameraProcess], None]
    outage: bool = True


def _behaves(name: str, word: str, *, outage: bool = True) -> Fault:
    return Fault(
        name, lambda camera: camera.behave(word), lambda camera: camera.behave("stream"), outage
    )


FAULTS = {
    "kill": Fault("kill -9", CameraProcess.kill, CameraProcess.start_again),
    "stop": Fault(
        "SIGSTOP",
        lambda camera: camera.send(signal.SIGSTOP),
        lambda camera: camera.send(signal.SIGCONT),
    ),
    "stall": _behaves("connected, no picture", "stall"),
    "end": _behaves("connection closed", "end"),
    "garbage": _behaves("garbage", "garbage"),
    "damaged": _behaves("damaged pictures", "damaged", outage=False),
    "slow": _behaves("1 picture in 3 s", "slow", outage=False),
    "large": _behaves("320x240 to 640x480", "large", outage=False),
    "frozen": _behaves("frozen picture", "frozen", outage=False),
    "black": _behaves("black picture", "black", outage=False),
}
ONLY_HTTP = frozenset({"end"})
NOT_VP8 = frozenset({"frozen"})
"""An encoder that refines a still picture never sends the same one twice."""


@dataclass(frozen=True)
class Outcome:
    """What came of a fault.

    Attributes:
        fault: Its name.
        lasted_seconds: The fault.
        detected_seconds: From its beginning until the daemon said so; None where it did not.
        recovered_seconds: From its end until frames flowed again.
        longest_gap_seconds: Between two frames.
        received: Frames from the beginning of the fault until they flowed again.
        lost: Frames that a healthy camera would have delivered beside those in that time.
        resources: Threads and descriptors before it.
        resources_after: The same once frames flowed again, and the daemon had tidied up.
    """

    fault: str
    lasted_seconds: float
    detected_seconds: float | None
    recovered_seconds: float
    longest_gap_seconds: float
    received: int
    lost: int
    resources: tuple[int, int]
    resources_after: tuple[int, int]


def endure(
    daemon: WatchedDaemon,
    camera: CameraProcess,
    fault: Fault,
    *,
    seconds: float,
    timeout_seconds: float = 60.0,
) -> Outcome:
    """Bring a fault about, lift it, and wait until frames flow again.

    Raises:
        AssertionError: They do not, or more threads or descriptors are left than before.
    """
    before = daemon.resources()
    began = time.monotonic()
    fault.begin(camera)
    time.sleep(max(0.0, began + seconds - time.monotonic()))
    fault.end(camera)
    well = time.monotonic()
    flowing = _wait_for_flow(daemon, well, timeout_seconds)
    daemon.wait_for_resources(before, timeout_seconds=timeout_seconds)
    came = [at for at, _ in daemon.frames_between(began, flowing)]
    moments = [began, *came]
    gaps = [after - earlier for earlier, after in itertools.pairwise(moments)]
    said = [at for at, line in daemon.seen.log if at > began and "is opened again in" in line]
    return Outcome(
        fault=fault.name,
        lasted_seconds=well - began,
        detected_seconds=said[0] - began if said else None,
        recovered_seconds=flowing - well,
        longest_gap_seconds=max(gaps, default=0.0),
        received=len(came),
        lost=max(0, round((flowing - began) * RATE) - len(came)),
        resources=before,
        resources_after=daemon.resources(),
    )


def _wait_for_flow(daemon: WatchedDaemon, after: float, timeout_seconds: float) -> float:
    """Return when the first of several frames that follow one another at once came."""
    give_up = time.monotonic() + timeout_seconds
    while True:
        came = [at for at, _ in daemon.frames_between(after, give_up)]
        for first, last in zip(came, came[_FLOW - 1 :], strict=False):
            if last - first < 1.0:
                return first
        assert time.monotonic() < give_up, f"no flow of frames: {daemon.said()}"
        assert daemon.process.poll() is None, f"it ended: {daemon.said()}"
        time.sleep(0.02)
