"""What the tests of the Python interface share."""

from pathlib import Path

import cv2
import pytest

import fer_edge
from fer_edge.sources.demo_clip import DemoClip


@pytest.fixture(scope="session")
def reader():
    with fer_edge.Reader() as reader:
        yield reader


@pytest.fixture(scope="session")
def clip(tmp_path_factory) -> Path:
    """Two seconds of the demo's clip, at 25 frames a second: a drawn face and a photograph."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (640, 480))
    with DemoClip() as source:
        for _ in range(50):
            writer.write(source.read(1.0).image)
    writer.release()
    return path
