"""From a recipe's lines to a Keras model made of stock layers only, so it loads anywhere."""

from collections.abc import Mapping, Sequence
from typing import Any

from fer_trainer.backend import keras
from fer_trainer.network.counting import HEADS, check_answer, check_fit
from fer_trainer.network.language import Layer

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
    for number, line in enumerate(lines, start=1):
        check_fit(line, number, x.shape[1:])
        x = _apply(line, x, f"{number:02d}_{line.kind}", labels)
    return keras.Model(pixels, x, name=name.replace("-", "_"))


def head_network(network: Any, head: str, *, name: str) -> Any:
    """Return the network of one head, of the layers that `network` has; its weights are shared.

    Args:
        network: With several heads, as `build_network` returns it.
        head: The head's name.
        name: Of the model.
    """
    answer = next(layer for layer in network.layers if layer.name.partition("_softmax_")[2] == head)
    return keras.Model(network.input, answer.output, name=name.replace("-", "_"))


def _apply(line: Layer, x: Any, name: str, labels: int | Mapping[str, int]) -> Any:
    match line.kind:
        case "rescale":
            scale = (1.0 - line.low) / 255.0
            return layers.Rescaling(scale, offset=line.low, name=name)(x)
        case "conv":
            return _convolution(line, name)(x)
        case "residual":
            return _residual(line, x, name)
        case "dense":
            return _dense(line.size, line, name)(x)
        case "softmax" | "sigmoid":
            return _answer(line, x, name, labels)
        case "bn":
            return layers.BatchNormalization(name=name)(x)
        case "relu":
            return layers.ReLU(name=name)(x)
        case "maxpool" | "avgpool":
            kind = layers.MaxPooling2D if line.kind == "maxpool" else layers.AveragePooling2D
            padding = "same" if line.same else "valid"
            return kind(line.kernel, line.stride or None, padding, name=name)(x)
        case "dropout":
            return layers.Dropout(line.rate, name=name)(x)
        case "flatten":
            return layers.Flatten(name=name)(x)
        case "gap":
            return layers.GlobalAveragePooling2D(name=name)(x)
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


def _residual(line: Layer, x: Any, name: str) -> Any:
    """Two convolutions and a shortcut, projected where the shape changes.

    Source: He et al., Deep Residual Learning for Image Recognition, 2015, section 4.2.
    """

    def convolution(x: Any, part: str, kernel: int, stride: int) -> Any:
        x = layers.Conv2D(
            line.size,
            kernel,
            stride,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"{name}_{part}",
        )(x)
        return layers.BatchNormalization(name=f"{name}_{part}_bn")(x)

    shortcut = x
    if line.stride != 1 or x.shape[-1] != line.size:
        shortcut = convolution(x, "shortcut", 1, line.stride)
    x = layers.ReLU(name=f"{name}_relu1")(convolution(x, "conv1", 3, line.stride))
    x = convolution(x, "conv2", 3, 1)
    return layers.ReLU(name=f"{name}_relu2")(layers.Add(name=f"{name}_add")([x, shortcut]))
