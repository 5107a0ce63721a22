"""Video files."""

import logging
import time
from pathlib import Path
from typing import Final

from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import SourceUnavailableError, VideoError
from fer_edge.shared.opencv import MAX_PICTURE_PIXELS, cv2
from fer_edge.shared.records import Frame
from fer_edge.sources.capture import Picture, read_picture, to_frame

_log = logging.getLogger(__name__)

_EXPECTED: Final = "a video file (MP4, MKV, AVI, WebM, ...)"
_PLAUSIBLE_RATES: Final = (1.0, 240.0)
_USUAL_RATE: Final = 25.0
_WHOLE: Final = 0.9
"""Share of the stated frames from which a file counts as whole; containers state it roughly."""


class VideoFile(Closing):
    """The frames of a video file, in grey, turned upright as its rotation says.

    A damaged frame is passed over. A file that ends well before the number of frames it states
    is logged and ends there.

    Args:
        path: The file.
        realtime: Deliver at the file's own frame rate instead of as fast as possible. No frame
            is left out: a reader that is late catches up.

    Attributes:
        frames_per_second: As the file states it, or 25 where that is not plausible.

    Raises:
        VideoError: No such file, or not a single frame in it decodes.
    """

    def __init__(self, path: Path, *, realtime: bool = False) -> None:
        _refuse_what_is_no_video(path)
        self._path = path
        self._count = 0
        self._started: float | None = None
        # Absolute, so that FFmpeg sees a file even where the name looks like one of its protocols.
        self._capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
        self._stated = int(max(0.0, self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self.frames_per_second = _plausible_rate(self._capture.get(cv2.CAP_PROP_FPS))
        self._period_seconds = 1 / self.frames_per_second if realtime else 0.0
        self._first: Picture | None = None
        try:
            self._first = self._read_first()
        finally:
            if self._first is None:
                self._capture.release()

    @property
    def live(self) -> bool:
        """Always false: frames wait, at their own pace or not."""
        return False

    def read(self, timeout_seconds: float) -> Frame | None:
        """Return the next frame; None after the last.

        Raises:
            SourceUnavailableError: The next frame is due only after that time.
        """
        self._wait_until_due(timeout_seconds)
        picture, self._first = self._first, None
        if picture is not None:
            picture = picture._replace(monotonic_ns=time.monotonic_ns())
        elif self._capture.isOpened():
            picture = read_picture(self._capture)
        if picture is None:
            self._end()
            return None
        self._count += 1
        return to_frame(picture, index=self._count - 1)

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._first = None
        self._capture.release()

    def _read_first(self) -> Picture:
        """Decode the first frame, which alone proves the file."""
        width = self._capture.get(cv2.CAP_PROP_FRAME_WIDTH)
        height = self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        if width * height > MAX_PICTURE_PIXELS:
            raise VideoError(
                f"{self._path} claims frames of {width:.0f}x{height:.0f}",
                expected=f"at most {MAX_PICTURE_PIXELS // 10**6} megapixels",
                fix="check the file, or scale it down",
            )
        picture = read_picture(self._capture)
        if picture is None:
            raise VideoError(
                f"{self._path}: not one frame can be decoded",
                expected=_EXPECTED,
                fix="check that it was copied whole and plays elsewhere",
            )
        return picture

    def _wait_until_due(self, timeout_seconds: float) -> None:
        now = time.monotonic()
        if self._started is None:
            self._started = now
        wait_seconds = self._started + self._count * self._period_seconds - now
        if wait_seconds > 0:
            time.sleep(min(wait_seconds, timeout_seconds))
        if wait_seconds > timeout_seconds:
            raise SourceUnavailableError(
                f"{self._path}: the next frame is due in {wait_seconds - timeout_seconds:.2f} s",
                expected=f"one within {timeout_seconds:g} s",
                fix="read again",
            )

    def _end(self) -> None:
        if self._capture.isOpened() and self._count < _WHOLE * self._stated:
            _log.warning("%s ends early: %d of %d frames", self._path, self._count, self._stated)
        self._capture.release()


def _refuse_what_is_no_video(path: Path) -> None:
    try:
        if path.is_file():  # a pipe would block
            with path.open("rb") as file:
                head = file.read(4096)
        else:
            what = "is a folder" if path.is_dir() else "is no regular file"
            what = what if path.exists() else "does not exist"
            raise VideoError(f"{path} {what}", expected=_EXPECTED, fix="check the path")
    except OSError as error:
        raise VideoError(
            f"{path} cannot be read ({error.strerror})",
            expected=_EXPECTED,
            fix="check the file and its permissions",
        ) from error
    if not head:
        raise VideoError(f"{path} is empty", expected=_EXPECTED, fix="copy the file again")
    if head.startswith(b'{"schema":'):
        raise VideoError(
            f"{path} holds recorded observations",
            expected=_EXPECTED,
            fix=f"use `fer-edge replay {path}`",
        )
    if _is_text(head):
        # FFmpeg would paint the text as a film, or follow a playlist to other files and hosts.
        raise VideoError(f"{path} holds text", expected=_EXPECTED, fix="name the video itself")


def _is_text(head: bytes) -> bool:
    raw = head.startswith(b"YUV4MPEG2")  # a header of text, then pixels
    return not raw and all(byte >= 0x20 or byte in b"\t\n\r\f" for byte in head)


def _plausible_rate(stated: float) -> float:
    low, high = _PLAUSIBLE_RATES
    return stated if low <= stated <= high else _USUAL_RATE
