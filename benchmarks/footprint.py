"""Start-up time, time to the demo's first result, memory of `fer-edge run`, installed size.

With --install the size is that of a fresh virtual environment holding fer-edge alone.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import numpy as np
from real_data import ROOT, parse_arguments, report

from fer_edge.shared.opencv import cv2
from fer_edge.shared.terminal.tables import format_fields
from fer_edge.sources.portrait import PortraitClip

FER_EDGE = str(Path(sys.executable).parent / "fer-edge")
REPEATS = 15


def seconds(command: list[str], *, until_first_line: bool = False) -> float:
    """Return wall seconds until a command ends, or prints its first line of stdout."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        if process.stdout is not None and until_first_line:
            process.stdout.readline()
            taken = time.perf_counter() - started
            process.kill()
            return taken
        process.communicate()
    return time.perf_counter() - started


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} s ({min(values):.2f} to {max(values):.2f})"


def write_clip(path: Path, frames: int) -> None:
    """Write the built-in clip as a video, over and over."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (640, 480))
    grey: list[np.ndarray] = []
    with PortraitClip() as clip:
        while frame := clip.read(1.0):
            grey.append(frame.grey)
    for index in range(frames):
        writer.write(cv2.cvtColor(grey[index % len(grey)], cv2.COLOR_GRAY2BGR))
    writer.release()


def resident_mb(clip: Path) -> list[float]:
    """Run over a clip and read the process's resident memory once a second."""
    samples: list[float] = []
    command = [FER_EDGE, "run", "--source", str(clip), "--output", os.devnull]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            time.sleep(1)
            try:
                text = Path(f"/proc/{process.pid}/status").read_text()
            except OSError:
                break
            samples += [int(line.split()[1]) / 1024 for line in text.splitlines()
                        if line.startswith("VmRSS")]  # fmt: skip
    return samples


def installed_mb() -> float:
    """Install fer-edge alone into a fresh environment and return its size."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        subprocess.run(
            [f"{folder}/bin/pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt",
             ROOT / "edge"], check=True, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        done = subprocess.run(["du", "-sm", folder], capture_output=True, text=True, check=True)
        return float(done.stdout.split()[0])


def main() -> None:
    arguments = parse_arguments(__doc__ or "", install="also measure a fresh installation's size")
    help_seconds = [seconds([FER_EDGE, "--help"]) for _ in range(REPEATS)]
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.avi"
        write_clip(clip, 600)
        run = [FER_EDGE, "run", "--source", str(clip)]
        first = [seconds(run, until_first_line=True) for _ in range(REPEATS)]
        demo = [FER_EDGE, "demo", "--json", "--out", folder]
        started = time.perf_counter()
        done = subprocess.run(demo, capture_output=True, text=True, check=True)
        demo_total = time.perf_counter() - started
        demo_json = json.loads(done.stdout)
        rss = resident_mb(clip)
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}",
        "help_seconds": help_seconds,
        "first_line_seconds": first,
        "demo_seconds": demo_total,
        "demo_first_result_seconds": demo_json["first_result_seconds"],
        "rss_mb": rss,
    }
    fields = [
        ("machine", str(result["machine"])),
        ("fer-edge --help", spread(help_seconds)),
        ("fer-edge run, start to first JSON line", spread(first)),
        ("fer-edge demo, whole", f"{demo_total:.2f} s"),
        ("fer-edge run, resident memory", f"{rss[len(rss) // 2]:.0f} MB half way, "
                                          f"{max(rss):.0f} MB at most"),
    ]  # fmt: skip
    if arguments.install:
        result["installed_mb"] = installed_mb()
        fields.append(("fresh environment with fer-edge", f"{result['installed_mb']:.0f} MB"))
    report(arguments, result, format_fields(fields))


if __name__ == "__main__":
    main()
