"""Pictures that FFmpeg decodes, in a child process: it can be ended, and its memory is bounded."""

import contextlib
import json
import os
import select
import subprocess
import sys
import time
import weakref
from collections.abc import Sequence
from typing import IO, Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.closing import Closing
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Colour
from fer_edge.sources.capture import Picture, to_grey
from fer_edge.sources.ffmpeg_child import COLOUR, FAILED, FRAME, NOT_OPENED, OPENED, RECORD
from fer_edge.sources.shared_pictures import SLOTS, SharedPictures, create

MEMORY_BYTES: Final = 224 * 2**20
"""What FFmpeg may take: enough for 4K, and within the unit's MemoryMax with all else."""
MOST_FILE_PIXELS: Final = 2**24
"""Of a video file's frames; a live camera's are bounded by what was asked of it."""

_START_SECONDS: Final = 30.0  # until Python and OpenCV are loaded, on a slow card
_MOST_TEXT: Final = 65536
_MOST_HELD_BYTES: Final = 2**23
"""Of a picture that is looked at where it lies, such as Full HD in colour; larger ones would take
too much memory in all slots."""
_OPTIONS: Final = "OPENCV_FFMPEG_CAPTURE_OPTIONS"


class DecoderError(Exception):
    """FFmpeg delivers nothing more; the message says why, in words for people.

    Attributes:
        fix: What to do about it; "" where that depends on what is read.
        opened: Whether it had been opened.
    """

    def __init__(self, found: str, *, fix: str = "", opened: bool = True) -> None:
        super().__init__(found)
        self.fix = fix
        self.opened = opened


def decoder_threads(number: int) -> tuple[int, ...]:
    """Return the parameters for so many threads; none for Debian's OpenCV 4.6, which has no such.

    Args:
        number: 0 is one for each core.
    """
    known = getattr(cv2, "CAP_PROP_N_THREADS", None)
    return () if known is None else (known, number)


