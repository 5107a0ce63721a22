"""What it costs that somebody looks: CPU, the age of frames, the time to the first picture.

A network camera (Motion JPEG over HTTP from this script, 640x480 in colour at 30 frames a second)
is read by `fer-edge run` with JSON lines, metrics and the page on. Who looks is a process of its
own, which reads the picture and the events of each viewer; one that is stuck opens both and reads
neither. The situations follow one another within one daemon, over and over, so that what else the
machine does falls on all of them alike. CPU is that of the whole process, in hundredths of a core.
The age of its frames is compared with that of another daemon, which reads the same camera at the
same time, and has the page on, too, but nobody looks at it.

- Nobody looks: daemons with the page and without it run beside each other.
- Viewers: how much more than while nobody looks.
- First picture: from the start of `fer-edge run --source demo --view` to the first JPEG.
- Weight: of all that a browser fetches for the page.
"""

import argparse
import contextlib
import json
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from daemon_process import PROGRAM, MeasuredDaemon, free_port

from fer_edge.shared.opencv import cv2
from fer_edge.shared.terminal.tables import format_fields, format_table
from fer_edge.sources.demo_clip import DemoClip
from fer_edge.testing.fakes import MjpegServer

PACE = 30.0
SITUATIONS = {
    "nobody looks": (0, 0),
    "one viewer": (1, 0),
    "ten viewers": (10, 0),
    "ten, one stuck": (9, 1),
}
"""How many read, and how many do not."""
PAGE = "web.view=picture"
QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 85)
"""With the noise below, pictures of 40 kB, as USB cameras send them."""
LOOKING = """
import selectors, socket, sys
port, reading, stuck = map(int, sys.argv[1:])
selector, kept = selectors.DefaultSelector(), []
for number in range(reading + stuck):
    for path in ("/live.mjpeg", "/events"):
        channel = socket.create_connection(("127.0.0.1", port))
        channel.sendall(f"GET {path} HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n".encode())
        kept.append(channel)
        if number < reading:
            selector.register(channel, selectors.EVENT_READ)
print("looking", flush=True)
while True:
    for key, _ in selector.select():
        part = key.fileobj.recv(1 << 20)
        if not part or part.startswith(b"HTTP/1.1 503"):
            sys.exit(f"cut off: {part[:60]}, {key.fileobj}")
"""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5, help="of each situation")
    parser.add_argument("--seconds", type=float, default=6.0, help="for each situation")
    parser.add_argument("--starts", type=int, default=5, help="of `run --view`")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser.parse_args()


@contextlib.contextmanager
def camera() -> Iterator[MjpegServer]:
    """Serve three seconds of the demo's clip, in colour and with a sensor's noise."""
    noise = np.random.default_rng(0).normal(0, 2, (480, 640, 3))
    with DemoClip() as clip, MjpegServer(frames_per_second=PACE) as server:
        pictures = [clip.picture(number / PACE).colour for number in range(round(3 * PACE))]
        noisy = [
            np.clip(colour() + np.roll(noise, number, axis=0), 0, 255).astype(np.uint8)
            for number, colour in enumerate(filter(None, pictures))
        ]
        server.jpegs = [cv2.imencode(".jpg", picture, QUALITY)[1].tobytes() for picture in noisy]
        yield server


