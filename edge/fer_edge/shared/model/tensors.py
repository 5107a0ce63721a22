"""Pixels into a model's input tensor."""

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.model.contract import InputSpec


def quantise(pixels: NDArray[np.uint8], spec: InputSpec, out: NDArray[np.generic]) -> None:
    """Write pixels into an input tensor of the contract's dtype.

    Args:
        pixels: uint8, shape (height, width), or (height, width, 3) of colour.
        spec: The contract's input.
        out: Shape (height, width, channels) or that of the pixels, dtype of the contract; written
            in place.
    """
    target = out.reshape(pixels.shape)
    if spec.dtype == "int8" and spec.scale == 1.0 and spec.zero_point == -128:
        np.bitwise_xor(pixels, 0x80, out=target.view(np.uint8))
    elif spec.dtype == "float32":
        target[...] = pixels
    else:
        limits = np.iinfo(spec.dtype)
        steps = np.rint(pixels / spec.scale) + spec.zero_point
        target[...] = np.clip(steps, limits.min, limits.max)
