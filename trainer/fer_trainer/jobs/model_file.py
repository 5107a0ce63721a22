"""Read a model file's weights back into the network that a recipe makes.

A file has lost its batch norms: the converter has them inside the convolutions. What a norm did is
found again in pictures: its convolution's answers get the mean and the spread that these have, and
the norm puts them back as the file has them. So the network answers as the file does, and trains as
one with norms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.data.samples import Pictures
from fer_edge.shared.errors import SettingsError
from fer_edge.shared.model.interpreter import LitertNetwork, load_runtime
from fer_edge.shared.model.litert import dequantise
from fer_edge.shared.model.model_file import ModelFile
from fer_trainer.backend import keras

Weights = NDArray[np.float32]

_WEIGHTED: Final = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
"""Operators that multiply with what has been learnt."""
_LEAST_SPREAD: Final = 1e-3  # of a channel that answers alike to every picture
_APART: Final = 0.1
"""How far the network's probabilities may be from the file's: half the sum of the differences.
Quantisation alone moves 0.01; layers that have been taken for one another move most of it."""


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
    models: Sequence[ModelFile], network: Any, heads: Sequence[Any], pictures: Pictures
) -> list[Weights]:
    """Give a network the weights of files below its heads.

    Of several files the layers stand side by side, in a network as wide as all of them together:
    what leads from one's channels to another's is zero, and is learnt. It answers as each file
    does, by that file's own last layer.

    Args:
        models: Made of networks with the same layers, or with such that make these together.
        network: A new one, changed in place.
        heads: Its last layers, which stay as they are.
        pictures: uint8, shape (N, height, width), by which the norms are found.

    Returns:
        For each file kernel (features, labels) and bias (labels,) of its own last layer, in one
        array of shape (features + 1, labels).

    Raises:
        SettingsError: The layers are others, or the network would answer otherwise than a file.
    """
    where = " beside ".join(str(model.path) for model in models)
    if len(models) > 1 and any(isinstance(each, keras.layers.Flatten) for each in network.layers):
        raise SettingsError(
            f"{where}: after this recipe's flatten their channels would lie among one another",
            expected="a network that ends its maps with gap, where files stand side by side",
            fix="begin with one of them",
        )
    layers = [layer for layer in network.layers if layer.weights and layer not in heads]
    norms = {id(norm): layer for layer in layers if (norm := _norm_after(layer)) is not None}
    takers = [layer for layer in layers if id(layer) not in norms]
    _check_norms(where, takers)
    read = [_read(model, network, takers) for model in models]
    seen = _given(pictures, network)
    stored = _side_by_side(where, [body for body, _ in read])
    for each, layer in zip(_for_layers(where, stored, takers), takers, strict=True):
        kernel = _in_keras(each).reshape(layer.kernel.shape)
        norm = _norm_after(layer)
        if norm is None:
            _set(layer, kernel, each.bias)
        else:
            _set_normed(network, layer, norm, kernel, each.bias, seen)
    body = keras.Model(network.input, heads[0].input)
    answers, width = [], int(body.output_shape[-1])
    first = 0
    for model, (_, last) in zip(models, read, strict=True):
        own = last.kernel.reshape(len(last.bias), -1).T
        # Nothing of this answer comes from what another file looks for.
        kernel = np.zeros((width, own.shape[1]), np.float32)
        kernel[first : first + len(own)] = own[: max(width - first, 0)]
        first += len(own)
        answers.append(np.vstack([kernel, last.bias]))
        _check_answers(LitertNetwork(model), body, answers[-1], pictures, model.path)
    return answers


_NOTHING: Final = _Stored("none", np.zeros((0, 0), np.float32), np.zeros(0, np.float32))


def _read(model: ModelFile, network: Any, takers: Sequence[Any]) -> tuple[list[_Stored], _Stored]:
    """Return what the file has for the layers below the heads, and its own last layer.

    What the network does to pixels and the file does not, or otherwise, is in the first of them.
    """
    *stored, last = _operators(model) or [_NOTHING]
    if _rescales(stored, takers, network):
        return stored[1:], last
    gain, offset = _of_pixels(network)
    for first in stored[:1]:
        kernel = first.kernel * np.float32(gain)
        # The offset of what it is given lies in the bias, where no border is padded.
        depthwise = first.operator == "DEPTHWISE_CONV_2D"
        axes = tuple(range(3)) if depthwise else tuple(range(1, kernel.ndim))
        bias = first.bias - np.float32(offset) * kernel.sum(axis=axes)
        stored[0] = _Stored(first.operator, kernel, bias)
    return stored, last


def _side_by_side(where: str, files: Sequence[Sequence[_Stored]]) -> list[_Stored]:
    """Return for each layer one that does what each file's does to its own share of channels."""
    if len({tuple(map(_kind, file)) for file in files}) > 1:
        raise SettingsError(
            f"{where}: the files have not the same layers",
            expected="files of one network, or of such that differ in width alone",
            fix="begin with one of them",
        )
    return [_beside(each, first=not place) for place, each in enumerate(zip(*files, strict=True))]


