"""What `fer-edge run` makes of cameras that fail, and how long each thing takes.

The daemon and the cameras (Motion JPEG over HTTP; RTSP of GStreamer, where it is installed) are
processes of their own. Each fault lasts a while and is lifted; then frames must flow again, and no
more threads or descriptors may be left than before.
"""

import argparse
import contextlib
import dataclasses
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

from endured_faults import FAULTS, NOT_VP8, ONLY_HTTP, Outcome, endure  # noqa: E402 - found there
from faulty_cameras import (  # noqa: E402
    CameraProcess,
    WatchedDaemon,
    http_camera,
    interruptible,
    rtsp_camera,
    why_no_rtsp,
)

from fer_edge.shared.terminal.tables import format_table  # noqa: E402

SETTINGS = (
    "source.frozen_seconds=3",
    "source.black_seconds=3",
    "source.give_up_seconds=300",
)
LASTS_SECONDS = 6.0
LONG = ("kill", "stop")
LONG_SECONDS = 60.0
REST_SECONDS = 11.0  # until pauses begin with the first again
STATES = ("reading", "opening", "stopped", "waiting")


def endure_all(
    camera: CameraProcess, kinds: Sequence[str], *, repetitions: int, long_seconds: float
) -> list[Outcome]:
    """Bring about each fault so often; return what came of it."""
    outcomes = []
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        daemon = WatchedDaemon(camera.url, SETTINGS, folder=Path(folder))
        stack.callback(daemon.close)
        daemon.wait_for_frame()
        plan = [(kind, LASTS_SECONDS) for kind in kinds] + [(kind, long_seconds) for kind in LONG]
        for kind, seconds in plan:
            for _ in range(repetitions):
                time.sleep(REST_SECONDS)
                outcomes.append(endure(daemon, camera, FAULTS[kind], seconds=seconds))
                say(f"{camera.url}: {outcomes[-1]}")
        code, _ = daemon.end()
        assert code == 0, daemon.said()
    return outcomes


def interrupt(make: Callable[[], CameraProcess], state: str) -> float:
    """Return how many seconds Ctrl-C takes to end the daemon in a state."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        camera = make()
        stack.callback(camera.close)
        if state == "opening":
            FAULTS["stop"].begin(camera)
        daemon = WatchedDaemon(camera.url, folder=Path(folder))
        stack.callback(daemon.close)
        if state == "opening":
            time.sleep(3.0)
        else:
            daemon.wait_for_frame()
            time.sleep(1.0)
        if state == "stopped":
            FAULTS["stop"].begin(camera)
            time.sleep(0.5)
        if state == "waiting":
            camera.kill()
            daemon.wait_until_detected(after=0)
            time.sleep(1.0)
        code, seconds = daemon.end()
        assert code == 0, daemon.said()
        return seconds


def say(text: str) -> None:
    """Tell whoever waits how far it is."""
    print(text, file=sys.stderr, flush=True)


def spread(values: Sequence[float | None]) -> str:
    """Return median and range."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    return f"{statistics.median(known):.1f} ({min(known):.1f}-{max(known):.1f})"


def fault_rows(outcomes: Sequence[Outcome], *, repetitions: int) -> list[list[str]]:
    """Return a row for each fault and how long it lasted."""
    groups: dict[tuple[str, int], list[Outcome]] = {}
    for first in range(0, len(outcomes), repetitions):
        group = outcomes[first : first + repetitions]
        groups[group[0].fault, round(min(one.lasted_seconds for one in group))] = list(group)
    return [
        [
            fault,
            f"{seconds}",
            spread([one.detected_seconds for one in group]),
            spread([one.recovered_seconds for one in group]),
            spread([one.longest_gap_seconds for one in group]),
            f"{statistics.median(one.lost for one in group):.0f}",
            f"{statistics.median(one.recovered_seconds for one in group) * 30:.0f}",
            " ".join(
                f"{max(one.resources_after[n] - one.resources[n] for one in group):+d}"
                for n in (0, 1)
            ),
        ]
        for (fault, seconds), group in groups.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--long-seconds", type=float, default=LONG_SECONDS)
    parser.add_argument("--json", type=Path, help="write all figures there")
    options = parser.parse_args()
    interruptible()
    makers: dict[str, Callable[[], CameraProcess]] = {"http": http_camera}
    kinds = {"http": list(FAULTS)}
    if reason := why_no_rtsp():
        say(reason)
    else:
        makers["rtsp"] = lambda: rtsp_camera("vp8")
        kinds["rtsp"] = [kind for kind in FAULTS if kind not in ONLY_HTTP | NOT_VP8]
    outcomes: dict[str, list[Outcome]] = {}

    def work(name: str) -> None:
        with contextlib.closing(makers[name]()) as camera:
            outcomes[name] = endure_all(
                camera, kinds[name], repetitions=options.repetitions,
                long_seconds=options.long_seconds,
            )  # fmt: skip

    threads = [threading.Thread(target=work, args=(name,), daemon=True) for name in makers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ends = {
        f"{name}, {state}": [interrupt(make, state) for _ in range(options.repetitions)]
        for name, make in makers.items()
        for state in STATES
    }
    result: dict[str, Any] = {
        "outcomes": {
            name: [dataclasses.asdict(one) for one in many] for name, many in outcomes.items()
        },
        "interrupted_seconds": ends,
    }
    if options.json:
        options.json.write_text(json.dumps(result))
    head = [
        "fault", "lasts s", "noticed after s", "frames again after s", "longest gap s",
        "frames lost", "of these after its end", "threads, descriptors left",
    ]  # fmt: skip
    for name, many in outcomes.items():
        print(f"\n{name}\n")
        print(format_table(head, fault_rows(many, repetitions=options.repetitions)))
    print("\nCtrl-C\n")
    rows = [[state, f"{statistics.median(s):.2f}", f"{max(s):.2f}"] for state, s in ends.items()]
    print(format_table(["the camera is", "ends after s", "at most"], rows))
    if set(outcomes) != set(makers):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
