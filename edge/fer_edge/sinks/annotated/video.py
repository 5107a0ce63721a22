"""Annotated frames as a video that players open, at the pace of what was seen."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import ColourImage, Frame
from fer_edge.sinks.annotated.drawn import AnnotatedOutput, megabytes, refused, size_of

CODECS: Final = {
    ".mp4": ("mp4v", "MPEG-4"),
    ".m4v": ("mp4v", "MPEG-4"),
    ".mov": ("mp4v", "MPEG-4"),
    ".mkv": ("mp4v", "MPEG-4"),
    ".avi": ("MJPG", "Motion JPEG"),
}
"""By ending what OpenCV's FFmpeg writes without further libraries: its name for it, and ours."""

_LONGEST_GAP_SECONDS: Final = 5.0
"""For which the last picture is shown on; a longer one is cut out."""


class AnnotatedVideo(AnnotatedOutput):
    """A video file with one size and one frame rate.

    A clip's frames are written one for one. A camera's are written when they were captured: the
    picture before is shown on where one is missing, so that the video takes the time that passed.
    Pictures of another size than the first are fitted into it.

    Args:
        path: Of the file; its ending chooses the codec.
        rate: Tells the frames a second, once the first frame is there.
        live: Whether frames come when they like.

    Raises:
        OutputError: The file cannot be made.
    """

    def __init__(self, path: Path, *, rate: Callable[[], float], live: bool) -> None:
        super().__init__(path)
        self._rate = rate
        self._live = live
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._frames_per_second = 0.0
        self._before: ColourImage | None = None
        self._first_ns = 0
        try:  # or it would be told only after the first frame; what is there stays until that
            self._is_new = not path.exists()
            path.open("ab").close()
        except OSError as error:
            raise refused(path, error.strerror) from error

    def write(self, picture: ColourImage, frame: Frame) -> None:
        """Write a frame, and those before it that did not come in time.

        Raises:
            OutputError: OpenCV cannot write this.
        """
        if self._writer is None:
            self._writer = self._open(picture)
            self._first_ns = frame.monotonic_ns
        picture = _fitted(picture, self._size)
        if self._live and not self._keep_time(frame):
            return
        self._writer.write(picture)
        self._before = picture
        self.pictures += 1

    def describe(self) -> str:
        """Return size, pace, codec and length."""
        if not self.pictures:
            return f"{self.path}: no frame came, so there is no video"
        width, height = self._size
        _, codec = CODECS[self.path.suffix.lower()]
        seconds = self.pictures / self._frames_per_second
        return (
            f"{self.path}: {width}x{height}, {codec}, {self.pictures} frames at "
            f"{self._frames_per_second:g} a second ({seconds:.1f} s), {megabytes(self.path)}"
        )

    def close(self) -> None:
        """Write the end of the file, without which no player opens it; may be called twice.

        Raises:
            OutputError: It is not whole.
        """
        writer, self._writer = self._writer, None
        if writer is None:
            if not self.pictures and self._is_new:
                self.path.unlink(missing_ok=True)
            return
        writer.release()
        capture = cv2.VideoCapture(str(self.path), cv2.CAP_FFMPEG)  # a full disk is not told
        whole = capture.isOpened()
        capture.release()
        if not whole:
            raise refused(self.path, "the file is not whole; is the disk full?")

    def _open(self, picture: ColourImage) -> cv2.VideoWriter:
        code, _ = CODECS[self.path.suffix.lower()]
        # MPEG-4 counts time in at most 65,535 parts of a second.
        self._frames_per_second = round(self._rate(), 2)
        self._size = size_of(picture)
        writer = cv2.VideoWriter(
            str(self.path),
            cv2.CAP_FFMPEG,
            cv2.VideoWriter.fourcc(*code),
            self._frames_per_second,
            self._size,
        )
        if not writer.isOpened():
            width, height = self._size
            raise refused(self.path, f"OpenCV does not write {code} of {width}x{height}")
        return writer

    def _keep_time(self, frame: Frame) -> bool:
        """Show the picture before on until the frame's time; return whether that is yet to come."""
        passed = (frame.monotonic_ns - self._first_ns) / 1e9
        due = round(passed * self._frames_per_second)
        missing = due - self.pictures
        most = round(_LONGEST_GAP_SECONDS * self._frames_per_second)
        if missing > most:
            cut_ns = round((missing - most) / self._frames_per_second * 1e9)
            self._first_ns += cut_ns
            missing = most
        if self._writer is not None and self._before is not None:
            for _ in range(missing):
                self._writer.write(self._before)
                self.pictures += 1
        return missing >= 0


def _fitted(picture: ColourImage, size: tuple[int, int]) -> ColourImage:
    """Return a picture of this size, with black at two sides where its shape is another."""
    width, height = size_of(picture)
    if (width, height) == size:
        return picture
    factor = min(size[0] / width, size[1] / height)
    inner = (max(1, round(width * factor)), max(1, round(height * factor)))
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    canvas[top : top + inner[1], left : left + inner[0]] = cv2.resize(
        picture, inner, interpolation=cv2.INTER_AREA
    )
    return canvas
