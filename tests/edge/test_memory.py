"""What pictures, videos and cameras may make of memory: less than the unit's MemoryMax."""

import re
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from builders import a_contract
from command_line import PROGRAM, clean_environment
from tiny_model import tiny_model

from fer_edge.shared.opencv import cv2
from fer_edge.testing.fakes import MjpegServer

UNIT = Path(__file__).parents[2] / "systemd/fer-edge.service"
MOST_MB = int(re.search(r"^MemoryMax=(\d+)M$", UNIT.read_text(), re.MULTILINE)[1])


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.tflite"
    path.write_bytes(tiny_model(a_contract()))
    return path


def family(pid):
    """Return a process and all that descend from it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [each for child in task.read_text().split() for each in family(child)]
        except OSError:
            continue
    return found


def resident_mb(pid):
    total = 0
    for each in family(pid):
        try:
            text = Path(f"/proc/{each}/status").read_text()
        except OSError:
            continue
        total += sum(int(kb) for kb in re.findall(r"Rss(?:Anon|File|Shmem):\s+(\d+)", text))
    return total / 1024


def peak_of(*arguments, tmp_path):
    """Run the program; return its exit code, its error, and the most it and its children held."""
    said = tmp_path / "said"
    with (
        said.open("w") as stream,
        subprocess.Popen(
            [*PROGRAM, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=stream,
            env=clean_environment(),
        ) as process,
    ):  # fmt: skip
        peak, give_up = 0.0, time.monotonic() + 100
        while process.poll() is None:
            peak = max(peak, resident_mb(process.pid))
            if time.monotonic() > give_up:
                process.kill()
                pytest.fail(f"it did not end: {said.read_text()[-500:]}")
            time.sleep(0.01)
    return process.returncode, said.read_text(), peak


def plain(width, height):
    return np.full((height, width), 90, np.uint8)


def colour(width, height):
    return np.full((height, width, 3), 90, np.uint8)


BOMBS = {
    "largest.png": (plain(8000, 8000), [], 0),
    "largest.gif": (colour(4300, 4300), [], 0),
    "largest.webp": (plain(5200, 5200), [], 0),
    "passes.jpg": (plain(6000, 6000), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], 0),
    "larger.png": (plain(8001, 8001), [], 1),
    "larger.gif": (colour(5000, 5000), [], 1),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_picture_is_read_or_refused_within_the_units_memory(tmp_path, tiny, name):
    picture, options, code = BOMBS[name]
    cv2.imwrite(str(tmp_path / name), picture, options)
    found, said, peak = peak_of("classify", "--model", tiny, tmp_path / name, tmp_path=tmp_path)
    assert found == code, said
    assert peak < MOST_MB
    assert (f"{name} claims {picture.shape[1]}x" in said) is bool(code)


@pytest.mark.parametrize("name", ["largest.gif", "passes.jpg", "larger.png"])
def test_nor_does_a_picture_as_a_video_take_more(tmp_path, tiny, name):
    cv2.imwrite(str(tmp_path / name), *BOMBS[name][:2])
    code, said, peak = peak_of(
        "run", "--source", tmp_path / name, "--model", tiny, tmp_path=tmp_path
    )
    assert code in {0, 1}, said
    assert peak < MOST_MB


@pytest.mark.parametrize(
    ("size", "options", "code"),
    [((7000, 6000), [], 0), ((9000, 9000), [], 69),
     ((7000, 6000), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], 69)],
    ids=["42 megapixels", "81 megapixels", "42 megapixels in passes"],
)  # fmt: skip
def test_a_camera_of_enormous_pictures_is_read_smaller_or_is_a_fault(
    tmp_path, tiny, size, options, code
):
    with MjpegServer(frames_per_second=5) as camera:
        camera.jpegs = [cv2.imencode(".jpg", plain(*size), options)[1].tobytes()]
        found, said, peak = peak_of(
            "run", "--source", camera.url, "--model", tiny, "--max-frames", 3, tmp_path=tmp_path
        )
    assert found == code, said
    assert peak < MOST_MB
    assert (f"a picture of {size[0]}x{size[1]} pixels" in said) is bool(code)
