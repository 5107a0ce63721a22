"""Lines of a recipe that stand for several layers."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from fer_trainer.backend import keras
from fer_trainer.network.counting import excited
from fer_trainer.network.language import Layer

layers = keras.layers


def residual(line: Layer, x: Any, name: str) -> Any:
    """Two convolutions and a shortcut, projected where the shape changes.

    Source: He et al., Deep Residual Learning for Image Recognition, 2015, section 4.2.
    """
    shortcut = x
    if line.stride != 1 or x.shape[-1] != line.size:
        shortcut = _normed(x, line.size, 1, line.stride, name=f"{name}_shortcut")
    x = _normed(x, line.size, 3, line.stride, name=f"{name}_conv1")
    x = layers.ReLU(name=f"{name}_relu1")(x)
    x = _normed(x, line.size, 3, 1, name=f"{name}_conv2")
    return layers.ReLU(name=f"{name}_relu2")(layers.Add(name=f"{name}_add")([x, shortcut]))


def separable(line: Layer, x: Any, name: str) -> Any:
    """A filter for each channel, then a mixture of the channels, each with batch norm and ReLU.

    Source: Howard et al., MobileNets, 2017, section 3.1.
    """
    depthwise = f"{name}_depthwise"
    x = layers.DepthwiseConv2D(
        line.kernel,
        line.stride,
        padding="same",
        use_bias=False,
        depthwise_initializer=per_channel(line),
        name=depthwise,
    )(x)
    x = layers.ReLU(name=f"{depthwise}_relu")(layers.BatchNormalization(name=f"{depthwise}_bn")(x))
    mixture = f"{name}_conv"
    return layers.ReLU(name=f"{mixture}_relu")(_normed(x, line.size, 1, 1, name=mixture))


def excite(line: Layer, x: Any, name: str) -> Any:
    """Weigh each channel by what all of them show.

    The weights are a hard sigmoid's, relu6(x + 3) / 6, whose 3 is where the bias begins: int8
    needs no table for it, and each of its tensors is one layer's, so that its range can be set.
    1x1 convolutions stand for dense layers, so that nothing has to be reshaped.

    Source: Hu et al., Squeeze-and-Excitation Networks, 2017, section 3; Howard et al., Searching
    for MobileNetV3, 2019, section 5.2 (hard sigmoid).
    """
    channels = x.shape[-1]
    weights = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_mean")(x)
    weights = layers.Conv2D(excited(line, channels), 1, activation="relu", name=f"{name}_squeeze")(
        weights
    )
    weights = layers.Conv2D(
        channels,
        1,
        activation="relu6",
        bias_initializer=keras.initializers.Constant(3.0),
        name=f"{name}_excite",
    )(weights)
    weights = layers.Rescaling(1 / 6, name=f"{name}_gate")(weights)
    return layers.Multiply(name=f"{name}_multiply")([x, weights])


def per_channel(line: Layer) -> Any:
    """Return He's first weights of a filter that sees one channel; Keras counts all of them."""
    return keras.initializers.RandomNormal(stddev=math.sqrt(2 / math.prod(line.kernel)))


BLOCKS: Final[Mapping[str, Callable[[Layer, Any, str], Any]]] = {
    "residual": residual,
    "separable": separable,
    "excite": excite,
}
"""By the first word of their line: from the line, what comes before it and the layers' name."""


def addition(x: Any, shortcut: Any, name: str, *, stride: int | None) -> Any:
    """Add what a shortcut has brought.

    Args:
        x: What it is added to.
        shortcut: What is added.
        name: Of the addition.
        stride: Of the 1x1 convolution that makes it fit; None where it fits.
    """
    if stride is not None:
        shortcut = _normed(shortcut, x.shape[-1], 1, stride, name=f"{name}_shortcut")
    return layers.Add(name=name)([x, shortcut])


def _normed(x: Any, size: int, kernel: int, stride: int, *, name: str) -> Any:
    """Return a convolution with batch norm."""
    x = layers.Conv2D(
        size,
        kernel,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    return layers.BatchNormalization(name=f"{name}_bn")(x)
