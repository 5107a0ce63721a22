"""The process in which one photo of the page is read: it may crash, swell or hang without harm.

Started by `fer_edge.sinks.web.photo`, which hands it one line of JSON and the picture's bytes on
standard input, and reads from standard output what is to be answered. It reads this one picture and
ends, so nobody's photo is ever near another's. Nothing is written to any file.
"""

import contextlib
import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy is loaded: a photo may wait

import numpy as np

from fer_edge.api.seen import Picture, with_stable
from fer_edge.assemble.parts import make_classifier, make_pipeline, smoothing_for
from fer_edge.settings import Settings, resolve
from fer_edge.shared.child_bounds import bound_child
from fer_edge.shared.data.jpeg import START, read_header
from fer_edge.shared.data.picture_size import read_claim
from fer_edge.shared.data.pictures import Reduction, decode_colour, decode_grey
from fer_edge.shared.errors import FerError, PictureError
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Frame, Reading
from fer_edge.shared.report.drawing import draw, encode_picture

_NAME: Final = "photo"
_WHERE: Final = "the photo"
_NICE: Final = 10
_FIRST_TO_GO: Final = "1000"
"""Where memory is short the kernel ends this process, and not the daemon."""
_MOST_SIDE_PX: Final = 2048
_MEGA: Final = 1_000_000
_TOO_LARGE, _UNREADABLE, _NOT_NOW = 413, 422, 503
"""Of HTTP."""


def main() -> None:
    """Read one picture, answer, and end."""
    _step_back()
    wish = json.loads(sys.stdin.buffer.readline())
    data = sys.stdin.buffer.read()
    output = os.dup(1)
    told = answer(wish, data, bound=partial(_limit, wish["memory"], wish["seconds"]))
    with contextlib.suppress(BrokenPipeError), os.fdopen(output, "wb") as stream:
        stream.write(told)
    os._exit(0)  # whatever a library would do at its end


def answer(
    wish: Mapping[str, Any], data: bytes, *, bound: Callable[[], None] = lambda: None
) -> bytes:
    """Return what is told of a picture: JSON, or a JPEG where that is wanted.

    Args:
        wish: "settings" as text by key, "most_pixels", and "annotated": whether a JPEG is wanted.
        data: A whole picture file.
        bound: Called once all is loaded, before the picture is decoded.
    """
    try:
        _refuse_pixels(data, wish["most_pixels"])
        settings = resolve(flags=wish["settings"], environment={}, file={}).settings
        return _read(data, settings, annotated=wish["annotated"], bound=bound)
    except PictureError as error:
        return _refusal(error, _TOO_LARGE if isinstance(error, _TooLargeError) else _UNREADABLE)
    except FerError as error:
        return _refusal(error, _NOT_NOW)
    except MemoryError:
        return _refusal(_too_much_memory(), _UNREADABLE)
    except Exception as error:  # noqa: BLE001 - a defect; whoever waits for us says so
        return json.dumps({"defect": f"{type(error).__name__}: {error}"}).encode()


class _TooLargeError(PictureError):
    """The picture has more pixels than are read here."""


def _read(data: bytes, settings: Settings, *, annotated: bool, bound: Callable[[], None]) -> bytes:
    classifier = make_classifier(settings.model)
    with make_pipeline(settings, frames="pictures", classifier=classifier) as pipeline:
        bound()
        grey = decode_grey(data, where=_WHERE)
        frame = Frame(0, time.time(), time.monotonic_ns(), grey, _NAME)
        readings = pipeline.process(frame).readings
        baseline = pipeline.baseline
    least = smoothing_for(settings.smoothing, classifier.contract).least_probability
    faces = with_stable(readings, least_probability=least)
    if annotated:
        side = max(grey.shape)
        del frame, grey  # there may be little room for its colours beside it
        return _annotated(data, faces, side=side)
    told = Picture(_NAME, faces, frame=frame, baseline=baseline).to_dict()
    for face, reading in zip(told["faces"], faces, strict=True):
        face["stable"] = reading.stable
    return json.dumps({"photo": told}, separators=(",", ":"), allow_nan=False).encode()


def _annotated(data: bytes, faces: Sequence[Reading], *, side: int) -> bytes:
    """Return a JPEG with boxes and labels; a large picture is shrunk while it is decoded.

    Args:
        data: A whole picture file.
        faces: What was read in it.
        side: The longer one, in pixels.
    """
    picture = decode_colour(data, where=_WHERE, reduction=_reduction(side))
    factor = min(1.0, _MOST_SIDE_PX / max(picture.shape[:2]))
    if factor < 1:
        height, width = picture.shape[:2]
        size = max(1, round(width * factor)), max(1, round(height * factor))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        picture = small.astype(np.uint8, copy=False)
    scale = max(picture.shape[:2]) / side
    return encode_picture(draw(picture, [_scaled(face, scale) for face in faces]), ".jpg")


def _reduction(side: int) -> Reduction:
    """Return by how much to shrink while decoding, so that at most a half is lost beyond that."""
    if side <= _MOST_SIDE_PX:
        return 1
    if side <= 2 * _MOST_SIDE_PX:
        return 2
    return 4 if side <= 4 * _MOST_SIDE_PX else 8


def _scaled(reading: Reading, factor: float) -> Reading:
    face = dataclasses.replace(reading.face, box=reading.box.scaled(factor))
    return dataclasses.replace(reading, face=face)


def _refuse_pixels(data: bytes, most: int) -> None:
    header = read_header(data) if data.startswith(START) else read_claim(data)
    if header is not None and header.width * header.height > most:
        raise _TooLargeError(
            f"{_WHERE} has {header.width}x{header.height} pixels",
            expected=f"at most {most // _MEGA} megapixels",
            fix="shrink it, or read it with `fer-edge classify`",
        )


def _refusal(error: FerError, status: int) -> bytes:
    told = {"status": status, "message": error.found, "expected": error.expected, "fix": error.fix}
    return json.dumps({"error": told}).encode()


def _too_much_memory() -> PictureError:
    return PictureError(
        f"decoding {_WHERE} takes too much memory",
        expected="a picture of an ordinary kind and size",
        fix="shrink it, or convert it to JPEG",
    )


def _step_back() -> None:
    """Let everything else on this machine go first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever waits for us
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")


def _limit(memory: int, seconds: int) -> None:
    bound_child(most_bytes=memory, seconds=seconds)
    signal.alarm(seconds)  # should the daemon end without ending us


if __name__ == "__main__":
    main()
