"""A Keras network as ONNX, by Keras' own export."""

from pathlib import Path
from typing import Any

import keras

from fer_edge.shared.errors import ModelError


def write_onnx(network: Any, path: Path, *, where: Path) -> None:
    """Write a network that takes any number of pictures.

    Args:
        network: Loaded and checked; takes raw pixels.
        path: Of the file to write.
        where: The network's own file, for messages.

    Raises:
        ModelError: It holds what ONNX has no operator for.
    """
    shape = (None, *network.inputs[0].shape[1:])
    pixels = keras.InputSpec(shape=shape, dtype="float32", name="pixels")
    try:
        network.export(str(path), format="onnx", verbose=False, input_signature=[pixels])
    except Exception as error:  # tf2onnx raises many kinds, all mean this
        reason = " ".join(str(error).split())[-300:] or type(error).__name__
        raise ModelError(
            f"{where}: the network cannot be written as ONNX ({reason})",
            expected="layers that ONNX has operators for",
            fix="leave out --onnx, or replace the layer and train again",
        ) from error
