"""What a layer with weights computes: one sum of products, or two for a separable convolution."""

from dataclasses import dataclass, replace
from typing import Any, Self

import keras
import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.errors import ModelError

_WITH_WEIGHTS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Dense")
_WITHOUT = ("InputLayer", "BatchNormalization", "Rescaling")


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One sum of products with its bias.

    Attributes:
        kernel: (rows, columns, in, out), depthwise (rows, columns, in, 1), dense (in, out).
        bias: (out,).
        is_depthwise: Whether each channel is filtered by itself.
        strides: Rows and columns.
        padding: "same" or "valid".
        dilation: Rows and columns.
    """

    kernel: NDArray[np.float64]
    bias: NDArray[np.float64]
    is_depthwise: bool = False
    strides: tuple[int, int] = (1, 1)
    padding: str = "valid"
    dilation: tuple[int, int] = (1, 1)

    def apply(self, x: Any, kernel: Any) -> Any:
        """Return the sums of `x`, without the bias, with a kernel of the same shape."""
        if kernel.shape.rank == 2:
            return keras.ops.matmul(x, kernel)
        convolve = keras.ops.depthwise_conv if self.is_depthwise else keras.ops.conv
        return convolve(
            x, kernel, self.strides, self.padding, "channels_last", dilation_rate=self.dilation
        )

    def scaled(self, norm: Any) -> Self:
        """Return the step with the batch norm behind it folded in."""
        scale, offset = affine_of_norm(norm)
        # Depthwise: channels stand last but one.
        by_channel = scale[:, None] if self.is_depthwise else scale
        return replace(self, kernel=self.kernel * by_channel, bias=self.bias * scale + offset)


def linear_steps(layer: Any) -> tuple[Step, ...]:
    """Return what a layer with weights computes; nothing for one without.

    Raises:
        ModelError: Its weights are of a kind that is not simulated.
    """
    kind = type(layer).__name__
    if kind not in _WITH_WEIGHTS:
        # A loose batch norm would need a range between its product and its sum.
        if kind == "BatchNormalization" or kind in _WITHOUT or not layer.weights:
            return ()
        raise _unfit(layer)
    if kind == "Dense":
        return (Step(as_array(layer.kernel), _bias(layer, layer.units)),)
    if layer.data_format != "channels_last":
        raise _unfit(layer)
    shape = {
        "strides": tuple(layer.strides),
        "padding": layer.padding,
        "dilation": tuple(layer.dilation_rate),
    }
    if kind == "Conv2D" and layer.groups == 1:
        return (Step(as_array(layer.kernel), _bias(layer, layer.filters), **shape),)
    if kind == "Conv2D" or layer.depth_multiplier != 1:
        raise _unfit(layer)
    if kind == "DepthwiseConv2D":
        kernel = as_array(layer.kernel)
        return (Step(kernel, _bias(layer, kernel.shape[2]), is_depthwise=True, **shape),)
    depthwise = as_array(layer.depthwise_kernel)
    return (
        Step(depthwise, np.zeros(depthwise.shape[2]), is_depthwise=True, **shape),
        Step(as_array(layer.pointwise_kernel), _bias(layer, layer.filters)),
    )


def affine_of_norm(norm: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return scale and offset by which a batch norm moves each channel at inference."""
    scale = 1 / np.sqrt(as_array(norm.moving_variance) + norm.epsilon)
    if norm.scale:
        scale = scale * as_array(norm.gamma)
    shift = as_array(norm.beta) if norm.center else 0.0
    return scale, shift - as_array(norm.moving_mean) * scale


def _bias(layer: Any, size: int) -> NDArray[np.float64]:
    return as_array(layer.bias) if layer.use_bias else np.zeros(size)


def as_array(weight: Any) -> NDArray[np.float64]:
    """Return a weight as numbers of full precision."""
    return np.asarray(keras.ops.convert_to_numpy(weight), dtype=np.float64)


def _unfit(layer: Any) -> ModelError:
    return ModelError(
        f"layer {layer.name!r} ({type(layer).__name__}) cannot be simulated in int8",
        expected="Conv2D without groups, DepthwiseConv2D, SeparableConv2D or Dense",
        fix="replace the layer in the recipe and train again",
    )
