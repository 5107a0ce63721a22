"""Read a model file's weights back into the network that a recipe makes.

A file has lost its batch norms: the converter has them inside the convolutions. What a norm did is
found again in pictures: its convolution's answers get the mean and the spread that these have, and
the norm puts them back as the file has them. So the network answers as the file does, and trains as
one with norms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.data.samples import Pictures
from fer_edge.shared.errors import SettingsError
from fer_edge.shared.model.contract import InputSpec
from fer_edge.shared.model.interpreter import LitertNetwork, load_runtime
from fer_edge.shared.model.litert import dequantise
from fer_edge.shared.model.model_file import ModelFile
from fer_trainer.backend import keras

Weights = NDArray[np.float32]

_WEIGHTED: Final = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
"""Operators that multiply with what has been learnt."""
_LEAST_SPREAD: Final = 1e-3  # of a channel that answers alike to every picture
_SAME_LABEL: Final = 0.9
"""So often must the network answer as the file does. Quantisation alone changes 1 answer in 100;
layers that have been taken for one another change most."""


class _Stored(NamedTuple):
    """One operator's weights, as floats.

    Attributes:
        operator: Name of it.
        kernel: As the file has it: a convolution's (outputs, height, width, inputs), of one for
            each channel (1, height, width, outputs), a dense layer's (outputs, inputs).
        bias: Shape (outputs,).
    """

    operator: str
    kernel: Weights
    bias: Weights


def take_weights(
    model: ModelFile, network: Any, heads: Sequence[Any], pictures: Pictures
) -> Weights:
    """Give a network the weights of a file below its heads.

    Args:
        model: Made of a network with the same layers.
        network: A new one, changed in place.
        heads: Its last layers, which stay as they are.
        pictures: uint8, shape (N, height, width), by which the norms are found.

    Returns:
        Kernel (features, labels) and bias (labels,) of the file's own last layer, in one array of
        shape (features + 1, labels).

    Raises:
        SettingsError: The layers are others, or the network would answer otherwise than the file.
    """
    *stored, last = _read(model) or [_NOTHING]
    layers = [layer for layer in network.layers if layer.weights and layer not in heads]
    norms = {id(norm): layer for layer in layers if (norm := _norm_after(layer)) is not None}
    takers = [layer for layer in layers if id(layer) not in norms]
    seen = pictures.reshape(-1, *network.input_shape[1:]).astype(np.float32)
    gain = _gain_of_pixels(network, model.contract.input)
    if stored and _rescales(stored[0], network):
        gain, stored = 1.0, stored[1:]
    for each, layer in zip(_for_layers(model, stored, takers), takers, strict=True):
        kernel = _in_keras(each).reshape(layer.kernel.shape) * np.float32(gain)
        gain = 1.0
        norm = _norm_after(layer)
        if norm is None:
            layer.set_weights([kernel, each.bias])
        else:
            _set_normed(network, layer, norm, kernel, each.bias, seen)
    answer = np.vstack([last.kernel.reshape(len(last.bias), -1).T, last.bias])
    _check_answers(model, keras.Model(network.input, heads[0].input), answer, pictures)
    return answer


_NOTHING: Final = _Stored("none", np.zeros((0, 0), np.float32), np.zeros(0, np.float32))


def _read(model: ModelFile) -> list[_Stored]:
    """Return what the file's operators multiply with, in their order."""
    interpreter = load_runtime()(model_content=model.flatbuffer, num_threads=1)
    interpreter.allocate_tensors()
    tensors = {each["index"]: each for each in interpreter.get_tensor_details()}

    def floats(index: int) -> Weights:
        values = interpreter.get_tensor(index).astype(np.float32)
        quantised = tensors[index]["quantization_parameters"]
        scales, zeros = quantised["scales"], quantised["zero_points"]
        if not len(scales):
            return np.asarray(values)
        shape = [1] * values.ndim
        shape[quantised["quantized_dimension"] if len(scales) > 1 else 0] = len(scales)
        return np.asarray((values - zeros.reshape(shape)) * scales.reshape(shape), np.float32)

    # The only list of operators that the runtime gives; the edge asks it for XNNPACK, too.
    operators = [each for each in interpreter._get_ops_details() if each["op_name"] in _WEIGHTED]
    return [
        _Stored(each["op_name"], *(floats(int(index)) for index in each["inputs"][1:3]))
        for each in operators
    ]


def _in_keras(stored: _Stored) -> Weights:
    """Return a kernel with its axes as Keras has them: the outputs last."""
    return np.moveaxis(stored.kernel, 0, -1)


