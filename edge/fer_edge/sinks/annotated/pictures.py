"""Annotated frames as JPEGs: one after the other in a file, or each in its own."""

from collections import Counter
from pathlib import Path
from typing import Final

from fer_edge.shared.records import ColourImage, Frame
from fer_edge.shared.report.drawing import encode_picture, write_picture
from fer_edge.shared.whole_files import make_folder
from fer_edge.sinks.annotated.drawn import AnnotatedOutput, megabytes, refused, size_of

MOTION_JPEG: Final = frozenset({".mjpg", ".mjpeg"})
"""Endings of files that are JPEG after JPEG, and nothing else."""


class AnnotatedJpegs(AnnotatedOutput):
    """JPEG after JPEG in one file: whole after each frame, whatever ends the program.

    Args:
        path: Of the file.

    Raises:
        OutputError: It cannot be made.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._size = (0, 0)
        try:
            # What is there stays until the first frame.
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise refused(path, error.strerror) from error

    def write(self, picture: ColourImage, frame: Frame) -> None:  # noqa: ARG002 - no time in it
        """Write a frame.

        Raises:
            OutputError: The disk is full.
        """
        self._size = size_of(picture)
        jpeg = encode_picture(picture, ".jpg")
        try:
            if not self.pictures:
                self._file.truncate(0)
            while jpeg:
                jpeg = jpeg[self._file.write(jpeg) :]
        except OSError as error:
            raise refused(self.path, error.strerror) from error
        self.pictures += 1

    def describe(self) -> str:
        """Return size and number of the pictures."""
        width, height = self._size
        return (
            f"{self.path}: {width}x{height}, Motion JPEG without a clock, {self.pictures} "
            f"pictures, {megabytes(self.path)}"
        )

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._file.close()


class AnnotatedFolder(AnnotatedOutput):
    """A JPEG for each frame, named by its file or its number.

    Args:
        path: Of the folder; made where there is none.

    Raises:
        OutputError: It cannot be made.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._copies: Counter[str] = Counter()
        make_folder(path)

    def write(self, picture: ColourImage, frame: Frame) -> None:
        """Write a frame.

        Raises:
            OutputError: It cannot be written.
        """
        write_picture(self.path / self._name(frame), picture)
        self.pictures += 1

    def describe(self) -> str:
        """Return the number of the pictures."""
        return f"{self.path}: {self.pictures} pictures"

    def _name(self, frame: Frame) -> str:
        if not frame.name:
            return f"frame-{frame.index:06d}.jpg"
        return copy_name(Path(frame.name).stem, self._copies)


def copy_name(stem: str, copies: Counter[str]) -> str:
    """Return a name that is neither a picture's own nor another copy's.

    Args:
        stem: Of the picture's name.
        copies: How many of each there are; counted up.
    """
    copies[stem] += 1
    again = f"-{copies[stem]}" if copies[stem] > 1 else ""
    return f"{stem}-annotated{again}.jpg"
