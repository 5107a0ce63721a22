"""What a small network of ours reads off a face: does it lean, are nose and mouth covered?

YuNet's landmarks cannot tell: on faces of less than a hundred pixels they stand upright however
the head leans, and they show a mouth where a mask is (docs/decisions/0021).
"""

import math
from importlib.resources import files
from typing import Any, Final, NamedTuple

import numpy as np

from fer_edge.shared.errors import ModelError
from fer_edge.shared.faces.found import Found
from fer_edge.shared.installing import MADE_ANEW
from fer_edge.shared.model.interpreter import load_runtime
from fer_edge.shared.patch import turned_patch
from fer_edge.shared.records import GreyImage

_FILE: Final = "assets/face_cues.tflite"
_SIDE_PX: Final = 48
_ROLL_UNIT: Final = 45.0  # degrees that the network calls 1
_LARGEST_ROLL: Final = 70.0
_ENOUGH: Final = 12.0  # degrees of a look that make another one needless
_LOOKS: Final = 2  # the first sees large angles too small; the second sees the face nearly upright


class Cues(NamedTuple):
    """What was read.

    Attributes:
        roll: Degrees by which the face leans, clockwise in the picture; right to some 7.
        covered: Probability that nose and mouth are hidden.
    """

    roll: float
    covered: float


class FaceCues:
    """Reads cues off faces; not to be used by two threads at once.

    Raises:
        ModelError: The file that ships is damaged.
        DependencyError: There is no usable TFLite runtime.
    """

    def __init__(self) -> None:
        content = files("fer_edge").joinpath(_FILE).read_bytes()
        self._interpreter: Any = load_runtime()(model_content=content, num_threads=1)
        self._interpreter.allocate_tensors()
        inputs, outputs = (
            self._interpreter.get_input_details(),
            self._interpreter.get_output_details(),
        )
        if tuple(inputs[0]["shape"]) != (1, _SIDE_PX, _SIDE_PX, 1):
            raise ModelError(
                f"{_FILE} takes {list(inputs[0]['shape'])}",
                expected=f"[1, {_SIDE_PX}, {_SIDE_PX}, 1]",
                fix=MADE_ANEW,
            )
        self._input = self._interpreter.tensor(inputs[0]["index"])
        self._output = self._interpreter.tensor(outputs[0]["index"])

    def read(self, grey: GreyImage, found: Found) -> Cues:
        """Return the cues of a face.

        Args:
            grey: uint8, shape (H, W).
            found: Where the face is, and by how much it is known to lean.
        """
        roll, logit = found.roll, 0.0
        for _ in range(_LOOKS):
            patch = turned_patch(grey, found.x, found.y, found.side, roll=roll, size_px=_SIDE_PX)
            if patch is None:
                break
            off, logit = self._ask(patch.pixels)
            roll = max(-_LARGEST_ROLL, min(_LARGEST_ROLL, roll + off))
            if abs(off) < _ENOUGH:
                break
        return Cues(roll, 1 / (1 + math.exp(-max(-30.0, min(30.0, logit)))))

    def _ask(self, pixels: GreyImage) -> tuple[float, float]:
        np.copyto(self._input()[0, :, :, 0], pixels)
        self._interpreter.invoke()
        roll, covered = self._output()[0].tolist()
        return roll * _ROLL_UNIT, covered
