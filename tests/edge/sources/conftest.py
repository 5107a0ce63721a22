"""Clips, folders of pictures and a camera for the tests of sources."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fer_edge.shared.opencv import cv2
from fer_edge.testing.fake_picamera2 import PiRig
from fer_edge.testing.fakes import MjpegServer, numbered_picture

MakeVideo = Callable[..., Path]


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Writes a video of numbered pictures; returns its path."""

    def make(name: str = "clip.mp4", *, frames: int = 12, rate: float = 25.0) -> Path:
        path = tmp_path / name
        codec = {".mp4": "mp4v", ".avi": "MJPG"}[path.suffix]
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, (160, 120))
        assert writer.isOpened(), f"this OpenCV cannot write {codec}"
        for number in range(frames):
            writer.write(cv2.cvtColor(numbered_picture(number), cv2.COLOR_GRAY2BGR))
        writer.release()
        return path

    return make


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of five numbered pictures."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(5):
        cv2.imwrite(str(folder / f"{number}.png"), numbered_picture(number))
    return folder


@pytest.fixture
def camera() -> Iterator[MjpegServer]:
    with MjpegServer() as server:
        yield server


@pytest.fixture
def pi(monkeypatch: pytest.MonkeyPatch) -> PiRig:
    """A Pi with one camera, as far as picamera2 tells; PICAMERA2=real keeps the real one."""
    rig = PiRig()
    if os.environ.get("PICAMERA2") == "real":
        return rig
    for name, module in rig.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    return rig


@pytest.fixture
def shared_data(pytestconfig: pytest.Config) -> Path:
    """The real data that lies beside a checkout on some machines."""
    path = pytestconfig.rootpath.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"the real data is not here ({path})")
    return path
