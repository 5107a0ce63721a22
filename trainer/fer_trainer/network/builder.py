"""From a recipe's lines to a Keras model made of stock layers only, so it loads anywhere."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fer_edge.shared.model.words import as_name
from fer_trainer.backend import keras
from fer_trainer.network.blocks import BLOCKS, addition, per_channel
from fer_trainer.network.counting import HEADS, check_answer, check_fit, check_shortcut
from fer_trainer.network.language import OUTPUTS, Layer

layers = keras.layers


def build_network(
    lines: Sequence[Layer],
    *,
    input_shape: tuple[int, int, int],
    labels: int | Mapping[str, int],
    name: str,
) -> Any:
    """Build a network.

    Args:
        lines: As `language.parse_layers` returns them.
        input_shape: (height, width, channels).
        labels: Number of labels; decides the size of the output. Of several heads on one body:
            by the head's name.
        name: Of the model.

    Returns:
        A functional `keras.Model` from raw pixels, float32 (N, height, width, channels) in 0..255,
        to probabilities, float32 (N, labels) or (N, 1) for a sigmoid; those of several heads stand
        side by side.

    Raises:
        SettingsError: A layer does not fit what comes before it.
    """
    check_answer(lines[-1], labels)
    pixels = keras.Input(input_shape, name="pixels")
    x = pixels
    shortcuts: list[Any] = []
    for number, line in enumerate(lines, start=1):
        check_fit(line, number, x.shape[1:])
        name_of_line = f"{number:02d}_{line.kind}"
        if line.kind == "shortcut":
            shortcuts.append(x)
        elif line.kind == "add":
            begun = shortcuts.pop()
            stride = check_shortcut(line, number, begun.shape[1:], x.shape[1:])
            x = addition(x, begun, name_of_line, stride=stride)
        else:
            x = _apply(line, x, name_of_line, labels)
    return keras.Model(pixels, x, name=scope_name(name))


def head_network(network: Any, head: str, *, name: str) -> Any:
    """Return the network of one head, of the layers that `network` has; its weights are shared.

    Args:
        network: With several heads, as `build_network` returns it.
        head: The head's name.
        name: Of the model.
    """
    return keras.Model(network.input, head_layer(network, head).output, name=scope_name(name))


def head_layer(network: Any, head: str) -> Any:
    """Return the last layer of one head of a network with several."""
    return next(layer for layer in network.layers if layer.name.partition("_softmax_")[2] == head)


def scope_name(name: str) -> str:
    """Return a name that TensorFlow takes: no umlauts, no spaces, a letter or a digit first."""
    return re.sub(r"[^A-Za-z0-9._]", "_", as_name(name))


def _apply(line: Layer, x: Any, name: str, labels: int | Mapping[str, int]) -> Any:
    if block := BLOCKS.get(line.kind):
        return block(line, x, name)
    if line.kind in OUTPUTS:
        return _answer(line, x, name, labels)
    return _layer(line, name)(x)


def _layer(line: Layer, name: str) -> Any:
    match line.kind:
        case "rescale":
            return layers.Rescaling((1.0 - line.low) / 255.0, offset=line.low, name=name)
        case "conv":
            return _convolution(line, name)
        case "depthwise":
            return _depthwise(line, name)
        case "dense":
            return _dense(line.size, line, name)
        case "bn":
            return layers.BatchNormalization(name=name)
        case "relu":
            return layers.ReLU(name=name)
        case "maxpool" | "avgpool":
            kind = layers.MaxPooling2D if line.kind == "maxpool" else layers.AveragePooling2D
            padding = "same" if line.same else "valid"
            return kind(line.kernel, line.stride or None, padding, name=name)
        case "dropout":
            return layers.Dropout(line.rate, name=name)
        case "flatten":
            return layers.Flatten(name=name)
        case "gap":
            return layers.GlobalAveragePooling2D(name=name)
        case _:
            raise AssertionError(line.kind)


def _answer(line: Layer, x: Any, name: str, labels: int | Mapping[str, int]) -> Any:
    # float32 in mixed precision too: probabilities and their logarithms need all digits.
    if not isinstance(labels, Mapping):
        units = labels if line.kind == "softmax" else 1
        return layers.Dense(units, activation=line.kind, dtype="float32", name=name)(x)
    answers = [
        layers.Dense(units, activation="softmax", dtype="float32", name=f"{name}_{head}")(x)
        for head, units in labels.items()
    ]
    return layers.Concatenate(dtype="float32", name=HEADS)(answers)


def _convolution(line: Layer, name: str) -> Any:
    return layers.Conv2D(
        line.size,
        line.kernel,
        line.stride,
        padding="same" if line.same else "valid",
        activation=line.activation,
        use_bias=line.bias,
        kernel_initializer=_initialiser(line),
        kernel_regularizer=keras.regularizers.L2(line.l2) if line.l2 else None,
        name=name,
    )


def _depthwise(line: Layer, name: str) -> Any:
    return layers.DepthwiseConv2D(
        line.kernel,
        line.stride,
        padding="same" if line.same else "valid",
        activation=line.activation,
        use_bias=line.bias,
        depthwise_initializer=per_channel(line),
        depthwise_regularizer=keras.regularizers.L2(line.l2) if line.l2 else None,
        name=name,
    )


def _dense(units: int, line: Layer, name: str) -> Any:
    return layers.Dense(
        units,
        activation=line.activation,
        use_bias=line.bias,
        kernel_regularizer=keras.regularizers.L2(line.l2) if line.l2 else None,
        name=name,
    )


def _initialiser(line: Layer) -> str:
    # Keras' own default where the layer has its bias, as the documented networks do.
    return "glorot_uniform" if line.bias else "he_normal"
