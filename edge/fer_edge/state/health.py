"""Whether a daemon is well: the one judgement that /readyz, /livez and `fer-edge status` share."""

import time

from fer_edge.state.records import DaemonState, SinkState


class Pulse:
    """Remembers the newest state, and when it came; safe from any thread.

    The loop makes a state each second, so the age of the newest one tells whether the loop still
    turns, whatever other threads say.

    Attributes:
        state: The newest; None before the first.
    """

    def __init__(self) -> None:
        self.state: DaemonState | None = None
        self._beat_at = time.monotonic()

    def beat(self, state: DaemonState) -> None:
        """Take a state."""
        self.state = state
        self._beat_at = time.monotonic()

    @property
    def age_seconds(self) -> float:
        """Since the newest state; before the first, since the start."""
        return time.monotonic() - self._beat_at


def why_not_delivering(
    state: DaemonState | None, *, age_seconds: float, alive_seconds: float
) -> list[str]:
    """Return why no frames flow, in words for people; nothing where they do.

    Args:
        state: The newest; None before the first.
        age_seconds: Since then.
        alive_seconds: From which age on the loop counts as hung.
    """
    if age_seconds > alive_seconds:
        return [f"the loop has not turned for {age_seconds:.0f} s"]
    if state is None or state.phase == "starting":
        return ["starting"]
    if state.phase == "disabled":
        return ["switched off"]
    if state.phase == "stopping":
        return ["stopping"]
    camera = state.camera
    if camera.phase == "delivering" and state.phase == "running":
        return []
    because = f": {camera.problem}" if camera.problem else ""
    return [f"camera {camera.phase}, no frame for {camera.seconds_since_frame:.0f} s{because}"]


def why_not_well(state: DaemonState, *, age_seconds: float, alive_seconds: float) -> list[str]:
    """Return all that a person should look at; nothing where the daemon does well.

    Args:
        state: The newest.
        age_seconds: Since then.
        alive_seconds: From which age on the loop counts as hung.
    """
    reasons = why_not_delivering(state, age_seconds=age_seconds, alive_seconds=alive_seconds)
    if state.model_problem:
        reasons.append(f"model {state.model} serves: {state.model_problem}")
    reasons += [
        f"the thread {name} has died; see the log, and restart" for name in state.dead_threads
    ]
    return reasons + [
        f"{sink.name}: {problem}" for sink in state.sinks for problem in problems_of(sink)
    ]


def problems_of(sink: SinkState) -> list[str]:
    """Return what is wrong with a sink: why it fails, and what its own figures complain of.

    A sink that never fails outright, since a spool stands between, tells its problems as
    texts among its figures, named "problem" or "..._problem".
    """
    complaints = [
        str(value)
        for name, value in sink.figures.items()
        if value and name.rpartition("_")[2] == "problem"
    ]
    return [sink.problem, *complaints] if sink.problem else complaints
