"""What the daemon costs beside its pipeline, what it costs while nobody is there, how it starts.

All sinks are on: JSON lines to a file, metrics scraped every five seconds, the status socket, and
events over MQTT where a broker is installed. CPU time is that of the whole process.

- Overhead: the same video at its own pace of 30 frames a second, through `fer-edge run` and at the
  same time, in two more processes, through source and pipeline alone (bare_loop.py). Decoding is
  in all, so it is not in the difference; the difference is given as a share of the pipeline alone,
  without decoding. How far the two equal processes lie apart tells what the machine adds.
- Idle: a network camera (Motion JPEG over HTTP from this script) at 15 frames a second, no face in
  view; decoding counts. A still room with sensor noise, and clips in which something else moves.
- Start: from the start of the process to READY=1 on the notification socket, with that camera.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from clips import Clip, Picture, listed_clips
from daemon_process import MeasuredDaemon, broker
from real_data import ROOT

from fer_edge.shared.opencv import cv2
from fer_edge.shared.terminal.tables import format_fields, format_table
from fer_edge.sources.portrait import PortraitClip
from fer_edge.testing.fakes import MjpegServer

PACE = 30.0
IDLE_PACE = 15.0
WARM_UP_FRAMES = 60
SETTLE_SECONDS = 10.0
SIZE = (640, 480)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--repeats", type=int, default=5, help="of each measurement")
    parser.add_argument("--idle-seconds", type=float, default=30.0, help="for each idle scene")
    return parser.parse_args()


def fitted(picture: Picture) -> Picture:
    return cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA)


def write_video(path: Path, clips: list[Clip]) -> int:
    """Write the clips one after the other, or the built-in one; return the number of frames."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), PACE, SIZE)
    frames = 0
    faces = [clip for clip in clips if "asl" in clip.name]
    pictures: list[Picture] = [fitted(picture) for clip in faces for picture in clip.pictures()]
    if not pictures:
        with PortraitClip() as clip:
            while frame := clip.read(1.0):
                pictures.append(cv2.cvtColor(frame.grey, cv2.COLOR_GRAY2BGR))
        pictures *= 1 + int(20 * PACE) // len(pictures)
    for picture in pictures:
        writer.write(picture)
        frames += 1
    writer.release()
    return frames


def idle_scenes(clips: list[Clip]) -> dict[str, list[Picture]]:
    """Return pictures without a face by scene."""
    rng = np.random.default_rng(0)
    scenes = {
        clip.name: [fitted(picture) for picture in clip.pictures()[:450]]
        for clip in clips
        if not clip.has_face
    }
    coarse = rng.integers(0, 256, (12, 16, 3)).astype(np.uint8)
    room = next(iter(scenes.values()))[0] if scenes else cv2.resize(coarse, SIZE)
    noise = [rng.normal(0, 2, room.shape) for _ in range(30)]
    still = [np.clip(room + each, 0, 255).astype(np.uint8) for each in noise]
    return {"still room": still, **scenes}


class Bare:
    """The pipeline and its source as a process that is running already."""

    def __init__(self, settings: list[str]) -> None:
        command = [sys.executable, str(Path(__file__).with_name("bare_loop.py")), *settings]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def milliseconds(self, last: int) -> tuple[float, float]:
        """Return those of CPU a frame: of the whole process, and of the pipeline alone."""
        told, _ = self._process.communicate()
        rows = {row[0]: row for row in map(json.loads, told.splitlines())}
        before, after = rows[WARM_UP_FRAMES], rows[last]
        frames = last - WARM_UP_FRAMES
        return 1e3 * (after[1] - before[1]) / frames, 1e3 * (after[2] - before[2]) / frames


