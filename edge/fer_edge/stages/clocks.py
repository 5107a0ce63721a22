"""What time it is for the stages that work over time."""

from collections.abc import Callable
from typing import Final, TypeAlias

from fer_edge.shared.records import Frame

FRAMES_PER_SECOND: Final = 30.0
"""At which the frames of a file are taken to follow one another, however fast they are read."""

Clock: TypeAlias = Callable[[Frame], float]
"""Tells when a frame is, in seconds from any beginning."""


def by_capture(frame: Frame) -> float:
    """Return when a live frame was captured."""
    return frame.monotonic_ns / 1e9


def by_clip(frame: Frame) -> float:
    """Return when a frame is in its clip; one of no clip, when it was captured."""
    return by_capture(frame) if frame.clip_seconds is None else frame.clip_seconds


def by_index(frame: Frame) -> float:
    """Return when a file's frame would come at 30 frames a second: the same on every run."""
    return frame.index / FRAMES_PER_SECOND


def by_file(frame: Frame) -> float:
    """Return when a file's frame is, the same on every run: in its clip, else as `by_index`."""
    return by_index(frame) if frame.clip_seconds is None else frame.clip_seconds
