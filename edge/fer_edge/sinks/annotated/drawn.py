"""What all annotated outputs share: a frame comes, is drawn on and written, and all is closed."""

from abc import abstractmethod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import OutputError
from fer_edge.shared.records import ColourImage, Frame, Observation
from fer_edge.shared.report.drawing import draw


class AnnotatedOutput(Closing):
    """Takes frames with their observations; a context manager.

    Args:
        path: Where it is written.

    Attributes:
        path: The same.
        pictures: Written so far.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pictures = 0

    def add(self, frame: Frame, observation: Observation) -> None:
        """Draw what was read onto a frame and write it.

        Raises:
            OutputError: It cannot be written.
        """
        self.write(draw(frame.image, observation.readings), frame)

    @abstractmethod
    def write(self, picture: ColourImage, frame: Frame) -> None:
        """Write a frame that was drawn on.

        Raises:
            OutputError: It cannot be written.
        """

    @abstractmethod
    def describe(self) -> str:
        """Return what was written, for people."""

    def close(self) -> None:
        """Finish; may be called twice.

        Raises:
            OutputError: What was written is not whole.
        """


def refused(path: Path, why: object) -> OutputError:
    """Return the error for a path that cannot be written."""
    return OutputError(
        f"{path} cannot be written ({why})",
        expected="a folder that exists and may be written, with space",
        fix="check the path given as --annotate",
    )


def megabytes(path: Path) -> str:
    """Return the size of a file or of all files in a folder, for people."""
    files = path.iterdir() if path.is_dir() else [path]
    return f"{sum(file.stat().st_size for file in files if file.is_file()) / 1e6:.1f} MB"


def size_of(picture: NDArray[np.uint8]) -> tuple[int, int]:
    """Return width and height."""
    return picture.shape[1], picture.shape[0]