def _kind(stored: _Stored) -> tuple[str, tuple[int, ...]]:
    """Return what two layers that differ in width alone have in common."""
    shape = stored.kernel.shape
    return stored.operator, shape[1:3] if stored.operator == "DEPTHWISE_CONV_2D" else shape[1:-1]


def _beside(layers: Sequence[_Stored], *, first: bool) -> _Stored:
    operator, bias = layers[0].operator, np.concatenate([each.bias for each in layers])
    kernels = [each.kernel for each in layers]
    if operator == "DEPTHWISE_CONV_2D":
        return _Stored(operator, np.concatenate(kernels, axis=-1), bias)
    if first:  # all look at the same picture
        return _Stored(operator, np.concatenate(kernels), bias)
    outputs, inputs = (sum(kernel.shape[axis] for kernel in kernels) for axis in (0, -1))
    whole = np.zeros((outputs, *kernels[0].shape[1:-1], inputs), np.float32)
    out = into = 0
    for kernel in kernels:
        whole[out : out + kernel.shape[0], ..., into : into + kernel.shape[-1]] = kernel
        out, into = out + kernel.shape[0], into + kernel.shape[-1]
    return _Stored(operator, whole, bias)


def _operators(model: ModelFile) -> list[_Stored]:
    """Return what the file's operators multiply with, in their order."""
    interpreter = load_runtime()(model_content=model.flatbuffer, num_threads=1)
    interpreter.allocate_tensors()
    tensors = {each["index"]: each for each in interpreter.get_tensor_details()}
    # The only list of operators that the runtime gives; the edge asks it for XNNPACK, too.
    operators = interpreter._get_ops_details()
    # A float16 file widens each constant by an operator; what that reads is the constant.
    widened = {
        int(each["outputs"][0]): int(each["inputs"][0])
        for each in operators
        if each["op_name"] == "DEQUANTIZE"
    }

    def floats(index: int) -> Weights:
        index = widened.get(index, index)
        values = interpreter.get_tensor(index).astype(np.float32)
        quantised = tensors[index]["quantization_parameters"]
        scales, zeros = quantised["scales"], quantised["zero_points"]
        if not len(scales):
            return np.asarray(values)
        shape = [1] * values.ndim
        shape[quantised["quantized_dimension"] if len(scales) > 1 else 0] = len(scales)
        return np.asarray((values - zeros.reshape(shape)) * scales.reshape(shape), np.float32)

    def stored(operator: dict[str, Any]) -> _Stored:
        _, kernel, *bias = map(int, operator["inputs"][:3])
        weights = floats(kernel)
        outputs = weights.shape[-1 if operator["op_name"] == "DEPTHWISE_CONV_2D" else 0]
        # Without a bias its index is missing, or -1.
        said = floats(bias[0]) if bias and bias[0] >= 0 else np.zeros(outputs, np.float32)
        return _Stored(operator["op_name"], weights, said)

    return [stored(each) for each in operators if each["op_name"] in _WEIGHTED]


def _in_keras(stored: _Stored) -> Weights:
    """Return a kernel with its axes as Keras has them: the outputs last."""
    return np.moveaxis(stored.kernel, 0, -1)


def _norm_after(layer: Any) -> Any | None:
    """Return the batch norm that alone reads a linear convolution."""
    readers = [node.operation for node in layer._outbound_nodes]
    norm, linear = keras.layers.BatchNormalization, keras.activations.linear
    alone = len(readers) == 1 and getattr(layer, "activation", None) is linear
    return readers[0] if alone and isinstance(readers[0], norm) else None


