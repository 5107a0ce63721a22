"""The main job on built-in input: no camera, no download."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.assemble.parts import make_pipeline
from fer_edge.commands.run_display import format_tally
from fer_edge.pipeline.loop import RunTally, read_frames, run
from fer_edge.settings import Settings
from fer_edge.shared.faces.choice import choose
from fer_edge.shared.records import Frame, Observation
from fer_edge.shared.report.drawing import draw, write_picture
from fer_edge.shared.terminal.tables import format_fields
from fer_edge.shared.whole_files import make_folder
from fer_edge.sinks.jsonl.sink import JsonLinesSink
from fer_edge.sources.demo_clip import FRAMES_PER_SECOND, DemoClip

_PICTURED: Final = tuple(round(at * FRAMES_PER_SECOND) for at in (0.03, 2.0, 3.2, 5.0, 7.6, 9.4))
"""Frames of which an annotated picture is left: a new face, each look, a face that has left."""
_COLUMNS: Final = 3
_GAP_PX: Final = 4


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo came to.

    Attributes:
        tally: Frames, labels, timings.
        first_result_seconds: From the call to the first observation.
        pictures: Annotated frames.
        overview: All of them in one picture.
        observations: The JSON lines.
        baseline: What the answers are relative to.
        face_search: Technique that found the faces, and why this one.
    """

    tally: RunTally
    first_result_seconds: float
    pictures: tuple[Path, ...]
    overview: Path
    observations: Path
    baseline: str
    face_search: str

    def to_json(self) -> dict[str, Any]:
        """Return the figures as `--json` prints them."""
        stages = self.tally.stages()
        return {
            "frames": self.tally.frames,
            "frames_with_face": self.tally.frames_with_face,
            "fps": round(self.tally.frames_per_second, 2),
            "first_result_seconds": round(self.first_result_seconds, 3),
            "labels": dict(self.tally.labels.most_common()),
            "shown_seconds": {
                label: round(self.tally.shown[label], 2) for label in self.tally.labels
            },
            "stages_ms": {
                name: {"p50": round(s.p50, 3), "p90": round(s.p90, 3), "p99": round(s.p99, 3)}
                for name, s in stages.items()
            },
            "face_search": self.face_search,
            "observations": str(self.observations),
            "overview": str(self.overview),
            "pictures": [str(path) for path in self.pictures],
            "baseline": self.baseline,
        }


def run_demo(
    settings: Settings,
    folder: Path,
    *,
    progress: Callable[[RunTally], None] = lambda _tally: None,
) -> DemoResult:
    """Process the built-in clip and leave annotated pictures and JSON lines behind.

    Args:
        settings: Detector and model; the source is the clip.
        folder: Where to leave them; made where it does not exist, files in it replaced.
        progress: Called after each frame.

    Raises:
        OutputError: The folder cannot be written.
    """
    started = time.monotonic()
    first: list[float] = []
    kept: list[tuple[int, NDArray[np.uint8]]] = []
    observations = folder / "observations.jsonl"
    make_folder(folder)
    observations.unlink(missing_ok=True)

    def watch(frame: Frame, observation: Observation, tally: RunTally) -> None:
        if not first:
            first.append(time.monotonic() - started)
        if frame.index in _PICTURED:
            kept.append((frame.index, draw(frame.image, observation.readings)))
        progress(tally)

    pipeline = make_pipeline(settings)
    with pipeline, DemoClip() as clip, JsonLinesSink.to_file(observations) as sink:

        def see(frame: Frame) -> Observation:
            observation = pipeline.process(frame)
            sink.emit(observation)
            return observation

        tally = run(read_frames(clip, timeout_seconds=1.0), see, watch=watch)
    pictures = []
    for index, picture in kept:
        pictures.append(folder / f"frame-{index:03d}.jpg")
        write_picture(pictures[-1], picture)
    overview = folder / "overview.jpg"
    write_picture(overview, _tile([picture for _, picture in kept]))
    choice = choose(settings.detector.kind, settings.detector.file)
    return DemoResult(
        tally,
        first[0],
        tuple(pictures),
        overview,
        observations,
        baseline=pipeline.baseline,
        face_search=choice.words,
    )


def _tile(pictures: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Put pictures of one size side by side, in rows, with a white line around each."""
    edge = ((_GAP_PX, _GAP_PX), (_GAP_PX, _GAP_PX), (0, 0))
    framed = [np.pad(picture, edge, constant_values=255) for picture in pictures]
    rows = [framed[i : i + _COLUMNS] for i in range(0, len(framed), _COLUMNS)]
    return np.vstack([np.hstack(row) for row in rows])


def format_demo(result: DemoResult) -> str:
    """Return the demo's closing page."""
    return "\n\n".join(
        (
            format_tally(result.tally),
            format_fields(
                [
                    ("first result", f"{result.first_result_seconds:.2f} s after the start"),
                    ("pictures", f"{result.overview} and {len(result.pictures)} single frames"),
                    ("JSON lines", str(result.observations)),
                    ("faces by", result.face_search),
                ]
            ),
            "The portrait is NASA's of Eileen Collins (public domain). The other face is drawn by\n"
            "the program, so it shows how labels change, not how well they are read. Try yours:\n"
            f"  {_program()} run --source 0\n"
            f"  {_program()} classify PHOTO",
        )
    )


def _program() -> str:
    """Return what to type to run this program again, as it was typed."""
    return sys.argv[0] if Path(sys.argv[0]).name == "fer-edge" else "fer-edge"