class FfmpegDecoder(Closing):
    """A video, decoded by a process of its own.

    Args:
        address: A stream's, or a file's absolute path; travels through a pipe, so that no
            list of processes shows it.
        parameters: For `cv2.VideoCapture`.
        options: For FFmpeg; what the user set in the environment goes before them.
        most_pixels: A frame may have.
        patience_seconds: For which damaged frames are passed over in a row.
        colour: Whether pictures keep their colours.

    Raises:
        OSError: The system gives no process, no memory or no descriptor.
    """

    def __init__(
        self,
        address: str,
        *,
        parameters: Sequence[int] = (),
        options: Sequence[str] = (),
        most_pixels: int = MOST_FILE_PIXELS,
        patience_seconds: float = 1e9,
        colour: bool = False,
    ) -> None:
        self._most_pixels = most_pixels
        slot_bytes = most_pixels * (3 if colour else 1)
        memory = create(slot_bytes)
        self._held: dict[int, weakref.ref[NDArray[np.uint8]]] = {}
        try:
            self._pictures = SharedPictures(memory, slot_bytes)
            self._process = _start(memory, options)
        finally:
            os.close(memory)
        self._end = weakref.finalize(self, _end_process, self._process)
        self._input = cast("IO[bytes]", self._process.stdin)
        self._output = cast("IO[bytes]", self._process.stdout)
        self._poll = select.poll()
        self._poll.register(self._output, select.POLLIN)
        self._ask(
            address=address,
            parameters=list(parameters),
            most_pixels=most_pixels,
            patience_seconds=patience_seconds,
            colour=colour,
            memory_bytes=MEMORY_BYTES,
            memory=memory,
            slot_bytes=slot_bytes,
        )

    def opened(self, timeout_seconds: float) -> tuple[int, float]:
        """Wait until the video is open; return the number of frames and the rate it states.

        Raises:
            DecoderError: It cannot be opened, or not in time.
        """
        try:
            kind, _, length, *_ = self._record(timeout_seconds + _START_SECONDS)
        except EOFError:
            raise DecoderError(f"its decoder has crashed ({self._outcome()})") from None
        if kind != OPENED:
            raise DecoderError("its decoder does not answer as it should")
        told = self._text(length)
        return int(max(0.0, told["frames"])), float(told["rate"])

    def read(self, timeout_seconds: float) -> Picture | None:
        """Return the next picture; None after the last.

        Raises:
            DecoderError: There is none in this time, or there will be none for another reason
                than the end.
        """
        self._give_back_what_nobody_holds()
        try:
            kind, captured_ns, height, width, slot = self._record(timeout_seconds)
        except EOFError:
            if outcome := self._outcome():
                raise DecoderError(f"its decoder has crashed ({outcome})") from None
            return None
        known = kind in {FRAME, COLOUR} and slot < SLOTS and slot not in self._held
        if not known or not 0 < height * width <= self._most_pixels:
            raise DecoderError("its decoder does not answer as it should")
        pixels = self._taken(slot, (height, width) if kind == FRAME else (height, width, 3))
        if kind == FRAME:
            return Picture(pixels, captured_ns)
        return Picture(to_grey(pixels), captured_ns, Colour(lambda: pixels))

    def interrupt(self) -> None:
        """End a wait on another thread, and the decoder."""
        self._process.kill()

    def close(self) -> None:
        """End the decoder, whatever it is doing; may be called twice."""
        self._end()
        self._pictures.forget()

    def _ask(self, **request: Any) -> None:
        with contextlib.suppress(BrokenPipeError):  # its end is found when it is read from
            self._input.write(json.dumps(request).encode() + b"\n")

    def _taken(self, slot: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Return what lies in a slot; a copy rather than hold the last of them."""
        try:
            pixels = self._pictures.picture(slot, shape)
        except ValueError:  # it was closed meanwhile
            raise DecoderError("it is closed") from None
        if len(self._held) + 1 < SLOTS and pixels.nbytes <= _MOST_HELD_BYTES:
            self._held[slot] = weakref.ref(pixels)
            return pixels
        pixels = pixels.copy()
        self._give_back(slot)
        return pixels

    def _give_back_what_nobody_holds(self) -> None:
        ended = [slot for slot, pixels in self._held.items() if pixels() is None]
        for slot in ended:
            del self._held[slot]
            self._give_back(slot)

    def _give_back(self, slot: int) -> None:
        with contextlib.suppress(BrokenPipeError):  # its end is found when it is read from
            self._input.write(bytes([slot]))

    def _record(self, timeout_seconds: float) -> tuple[bytes, int, int, int, int]:
        head = bytearray(RECORD.size)
        self._fill(memoryview(head), timeout_seconds)
        kind, captured_ns, height, width, slot = RECORD.unpack(head)
        if kind == FAILED:
            told = self._text(height)
            raise DecoderError(
                str(told["found"]), fix=str(told["fix"]), opened=told["found"] != NOT_OPENED
            )
        return kind, captured_ns, height, width, slot

    def _text(self, length: int) -> dict[str, Any]:
        text = bytearray(min(length, _MOST_TEXT))
        self._fill(memoryview(text), _START_SECONDS)
        told: dict[str, Any] = json.loads(text)
        return told

    def _outcome(self) -> str:
        """Return how the child ended, where that was not of itself."""
        code = self._process.wait()
        return f"signal {-code}" if code < 0 else f"exit code {code}" if code else ""

    def _fill(self, view: memoryview, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while view:
            left = deadline - time.monotonic()
            if left <= 0 or not self._poll.poll(left * 1000):
                raise DecoderError(f"nothing came within {timeout_seconds:g} s")
            count = os.readv(self._output.fileno(), [view])
            if not count:
                raise EOFError
            view = view[count:]


def _environment(options: Sequence[str]) -> dict[str, str]:
    """Return the environment of the child: what is imported here is there."""
    asked = os.environ.get(_OPTIONS, "")
    own = [option for option in options if option.partition(";")[0] not in asked]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "OPENBLAS_NUM_THREADS": "1",
        "OPENCV_FFMPEG_LOGLEVEL": "16",  # errors, which the child reads
        _OPTIONS: "|".join(filter(None, [asked, *own])),
    }


def _start(memory: int, options: Sequence[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "fer_edge.sources.ffmpeg_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(options),
        process_group=0,  # Ctrl-C is ours to heed
        pass_fds=[memory],
        bufsize=0,
    )


def _end_process(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
