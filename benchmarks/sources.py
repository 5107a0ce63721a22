"""What a camera's picture costs before anything is looked for in it, in CPU time.

The network camera is a process of its own, so that only reading and decoding is counted.
"""

import argparse
import json
import multiprocessing as mp
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from statistics import median

import numpy as np

from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import GreyImage
from fer_edge.shared.terminal.tables import format_table
from fer_edge.sources.capture import decode_jpeg, read_picture, to_grey
from fer_edge.sources.portrait import PortraitClip
from fer_edge.sources.stream import NetworkStream
from fer_edge.testing.fakes import MjpegServer

SIZES = ((640, 480), (1280, 720), (1920, 1080))
RATE = 30.0


def pictures(width: int, height: int, count: int = 30) -> list[GreyImage]:
    """Return the built-in clip's pictures with the noise of a sensor."""
    rng = np.random.default_rng(0)
    made = []
    with PortraitClip(frames=count) as clip:
        while (frame := clip.read(1.0)) is not None:
            large = cv2.resize(frame.grey, (width, height), interpolation=cv2.INTER_CUBIC)
            noise = rng.normal(0, 2, (height, width))
            made.append(np.clip(large + noise, 0, 255).astype(np.uint8))
    return made


def serve(width: int, height: int, quality: int, pipe: Connection) -> None:
    """Be a camera of JPEGs in colour, as cameras send them, until told to stop."""
    server = MjpegServer(frames_per_second=RATE)
    server.jpegs = [
        cv2.imencode(
            ".jpg", cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
        )[1].tobytes()
        for picture in pictures(width, height)
    ]
    pipe.send((server.url, median(map(len, server.jpegs))))
    pipe.recv()
    server.stop()


def through_ffmpeg(url: str, frames: int) -> None:
    parameters = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 5000, cv2.CAP_PROP_N_THREADS, 1]
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, parameters)
    for _ in range(frames):
        assert read_picture(capture) is not None
    capture.release()


def through_the_stream(url: str, frames: int) -> None:
    with NetworkStream(url) as stream:
        while (frame := stream.read(5.0)) is not None and frame.index < frames:
            pass


def cpu_ms(work: Callable[[str, int], None], url: str, *, frames: int) -> float:
    began = time.process_time_ns()
    work(url, frames)
    return (time.process_time_ns() - began) / 1e6 / frames


def measure(width: int, height: int, *, quality: int, rounds: int, frames: int) -> dict[str, float]:
    """Return CPU milliseconds a frame by way of reading, the ways taking turns."""
    ways = {"FFmpeg, colour to grey": through_ffmpeg, "fer-edge": through_the_stream}
    ours, theirs = mp.get_context("spawn").Pipe()
    camera = mp.get_context("spawn").Process(target=serve, args=(width, height, quality, theirs))
    camera.start()
    url, size = ours.recv()
    seen: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, work in ways.items():
            seen[name].append(cpu_ms(work, url, frames=frames))
    ours.send("stop")
    camera.join()
    return {"kB": size / 1000, **{name: median(values) for name, values in seen.items()}}


def decoding(width: int, height: int, *, quality: int, rounds: int) -> dict[str, float]:
    """Return CPU milliseconds a JPEG of a USB camera by way of decoding it."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality]
    jpegs = [
        cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), flags)[1]
        for picture in pictures(width, height)
    ]
    ways: dict[str, Callable[[np.ndarray], object]] = {
        "colour to grey": lambda jpeg: to_grey(cv2.imdecode(jpeg, cv2.IMREAD_COLOR)),
        "grey": decode_jpeg,
        "grey at 1/2": lambda jpeg: decode_jpeg(jpeg, reduced_by=2),
        "grey at 1/4": lambda jpeg: decode_jpeg(jpeg, reduced_by=4),
    }
    seen: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, decode in ways.items():
            began = time.process_time_ns()
            for jpeg in jpegs:
                decode(jpeg)
            seen[name].append((time.process_time_ns() - began) / 1e6 / len(jpegs))
    return {name: median(values) for name, values in seen.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=90, help="a round")
    parser.add_argument("--quality", type=int, default=80, help="of the JPEGs")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    chosen = {"quality": arguments.quality, "rounds": arguments.rounds}
    found = {
        "Motion JPEG over HTTP": {
            f"{width}x{height}": measure(width, height, frames=arguments.frames, **chosen)
            for width, height in SIZES
        },
        "decoding a JPEG": {
            f"{width}x{height}": decoding(width, height, **chosen) for width, height in SIZES
        },
    }
    if arguments.json:
        print(json.dumps(found))
        return
    for title, by_size in found.items():
        names = list(next(iter(by_size.values())))
        rows = [
            [size, *(f"{value:.2f}" for value in row.values())] for size, row in by_size.items()
        ]
        print(format_table([title, *names], rows) + "\n")


if __name__ == "__main__":
    main()
