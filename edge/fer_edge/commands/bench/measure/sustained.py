"""Minutes of work: does the machine keep its speed, and does the memory grow?"""

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from fer_edge.commands.bench.intervals import PERCENTS, Series, slope_interval
from fer_edge.commands.bench.measure.footprint import rss_mb
from fer_edge.commands.bench.measure.frames import FramePacer, FrameTally, process_frames
from fer_edge.commands.bench.measure.plan import Bench
from fer_edge.commands.bench.measure.scenes import Shown
from fer_edge.commands.bench.measure.vitals import VitalsWatch
from fer_edge.pipeline.pipeline import Pipeline

POINTS: Final = 300
"""At most so many in the report; a point is a second, or more in a long run."""
LEAST_POINTS_FOR_SLOPE: Final = 20
_BINS_AN_E_FOLD: Final = 200
_LEAST_MS: Final = 1e-3
_MOST_MS: Final = 1e6
_COLUMNS: Final = (
    "seconds", "p50_ms", "max_ms", "rss_mb", "temperature_c", "frequency_mhz", "watts",
)  # fmt: skip


class LatencyHistogram:
    """Counts every frame in bins half a percent wide, in memory that does not grow.

    Attributes:
        n: Frames.
        max_ms: Exact.
    """

    def __init__(self) -> None:
        self.n = 0
        self.max_ms = 0.0
        self._sum_ms = 0.0
        self._bins = np.ones(math.ceil(math.log(_MOST_MS / _LEAST_MS) * _BINS_AN_E_FOLD), np.int64)
        self._bins[:] = 0  # after the ones, so that its pages are there from the beginning

    def add(self, milliseconds: Series) -> None:
        """Count frames, at least one."""
        inside = np.clip(milliseconds, _LEAST_MS, _MOST_MS * 0.999)
        indices = np.floor(np.log(inside / _LEAST_MS) * _BINS_AN_E_FOLD).astype(np.int64)
        np.add.at(self._bins, indices, 1)
        self.n += len(milliseconds)
        self._sum_ms += float(milliseconds.sum())
        self.max_ms = max(self.max_ms, float(milliseconds.max()))

    def percentile(self, percent: float) -> float:
        """Return the middle of the bin in which a percentile lies; at least one frame."""
        seen = np.cumsum(self._bins)
        index = int(np.searchsorted(seen, percent / 100 * self.n))
        return _LEAST_MS * math.exp((index + 0.5) / _BINS_AN_E_FOLD)

    def to_json(self) -> dict[str, float]:
        """Return n, mean and maximum, which are exact, and percentiles to half a percent."""
        return {
            "n": self.n,
            "mean": round(self._sum_ms / self.n, 5),
            **{f"p{p}": round(self.percentile(p), 4) for p in PERCENTS},
            "max": round(self.max_ms, 5),
        }


def run_sustained(
    pipeline: Pipeline,
    frames: Sequence[Shown],
    watch: VitalsWatch,
    bench: Bench,
    *,
    first_index: int,
) -> dict[str, Any] | None:
    """Process frames in a loop for as many minutes as planned.

    Args:
        pipeline: Warm.
        frames: Shown over and over.
        watch: Running; its last look goes with each point.
        bench: For how long, at which pace; a stop keeps what was measured.
        first_index: Of the first frame: a pipeline's frames are numbered through.

    Returns:
        FPS, percentiles, first fifth against last, slope of the memory with its interval, and a
        point a second; None where there was no time for two seconds.
    """
    whole_seconds = bench.plan.minutes * 60
    period_seconds = max(1.0, whole_seconds / POINTS)
    started = time.monotonic()
    end = started + whole_seconds
    histogram, cpu_ns, with_face = LatencyHistogram(), 0, 0
    # Held in one piece from the beginning, so that the points do not grow the memory they tell of.
    table = np.full((POINTS + 8, len(_COLUMNS)), np.nan)
    rows = 0
    shown, pacer = itertools.cycle(frames), FramePacer(bench.plan.frames_per_second)
    with watch.busy(throughout=not bench.plan.frames_per_second):
        while not bench.stop.is_set() and time.monotonic() < end and rows < len(table):
            tally = FrameTally()
            until = min(end, time.monotonic() + period_seconds)
            index = first_index + histogram.n
            process_frames(
                bench, pipeline, _until(shown, until), tally, first_index=index, pacer=pacer
            )
            if not tally.wall_ns:
                continue
            histogram.add(tally.wall_ms)
            cpu_ns += sum(tally.cpu_ns)
            with_face += tally.frames_with_face
            table[rows] = _row(watch, tally.wall_ms, seconds=time.monotonic() - started)
            rows += 1
            over = int(time.monotonic() - started)
            bench.progress.count("sustained, s", over, int(whole_seconds))
    points = [_point(row) for row in table[:rows].tolist()]
    if len(points) < 2:
        return None
    seconds = time.monotonic() - started
    return {
        "minutes": round(seconds / 60, 3),
        "frames": histogram.n,
        "fps": round(histogram.n / seconds, 2),
        "cpu_ms_per_frame": round(cpu_ns / 1e6 / histogram.n, 4),
        "wall_ms": histogram.to_json(),
        "frames_with_face": with_face,
        **_first_against_last(points),
        "memory_slope_mb_per_hour": _memory_slope(points),
        "points": points,
    }


def _until(frames: Iterator[Shown], moment: float) -> Iterator[Shown]:
    while time.monotonic() < moment:
        yield next(frames)


def _row(watch: VitalsWatch, wall_ms: Series, *, seconds: float) -> list[float]:
    seen = watch.seen[-1]
    told = (seen.temperature_c, seen.frequency_mhz, seen.watts)
    return [
        seconds,
        float(np.median(wall_ms)),
        float(wall_ms.max()),
        rss_mb(),
        *(math.nan if value is None else value for value in told),
    ]


def _point(row: Sequence[float]) -> dict[str, Any]:
    named = zip(_COLUMNS, row, strict=True)
    return {name: None if math.isnan(value) else round(value, 4) for name, value in named}


def _first_against_last(points: Sequence[dict[str, Any]]) -> dict[str, float]:
    fifth = max(1, len(points) // 5)
    medians = [point["p50_ms"] for point in points]
    first, last = (float(np.median(part)) for part in (medians[:fifth], medians[-fifth:]))
    return {
        "first_fifth_p50_ms": round(first, 4),
        "last_fifth_p50_ms": round(last, 4),
        "slowdown": round(last / first, 4),
    }


def _memory_slope(points: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the slope over the second half: in the first, allocators and caches settle."""
    settled = points[len(points) // 2 :]
    if len(settled) < LEAST_POINTS_FOR_SLOPE:
        return None
    at = np.array([point["seconds"] for point in settled]) / 3600
    memory = np.array([point["rss_mb"] for point in settled])
    slope, low, high = slope_interval(at, memory)
    return {"slope": round(slope, 3), "interval": [round(low, 3), round(high, 3)]}