@contextlib.contextmanager
def looked_at(port: int, reading: int, stuck: int) -> Iterator[None]:
    """Have so many look, if anybody is to."""
    if not reading + stuck:
        yield
        return
    command = [sys.executable, "-c", LOOKING, *map(str, (port, reading, stuck))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
            if process.poll() is not None:
                raise SystemExit("a viewer was cut off, so nothing is measured")
        finally:
            process.kill()


def situations(folder: Path, url: str, turns: int, seconds: float) -> dict[str, Any]:
    """Measure each situation in turn, in one daemon; at the same time one that nobody looks at."""
    shares, ages = defaultdict(list), defaultdict(list)
    with (
        daemon_in(folder / "seen", url, PAGE) as seen,
        daemon_in(folder / "unseen", url, PAGE) as unseen,
    ):
        seen.wait_for(round(5 * PACE))
        for _ in range(turns):
            for name, (reading, stuck) in SITUATIONS.items():
                with looked_at(seen.port, reading, stuck):
                    time.sleep(1.0)
                    frames, others = seen.frames(), unseen.frames()
                    cpu, began = seen.cpu_seconds(), time.monotonic()
                    time.sleep(seconds)
                    taken = time.monotonic() - began
                    shares[name].append((seen.cpu_seconds() - cpu) / taken)
                    pair = seen.ages_ms(frames), unseen.ages_ms(others)
                    ages[name].append([float(np.percentile(found, 99)) for found in pair])
    return {"core_share": shares, "age_p99_ms": ages}


def daemon_in(folder: Path, url: str, *settings: str) -> MeasuredDaemon:
    folder.mkdir(exist_ok=True)
    return MeasuredDaemon(folder, f"source.uri={url}", f"daemon.name={folder.name}", *settings)


def nobody_looks(folder: Path, url: str, turns: int, seconds: float) -> dict[str, list[float]]:
    """Measure daemons beside each other: with the page, and twice without it."""
    found = defaultdict(list)
    for _ in range(turns):
        with contextlib.ExitStack() as stack:
            daemons = {}
            for name, view in (("with", "picture"), ("without", "off"), ("without, too", "off")):
                place = folder / name.replace(", ", "-")
                daemons[name] = stack.enter_context(daemon_in(place, url, f"web.view={view}"))
            for daemon in daemons.values():
                daemon.wait_for(round(3 * PACE))
            before = {name: daemon.cpu_seconds() for name, daemon in daemons.items()}
            began = time.monotonic()
            time.sleep(2 * seconds)
            taken = time.monotonic() - began
            for name, daemon in daemons.items():
                found[name].append((daemon.cpu_seconds() - before[name]) / taken)
    return found


def first_picture(folder: Path) -> float:
    """Return the seconds from the start of `run --view` to the first whole picture."""
    port, began = free_port(), time.monotonic()
    process = subprocess.Popen(
        [
            *PROGRAM, "run", "--source", "demo", "--view", "--name", f"window-{port}",
            "--output", str(folder / "first.jsonl"), "--set", f"web.port={port}",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        process.stderr.readline()  # it names the page once that is there
        with socket.create_connection(("127.0.0.1", port), timeout=60) as channel:
            channel.sendall(b"GET /live.mjpeg HTTP/1.1\r\nHost: localhost\r\n\r\n")
            received = b""
            while b"\xff\xd9\r\n--frame" not in received:
                part = channel.recv(65536)
                assert part, "cut off before the first picture"
                received += part
        return time.monotonic() - began
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def page_weight(port: int) -> dict[str, int]:
    """Return the bytes of each file of the page, as a browser gets them."""
    from fer_edge.sinks.web.page_files import Page

    names = ["/", *(f"/page/{name}" for name in Page().files if not name.endswith(".html"))]
    weights = {}
    for name in names:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{name}") as answer:
            weights[name] = len(answer.read())
    return weights


def main() -> None:
    given = parse()
    with tempfile.TemporaryDirectory() as name, camera() as server:
        folder = Path(name)
        starts = [first_picture(folder) for _ in range(given.starts)]
        looked = situations(folder, server.url, given.turns, given.seconds)
        quiet = nobody_looks(folder, server.url, given.turns, given.seconds)
        with MeasuredDaemon(folder, f"source.uri={server.url}", PAGE) as daemon:
            daemon.wait_for(1)
            weights = page_weight(daemon.port)
    told = {
        **looked,
        "nobody_looks_core_share": quiet,
        "first_picture_seconds": starts,
        "page_bytes": weights,
    }
    if given.json:
        print(json.dumps(told, indent=2))
        return
    print(report(told))


def report(told: dict[str, Any]) -> str:
    shares, ages = told["core_share"], told["age_p99_ms"]
    base = shares["nobody looks"]
    more = {
        name: [100 * (share - idle) for share, idle in zip(found, base, strict=True)]
        for name, found in shares.items()
    }
    rows = [
        [
            name,
            middle([100 * share for share in shares[name]], ".1f"),
            "" if name == "nobody looks" else middle(more[name], ".2f"),
            middle([age for age, _ in ages[name]], ".1f"),
            middle([age / other for age, other in ages[name]], ".2f"),
        ]
        for name in SITUATIONS
    ]
    table = format_table(
        ["", "of a core, %", "more than nobody, points", "frame age p99, ms", "of the other's"],
        rows,
    )
    quiet = told["nobody_looks_core_share"]
    page, bare, other = (
        [100 * share for share in quiet[name]] for name in ("with", "without", "without, too")
    )
    ratio = statistics.median(more["ten viewers"]) / statistics.median(more["one viewer"])
    fields = [
        ("ten viewers against one", f"{ratio:.2f} times"),
        (
            "page on, nobody looks",
            f"{middle([a - b for a, b in zip(page, bare, strict=True)], '+.2f')} points",
        ),
        (
            "two without a page",
            f"{middle([a - b for a, b in zip(other, bare, strict=True)], '+.2f')} points",
        ),
        ("first picture", middle(told["first_picture_seconds"], ".2f") + " s"),
        ("page", f"{sum(told['page_bytes'].values()) / 1000:.1f} kB"),
    ]
    return table + "\n\n" + format_fields(fields)


def middle(values: list[float], form: str) -> str:
    """Return the median with the range."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


if __name__ == "__main__":
    main()
