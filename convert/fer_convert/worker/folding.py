"""Fold away the batch norms that TensorFlow's converter leaves in a network, where that is exact.

The converter folds a batch norm into the convolution before it. After Conv-ReLU it cannot, and
leaves a MUL and an ADD over every activation. At inference a batch norm is y = s x + t, channel by
channel, and that can wait: dropout, flatten and average pooling let it pass, max pooling does
where s is not negative, and a dense layer or a convolution that pads nothing takes it into its
own weights. A convolution that pads cannot take t, because its border is 0 and not t. Then s and
t go into one 1x1 depthwise convolution behind the pooling: one operator over a quarter of the
elements, instead of two over all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from fer_convert.worker.linear import affine_of_norm, as_array
from fer_edge.shared.data.samples import with_channels

TOLERANCE: Final = 1e-5
"""Largest change of a probability that the order of additions may make; else nothing is folded."""

_PROBES: Final = 8
_TRANSPARENT: Final = ("Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout")
_AVERAGES: Final = ("AveragePooling2D", "GlobalAveragePooling2D")
_MAXIMA: Final = ("MaxPooling2D", "GlobalMaxPooling2D")


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """What a batch norm does at inference: y = scale x + offset, for each channel."""

    scale: NDArray[np.float64]
    offset: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """Where a batch norm goes.

    Attributes:
        norm: Name of the batch norm, which becomes nothing.
        affine: What it does; already spread over positions where a flatten lies between.
        into: Name of the layer whose weights take it; None where none can.
        behind: Name of the layer behind which a 1x1 convolution does it, if none takes it.
    """

    norm: str
    affine: Affine
    into: str | None
    behind: str

    def __str__(self) -> str:
        place = f"into {self.into}" if self.into else f"as a 1x1 convolution behind {self.behind}"
        return f"{self.norm} {place}"


def fold_batch_norms(network: Any, pictures: NDArray[np.uint8]) -> tuple[Any, tuple[str, ...]]:
    """Return a network that computes the same without loose batch norms, and what was moved.

    Args:
        network: As loaded; not changed.
        pictures: Real ones, uint8, shape (N, height, width), to check the result with.
    """
    flat = keras.Model(network.inputs[0], network.outputs[0])
    readers = _readers(flat)
    if readers is None:
        return network, ()
    moves = [
        move
        for layer in flat.layers
        if _is_affine(layer) and (move := _plan_move(layer, readers)) is not None
    ]
    if not moves:
        return network, ()
    folded = _rebuild(flat, moves)
    if not _computes_the_same(network, folded, pictures):
        return network, ()
    return folded, tuple(map(str, moves))


def _readers(network: Any) -> Mapping[str, list[Any]] | None:
    """Return who reads each layer; None for networks that share layers or nest networks."""
    readers: dict[str, list[Any]] = {layer.name: [] for layer in network.layers}
    for layer in network.layers:
        nodes = layer._inbound_nodes  # Keras has no public way to walk a graph
        if len(nodes) != 1 or hasattr(layer, "layers"):
            return None
        for tensor in nodes[0].input_tensors:
            source = tensor._keras_history.operation.name
            if source not in readers:
                return None
            readers[source].append(layer)
    return readers


def _plan_move(norm: Any, readers: Mapping[str, list[Any]]) -> Move | None:
    """Return where a batch norm goes; None where the converter folds it, or nothing is gained."""
    source = norm._inbound_nodes[0].input_tensors[0]._keras_history.operation
    if _is_linear(source) and len(readers[source.name]) == 1:
        return None
    affine = _affine_of(norm)
    behind = norm
    while len(readers[behind.name]) == 1:
        following = readers[behind.name][0]
        if _takes(following):
            return Move(norm.name, affine, following.name, behind.name)
        passed = _pass(affine, following)
        if passed is None:
            break
        affine, behind = passed, following
    if len(behind.output.shape) != 4:
        return None
    return Move(norm.name, affine, None, behind.name)


def _is_affine(layer: Any) -> bool:
    if type(layer).__name__ == "Rescaling":
        # Without an offset the converter folds it. One number for each channel, like a batch norm.
        return bool(np.any(layer.offset))
    if type(layer).__name__ != "BatchNormalization":
        return False
    return layer.axis in (-1, len(layer.input.shape) - 1)


def _is_linear(layer: Any) -> bool:
    kind = type(layer).__name__
    return kind in ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Dense") and (
        layer.activation is keras.activations.linear
    )


def _affine_of(norm: Any) -> Affine:
    if type(norm).__name__ == "Rescaling":
        channels = norm.input.shape[-1]
        return Affine(
            np.broadcast_to(np.float64(norm.scale), channels),
            np.broadcast_to(np.float64(norm.offset), channels),
        )
    return Affine(*affine_of_norm(norm))


def _takes(layer: Any) -> bool:
    """Whether a layer's weights can take an affine of its input."""
    if type(layer).__name__ == "Dense":
        return True
    if type(layer).__name__ != "Conv2D" or layer.groups != 1:
        return False
    pads = layer.padding == "same" and tuple(layer.kernel_size) != (1, 1)
    return not pads and layer.padding in ("valid", "same")


