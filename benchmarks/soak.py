"""Does the daemon hold: `fer-edge run` for half an hour, with a camera that fails every 20 s.

One daemon reads Motion JPEG over HTTP, another one RTSP (where GStreamer is installed); both
cameras are processes of their own. Each fault must be recovered from before the next one, and
in the last quarter there must be no more threads and descriptors than after the first third, and no
memory may be growing any more. Whatever does not hold is named, and the exit code is 1. Memory is
judged in runs of twenty minutes or more.
"""

import argparse
import contextlib
import dataclasses
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

from endured_faults import FAULTS, NOT_VP8, ONLY_HTTP, endure  # noqa: E402 - found there
from faulty_cameras import (  # noqa: E402
    CameraProcess,
    WatchedDaemon,
    http_camera,
    interruptible,
    rtsp_camera,
    why_no_rtsp,
)

from fer_edge.shared.terminal.tables import format_table  # noqa: E402

SETTINGS = ("source.frozen_seconds=3", "source.black_seconds=3")
EVERY_SECONDS = 20.0
SAMPLE_SECONDS = 5.0
WARM_UP_SHARE = 1 / 3
LAST_SHARE = 1 / 4
LARGE = ("large",)  # every other fault of the first third: each cascade takes its memory once
LASTS_SECONDS = (2.5, 6.0)
MOST_KB_PER_HOUR = 64
"""Of growth in the last quarter: sound daemons had 0 to 18, leaking ones 80 and more."""


