"""The clips that the contenders see: real ones, a slide show, and faces that enter."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer_edge.shared.opencv import cv2

Picture = Any  # uint8, (H, W, 3), BGR
SLIDE_FRAMES = 60
"""Frames that a picture of the slide show stays: two seconds at 30 frames a second."""
FRAMES_PER_SECOND = 30.0
_SLIDE_SIZE = (640, 480)


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip on disk.

    Attributes:
        path: The file.
        frames_per_second: As listed.
        has_face: Whether it shows a human face.
    """

    path: Path
    frames_per_second: float
    has_face: bool

    @property
    def name(self) -> str:
        """Short name for tables."""
        return self.path.stem.removeprefix("intel_")

    def pictures(self) -> list[Picture]:
        """Decode all of it."""
        capture = cv2.VideoCapture(str(self.path), cv2.CAP_FFMPEG)
        found = []
        while (read := capture.read())[0]:
            found.append(read[1])
        capture.release()
        return found


def listed_clips(folder: Path) -> list[Clip]:
    """Return the clips of a folder's clips.csv."""
    with (folder / "clips.csv").open() as file:
        return [
            Clip(folder / row["file"], float(row["fps"]), row["real_face"] == "1")
            for row in csv.DictReader(file)
        ]


def slides(folder: Path) -> Iterator[Picture]:
    """Yield each picture of a folder once, fitted into 640x480 on grey."""
    for path in sorted(folder.iterdir()):
        picture = cv2.imread(str(path))
        if picture is None:
            continue
        height, width = picture.shape[:2]
        factor = min(_SLIDE_SIZE[0] / width, _SLIDE_SIZE[1] / height)
        size = max(1, round(width * factor)), max(1, round(height * factor))
        canvas = np.full((_SLIDE_SIZE[1], _SLIDE_SIZE[0], 3), 128, np.uint8)
        left, top = (_SLIDE_SIZE[0] - size[0]) // 2, (_SLIDE_SIZE[1] - size[1]) // 2
        fitted = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        canvas[top : top + size[1], left : left + size[0]] = fitted
        yield canvas


def appearing(pictures: list[Picture], *, empty: int) -> Iterator[tuple[Picture, bool]]:
    """Yield so many empty pictures, then the clip: a face enters by a cut.

    Yields:
        The picture, and whether the face is there.
    """
    nothing = np.full_like(pictures[0], 128)
    for _ in range(empty):
        yield nothing, False
    for picture in pictures:
        yield picture, True


def sliding_in(
    pictures: list[Picture], *, empty: int, right: int
) -> Iterator[tuple[Picture, bool]]:
    """Yield the clip as it slides in from the right within a second.

    Args:
        pictures: Of a clip in which a face is where it is in the first picture for a second.
        empty: Pictures before it begins.
        right: Right edge of the face in the first picture; it is there once that is visible.

    Yields:
        The picture, and whether the whole face is there.
    """
    width = pictures[0].shape[1]
    for _ in range(empty):
        yield np.full_like(pictures[0], 128), False
    for number, picture in enumerate(pictures):
        shift = round(width * max(0.0, 1 - (number + 1) / FRAMES_PER_SECOND))
        moved = np.full_like(picture, 128)
        moved[:, shift:] = picture[:, : width - shift]
        yield moved, right + shift <= width
