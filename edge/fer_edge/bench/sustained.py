"""Minutes of work: does the machine keep its speed, and does the memory grow?"""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from fer_edge.bench.footprint import rss_mb
from fer_edge.bench.frames import FrameTally, process_frames
from fer_edge.bench.intervals import slope_interval
from fer_edge.bench.vitals import VitalsWatch
from fer_edge.pipeline import Pipeline
from fer_edge.records import GreyImage

POINTS: Final = 300
"""At most so many in the report; a point is a second, or more in a long run."""


def run_sustained(
    pipeline: Pipeline,
    frames: Sequence[GreyImage],
    watch: VitalsWatch,
    *,
    minutes: float,
    frames_per_second: float,
    stop: threading.Event,
    progress: Callable[[str], None],
) -> dict[str, Any] | None:
    """Process frames in a loop for so many minutes.

    Args:
        pipeline: Warm.
        frames: uint8, shape (H, W), shown over and over.
        watch: Running; its last look goes with each point.
        minutes: How long.
        frames_per_second: See `process_frames`.
        stop: Set from elsewhere to end; what was measured is kept.
        progress: Called with a line of text now and then.

    Returns:
        FPS, percentiles, first fifth against last, slope of the memory with its interval, and a
        point a second; None where there was no time for two seconds.
    """
    period_seconds = max(1.0, minutes * 60 / POINTS)
    started = time.monotonic()
    end = started + minutes * 60
    due = started + period_seconds
    tally, first_of_point = FrameTally(), 0
    points: list[dict[str, Any]] = []

    def note(now: float) -> None:
        nonlocal first_of_point
        recent = np.asarray(tally.wall_ns[first_of_point:], np.float64) / 1e6
        first_of_point = len(tally.wall_ns)
        seen = watch.seen[-1]
        points.append(
            {
                "seconds": round(now - started, 2),
                "p50_ms": round(float(np.median(recent)), 4),
                "max_ms": round(float(recent.max()), 4),
                "rss_mb": round(rss_mb(), 3),
                "temperature_c": seen.temperature_c,
                "frequency_mhz": seen.frequency_mhz,
                "watts": seen.watts,
            }
        )
        progress(f"sustained: {now - started:.0f} of {minutes * 60:.0f} s")

    def look(_tally: FrameTally) -> None:
        nonlocal due
        now = time.monotonic()
        if now >= due:
            note(now)
            due = max(due + period_seconds, now)

    shown = itertools.takewhile(lambda _: time.monotonic() < end, itertools.cycle(frames))
    with watch.busy():
        process_frames(
            pipeline, shown, tally, stop=stop, frames_per_second=frames_per_second, watch=look
        )
    if len(points) < 2:
        return None
    return {
        "minutes": round((time.monotonic() - started) / 60, 3),
        **tally.to_json(),
        **_first_against_last(tally),
        "memory_slope_mb_per_hour": _memory_slope(points),
        "points": points,
    }


def _first_against_last(tally: FrameTally) -> dict[str, float]:
    fifth = max(1, len(tally.wall_ns) // 5)
    wall = tally.wall_ms
    first, last = float(np.median(wall[:fifth])), float(np.median(wall[-fifth:]))
    return {
        "first_fifth_p50_ms": round(first, 4),
        "last_fifth_p50_ms": round(last, 4),
        "slowdown": round(last / first, 4),
    }


def _memory_slope(points: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    if len(points) < 3:
        return None
    at = np.array([point["seconds"] for point in points]) / 3600
    memory = np.array([point["rss_mb"] for point in points])
    slope, low, high = slope_interval(at, memory)
    return {"slope": round(slope, 3), "interval": [round(low, 3), round(high, 3)]}
