"""A network as int8 arithmetic sees it: folded, with fake quantisation where int8 tensors lie.

The converter adopts the ranges of fake-quantised activations exactly, so whoever sets the ranges
here, by rule or by training, decides the scales of the int8 file.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fer_convert.worker.folding import fold_batch_norms
from fer_convert.worker.linear import Step, linear_steps
from fer_edge.shared.data.samples import with_channels
from fer_edge.shared.errors import ModelError

PICTURE: Final = "picture"
"""Name of the range of the input: always 0 to 255, so that its scale is exactly 1."""

_LINEAR: Final = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Dense")

_ACTIVATION: Final = 9
"""What a layer does comes numbered from 0 on, as names of scopes must be; this comes last."""

Range = tuple[float, float]


class FakeQuantActivation(keras.layers.Layer):  # type: ignore[misc]
    """Rounds a tensor to the 256 steps of its range; the range can be trained.

    Until `is_active` is set it lets everything pass.
    """

    def __init__(self, *, trainable_range: bool, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.is_active = False
        self.low = self.add_weight(name="low", initializer="zeros", trainable=trainable_range)
        self.high = self.add_weight(name="high", initializer="ones", trainable=trainable_range)

    def call(self, x: Any) -> Any:
        """Return the rounded tensor."""
        if not self.is_active:
            return x
        low, high = tf.minimum(self.low.value, 0.0), tf.maximum(self.high.value, 1e-6)
        return tf.quantization.fake_quant_with_min_max_vars(x, low, high, num_bits=8)


class FakeQuantLinear(keras.layers.Layer):  # type: ignore[misc]
    """A convolution or dense layer whose weights are rounded per output channel, symmetrically."""

    def __init__(self, step: Step, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._step = step
        self.is_active = False
        constant = keras.initializers.Constant
        self.kernel = self.add_weight(
            name="kernel", shape=step.kernel.shape, initializer=constant(step.kernel)
        )
        self.bias = self.add_weight(
            name="bias", shape=step.bias.shape, initializer=constant(step.bias)
        )

    def call(self, x: Any) -> Any:
        """Return the sum; activations are layers of their own."""
        kernel = self.kernel.value
        if self.is_active:
            kernel = self._rounded(kernel)
        return self._step.apply(x, kernel) + self.bias.value

    def _rounded(self, kernel: Any) -> Any:
        # Depthwise filters, (rows, columns, in, 1), have their channels last but one.
        channels = tf.reshape(kernel, kernel.shape[:-1]) if self._step.is_depthwise else kernel
        axes = list(range(len(channels.shape) - 1))
        # Not trained: as the weights move, so does the range, as the converter will see it.
        largest = tf.stop_gradient(tf.maximum(tf.reduce_max(tf.abs(channels), axis=axes), 1e-9))
        rounded = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            channels, -largest, largest, num_bits=8, narrow_range=True
        )
        return tf.reshape(rounded, kernel.shape)


class SimulatedNetwork:
    """A network with its int8 rounding, to be measured, corrected, trained and translated.

    Attributes:
        model: Takes pictures (N, height, width, 1); float until `activate`.
        points: Where int8 tensors lie, by the name of the layer before; the input is among them.
        linear: What has weights, in the order of the network.
    """

    def __init__(self, network: Any, pictures: NDArray[np.uint8]) -> None:
        """Fold `network`, which is not changed.

        Args:
            network: As loaded.
            pictures: Real ones, to check that folding changes nothing.

        Raises:
            ModelError: It holds a layer that cannot be simulated.
        """
        folded, _ = fold_batch_norms(network, pictures)
        flat = keras.Model(folded.inputs[0], folded.outputs[0])
        self.points: dict[str, FakeQuantActivation] = {}
        self.linear: list[FakeQuantLinear] = []
        self.model = self._rebuild(flat)
        self._check(network, pictures)

    def set_ranges(self, ranges: Mapping[str, Range]) -> None:
        """Set the range of every int8 tensor but the input's."""
        for name, (low, high) in ranges.items():
            if name != PICTURE:
                self.points[name].low.assign(low)
                self.points[name].high.assign(high)

    def ranges(self) -> dict[str, Range]:
        """Return the ranges as they stand."""
        return {
            name: (float(point.low.value), float(point.high.value))
            for name, point in self.points.items()
        }

    def activate(self, active: bool = True, *, weights: bool | None = None) -> None:
        """Switch the rounding of activations on or off, and of weights, if not said, likewise."""
        for point in self.points.values():
            point.is_active = active
        for layer in self.linear:
            layer.is_active = active if weights is None else weights

    def activate_for_export(self) -> None:
        """Round activations alone: the converter rounds the weights itself."""
        self.activate(weights=False)

    def _rebuild(self, flat: Any) -> Any:
        steps = {layer.name: linear_steps(layer) for layer in flat.layers}
        readers = _readers(flat)
        norms = _foldable_norms(flat, readers)
        scales = _foldable_scales(flat, readers)
        picture = keras.Input(flat.inputs[0].shape[1:], name=PICTURE)
        tensors = {flat.inputs[0]._keras_history.operation.name: self._point(PICTURE)(picture)}
        self.points[PICTURE].high.assign(255.0)
        for layer in flat.layers:
            if layer.name in tensors:
                continue
            given = [
                tensors[tensor._keras_history.operation.name]
                for tensor in layer._inbound_nodes[0].input_tensors
            ]
            if layer.name in norms.values() or layer.name in scales:
                tensors[layer.name] = given[0]
                continue
            x = given if len(given) > 1 else given[0]
            norm = norms.get(layer.name)
            ending = norm or layer.name
            readers_of = readers[ending]
            for number, step in enumerate(steps[layer.name]):
                is_last = number == len(steps[layer.name]) - 1
                if number == 0:
                    step = _prescaled(step, layer, scales)  # noqa: PLW2901
                if is_last and norm:
                    step = step.scaled(flat.get_layer(norm))  # noqa: PLW2901
                made = FakeQuantLinear(step, name=f"{layer.name}_{number}")
                self.linear.append(made)
                x = made(x)
                if not is_last:
                    x = self._point(f"{layer.name}_{number}")(x)
            if steps[layer.name]:
                x = self._activated(layer, x, readers_of)
            else:
                x = type(layer).from_config(layer.get_config())(x)
                x = self._point(layer.name)(x) if _has_own_range(layer) else x
            tensors[layer.name] = x
        last = flat.outputs[0]._keras_history.operation.name
        return keras.Model(picture, tensors[last], name="simulated")

    def _activated(self, layer: Any, x: Any, readers: list[Any]) -> Any:
        activation = keras.activations.serialize(layer.activation)
        if activation == "linear":
            fused = len(readers) == 1 and _is_relu(readers[0])
            return x if fused else self._point(layer.name)(x)
        if activation not in ("relu", "relu6"):
            x = self._point(f"{layer.name}_sum")(x)
        x = keras.layers.Activation(activation, name=f"{layer.name}_{_ACTIVATION}")(x)
        fixed = activation in ("softmax", "sigmoid", "tanh")
        return x if fixed else self._point(layer.name)(x)

    def _point(self, name: str) -> FakeQuantActivation:
        point = FakeQuantActivation(trainable_range=name != PICTURE, name=f"{name}_range")
        self.points[name] = point
        return point

    def _check(self, network: Any, pictures: NDArray[np.uint8]) -> None:
        probes = with_channels(pictures[:16]).astype(np.float32)
        before = np.asarray(network(probes, training=False))
        after = np.asarray(self.model(probes, training=False))
        if float(np.abs(before - after).max()) > 1e-3:
            raise ModelError(
                "the network cannot be simulated in int8: folded, it answers differently",
                expected="convolutions, dense layers, batch norms, poolings and sums",
                fix="replace the layers that are none of these in the recipe",
            )