def _norm_after(layer: Any) -> Any | None:
    """Return the batch norm that alone reads a linear convolution."""
    readers = [node.operation for node in layer._outbound_nodes]
    norm = keras.layers.BatchNormalization
    return readers[0] if len(readers) == 1 and isinstance(readers[0], norm) else None


def _set_normed(
    network: Any, layer: Any, norm: Any, kernel: Weights, bias: Weights, seen: Weights
) -> None:
    """Set a convolution and its norm, so that together they do what kernel and bias do."""
    layer.set_weights([kernel])
    answers = keras.Model(network.input, layer.output).predict(seen, verbose=0)
    axes = tuple(range(answers.ndim - 1))
    mean, spread = answers.mean(axes), np.maximum(answers.std(axes), _LEAST_SPREAD)
    # The convolution answers with a spread of 1, as a new one does, so that it learns as fast.
    layer.set_weights([kernel / spread.reshape(_channels(layer))])
    variance = np.ones_like(spread)
    norm.set_weights(
        [spread * np.sqrt(variance + norm.epsilon), bias + mean, mean / spread, variance]
    )


def _channels(layer: Any) -> tuple[int, ...]:
    """Return the axes of a kernel along which its outputs lie."""
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return tuple(layer.kernel.shape[-2 if depthwise else -1 :])


def _rescales(first: _Stored, network: Any) -> bool:
    """Say whether a file's first operator does what the network's rescaling layer does.

    The converter makes one of a rescaling that the pixels' own scale cannot stand for.
    """
    channels = network.input_shape[-1]
    return first.operator == "DEPTHWISE_CONV_2D" and first.kernel.shape == (1, 1, 1, channels)


def _gain_of_pixels(network: Any, spec: InputSpec) -> float:
    """Return how much larger the file's first layer sees the pixels than the network's does."""
    rescaling = [each for each in network.layers if isinstance(each, keras.layers.Rescaling)]
    scale = float(rescaling[0].scale) if rescaling else 1.0
    return 1.0 / scale if spec.dtype == "float32" else spec.scale / scale


def _for_layers(
    model: ModelFile, stored: Sequence[_Stored], layers: Sequence[Any]
) -> list[_Stored]:
    """Return what the file has for each layer: of the same shape the first that is left.

    A file may hold a shortcut before or after what it goes round.

    Raises:
        SettingsError: A layer finds nothing, or something is left over; the first is named.
    """
    rest, found = [*stored], []
    for layer in [*layers, None]:
        want = None if layer is None else _stored_as(layer)
        fits = [each for each in rest if (each.operator, each.kernel.shape) == want]
        if fits:
            rest = [each for each in rest if each is not fits[0]]
            found.append(fits[0])
        elif layer is not None or rest:
            needed = "no further layer" if want is None else f"{layer.name} as {_named(*want)}"
            left = _named(rest[0].operator, rest[0].kernel.shape) if rest else "no further layer"
            raise SettingsError(
                f"{model.path} does not fit this recipe: where that needs {needed}, it has {left}",
                expected="a file made of a network with the same layers below its heads",
                fix="begin with another file, or with network.layers of the recipe it came from",
            )
    return found


def _stored_as(layer: Any) -> tuple[str, tuple[int, ...]]:
    """Return the operator and the kernel's shape that a layer has in a file."""
    if not hasattr(layer, "kernel"):
        return type(layer).__name__, ()
    shape = tuple(layer.kernel.shape)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return "DEPTHWISE_CONV_2D", (1, *shape[:2], shape[2] * shape[3])
    if isinstance(layer, keras.layers.Conv2D):
        return "CONV_2D", (shape[3], *shape[:3])
    return "FULLY_CONNECTED", shape[::-1]


def _named(operator: str, shape: tuple[int, ...]) -> str:
    return " ".join((operator, "x".join(map(str, shape)))).strip()


def _check_answers(model: ModelFile, body: Any, answer: Weights, pictures: Pictures) -> None:
    """Refuse weights with which the network answers otherwise than the file.

    Shapes do not tell everything: two layers of the same shape may have changed places.
    """
    size = (len(pictures), *body.input_shape[1:])
    features = body.predict(pictures.reshape(size).astype(np.float32), verbose=0)
    ours = (features @ answer[:-1] + answer[-1]).argmax(axis=1)
    runtime, spec = LitertNetwork(model), model.contract.output
    theirs = [dequantise(runtime.raw_output(each), spec).argmax() for each in pictures]
    if (same := float(np.mean(ours == np.array(theirs)))) < _SAME_LABEL:
        raise SettingsError(
            f"{model.path} does not fit this recipe: with its weights the network answers as the "
            f"file does for {same:.0%} of {len(pictures)} pictures only",
            expected="a file made of a network with the same layers in the same order",
            fix="begin with the run that the file was made of",
        )