def overhead(folder: Path, clips: list[Clip], repeats: int, broker_port: int) -> dict[str, Any]:
    """Measure the daemon and, at the same time, twice what it is compared with."""
    video = folder / "clip.avi"
    last = (write_video(video, clips) - 20) // 30 * 30
    settings = [f"source.uri={video}", "source.pace=own"]
    rounds = []
    for _ in range(repeats):
        loops = [Bare(settings), Bare(settings)]
        with MeasuredDaemon(folder, *settings, broker_port=broker_port) as daemon:
            daemon.wait_for(WARM_UP_FRAMES)
            frames, cpu = daemon.frames(), daemon.cpu_seconds()
            daemon.wait_for(last, timeout_seconds=60 + last / PACE)
            daemon_ms = 1e3 * (daemon.cpu_seconds() - cpu) / (daemon.frames() - frames)
        (one, one_inside), (other, other_inside) = (loop.milliseconds(last) for loop in loops)
        pipeline = (one_inside + other_inside) / 2
        rounds.append(
            {
                "bare_ms": (one + other) / 2,
                "pipeline_ms": pipeline,
                "daemon_ms": daemon_ms,
                "between_equals": abs(one - other) / pipeline,
            }
        )
    return {
        "frames": last - WARM_UP_FRAMES,
        **{name: [each[name] for each in rounds] for name in rounds[0]},
        "overhead_of_pipeline": [
            (each["daemon_ms"] - each["bare_ms"]) / each["pipeline_ms"] for each in rounds
        ],
        "overhead_of_bare": [each["daemon_ms"] / each["bare_ms"] - 1 for each in rounds],
    }


def idle(
    folder: Path, scenes: dict[str, list[Picture]], seconds: float, broker_port: int
) -> dict[str, Any]:
    told = {}
    for name, pictures in scenes.items():
        with (
            MjpegServer(pictures, frames_per_second=IDLE_PACE) as camera,
            MeasuredDaemon(folder, f"source.uri={camera.url}", broker_port=broker_port) as daemon,
        ):
            daemon.wait_for(int(SETTLE_SECONDS * IDLE_PACE))
            frames, cpu, began = daemon.frames(), daemon.cpu_seconds(), time.monotonic()
            time.sleep(seconds)
            taken = time.monotonic() - began
            told[name] = {
                "core_share": (daemon.cpu_seconds() - cpu) / taken,
                "frames_per_second": (daemon.frames() - frames) / taken,
            }
    return told


def starts(folder: Path, pictures: list[Picture], repeats: int, broker_port: int) -> list[float]:
    taken = []
    with MjpegServer(pictures, frames_per_second=PACE) as camera:
        for _ in range(repeats):
            settings = [f"source.uri={camera.url}"]
            with MeasuredDaemon(folder, *settings, broker_port=broker_port) as daemon:
                taken.append(daemon.seconds_to_ready())
    return taken


def format_cost(cost: dict[str, Any]) -> list[tuple[str, str]]:
    """Return lines of a table."""
    milliseconds = {
        "pipeline alone": "pipeline_ms",
        "with its source": "bare_ms",
        "daemon": "daemon_ms",
    }
    shares = {
        "overhead": ("overhead_of_pipeline", "the pipeline alone"),
        "two equals lie apart": ("between_equals", "the pipeline alone"),
        "overhead, too": ("overhead_of_bare", "the pipeline with its source"),
    }
    return [
        (name, f"{median(cost[key], '.3f')} ms a frame") for name, key in milliseconds.items()
    ] + [
        (name, f"{median(cost[key], '.1f', 100)} % of {whole}")
        for name, (key, whole) in shares.items()
    ]


def median(values: list[float], form: str, factor: float = 1.0) -> str:
    low, high = min(values), max(values)
    return (
        f"{statistics.median(values) * factor:{form}} "
        f"({low * factor:{form}} to {high * factor:{form}})"
    )


def main() -> None:
    arguments = parse()
    listed = arguments.data / "video"
    clips = listed_clips(listed) if (listed / "clips.csv").exists() else []
    if not clips:
        print(f"{listed} is not here: the built-in portrait and noise instead", file=sys.stderr)
    with tempfile.TemporaryDirectory() as name, broker(Path(name)) as port:
        folder = Path(name)
        scenes = idle_scenes(clips)
        cost = overhead(folder, clips, arguments.repeats, port)
        quiet = idle(folder, scenes, arguments.idle_seconds, port)
        ready = starts(folder, scenes["still room"], 2 * arguments.repeats + 1, port)
    result = {"mqtt": bool(port), "overhead": cost, "idle": quiet, "ready_seconds": ready}
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    print(
        format_fields(
            [
                ("events and MQTT", "on" if port else "off: no broker, or no such settings"),
                *format_cost(cost),
                ("start to READY=1", median(ready, ".2f") + " s"),
            ]
        )
    )
    rows = [
        [name, f"{100 * told['core_share']:.1f} %", f"{told['frames_per_second']:.1f}"]
        for name, told in quiet.items()
    ]
    print("\n" + format_table(["nobody in view", "of one core", "FPS"], rows))


if __name__ == "__main__":
    main()
