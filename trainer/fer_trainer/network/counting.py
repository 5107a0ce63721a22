"""What a recipe's network costs, counted from its lines: Keras need not be loaded for it.

`builder` makes the same layers, under the same names; a test holds the two together.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Final

from fer_edge.shared.errors import SettingsError
from fer_trainer.network.cost import LayerCost, NetworkCost
from fer_trainer.network.language import Layer

HEADS: Final = "heads"
"""Name of the layer that puts the answers of several heads side by side."""

Shape = tuple[int, ...]
"""Of a layer's output, without the batch."""

_POOLS: Final = {"maxpool": "MaxPooling2D", "avgpool": "AveragePooling2D"}
_SPATIAL: Final = frozenset({
    "conv", "depthwise", "separable", "residual", "excite", "maxpool", "avgpool", "flatten", "gap",
})  # fmt: skip
_WINDOWED: Final = frozenset({*_POOLS, "conv", "depthwise"})
_FLAT: Final = frozenset({"dense", "softmax", "sigmoid"})


def count_network(
    lines: Sequence[Layer], *, input_shape: Shape, labels: int | Mapping[str, int]
) -> NetworkCost:
    """Count a network that need not be built.

    Args:
        lines: As `language.parse_layers` returns them.
        input_shape: (height, width, channels).
        labels: Number of labels; of several heads by the head's name.

    Raises:
        SettingsError: A layer does not fit what comes before it.
    """
    check_answer(lines[-1], labels)
    costs = [LayerCost("pixels", "InputLayer", input_shape, 0, 0)]
    shape = input_shape
    shortcuts: list[Shape] = []
    for number, line in enumerate(lines, start=1):
        check_fit(line, number, shape)
        name = f"{number:02d}_{line.kind}"
        if line.kind == "shortcut":
            shortcuts.append(shape)
        elif line.kind == "add":
            begun = shortcuts.pop()
            costs += _addition(name, begun, shape, check_shortcut(line, number, begun, shape))
        else:
            costs += _count(line, name, shape, labels)
        shape = costs[-1].shape
    return NetworkCost(tuple(costs))


def check_answer(last: Layer, labels: int | Mapping[str, int]) -> None:
    """Refuse a sigmoid for other than two labels.

    Raises:
        SettingsError: It is.
    """
    if last.kind == "sigmoid" and labels != 2:
        raise SettingsError(
            f"a sigmoid output with {labels} labels", expected="two labels", fix="use softmax"
        )


def check_fit(line: Layer, number: int, shape: Shape) -> None:
    """Refuse a layer that does not fit what comes before it.

    Args:
        line: The layer.
        number: Counted from 1, for messages.
        shape: That it is given, without the batch.

    Raises:
        SettingsError: It does not fit.
    """
    if line.kind in _SPATIAL and len(shape) != 3:
        raise _unfit(line, number, shape, "the picture has been flattened before")
    if line.kind in _FLAT and len(shape) != 1:
        raise _unfit(line, number, shape, "flatten or gap must come before")
    if line.kind in _WINDOWED and not line.same:
        rows, columns = shape[:2]
        if line.kernel[0] > rows or line.kernel[1] > columns:
            window = "x".join(str(n) for n in line.kernel)
            why = f"a window of {window} is larger than what is left, {rows}x{columns}"
            raise _unfit(line, number, shape, why)