class Soak(threading.Thread):
    """One camera and the daemon that reads it, for a while.

    Attributes:
        samples: Seconds, kilobytes resident, of these its own, threads and descriptors; between
            two faults.
        outcomes: Of each fault.
        failure: What went wrong; "" where nothing did.
    """

    def __init__(
        self, name: str, camera: CameraProcess, kinds: Sequence[str], *, minutes: float
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.samples: list[tuple[float, int, int, int, int]] = []
        self.outcomes: list[tuple[str, Any]] = []
        self.failure = ""
        self.exit_code: int | None = None
        self.frames = 0
        self._camera = camera
        self._kinds = kinds
        self._seconds = minutes * 60
        self._random = random.Random(name)

    def run(self) -> None:
        """Let it fail and recover until the time is over."""
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            stack.callback(self._camera.close)
            daemon = WatchedDaemon(self._camera.url, SETTINGS, folder=Path(folder))
            stack.callback(daemon.close)
            try:
                self._soak(daemon)
                self.exit_code = daemon.end()[0]
            except AssertionError as error:
                self.failure = str(error)

    def _soak(self, daemon: WatchedDaemon) -> None:
        daemon.wait_for_frame()
        began = time.monotonic()
        while (passed := time.monotonic() - began) < self._seconds:
            following = time.monotonic() + EVERY_SECONDS
            warm = passed >= self._seconds * WARM_UP_SHARE
            kind = self._random.choice(self._kinds if warm or len(self.outcomes) % 2 else LARGE)
            seconds = self._random.uniform(*LASTS_SECONDS)
            left = following - time.monotonic()
            outcome = endure(
                daemon, self._camera, FAULTS[kind], seconds=seconds, timeout_seconds=left
            )
            self.outcomes.append((kind, outcome))
            self._rest(daemon, began, following)
            print(
                f"{self.name} {passed / 60:5.1f} min: {outcome.fault}, "
                f"back after {outcome.recovered_seconds:.1f} s, {self.samples[-1][1]} KB",
                file=sys.stderr, flush=True,
            )  # fmt: skip

    def _rest(self, daemon: WatchedDaemon, began: float, until: float) -> None:
        while time.monotonic() < until:
            time.sleep(max(0.0, min(SAMPLE_SECONDS, until - time.monotonic())))
            threads, descriptors = daemon.resources()
            own, files = daemon.rss_kinds_kb()
            moment = time.monotonic() - began
            self.samples.append((moment, own + files, own, threads, descriptors))
        self.frames += len(daemon.seen.frames)
        daemon.seen.frames.clear()  # the memory of this process is not what is measured
        daemon.seen.notes.clear()


def slope_kb_per_hour(samples: Sequence[tuple[float, float]]) -> tuple[int, int] | None:
    """Return the slope of a line through minutes' medians, and half its 95 % interval."""
    minutes: dict[int, list[float]] = {}
    for seconds, value in samples:
        minutes.setdefault(int(seconds // 60), []).append(value)
    xs = [minute / 60 for minute in minutes]
    ys = [statistics.median(values) for values in minutes.values()]
    if len(xs) < 4:
        return None
    line = statistics.linear_regression(xs, ys)
    mean = statistics.fmean(xs)
    residual = sum((y - line.intercept - line.slope * x) ** 2 for x, y in zip(xs, ys, strict=True))
    spread = sum((x - mean) ** 2 for x in xs)
    error = (residual / (len(xs) - 2) / spread) ** 0.5
    return round(line.slope), round(2.1 * error)  # Student's t for about twenty minutes


def grown(samples: Sequence[tuple[float, int, int, int, int]]) -> list[str]:
    """Return what there is more of in the last quarter than from the first third until then.

    Args:
        samples: As `Soak` has them.
    """
    end = max(moment for moment, *_ in samples)
    last = [sample for sample in samples if sample[0] >= end * (1 - LAST_SHARE)]
    before = [sample for sample in samples if end * WARM_UP_SHARE <= sample[0] < last[0][0]]
    found = []
    for name, place in (("threads", 3), ("descriptors", 4)):
        # The least: a fault that is just being recovered from takes some for a while.
        then, now = (min((sample[place] for sample in some), default=0) for some in (before, last))
        if before and now > then:
            found.append(f"{now} {name} and not {then}")
    slope = slope_kb_per_hour([(sample[0], sample[2]) for sample in last])
    if slope is not None and slope[0] - slope[1] > MOST_KB_PER_HOUR:
        found.append("memory growing by {} ± {} KiB an hour".format(*slope))
    return found


def describe(soak: Soak) -> dict[str, Any]:
    """Return what a soak came to."""
    start = max((moment for moment, *_ in soak.samples), default=0.0) * WARM_UP_SHARE
    later = [sample for sample in soak.samples if sample[0] >= start]
    end = max((sample[0] for sample in soak.samples), default=0.0)
    last = [sample for sample in soak.samples if sample[0] >= end * (1 - LAST_SHARE)]
    back = sorted(outcome.recovered_seconds for _, outcome in soak.outcomes)
    return {
        "camera": soak.name,
        "minutes": round(max((sample[0] for sample in soak.samples), default=0.0) / 60, 1),
        "faults": len(soak.outcomes),
        "recovered_seconds": {
            "p50": round(statistics.median(back), 2), "max": round(back[-1], 2),
        } if back else {},
        "frames": soak.frames,
        "lost": sum(outcome.lost for _, outcome in soak.outcomes),
        "rss_kb": {"start": soak.samples[0][1], "after_a_third": later[0][1], "end": later[-1][1]},
        **{
            name: slope_kb_per_hour([(sample[0], sample[place]) for sample in chosen])
            for name, chosen, place in (
                ("rss_kb_per_hour", later, 1),
                ("own_kb_per_hour", later, 2),
                ("own_kb_per_hour_last_quarter", last, 2),
            )
        },
        "threads": sorted({sample[3] for sample in later}),
        "descriptors": sorted({sample[4] for sample in later}),
        "grown": grown(soak.samples),
        "exit_code": soak.exit_code,
        "failure": soak.failure,
        "outcomes": [dataclasses.asdict(outcome) for _, outcome in soak.outcomes],
        "samples": soak.samples,
    }  # fmt: skip


def print_table(results: Sequence[dict[str, Any]]) -> None:
    """Print what people want to know."""
    rows = [
        [
            result["camera"],
            f"{result['minutes']:.0f}",
            str(result["faults"]),
            f"{result['recovered_seconds']['p50']} / {result['recovered_seconds']['max']}",
            ", ".join(f"{kb / 1024:.1f}" for kb in result["rss_kb"].values()),
            "{} ± {}".format(*result["rss_kb_per_hour"] or ("too short", "")),
            "{} ± {}".format(*result["own_kb_per_hour_last_quarter"] or ("too short", "")),
            ", ".join(map(str, result["threads"])),
            ", ".join(map(str, result["descriptors"])),
            "; ".join(result["grown"] + [result["failure"] or f"exit {result['exit_code']}"]),
        ]
        for result in results
    ]
    head = [
        "camera", "minutes", "faults", "back after s (p50 / max)", "MiB at start, 1/3, end",
        "KiB an hour", "last quarter", "threads", "descriptors", "end",
    ]  # fmt: skip
    print(format_table(head, rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--json", type=Path, help="write all samples there")
    options = parser.parse_args()
    interruptible()
    soaks = [
        Soak("http", http_camera(), list(FAULTS), minutes=options.minutes),
    ]
    if reason := why_no_rtsp():
        print(reason, file=sys.stderr)
    else:
        kinds = sorted(FAULTS.keys() - ONLY_HTTP - NOT_VP8)
        soaks.append(Soak("rtsp", rtsp_camera("vp8"), kinds, minutes=options.minutes))
    for soak in soaks:
        soak.start()
    for soak in soaks:
        soak.join()
    if silent := [f"{soak.name}: {soak.failure}" for soak in soaks if not soak.samples]:
        raise SystemExit("nothing was measured; " + "; ".join(silent))
    results = [describe(soak) for soak in soaks]
    if options.json:
        options.json.write_text(json.dumps(results))
    print_table(results)
    if any(result["failure"] or result["grown"] for result in results):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
