"""Video files."""

import logging
import time
from pathlib import Path
from typing import Final

from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import SourceUnavailableError, VideoError
from fer_edge.shared.records import Frame
from fer_edge.sources.capture import Picture, picture_now, to_frame
from fer_edge.sources.ffmpeg import DecoderError, FfmpegDecoder, decoder_threads

_log = logging.getLogger(__name__)

_EXPECTED: Final = "a video file (MP4, MKV, AVI, WebM, ...)"
_NO_FRAME: Final = "not one frame can be decoded"
_ONE_THREAD: Final = decoder_threads(1)
"""Each more would hold frames of its own in the decoder's memory."""
_OPEN_SECONDS: Final = 60.0
_FRAME_SECONDS: Final = 60.0  # a decoder that takes longer for one has gone wild
_PLAUSIBLE_RATES: Final = (1.0, 240.0)
_USUAL_RATE: Final = 25.0
_WHOLE: Final = 0.9
"""Share of the stated frames from which a file counts as whole; containers state it roughly."""


class VideoFile(Closing):
    """The frames of a video file, turned upright as its rotation says.

    A damaged frame is passed over. A file that ends well before the number of frames it states
    is logged and ends there.

    Args:
        path: The file.
        realtime: Deliver at the file's own frame rate instead of as fast as possible. No frame
            is left out: a reader that is late catches up.
        colour: Whether frames keep their colours, for whoever asks for them.

    Attributes:
        frames_per_second: As the file states it, or 25 where that is not plausible.
        duration_seconds: As the file states it; 0 where it does not.

    Raises:
        VideoError: No such file, or not a single frame in it decodes.
    """

    def __init__(self, path: Path, *, realtime: bool = False, colour: bool = False) -> None:
        _refuse_what_is_no_video(path)
        self._path = path
        self._count = 0
        self._started: float | None = None
        # Absolute, so that FFmpeg sees a file even where the name looks like one of its protocols.
        self._decoder = FfmpegDecoder(str(path.absolute()), parameters=_ONE_THREAD, colour=colour)
        self._first: Picture | None = None
        self._stated = 0
        try:
            self._stated, rate = self._decoder.opened(_OPEN_SECONDS)
            self.frames_per_second = _plausible_rate(rate)
            self.duration_seconds = self._stated / self.frames_per_second
            self._period_seconds = 1 / self.frames_per_second if realtime else 0.0
            self._first = self._decoder.read(_FRAME_SECONDS)
        except DecoderError as error:
            raise self._failure(error) from None
        finally:
            self._ended = self._first is None
            if self._ended:
                self._decoder.close()
        if self._first is None:
            raise self._failure(DecoderError(_NO_FRAME))

    @property
    def live(self) -> bool:
        """Always false: frames wait, at their own pace or not."""
        return False

    def read(self, timeout_seconds: float) -> Frame | None:
        """Return the next frame; None after the last.

        Raises:
            SourceUnavailableError: The next frame is due only after that time.
            VideoError: The rest cannot be decoded rightly.
        """
        self._wait_until_due(timeout_seconds)
        picture, self._first = self._first, None
        if picture is None and not self._ended:
            picture = self._read_next()
        if picture is None:
            self._end()
            return None
        self._count += 1
        # It was decoded ahead, and is captured when somebody wants it.
        captured = picture_now(picture.grey, picture.colour)
        index = self._count - 1
        return to_frame(captured, index=index, clip_seconds=index / self.frames_per_second)

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._first = None
        self._ended = True
        self._decoder.close()

    def _read_next(self) -> Picture | None:
        try:
            return self._decoder.read(_FRAME_SECONDS)
        except DecoderError as error:
            self.close()
            raise self._failure(error) from None

    def _failure(self, error: DecoderError) -> VideoError:
        return VideoError(
            f"{self._path}: {error if error.opened else _NO_FRAME}",
            expected=_EXPECTED,
            fix=error.fix or "check that it was copied whole and plays elsewhere",
        )

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
        if not self._ended and self._count < _WHOLE * self._stated:
            _log.warning("%s ends early: %d of %d frames", self._path, self._count, self._stated)
        self.close()


def _refuse_what_is_no_video(path: Path) -> None:
    try:
        if path.is_file():  # a pipe would block
            with path.open("rb") as file:
                head = file.read(4096)
        else:
            what = "is a folder" if path.is_dir() else "is no regular file"
            what, fix = (what, "check the path") if path.exists() else _missing(path)
            raise VideoError(f"{path} {what}", expected=_EXPECTED, fix=fix)
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


def _missing(path: Path) -> tuple[str, str]:
    """Return what to say of a path that is not there; a word may be meant as a camera."""
    fix = "check the path"
    if not path.suffix and path.name == str(path):
        fix = "a camera is its number, such as 0, or picamera; `fer-edge sources` lists those found"
    return "does not exist", fix


def _is_text(head: bytes) -> bool:
    raw = head.startswith(b"YUV4MPEG2")  # a header of text, then pixels
    return not raw and all(byte >= 0x20 or byte in b"\t\n\r\f" for byte in head)


def _plausible_rate(stated: float) -> float:
    low, high = _PLAUSIBLE_RATES
    return stated if low <= stated <= high else _USUAL_RATE