def check_shortcut(line: Layer, number: int, begun: Shape, shape: Shape) -> int | None:
    """Return the stride of the convolution that makes a shortcut fit; None where it fits.

    Args:
        line: The addition.
        number: Counted from 1, for messages.
        begun: What the shortcut gives, without the batch.
        shape: What it is added to.

    Raises:
        SettingsError: No stride makes it fit.
    """
    if begun == shape:
        return None
    if len(begun) == len(shape) == 3:
        for stride in range(1, min(begun[:2]) + 1):
            if tuple(-(-size // stride) for size in begun[:2]) == shape[:2]:
                return stride
    why = f"the shortcut has {begun}; no stride makes that fit, as where a border is cut off"
    raise _unfit(line, number, shape, why)


def excited(line: Layer, channels: int) -> int:
    """Return the channels of the bottleneck of squeeze-and-excite."""
    return max(1, channels // line.size)


def _unfit(line: Layer, number: int, shape: Shape, why: str) -> SettingsError:
    return SettingsError(
        f"layer {number} {line.text!r} does not fit an input of shape {shape} ({why})",
        expected="a layer that fits what the one before it gives",
        fix="correct [network] layers, or give it a larger [input]",
    )


def _count(
    line: Layer, name: str, shape: Shape, labels: int | Mapping[str, int]
) -> Iterator[LayerCost]:
    match line.kind:
        case "conv":
            yield _convolution(line, name, shape)
        case "depthwise":
            yield _depthwise(line, name, shape)
        case "separable":
            yield from _separable(line, name, shape)
        case "excite":
            yield from _excite(line, name, shape)
        case "residual":
            yield from _residual(line, name, shape)
        case "dense":
            yield _dense(line.size, name, shape, bias=line.bias)
        case "softmax" | "sigmoid":
            yield from _answers(line, name, shape, labels)
        case "maxpool" | "avgpool":
            yield LayerCost(name, _POOLS[line.kind], (*_moved(line, shape), shape[-1]), 0, 0)
        case "flatten":
            yield LayerCost(name, "Flatten", (prod(shape),), 0, 0)
        case "gap":
            yield LayerCost(name, "GlobalAveragePooling2D", shape[-1:], 0, 0)
        case "bn":
            yield _norm(name, shape)
        case kind:
            kinds = {"rescale": "Rescaling", "relu": "ReLU", "dropout": "Dropout"}
            yield LayerCost(name, kinds[kind], shape, 0, 0)


def _moved(line: Layer, shape: Shape) -> Shape:
    """Return rows and columns that a window leaves, as TensorFlow counts them."""
    strides = (line.stride,) * 2 if line.stride else line.kernel
    sizes = zip(shape[:2], line.kernel, strides, strict=True)
    if line.same:
        return tuple(-(-size // stride) for size, _, stride in sizes)
    return tuple((size - window) // stride + 1 for size, window, stride in sizes)


def _convolution(line: Layer, name: str, shape: Shape) -> LayerCost:
    given = (*_moved(line, shape), line.size)
    weights = prod(line.kernel) * shape[-1] * line.size
    bias = line.size if line.bias else 0
    return LayerCost(name, "Conv2D", given, weights + bias, prod(given[:2]) * weights)


def _depthwise(line: Layer, name: str, shape: Shape) -> LayerCost:
    channels = shape[-1]
    given = (*_moved(line, shape), channels)
    weights = prod(line.kernel) * channels
    bias = channels if line.bias else 0
    return LayerCost(name, "DepthwiseConv2D", given, weights + bias, prod(given[:2]) * weights)


def _separable(line: Layer, name: str, shape: Shape) -> Iterator[LayerCost]:
    own = Layer("", "depthwise", kernel=line.kernel, stride=line.stride, bias=False)
    first = _depthwise(own, f"{name}_depthwise", shape)
    second = _pointwise(f"{name}_conv", line.size, 1, first.shape, bias=False)
    for found in (first, second):
        yield found
        yield _norm(f"{found.name}_bn", found.shape)
        yield LayerCost(f"{found.name}_relu", "ReLU", found.shape, 0, 0)


def _excite(line: Layer, name: str, shape: Shape) -> Iterator[LayerCost]:
    channels = shape[-1]
    yield LayerCost(f"{name}_mean", "GlobalAveragePooling2D", (1, 1, channels), 0, 0)
    squeezed = _pointwise(f"{name}_squeeze", excited(line, channels), 1, (1, 1, channels))
    yield squeezed
    yield _pointwise(f"{name}_excite", channels, 1, squeezed.shape)
    yield LayerCost(f"{name}_gate", "Rescaling", (1, 1, channels), 0, 0)
    yield LayerCost(f"{name}_multiply", "Multiply", shape, 0, 0)


def _addition(name: str, begun: Shape, shape: Shape, stride: int | None) -> Iterator[LayerCost]:
    if stride is not None:
        fitted = _pointwise(f"{name}_shortcut", shape[-1], stride, begun, bias=False)
        yield fitted
        yield _norm(f"{fitted.name}_bn", fitted.shape)
    yield LayerCost(name, "Add", shape, 0, 0)


def _pointwise(name: str, size: int, stride: int, shape: Shape, *, bias: bool = True) -> LayerCost:
    return _convolution(Layer("", "conv", size, (1, 1), stride, bias=bias), name, shape)


def _dense(units: int, name: str, shape: Shape, *, bias: bool = True) -> LayerCost:
    weights = shape[-1] * units
    return LayerCost(name, "Dense", (units,), weights + (units if bias else 0), weights)


def _norm(name: str, shape: Shape) -> LayerCost:
    # Scale, offset, and the mean and variance of what it has seen.
    return LayerCost(name, "BatchNormalization", shape, 4 * shape[-1], 0)


def _residual(line: Layer, name: str, shape: Shape) -> Iterator[LayerCost]:
    def convolution(part: str, kernel: int, stride: int, shape: Shape) -> tuple[LayerCost, ...]:
        own = Layer("", "conv", line.size, (kernel, kernel), stride, bias=False)
        found = _convolution(own, f"{name}_{part}", shape)
        return found, _norm(f"{name}_{part}_bn", found.shape)

    if line.stride != 1 or shape[-1] != line.size:
        yield from convolution("shortcut", 1, line.stride, shape)
    first = convolution("conv1", 3, line.stride, shape)
    yield from first
    given = first[0].shape
    yield LayerCost(f"{name}_relu1", "ReLU", given, 0, 0)
    yield from convolution("conv2", 3, 1, given)
    yield LayerCost(f"{name}_add", "Add", given, 0, 0)
    yield LayerCost(f"{name}_relu2", "ReLU", given, 0, 0)


def _answers(
    line: Layer, name: str, shape: Shape, labels: int | Mapping[str, int]
) -> Iterator[LayerCost]:
    if not isinstance(labels, Mapping):
        yield _dense(labels if line.kind == "softmax" else 1, name, shape)
        return
    for head, units in labels.items():
        yield _dense(units, f"{name}_{head}", shape)
    yield LayerCost(HEADS, "Concatenate", (sum(labels.values()),), 0, 0)