def _readers(flat: Any) -> dict[str, list[Any]]:
    readers: dict[str, list[Any]] = {layer.name: [] for layer in flat.layers}
    for layer in flat.layers:
        nodes = layer._inbound_nodes  # Keras has no public way to walk a graph
        if len(nodes) != 1 or hasattr(layer, "layers"):
            raise ModelError(
                f"layer {layer.name!r} cannot be simulated in int8",
                expected="a network that uses every layer once and nests none",
                fix="unroll it in the recipe and train again",
            )
        for tensor in nodes[0].input_tensors:
            source = tensor._keras_history.operation
            if source.name not in readers:
                raise ModelError(
                    f"{type(source).__name__} ({source.name!r}) cannot be simulated in int8",
                    expected="layers, and no arithmetic outside of any",
                    fix="put a layer in its place in the recipe and train again",
                )
            readers[source.name].append(layer)
    return readers


def _foldable_norms(flat: Any, readers: Mapping[str, list[Any]]) -> dict[str, str]:
    """Return the batch norm that each layer's weights take, by the layer's name."""
    return {
        layer.name: readers[layer.name][0].name
        for layer in flat.layers
        if type(layer).__name__ in _LINEAR
        and keras.activations.serialize(layer.activation) == "linear"
        and len(readers[layer.name]) == 1
        and type(readers[layer.name][0]).__name__ == "BatchNormalization"
    }


def _foldable_scales(flat: Any, readers: Mapping[str, list[Any]]) -> dict[str, float]:
    """Return the factor of every Rescaling without offset that weights alone read, by its name."""
    return {
        layer.name: float(layer.scale)
        for layer in flat.layers
        if type(layer).__name__ == "Rescaling"
        and np.ndim(layer.scale) == 0
        and not np.any(layer.offset)
        and readers[layer.name]
        and all(type(reader).__name__ in _LINEAR for reader in readers[layer.name])
    }


def _prescaled(step: Step, layer: Any, scales: Mapping[str, float]) -> Step:
    """Return a layer's first step for input that lacks the factor it was trained with."""
    given = layer._inbound_nodes[0].input_tensors[0]._keras_history.operation.name
    return replace(step, kernel=step.kernel * scales.get(given, 1.0))


def _is_relu(layer: Any) -> bool:
    if type(layer).__name__ == "ReLU":
        return not layer.negative_slope and not layer.threshold
    return type(layer).__name__ == "Activation" and (
        keras.activations.serialize(layer.activation) in ("relu", "relu6")
    )


def _has_own_range(layer: Any) -> bool:
    """Whether int8 gives a layer's output a scale that is not its input's, nor a fixed one."""
    kind = type(layer).__name__
    if kind == "Activation":
        return keras.activations.serialize(layer.activation) not in ("softmax", "sigmoid", "tanh")
    return kind not in (
        "Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "Identity", "Flatten",
        "Reshape", "MaxPooling2D", "GlobalMaxPooling2D", "AveragePooling2D", "ZeroPadding2D",
        "Softmax",
    )  # fmt: skip