def _pass(affine: Affine, layer: Any) -> Affine | None:
    """Return the affine behind a layer that does the same as the one before it."""
    kind = type(layer).__name__
    if kind in _TRANSPARENT or kind in _AVERAGES:
        return affine
    if kind in _MAXIMA:
        return affine if (affine.scale >= 0).all() else None
    if kind == "Flatten" and layer.data_format == "channels_last":
        positions = int(np.prod(layer.output.shape[1:])) // len(affine.scale)
        return Affine(np.tile(affine.scale, positions), np.tile(affine.offset, positions))
    return None


def _rebuild(network: Any, moves: list[Move]) -> Any:
    taken = {move.into: move.affine for move in moves if move.into}
    behind = {move.behind: move for move in moves if not move.into}
    gone = {move.norm for move in moves}

    def replace(layer: Any) -> Any:
        if layer.name in gone:
            return keras.layers.Identity(name=layer.name)
        config = layer.get_config()
        if layer.name in taken:
            config["use_bias"] = True
        return type(layer).from_config(config)

    def call(layer: Any, *arguments: Any, **keywords: Any) -> Any:
        # What takes a batch norm's place does not take its keywords.
        x = layer(arguments[0]) if layer.name in gone else layer(*arguments, **keywords)
        if layer.name in behind:
            x = keras.layers.DepthwiseConv2D(1, name=f"{behind[layer.name].norm}_affine")(x)
        return x

    folded = keras.models.clone_model(network, clone_function=replace, call_function=call)
    for layer in network.layers:
        if layer.name in taken:
            folded.get_layer(layer.name).set_weights(_absorb(layer, taken[layer.name]))
        elif layer.name not in gone:
            folded.get_layer(layer.name).set_weights(layer.get_weights())
    for move in behind.values():
        scale, offset = move.affine.scale, move.affine.offset
        folded.get_layer(f"{move.norm}_affine").set_weights([scale[None, None, :, None], offset])
    return folded


def _absorb(layer: Any, affine: Affine) -> list[NDArray[np.float64]]:
    """Return kernel and bias that do to x what the layer's own do to scale x + offset."""
    kernel = as_array(layer.kernel)
    bias = as_array(layer.bias) if layer.use_bias else np.zeros(kernel.shape[-1])
    positions = tuple(range(kernel.ndim - 1))
    shifted = (kernel * affine.offset[:, None]).sum(axis=positions)
    return [kernel * affine.scale[:, None], bias + shifted]


def _computes_the_same(network: Any, folded: Any, pictures: NDArray[np.uint8]) -> bool:
    """Compare on real and on random pictures."""
    real = pictures[:: max(1, len(pictures) // _PROBES)][:_PROBES]
    noise = np.random.default_rng(0).integers(0, 256, real.shape, dtype=np.uint8)
    both = with_channels(np.concatenate([real, noise])).astype(np.float32)
    before, after = (np.asarray(model(both, training=False)) for model in (network, folded))
    return bool(np.abs(before - after).max() <= TOLERANCE)
