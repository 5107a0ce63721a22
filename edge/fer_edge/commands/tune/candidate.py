"""One set of settings, tried on the footage."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fer_edge.assemble.parts import make_pipeline
from fer_edge.commands.tune.footage import Footage, KnownFaces, matches
from fer_edge.pipeline.timings import percentile
from fer_edge.settings import Settings


@dataclass(frozen=True, slots=True)
class Trial:
    """What a set of settings came to.

    Attributes:
        changes: By `section.key`, what differs from the settings begun with.
        recall: Share of the faces known that were found.
        false_finds: Boxes on nothing that any search takes for a face, per 100 frames looked at.
        cpu_ms: CPU time of the whole process, per frame.
        latency_ms: Wall time of a frame, 90th percentile.
    """

    changes: Mapping[str, str | int | float]
    recall: float
    false_finds: float
    cpu_ms: float
    latency_ms: float

    def to_json(self) -> dict[str, Any]:
        """Return the figures, rounded."""
        return {
            "settings": dict(self.changes),
            "recall": round(self.recall, 4),
            "false_per_100_frames": round(self.false_finds, 3),
            "cpu_ms_per_frame": round(self.cpu_ms, 4),
            "latency_p90_ms": round(self.latency_ms, 4),
        }


def with_changes(settings: Settings, changes: Mapping[str, str | int | float]) -> Settings:
    """Return settings with some of them replaced, by `section.key`."""
    for key, value in changes.items():
        section, _, name = key.partition(".")
        part = dataclasses.replace(getattr(settings, section), **{name: value})
        settings = dataclasses.replace(settings, **{section: part})
    return settings


def attempt(
    settings: Settings,
    changes: Mapping[str, str | int | float],
    footage: Footage,
    known: Mapping[int, KnownFaces],
    *,
    cost_factor: float = 1.0,
) -> Trial:
    """Run the whole pipeline over the footage, from its first frame on.

    Args:
        settings: Begun with.
        changes: To them, by `section.key`.
        footage: To run over.
        known: Faces in it.
        cost_factor: Of a search on this device, as `measure_cost_factor` returns it.

    Raises:
        FerError: The pipeline cannot be made of these settings.
    """
    tried = with_changes(settings, changes)
    found = wanted = false_finds = 0
    wall_ms = []
    # As a clip, so that every set of settings searches the same frames for the same, but within
    # this device's budget: on a slow one `run` can search far less often than on a desktop.
    with make_pipeline(tried, frames="clip") as pipeline:
        pipeline.process(footage.frames[0])  # what is set up at first use is no part of a frame
    pipeline = make_pipeline(tried, frames="clip", cost_factor=cost_factor)
    cpu = 0.0
    for place, frame in enumerate(footage.frames):
        started_cpu, started = time.process_time(), time.monotonic()
        observation = pipeline.process(frame)
        wall_ms.append(1000 * (time.monotonic() - started))
        cpu += time.process_time() - started_cpu
        faces = known.get(place)
        if faces is None:
            continue
        boxes = [reading.face.box for reading in observation.readings]
        wanted += len(faces.sure)
        found += sum(matches(box, boxes) for box in faces.sure)
        false_finds += sum(not matches(box, faces.possible) for box in boxes)
    pipeline.close()
    return Trial(
        dict(changes),
        found / wanted,
        100 * false_finds / len(known),
        1000 * cpu / len(footage.frames),
        percentile(wall_ms, 90),
    )


def median_of(trials: Sequence[Trial]) -> Trial:
    """Return one trial with the median times of several of the same settings."""
    return dataclasses.replace(
        trials[0],
        cpu_ms=percentile([trial.cpu_ms for trial in trials], 50),
        latency_ms=percentile([trial.latency_ms for trial in trials], 50),
    )
