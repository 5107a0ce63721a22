"""What the Python API costs beside the command line: pictures, a clip, plots, annotated video.

Compared within one run, in turns, by CPU time of the process and its children: medians.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import fer_edge
from fer_edge.assemble.parts import make_classifier, make_detector
from fer_edge.settings import Settings
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Box, Face, Prediction, Reading
from fer_edge.shared.report.drawing import draw
from fer_edge.shared.terminal.tables import format_table
from fer_edge.sources.demo_clip import FRAMES_PER_SECOND, DemoClip

COMMAND = "from fer_edge.cli import main; main()"
WATCH = """
import sys
import fer_edge
with open(sys.argv[2], "w") as lines, fer_edge.watch(sys.argv[1]) as clip:
    for view in clip:
        lines.write(view.to_json() + "\\n")
        lines.flush()
"""
IMPORT = """
import time
began = time.perf_counter()
import fer_edge
print(time.perf_counter() - began)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--frames", type=int, default=1500)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = write_clip(Path(folder) / "clip.mp4", given.frames)
        rows = [
            read_row(given.turns),
            watch_row(clip, given.turns),
            plot_row(),
            video_row(clip, given.frames),
            import_row(given.turns),
        ]
    header = ["measured", "API", "beside", "ratio", "limit"]
    if given.json:
        print(json.dumps([dict(zip(header, row, strict=True)) for row in rows]))
    else:
        print(format_table(header, rows))


def write_clip(path: Path, frames: int) -> Path:
    """Write the demo's clip over and over, 640x480."""
    with DemoClip() as source:
        pictures = [source.read(1.0).image for _ in range(300)]
    code = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), code, FRAMES_PER_SECOND, (640, 480))
    for number in range(frames):
        writer.write(pictures[number % len(pictures)])
    writer.release()
    return path


def in_turns(one: Callable[[], float], other: Callable[[], float], turns: int) -> tuple[float, ...]:
    """Return both medians and the median of their ratios."""
    pairs = [(one(), other()) for _ in range(turns)]
    ratios = [first / second for first, second in pairs]
    return (*map(statistics.median, zip(*pairs, strict=True)), statistics.median(ratios))


def read_row(turns: int) -> list[str]:
    """Compare `Reader.read` of an array with detector and classifier called by hand."""
    cv2.setNumThreads(1)
    with DemoClip() as source:
        picture = source.read(1.0).image
    settings = Settings()
    detector, classifier = make_detector(settings.detector), make_classifier(settings.model)
    reader = fer_edge.Reader()

    def by_hand() -> float:
        began = time.process_time()
        for _ in range(10):
            grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
            classifier.classify(grey, detector.detect(grey))
        return 100 * (time.process_time() - began)

    def by_api() -> float:
        began = time.process_time()
        for _ in range(10):
            reader.read(picture)
        return 100 * (time.process_time() - began)

    api, hand, ratio = in_turns(by_api, by_hand, turns)
    return ["read an array, CPU ms", f"{api:.2f}", f"{hand:.2f}", f"{ratio:.3f}", "1.05"]


def cpu_seconds(arguments: Sequence[str]) -> float:
    """Run a program; return its CPU time, children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", *arguments], check=True, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def watch_row(clip: Path, turns: int) -> list[str]:
    """Compare `watch` with `fer-edge run`: both write a JSON line a frame into a file."""
    run = (COMMAND, "run", "--source", str(clip), "--output", os.devnull)
    api, command, ratio = in_turns(
        lambda: cpu_seconds((WATCH, str(clip), os.devnull)), lambda: cpu_seconds(run), turns
    )
    return ["watch a clip, CPU s", f"{api:.2f}", f"{command:.2f}", f"{ratio:.3f}", "1.05"]


def plot_row() -> list[str]:
    """Measure a plot of 640x480 with three faces, one of them uncertain."""
    picture = np.full((480, 640, 3), 120, np.uint8)
    prediction = Prediction(("happy", "sad"), (0.9, 0.1))
    faces = [
        Reading(Face(Box(x, 120, 130, 130), 9.0, number), prediction, stable)
        for number, (x, stable) in enumerate([(40, "happy"), (220, "uncertain"), (420, "sad")])
    ]
    taken = []
    for _ in range(300):
        began = time.perf_counter()
        draw(picture, faces)
        taken.append(1000 * (time.perf_counter() - began))
    return ["plot three faces, ms", f"{statistics.median(taken):.2f}", "-", "-", "2"]


def video_row(clip: Path, frames: int) -> list[str]:
    """Measure an annotated video, start of the program included, as a multiple of real time.

    Beside it stands what one core would do that has nothing else to do: by CPU time.
    """
    out = str(clip.with_name("out.mp4"))
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", COMMAND, "run", "--source", str(clip), "--annotate", out,
         "--output", os.devnull],
        check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    seconds, after = frames / FRAMES_PER_SECOND, resource.getrusage(resource.RUSAGE_CHILDREN)
    times = seconds / (time.monotonic() - began)
    alone = seconds / (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return ["annotated video, times real time", f"{times:.1f}", f"{alone:.1f}", "-", "at least 3"]


def import_row(turns: int) -> list[str]:
    """Measure `import fer_edge`."""
    taken = [
        float(subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True,
                             check=True).stdout)
        for _ in range(turns)
    ]  # fmt: skip
    return ["import fer_edge, ms", f"{1000 * statistics.median(taken):.1f}", "-", "-", "30"]


if __name__ == "__main__":
    main()
