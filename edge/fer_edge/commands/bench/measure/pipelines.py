"""The pipeline on a clip, a camera, or the made scenes."""

import contextlib
import itertools
import time
from collections.abc import Iterator, Sequence

from fer_edge.assemble.parts import looks_at_colour, make_pipeline
from fer_edge.assemble.sources import Frames, frames_of, make_source
from fer_edge.commands.bench.measure.frames import FrameTally, process_frames, process_live, warm_up
from fer_edge.commands.bench.measure.plan import Bench
from fer_edge.commands.bench.measure.sampling import WARM_UP
from fer_edge.commands.bench.measure.scenes import SCENES, Shown, chunks, make_scene
from fer_edge.commands.bench.measure.vitals import VitalsWatch
from fer_edge.pipeline.pipeline import Pipeline
from fer_edge.pipeline.protocols import Source
from fer_edge.shared.errors import SourceUnavailableError, VideoError


def measure_scene(bench: Bench, watch: VitalsWatch, name: str) -> FrameTally:
    """Process a made scene for as long as one measurement takes."""
    seconds = bench.plan.seconds
    frames = make_scene(name)
    tally = FrameTally()
    with fresh_pipeline(bench) as pipeline, watch.busy(throughout=_is_unpaced(bench)):
        warm = warm_up(pipeline, frames, seconds=WARM_UP * seconds)
        shown = _for_seconds(frames, seconds)
        begin = watch.look().seconds
        process_frames(bench, pipeline, shown, tally, first_index=warm, what=name)
        tally.span = begin, watch.look().seconds
    return tally


def measure_clip(bench: Bench, watch: VitalsWatch) -> FrameTally:
    """Process a clip once, from its first frame to its last, or a camera for so long.

    A clip is decoded a few hundred frames at a time between the measurements. The first three
    frames of it warm up a pipeline of their own, so that the measured one starts fresh. Where a
    frame does not come in time, the tally has those before, and says why it ends.

    Raises:
        FerError: It cannot be opened or read.
    """
    tally = FrameTally()
    with _source(bench) as source:
        begin = watch.look().seconds
        try:
            if source.live:
                _measure_live(bench, source, tally)
            else:
                _measure_decoded(bench, source, watch, tally)
        except SourceUnavailableError as error:
            tally.lost = error
        tally.span = begin, watch.look().seconds
    return tally


def sustained_frames(bench: Bench) -> Sequence[Shown]:
    """Return the frames for minutes of work: the clip's first part, or the one-face scene.

    Raises:
        FerError: The clip cannot be read.
    """
    if not bench.plan.clip:
        return make_scene("one face")
    settings = bench.plan.settings.source
    with _source(bench) as source:
        return next(chunks(source, timeout_seconds=settings.read_timeout_seconds))


def measure_scenes(bench: Bench, watch: VitalsWatch) -> Iterator[tuple[str, FrameTally]]:
    """Measure each made scene until the user stops it."""
    for name in SCENES:
        if bench.stop.is_set():
            return
        tally = measure_scene(bench, watch, name)
        if tally.wall_ns:
            yield name, tally


@contextlib.contextmanager
def fresh_pipeline(bench: Bench) -> Iterator[Pipeline]:
    """Make a pipeline for the source, or for made scenes.

    Scenes as fast as they go are a clip: were they taken for a camera's frames, the search for
    faces, which has its milliseconds per second, would seem to cost next to nothing.
    """
    frames: Frames = "clip" if _is_unpaced(bench) else "live"
    if bench.plan.clip:
        frames = frames_of(bench.plan.settings.source)
    with make_pipeline(bench.plan.settings, frames=frames) as pipeline:
        yield pipeline


def _is_unpaced(bench: Bench) -> bool:
    return not bench.plan.frames_per_second


def _measure_decoded(bench: Bench, source: Source, watch: VitalsWatch, tally: FrameTally) -> None:
    timeout = bench.plan.settings.source.read_timeout_seconds
    with fresh_pipeline(bench) as pipeline:
        for part, frames in enumerate(chunks(source, timeout_seconds=timeout)):
            if part == 0:
                with fresh_pipeline(bench) as other:
                    warm_up(other, frames[:3], seconds=0.0)
            with watch.busy(throughout=_is_unpaced(bench)):
                done = len(tally.wall_ns)
                process_frames(bench, pipeline, frames, tally, first_index=done, what="clip")
            if bench.stop.is_set():
                return


def _measure_live(bench: Bench, source: Source, tally: FrameTally) -> None:
    with fresh_pipeline(bench) as pipeline:
        first = source.read(bench.plan.settings.source.read_timeout_seconds)
        if first is None:
            raise VideoError(
                f"{bench.plan.clip} ended before its first frame",
                expected="a camera that delivers",
                fix="try `fer-edge run` with it",
            )
        warm_up(pipeline, [first], seconds=0.0)
        process_live(bench, pipeline, source, tally)


def _source(bench: Bench) -> Source:
    """Open the source, in colour where the pipeline's network looks at that."""
    settings = bench.plan.settings
    return make_source(settings.source, colour=looks_at_colour(settings.model))


def _for_seconds(frames: Sequence[Shown], seconds: float) -> Iterator[Shown]:
    """Yield frames in a loop for so long; each of them at least once."""
    end = time.monotonic() + seconds
    for index, frame in enumerate(itertools.cycle(frames)):
        if index >= len(frames) and time.monotonic() >= end:
            return
        yield frame
