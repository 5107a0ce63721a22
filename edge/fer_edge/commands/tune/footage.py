"""Pictures to try settings on: kept in memory, never on disk."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fer_edge.pipeline.protocols import Source
from fer_edge.shared.errors import SourceUnavailableError, VideoError
from fer_edge.shared.records import Frame
from fer_edge.stages.clocks import FRAMES_PER_SECOND

MEMORY_BYTES: Final = 192 * 1024 * 1024
LEAST_FRAMES: Final = 30

_Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Footage:
    """Consecutive frames.

    Attributes:
        frames: In their order.
        seconds: Of a camera: how long they took; of a file: 0.
        whole: Whether the source ended by itself.
    """

    frames: tuple[Frame, ...]
    seconds: float
    whole: bool

    @property
    def height(self) -> int:
        """Of the frames, pixels."""
        return int(self.frames[0].grey.shape[0])

    @property
    def width(self) -> int:
        """Of the frames, pixels."""
        return int(self.frames[0].grey.shape[1])


def record(
    source: Source,
    *,
    seconds: float,
    read_timeout_seconds: float,
    progress: _Progress = lambda _done, _total: None,
    memory_bytes: int = MEMORY_BYTES,
) -> Footage:
    """Keep frames of a source: so many seconds of a live one, all of a file, bounded in memory.

    Args:
        source: Opened; not closed here.
        seconds: Of a live source.
        read_timeout_seconds: Bound on waiting for one frame.
        progress: Told how much of how much is done: seconds of a live source, frames of a file.
        memory_bytes: Pictures are kept up to this many bytes.

    Raises:
        SourceUnavailableError: A camera stopped delivering.
        VideoError: There are too few frames to tell anything.
    """
    frames: list[Frame] = []
    kept, whole = 0, False
    started = time.monotonic()
    while True:
        elapsed = time.monotonic() - started
        if source.live and elapsed >= seconds:
            break
        frame = source.read(read_timeout_seconds)
        if frame is None:
            whole = True
            break
        if kept + frame.grey.nbytes > memory_bytes:
            break
        kept += frame.grey.nbytes
        first_ns = frames[0].monotonic_ns if frames else frame.monotonic_ns
        index = frame.index
        if source.live:  # whoever works on a clip is told the time by the number of a frame
            index = round((frame.monotonic_ns - first_ns) / 1e9 * FRAMES_PER_SECOND)
        # A camera may use its buffer again.
        frames.append(Frame(index, frame.captured_at, frame.monotonic_ns, frame.grey.copy()))
        if source.live:
            progress(min(int(elapsed), int(seconds)), int(seconds))
    taken = time.monotonic() - started
    if len(frames) < LEAST_FRAMES:
        kind = SourceUnavailableError if source.live else VideoError
        raise kind(
            f"only {len(frames)} frames came",
            expected=f"at least {LEAST_FRAMES} to try settings on",
            fix="give a longer clip, or more --seconds of a camera",
        )
    return Footage(tuple(frames), taken if source.live else 0.0, whole)
