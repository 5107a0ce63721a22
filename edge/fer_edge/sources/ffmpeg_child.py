"""FFmpeg in a process of its own, where it may hang, swell and crash without harm to anybody.

`sources/ffmpeg.py` starts it, hands it one request as a line of JSON, and reads records. Pictures
lie in the slots of shared memory; a byte on the input gives a slot back.
"""

import json
import os
import select
import signal
import struct
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from fer_edge.shared.child_bounds import bound_memory
from fer_edge.shared.errors import FerError, PictureError
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import GreyImage
from fer_edge.sources.capture import read_picture, to_colour, to_grey
from fer_edge.sources.shared_pictures import SLOTS, SharedPictures

RECORD: Final = struct.Struct("<cqIIB")
"""Kind, monotonic clock of the capture, height, width and slot; where it is no picture, as many
bytes of text follow as the height says."""
OPENED: Final = b"O"
FRAME: Final = b"F"
"""A picture in grey."""
COLOUR: Final = b"C"
"""A picture in three bytes a pixel: blue, green, red."""
FAILED: Final = b"X"

NOT_OPENED: Final = "it cannot be opened"

_SMALLER: Final = "have smaller pictures sent"
_UNCONVERTED: Final = b"interlaced to progressive"
_MOST_SAID: Final = 65536


class _UnconvertedError(FerError):
    """FFmpeg's converter has left the picture as it was, and OpenCV says that all is well."""


def main() -> None:
    """Serve one request, and end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # of the group; the end of the input ends us
    request: dict[str, Any] = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    output = os.dup(1)
    take_messages = _take_over_messages()
    cv2.setNumThreads(1)
    bound_memory(request["memory_bytes"])
    try:
        _serve(request, output, take_messages)
    except FerError as error:
        _send(output, FAILED, {"found": error.found, "fix": error.fix})
    except BrokenPipeError:
        pass
    except (MemoryError, OSError, cv2.error):
        _send(output, FAILED, {"found": "it takes more memory than it may", "fix": _SMALLER})
    os._exit(0)  # the thread may be inside FFmpeg's wait, or our own


def _serve(request: dict[str, Any], output: int, take_messages: Callable[[], bytes]) -> None:
    capture = cv2.VideoCapture(request["address"], cv2.CAP_FFMPEG, request["parameters"])
    if not capture.isOpened():
        _send(output, FAILED, {"found": NOT_OPENED, "fix": ""})
        return
    most_pixels = request["most_pixels"]
    kind, convert = (COLOUR, to_colour) if request["colour"] else (FRAME, to_grey)
    shared = SharedPictures(request["memory"], request["slot_bytes"])
    free = list(range(SLOTS))  # the one that came back last is taken first
    width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
    height = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    _refuse_outsized(width, height, most_pixels)
    told = {
        "frames": capture.get(cv2.CAP_PROP_FRAME_COUNT),
        "rate": capture.get(cv2.CAP_PROP_FPS),
    }
    _send(output, OPENED, told)

    def decode(picture: cv2.typing.MatLike) -> GreyImage:
        if _UNCONVERTED in take_messages():
            raise _UnconvertedError(
                f"it is interlaced video, which OpenCV {cv2.__version__} leaves black or stale",
                expected="progressive video, or an OpenCV before 4.13",
                fix="have it sent progressive, convert it (ffmpeg -i IN -vf bwdif OUT), or "
                "install opencv-python-headless 4.12",
            )
        _refuse_outsized(picture.shape[1], picture.shape[0], most_pixels)
        return convert(picture)

    take_messages()
    # Some streams tell their size only with the first picture.
    straight = kind == COLOUR and width * height > 0
    while True:
        free += _given_back(wait=not free)
        slot = free.pop()
        picture = read_picture(
            capture,
            decode=decode,
            patience_seconds=request["patience_seconds"],
            into=shared.picture(slot, (height, width, 3)) if straight else None,
        )
        if picture is None:
            return
        target = shared.picture(slot, picture.grey.shape)
        if not np.may_share_memory(target, picture.grey):
            target[...] = picture.grey
        record = RECORD.pack(kind, picture.monotonic_ns, *target.shape[:2], slot)
        _write(output, record)


def _refuse_outsized(width: int, height: int, most_pixels: int) -> None:
    if width * height > most_pixels:
        raise PictureError(
            f"its pictures have {width}x{height} pixels",
            expected=f"at most {most_pixels / 1e6:.1f} megapixels",
            fix=_SMALLER,
        )


def _send(output: int, kind: bytes, told: dict[str, Any]) -> None:
    text = json.dumps(told).encode()
    _write(output, RECORD.pack(kind, 0, len(text), 0, 0) + text)


def _given_back(*, wait: bool) -> bytes:
    """Return the slots that nobody looks at any more; wait for one where there is none."""
    if not wait and not select.select([0], [], [], 0)[0]:
        return b""
    slots = os.read(0, SLOTS)
    if not slots:
        os._exit(0)  # whoever started us has ended
    return slots


def _write(output: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(output, view) :]


def _take_over_messages() -> Callable[[], bytes]:
    """Have what libraries print go nowhere but to the caller of what is returned."""
    ours, theirs = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    for number in (1, 2):
        os.dup2(theirs, number)

    def take() -> bytes:
        try:
            return os.read(ours, _MOST_SAID)
        except BlockingIOError:
            return b""

    return take


def _end_with_input() -> None:
    """End at once when whoever started us ends, whatever FFmpeg is doing."""
    poll = select.poll()
    poll.register(0, 0)  # its end is always told; what comes by it is not ours to take
    poll.poll()
    os._exit(0)


if __name__ == "__main__":
    main()