def _set_normed(
    network: Any, layer: Any, norm: Any, kernel: Weights, bias: Weights, seen: Weights
) -> None:
    """Set a convolution and its norm, so that together they do what kernel and bias do."""
    _set(layer, kernel)
    answers = keras.Model(network.input, layer.output).predict(seen, verbose=0)
    axes = tuple(range(answers.ndim - 1))
    mean, spread = answers.mean(axes), np.maximum(answers.std(axes), _LEAST_SPREAD)
    # The convolution answers with a spread of 1, as a new one does, so that it learns as fast.
    _set(layer, kernel / spread.reshape(_channels(layer)))
    variance = np.ones_like(spread)
    norm.set_weights(
        [spread * np.sqrt(variance + norm.epsilon), bias + mean, mean / spread, variance]
    )


def _set(layer: Any, kernel: Weights, bias: Weights | None = None) -> None:
    zeros = np.zeros(layer.bias.shape, np.float32) if layer.use_bias else None
    layer.set_weights([kernel, zeros if bias is None else bias] if layer.use_bias else [kernel])


def _channels(layer: Any) -> tuple[int, ...]:
    """Return the axes of a kernel along which its outputs lie."""
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return tuple(layer.kernel.shape[-2 if depthwise else -1 :])


def _rescales(stored: Sequence[_Stored], layers: Sequence[Any], network: Any) -> bool:
    """Say whether a file's first operator does what the network's rescaling layer does.

    The converter makes one of a rescaling that the pixels' own scale cannot stand for.
    """
    alike = "DEPTHWISE_CONV_2D", (1, 1, 1, network.input_shape[-1])
    found = [(each.operator, each.kernel.shape) for each in stored[:1]]
    return found == [alike] and [_stored_as(layer) for layer in layers[:1]] != [alike]


def _of_pixels(network: Any) -> tuple[float, float]:
    """Return how many times larger the file sees pixels than the network does, and its offset.

    A file's first product sees raw pixels, whatever whole numbers they are quantised to. The offset
    is what the network's rescaling adds, which the file has not.
    """
    first = network.layers[1]
    if not isinstance(first, keras.layers.Rescaling):
        return 1.0, 0.0
    return 1.0 / float(first.scale), float(first.offset)


def _check_norms(where: str, takers: Sequence[Any]) -> None:
    """Refuse a recipe with a batch norm of which a file keeps no more than products and sums."""
    for layer in takers:
        if isinstance(layer, keras.layers.BatchNormalization):
            raise SettingsError(
                f"{where} cannot begin this recipe: its {layer.name} does not directly follow "
                "a convolution or a dense layer",
                expected="batch norms before the activation, which a file has in its products",
                fix="begin with the run that the file was made of",
            )


def _for_layers(where: str, stored: Sequence[_Stored], layers: Sequence[Any]) -> list[_Stored]:
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
                f"{where} does not fit this recipe: where that needs {needed}, it has {left}",
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


def _check_answers(
    runtime: LitertNetwork, body: Any, answer: Weights, pictures: Pictures, where: str
) -> None:
    """Refuse weights with which the network answers otherwise than the file.

    Shapes do not tell everything: two layers of the same shape may have changed places.
    """
    features = body.predict(_given(pictures, body), verbose=0)
    logits = features @ answer[:-1] + answer[-1]
    ours = np.exp(logits - logits.max(axis=1, keepdims=True))
    ours /= ours.sum(axis=1, keepdims=True)
    spec = replace(runtime.contract.output, temperature=1.0)
    theirs = np.array([dequantise(runtime.raw_output(each), spec) for each in pictures])
    apart = float(np.abs(ours - theirs).sum(axis=1).mean() / 2)
    if apart > _APART:
        raise SettingsError(
            f"{where} does not fit this recipe: with its weights the network's probabilities are "
            f"{apart:.0%} apart from the file's, in the mean over {len(pictures)} pictures",
            expected="a file made of a network with the same layers in the same order",
            fix="begin with the run that the file was made of",
        )


def _given(pictures: Pictures, network: Any) -> NDArray[np.float32]:
    return pictures.reshape(-1, *network.input_shape[1:]).astype(np.float32)
