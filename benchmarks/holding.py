"""Figures from what contenders saw: faces held, overlap, false faces, time to the first report."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from contenders import Seen

from fer_edge.shared.records import Box

SAME_FACE = 0.3


@dataclass
class Record:
    """One contender on one clip.

    Attributes:
        boxes: Faces reported, by frame.
        cpu_ms: CPU time, by frame.
    """

    boxes: list[list[Box]] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    def add(self, seen: Seen, name: str) -> None:
        """Note one frame."""
        self.boxes.append(seen.boxes)
        self.cpu_ms.append(seen.cpu_ms[name])

    @property
    def mean_cpu_ms(self) -> float:
        """CPU time a frame: the mean, so that a rare dear frame counts in full."""
        return statistics.fmean(self.cpu_ms)

    @property
    def held(self) -> float:
        """Share of frames with a face."""
        return sum(map(bool, self.boxes)) / len(self.boxes)


def covered(ours: Sequence[Sequence[Box]], reference: Sequence[Sequence[Box]]) -> float | None:
    """Return the share of a reference's frames with a face in which ours overlaps one of them."""
    pairs = [(a, b) for a, b in zip(ours, reference, strict=True) if b]
    hits = sum(any(x.iou(y) > SAME_FACE for x in a for y in b) for a, b in pairs)
    return hits / len(pairs) if pairs else None


def overlaps(ours: Sequence[Sequence[Box]], reference: Sequence[Sequence[Box]]) -> list[float]:
    """Return the IoU of each face of ours with the reference's nearest, where they meet."""
    best = [
        max((box.iou(other) for other in theirs), default=0.0)
        for mine, theirs in zip(ours, reference, strict=True)
        for box in mine
    ]
    return [iou for iou in best if iou > SAME_FACE]


def distinct_faces(frames: Sequence[Sequence[Box]]) -> int:
    """Count faces, taking one that overlaps a face of the frame before as the same."""
    count = 0
    before: Sequence[Box] = ()
    for boxes in frames:
        count += sum(all(box.iou(other) <= SAME_FACE for other in before) for box in boxes)
        before = boxes
    return count


def first_report(seen: Sequence[tuple[Seen, bool]]) -> tuple[int | None, int | None]:
    """Return the frames from a face's entry to its first report, and to its first stable label.

    Args:
        seen: What was reported, and whether the face was there.
    """
    entered = next(number for number, (_, there) in enumerate(seen) if there)
    after = [what for what, _ in seen[entered:]]
    reported = next((n for n, what in enumerate(after) if what.boxes), None)
    stable = next((n for n, what in enumerate(after) if what.boxes and what.named), None)
    return reported, stable
