"""What was seen, for Python programs: a picture or a view is the sequence of its faces."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.errors import FerError
from fer_edge.shared.records import (
    NO_BASELINE,
    UNCERTAIN,
    ColourImage,
    Frame,
    Observation,
    Reading,
)
from fer_edge.shared.report.drawing import draw, encode_picture
from fer_edge.shared.report.notebook import as_html
from fer_edge.sinks.jsonl.line import json_line


class _Seen(Sequence[Reading]):
    """A sequence of faces: empty where there is none, never None."""

    __slots__ = ()

    faces: tuple[Reading, ...]

    @property
    def image(self) -> NDArray[np.uint8]:
        """What was read: uint8, (H, W, 3) BGR, or (H, W) where it came in grey; not a copy."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Return what `to_json` says, as a dictionary."""
        raise NotImplementedError

    def plot(self) -> ColourImage:
        """Return a copy with boxes and labels drawn in: uint8, (H, W, 3), BGR."""
        return draw(self.image, self.faces)

    def __len__(self) -> int:
        """Return the number of faces."""
        return len(self.faces)

    @overload
    def __getitem__(self, place: int) -> Reading: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Reading, ...]: ...
    def __getitem__(self, place: int | slice) -> Reading | tuple[Reading, ...]:
        """Return a face, or several."""
        return self.faces[place]

    def _words(self) -> str:
        said = (f"{face.stable or face.label} {face.confidence:.2f}" for face in self.faces)
        return ", ".join(said) or "no face"

    def _repr_png_(self) -> bytes:
        return encode_picture(self.plot(), ".png")

    def _repr_html_(self) -> str:
        return as_html(encode_picture(self.plot(), ".jpg"), self.faces)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Picture(_Seen):
    """What was read in one picture; the sequence of its faces, surest first.

    Attributes:
        path: As it was given; "" for an array.
        faces: Empty where no face was found, or where there is an error. `stable` is the label, or
            "uncertain" where none reaches the model's least probability.
        error: Why the picture could not be read; None where it was. Only `read_all` gives such.
        baseline: What the answers are relative to: "participant" or "none".
    """

    path: str
    faces: tuple[Reading, ...] = ()
    error: FerError | None = None
    frame: Frame | None = dataclasses.field(default=None)
    baseline: str = NO_BASELINE

    @property
    def image(self) -> NDArray[np.uint8]:
        """What was read: uint8, (H, W, 3) BGR, or (H, W) where it came in grey; not a copy.

        Raises:
            FerError: The one in `error`.
        """
        return self._read().image

    @property
    def width(self) -> int:
        """Of the picture, upright, in pixels; 0 where it could not be read."""
        return 0 if self.frame is None else self.frame.grey.shape[1]

    @property
    def height(self) -> int:
        """The same, downwards."""
        return 0 if self.frame is None else self.frame.grey.shape[0]

    def to_json(self) -> str:
        """Return the line that `fer-edge classify --json` prints."""
        return json.dumps(self.to_dict(), separators=(",", ":"), allow_nan=False)

    def to_dict(self) -> dict[str, Any]:
        """Return what `to_json` says, as a dictionary; `error` stands in it where there is one."""
        line: dict[str, Any] = {
            "image": self.path,
            "width": self.width,
            "height": self.height,
            "faces": [face.to_json() for face in self.faces],
            "baseline": self.baseline,
        }
        if self.error is not None:
            line["error"] = str(self.error)
        return line

    def __repr__(self) -> str:
        """Return name, size and labels."""
        size = f"{self.width}x{self.height}"
        said = f"{size}: {self._words()}" if self.error is None else f"error: {self.error.found}"
        return f"<Picture {self.path or 'of an array'}, {said}>"

    def _read(self) -> Frame:
        if self.error is not None:
            raise self.error
        if self.frame is None:
            raise ValueError("this Picture was made by hand, without a frame")
        return self.frame


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class View(_Seen):
    """What was seen in one frame of a camera or clip; the sequence of its faces, largest first.

    Attributes:
        faces: Empty where no face is seen. `stable` is the label steadied over time, or
            "uncertain".
        fps: Frames processed a second, over the last ones.
        observation: All that was seen, as the command line's outputs get it.
        frame: The frame it was seen in.
    """

    faces: tuple[Reading, ...]
    fps: float
    observation: Observation
    frame: Frame

    @property
    def image(self) -> NDArray[np.uint8]:
        """The frame: uint8, (H, W, 3) BGR, or (H, W) where it came in grey; not a copy."""
        return self.frame.image

    @property
    def age_ms(self) -> float:
        """From the capture to the result, waiting included."""
        return self.observation.timings["age"]

    @property
    def frame_index(self) -> int:
        """Counts the frames of the source, dropped ones included, so a gap shows them."""
        return self.frame.index

    @property
    def captured_at(self) -> float:
        """When the frame was taken, seconds since 1970."""
        return self.frame.captured_at

    @property
    def clip_seconds(self) -> float | None:
        """Time within the clip; None for a camera."""
        return self.frame.clip_seconds

    def to_json(self) -> str:
        """Return the line that `fer-edge run` prints."""
        return json_line(self.observation)

    def to_dict(self) -> dict[str, Any]:
        """Return what `to_json` says, as a dictionary; its "faces" are rows."""
        return self.observation.to_json()

    def __repr__(self) -> str:
        """Return number, speed and labels."""
        return (
            f"<View {self.frame_index}, {self.fps:.1f} FPS, {self.age_ms:.0f} ms: {self._words()}>"
        )


def with_stable(readings: Sequence[Reading], *, least_probability: float) -> tuple[Reading, ...]:
    """Return readings of which each has a stable label: where nothing is smoothed, its own.

    Args:
        readings: Of one picture.
        least_probability: Below it a label that was not smoothed is uncertain.
    """
    return tuple(
        reading
        if reading.stable is not None
        else dataclasses.replace(
            reading,
            stable=UNCERTAIN
            if reading.why is not None or reading.confidence < least_probability
            else reading.label,
        )
        for reading in readings
    )
