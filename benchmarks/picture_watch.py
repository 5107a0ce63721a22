"""What looking for frozen and black pictures costs, in microseconds a frame."""

import argparse
import json
import time
from statistics import median, quantiles

from fer_edge.daemon.camera.picture_watch import PictureWatch
from fer_edge.shared.terminal.tables import format_table
from fer_edge.testing.fakes import noisy_picture

SIZES = ((320, 240), (640, 480), (1280, 720), (1920, 1080))
FRAMES = 3000
RATE = 30


def measure(width: int, height: int, *, still: bool) -> list[float]:
    """Return the microseconds of each look."""
    pictures = [noisy_picture(number, width=width, height=height) for number in range(8)]
    watch = PictureWatch(frozen_seconds=1e6, black_seconds=1e6)
    taken = []
    for number in range(FRAMES):
        picture = pictures[0 if still else number % len(pictures)]
        began = time.perf_counter_ns()
        watch.look(picture, number / RATE)
        taken.append((time.perf_counter_ns() - began) / 1000)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = []
    for width, height in SIZES:
        for still in (False, True):
            taken = measure(width, height, still=still)
            results.append({
                "size": f"{width}x{height}",
                "pictures": "still" if still else "moving",
                "p50_us": round(median(taken), 1),
                "p99_us": round(quantiles(taken, n=100)[98], 1),
            })  # fmt: skip
    if options.json:
        print(json.dumps(results))
        return
    print(format_table(list(results[0]), [[str(v) for v in row.values()] for row in results]))


if __name__ == "__main__":
    main()
