"""What a network can be converted to."""

from enum import StrEnum
from typing import Final

ONNX: Final = "onnx"
"""Named like a target, compared like one, and no TFLite file."""


class Target(StrEnum):
    """A kind of TFLite file; its value stands in the file's name and is its flag."""

    INT8 = "int8"
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    DYNAMIC = "dynamic"
    INT16X8 = "int16x8"

    @property
    def file_name(self) -> str:
        """Name of the file that holds it."""
        return f"emotion.{self.value}.tflite"

    @property
    def is_integer(self) -> bool:
        """Whether its activations, input and output are integers."""
        return self in (Target.INT8, Target.INT16X8)
