"""What photos that are handed to the page cost the camera: the age of frames, and the time to read.

The camera, the daemon and how it is measured are those of `window.py`. Situations follow one
another within one daemon: nobody hands in anything, or one photo follows another as quickly as the
page allows. A photo is the portrait, or noise of 12 megapixels, as a telephone sends.
"""

import argparse
import contextlib
import json
import tempfile
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from daemon_process import MeasuredDaemon
from window import PACE, PAGE, camera, middle

from fer_edge.shared.opencv import cv2
from fer_edge.shared.terminal.tables import format_table

_BETWEEN_SECONDS = 2.1
"""A little more than the page asks for."""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=4, help="of each situation")
    parser.add_argument("--seconds", type=float, default=8.0, help="for each situation")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args()


def photos() -> dict[str, bytes]:
    """Return what is handed in, by situation; nothing where nobody does."""
    coarse = np.random.default_rng(0).integers(0, 256, (300, 400, 3)).astype(np.uint8)
    large = cv2.resize(coarse, (4000, 3000), interpolation=cv2.INTER_CUBIC)
    return {
        "nobody": b"",
        "portrait, 40 kB": files("fer_edge").joinpath("assets/portrait.jpg").read_bytes(),
        "12 megapixels": cv2.imencode(".jpg", large)[1].tobytes(),
    }


@contextlib.contextmanager
def handed_in(port: int, photo: bytes, took: list[float]) -> Iterator[None]:
    """Hand a photo in over and over, and note how long each answer took."""
    over = threading.Event()

    def hand_in() -> None:
        while not over.is_set():
            began = time.monotonic()
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/photo", photo) as answer:
                json.load(answer)
            took.append(time.monotonic() - began)
            over.wait(began + _BETWEEN_SECONDS - time.monotonic())

    if not photo:
        yield
        return
    thread = threading.Thread(target=hand_in)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def main() -> None:
    given = parse()
    ages, took = defaultdict(list), defaultdict(list)
    with (
        tempfile.TemporaryDirectory() as name,
        camera() as server,
        MeasuredDaemon(Path(name), f"source.uri={server.url}", PAGE) as daemon,
    ):
        daemon.wait_for(round(5 * PACE))
        for _ in range(given.turns):
            for situation, photo in photos().items():
                with handed_in(daemon.port, photo, took[situation]):
                    time.sleep(1.0)
                    seen = daemon.frames()
                    time.sleep(given.seconds)
                    found = daemon.ages_ms(seen)
                ages[situation].append(float(np.percentile(found, 99)))
    told: dict[str, Any] = {"age_p99_ms": ages, "answer_seconds": took}
    print(json.dumps(told, indent=2) if given.json else report(told))


def report(told: dict[str, Any]) -> str:
    rows = [
        [
            situation,
            middle(ages, ".1f"),
            str(len(told["answer_seconds"].get(situation, []))),
            middle(told["answer_seconds"][situation], ".2f")
            if told["answer_seconds"].get(situation)
            else "",
        ]
        for situation, ages in told["age_p99_ms"].items()
    ]
    return format_table(["handed in", "frame age p99, ms", "photos", "answered after, s"], rows)


if __name__ == "__main__":
    main()
