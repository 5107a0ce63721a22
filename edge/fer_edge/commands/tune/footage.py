"""Pictures to try settings on, kept in memory, never on disk, and the faces known in them.

Nobody has drawn boxes into a user's own pictures. A face that two thorough searches both find is
one nearly always; a find that neither knows even with the least confirmation is none nearly always.
What lies between counts for nothing.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from fer_edge.assemble.references import References
from fer_edge.pipeline.protocols import Source
from fer_edge.shared.errors import DataError, SourceUnavailableError, VideoError
from fer_edge.shared.records import Box, Frame
from fer_edge.stages.clocks import FRAMES_PER_SECOND

MEMORY_BYTES: Final = 192 * 1024 * 1024
LEAST_FRAMES: Final = 30

_Progress = Callable[[int, int], None]
SAME_FACE_IOU: Final = 0.4
LEAST_FACES: Final = 20
_SAMPLED: Final = 90


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
    def size(self) -> tuple[int, int]:
        """Width and height of the frames, pixels."""
        height, width = self.frames[0].grey.shape
        return width, height


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
    stated = round(getattr(source, "duration_seconds", 0) * getattr(source, "frames_per_second", 0))
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
        elif stated:
            progress(min(len(frames), stated), stated)
    taken = time.monotonic() - started
    if len(frames) < LEAST_FRAMES:
        kind = SourceUnavailableError if source.live else VideoError
        raise kind(
            f"only {len(frames)} frames came",
            expected=f"at least {LEAST_FRAMES} to try settings on",
            fix="give a longer clip, or more --seconds of a camera",
        )
    return Footage(tuple(frames), taken if source.live else 0.0, whole)


@dataclass(frozen=True, slots=True)
class KnownFaces:
    """One frame.

    Attributes:
        sure: Boxes of faces that have to be found.
        possible: Boxes that may be found.
    """

    sure: tuple[Box, ...]
    possible: tuple[Box, ...]


def find_known_faces(
    frames: Sequence[Frame],
    searches: References,
    *,
    min_face_px: int,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> dict[int, KnownFaces]:
    """Search frames spread evenly over the footage.

    Args:
        frames: The footage.
        searches: Thorough ones.
        min_face_px: Smallest face, pixels of the frame.
        progress: Told how many frames of how many are done.

    Returns:
        By position in `frames`.

    Raises:
        DataError: Too few faces are seen to tune for.
    """
    step = max(1, len(frames) // _SAMPLED)
    places = range(step // 2, len(frames), step)
    known = {}
    progress(0, len(places))
    for done, place in enumerate(places):
        grey = frames[place].grey
        first = [face.box for face in searches.strict.detect(grey)]
        second = [face.box for face in searches.other.detect(grey)]
        large = (box for box in first if box.width >= min_face_px)
        sure = tuple(box for box in large if matches(box, second))
        loose = [face.box for face in searches.lenient.detect(grey)]
        known[place] = KnownFaces(sure, (*first, *second, *loose))
        progress(done + 1, len(places))
    found = sum(len(faces.sure) for faces in known.values())
    if found < LEAST_FACES:
        raise DataError(
            f"{found} faces in {len(known)} frames searched",
            expected=f"at least {LEAST_FACES}, or nothing can be tuned for",
            fix="let somebody look into the camera meanwhile, nearer than "
            f"{min_face_px} pixels of face, or give another clip",
        )
    return known


def matches(box: Box, others: Sequence[Box]) -> bool:
    """Return whether one of `others` shows the same face."""
    return any(box.iou(other) >= SAME_FACE_IOU for other in others)
