"""What the pipeline is measured on: made scenes with no, one and three faces, or a user's clip."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, TypeAlias

import numpy as np

from fer_edge.pipeline.protocols import Source
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Colour, Frame, GreyImage
from fer_edge.sources.capture import to_colour
from fer_edge.sources.portrait import PortraitClip

Shown: TypeAlias = GreyImage | Frame
"""A made picture, or a frame that a source has decoded."""

SCENES: Final = ("no face", "one face", "three faces")
MAX_FRAME_BYTES: Final = 256 * 2**20
"""Of decoded frames held at once: 870 of 640x480."""
_PIECE_PX: Final = 80
_WITH_COLOUR: Final = 4
"""Times the grey picture's bytes, at most, that one takes together with its colours."""
_STRIDE: Final = 7  # through the pieces; it and their number have no common divisor
_SWAYING: Final = 48
"""The first frames of the portrait clip, in which the face is there throughout."""


def make_scene(name: str) -> list[GreyImage]:
    """Return a scene of 48 frames of 640x480 that can be shown in a loop.

    "one face" is the portrait that ships, swaying. "no face" is the same in pieces, upside down and
    out of order: as much texture, and nothing that either technique takes for a face. "three faces"
    is a call of four, in tiles, of which one is empty.
    """
    one = _portrait_frames()
    if name == "one face":
        return one
    if name == "no face":
        return [_in_pieces(frame) for frame in one]
    return [_tiles(one, index) for index in range(len(one))]


def resized(frames: Sequence[GreyImage], width: int, height: int) -> list[GreyImage]:
    """Return frames of another size."""
    size = (width, height)
    return [
        cv2.resize(frame, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        for frame in frames
    ]


def captured_now(shown: Shown, index: int, *, colour: bool = False) -> Frame:
    """Return a frame that was captured this moment: what is measured starts here.

    Args:
        shown: A made picture, or a decoded frame.
        index: Of the frame.
        colour: Whether a made picture has colours to be made, too, as a camera's has.
    """
    now, now_ns = time.time(), time.monotonic_ns()
    if isinstance(shown, Frame):
        return replace(shown, index=index, captured_at=now, monotonic_ns=now_ns, clip_seconds=None)
    kept = Colour(partial(to_colour, shown)) if colour else None
    return Frame(index, now, now_ns, shown, colour=kept)


def chunks(
    source: Source, *, timeout_seconds: float, max_bytes: int = MAX_FRAME_BYTES
) -> Iterator[list[Frame]]:
    """Decode a source that is not live, so many frames at a time as the memory may hold.

    Raises:
        SourceUnavailableError: A frame did not come in time.
    """
    held: list[Frame] = []
    size = 0
    while (frame := source.read(timeout_seconds)) is not None:
        held.append(frame)
        size += frame.grey.nbytes * (1 if frame.colour is None else _WITH_COLOUR)
        if size >= max_bytes:
            yield held
            held, size = [], 0
    if held:
        yield held


def _portrait_frames() -> list[GreyImage]:
    with PortraitClip() as clip:
        read = (clip.read(1.0) for _ in range(_SWAYING))
        return [frame.grey for frame in read if frame is not None]


def _in_pieces(frame: GreyImage) -> GreyImage:
    rows, columns = frame.shape[0] // _PIECE_PX, frame.shape[1] // _PIECE_PX
    pieces = frame.reshape(rows, _PIECE_PX, columns, _PIECE_PX).swapaxes(1, 2)
    flat = pieces.reshape(-1, _PIECE_PX, _PIECE_PX)[:, ::-1]
    mixed = flat[[_STRIDE * i % len(flat) for i in range(len(flat))]]
    whole = mixed.reshape(rows, columns, _PIECE_PX, _PIECE_PX).swapaxes(1, 2)
    return np.ascontiguousarray(whole.reshape(frame.shape))


def _tiles(frames: Sequence[GreyImage], index: int) -> GreyImage:
    """Put three frames of different phases and an empty wall into one picture."""
    height, width = frames[0].shape
    moments = [frames[(index + shift) % len(frames)] for shift in (0, 16, 32)]
    small = resized(moments, width // 2, height // 2)
    wall = np.full_like(small[0], 140)
    return np.vstack([np.hstack(small[:2]), np.hstack([small[2], wall])])
