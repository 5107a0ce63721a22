"""What a network can be converted to."""

from enum import StrEnum


class Target(StrEnum):
    """A kind of TFLite file; its value is the dtype of the tensors going in and out."""

    FLOAT32 = "float32"
    INT8 = "int8"

    @property
    def file_name(self) -> str:
        """Name of the file that holds it."""
        return f"emotion.{self.value}.tflite"
