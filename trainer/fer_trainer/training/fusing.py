"""Cheaper ways to the same result, for the network that trains.

On TensorFlow, batch norm and Adam are chains of small operations, each of which takes the whole
tensor through memory: half of a step on a CPU; and pixels are convolved that no window of a pooling
layer takes. The network that trains has cheaper layers in their places, with the same weights and
answers; the network that is delivered has stock layers only. A teacher, which learns nothing any
more, has its batch norms inside its convolutions.
"""

import dataclasses
import itertools
from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from fer_trainer.backend import keras
from fer_trainer.network.language import Layer

_MAP_DIMENSIONS: Final = 4


class FusedBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Batch norm over the channels of maps, trained by one operation of TensorFlow's."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise as the stock layer does; maps in training by the fused operation."""
        fusable = training and self.trainable and mask is None and not self.renorm
        if not fusable or len(inputs.shape) != _MAP_DIMENSIONS or self.axis not in {-1, 3}:
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf  # noqa: PLC0415 - only on its own backend

        inputs = tf.cast(inputs, self.compute_dtype)
        channels = inputs.shape[-1]
        none = tf.zeros([0])
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(self.gamma) if self.scale else tf.ones([channels]),
            offset=tf.convert_to_tensor(self.beta) if self.center else tf.zeros([channels]),
            mean=none,
            variance=none,
            epsilon=self.epsilon,
            is_training=True,
        )
        # The operation divides by one less than the number of values; Keras' own layer does not.
        number = tf.cast(tf.size(inputs) // channels, tf.float32)
        variance = variance * (number - 1.0) / number
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))
        return outputs


class CroppedRescaling(keras.layers.Rescaling):  # type: ignore[misc]
    """Rescales the pixels on which an answer depends.

    Args:
        kept: Rows and columns of them, from the top left.
    """

    def __init__(self, *, kept: tuple[int, int], **options: Any) -> None:
        super().__init__(**options)
        self._kept = kept

    def get_config(self) -> dict[str, Any]:
        """Return what makes the same layer again."""
        return {**super().get_config(), "kept": self._kept}

    def call(self, inputs: Any) -> Any:
        """Leave out the others, and rescale."""
        rows, columns = self._kept
        return super().call(inputs[:, :rows, :columns])

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of what is kept."""
        return (input_shape[0], *self._kept, input_shape[-1])


class FusedAdam(keras.optimizers.Adam):  # type: ignore[misc]
    """Adam that updates each variable and both its averages in one pass."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable in place."""
        import tensorflow as tf  # noqa: PLC0415 - only on its own backend

        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[index]),
            v=_handle(self._velocities[index]),
            beta1_power=tf.pow(tf.cast(self.beta_1, tf.float32), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, tf.float32), step),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, tf.float32),
        )


def pool_before_relu(layers: Iterable[Layer]) -> list[Layer]:
    """Let the maximum be taken before the ReLU instead of after it, where one follows the other.

    The largest of the rectified values is the rectified largest value, and its gradient goes to the
    same place, but the ReLU has four times less to do.

    Args:
        layers: Of a whole network, in their order; weights keep theirs.
    """
    swapped: list[Layer] = []
    for layer in layers:
        before = swapped[-1] if swapped else None
        if layer.kind != "maxpool" or before is None:
            swapped.append(layer)
        elif before.kind == "relu":
            swapped[-1:] = [layer, before]
        elif before.kind == "conv" and before.activation == "relu":
            linear = dataclasses.replace(before, activation=None)
            swapped[-1:] = [linear, layer, Layer("relu", "relu")]
        else:
            swapped.append(layer)
    return swapped


def with_fused_layers(network: Any) -> Any:
    """Return a network of the same weights' shapes whose layers are fused, where the backend can.

    Args:
        network: Of stock layers.
    """
    if keras.backend.backend() != "tensorflow":
        return network
    kept = _pixels_that_count(network)
    cropped = kept != tuple(network.input_shape[1:3])

    def cheaper(layer: Any) -> Any:
        settings = layer.get_config()
        if isinstance(layer, keras.layers.Rescaling) and cropped:
            return CroppedRescaling(kept=kept, **settings)
        if type(layer) is keras.layers.BatchNormalization:
            return FusedBatchNormalization.from_config(settings)
        return type(layer).from_config(settings)

    return keras.models.clone_model(network, clone_function=cheaper)


_POINTWISE: Final = keras.layers.ReLU, keras.layers.Rescaling
_WINDOWED: Final = keras.layers.MaxPooling2D, keras.layers.AveragePooling2D, keras.layers.Conv2D


def _pixels_that_count(network: Any) -> tuple[int, int]:
    """Return how many rows and columns of the input, from the top left, any answer depends on.

    Fewer than all where a window that does not fit any more is left out, and nothing before it
    pads the border or, like batch norm, looks at the whole picture.
    """
    first, *inner = network.layers
    whole = first.output.shape[1:3]
    maps = list(
        itertools.takewhile(lambda layer: len(layer.output.shape) == _MAP_DIMENSIONS, inner)
    )
    rows, columns = maps[-1].output.shape[1:3] if maps else whole
    for layer in reversed(maps):
        if isinstance(layer, _POINTWISE):
            continue
        if not isinstance(layer, _WINDOWED) or layer.padding != "valid":
            return tuple(whole)
        window = layer.kernel_size if hasattr(layer, "kernel_size") else layer.pool_size
        rows, columns = (
            (kept - 1) * stride + reach
            for kept, stride, reach in zip((rows, columns), layer.strides, window, strict=True)
        )
    return rows, columns


class FoldedConvolution(keras.layers.Conv2D):  # type: ignore[misc]
    """A convolution that adds its bias by the operation which TensorFlow runs together with it."""

    def call(self, inputs: Any) -> Any:
        """Convolve and add the bias."""
        import tensorflow as tf  # noqa: PLC0415 - only on its own backend

        kernel, bias = (
            tf.cast(tf.convert_to_tensor(weight), self.compute_dtype)
            for weight in (self.kernel, self.bias)
        )
        padding = self.padding.upper()
        return tf.nn.bias_add(tf.nn.conv2d(inputs, kernel, self.strides, padding), bias)


class Through(keras.layers.Layer):  # type: ignore[misc]
    """Stands in the place of a layer that has gone into the convolution before it."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:  # noqa: ARG002
        """Return the inputs."""
        return inputs


def for_answers_only(network: Any) -> Any:
    """Return a network of the same answers, the cheapest that the backend can; not to be trained.

    Args:
        network: Of stock layers, in the precision that it is to answer in. Left as it is.
    """
    if keras.backend.backend() != "tensorflow":
        return network
    norms = dict(_norms_after_convolutions(network))
    absorbed = {norm.name for norm in norms.values()}

    def answering(layer: Any) -> Any:
        if layer.name in absorbed:
            return Through(name=layer.name, dtype=layer.dtype_policy)
        if layer.name in norms:
            return FoldedConvolution.from_config(layer.get_config() | {"use_bias": True})
        return type(layer).from_config(layer.get_config())

    folded = keras.models.clone_model(network, clone_function=answering)
    for layer in network.layers:
        if layer.name in norms:
            folded.get_layer(layer.name).set_weights(_with_norm(layer, norms[layer.name]))
        elif layer.name not in absorbed:
            folded.get_layer(layer.name).set_weights(layer.get_weights())
    folded.trainable = False
    return folded


def _norms_after_convolutions(network: Any) -> Iterable[tuple[str, Any]]:
    """Yield the names of linear convolutions that only a batch norm reads, and that batch norm."""
    for layer in network.layers:
        if type(layer) is not keras.layers.Conv2D:
            continue
        linear = layer.activation is keras.activations.linear
        readers = [node.operation for node in layer._outbound_nodes]
        if linear and len(readers) == 1 and isinstance(readers[0], keras.layers.BatchNormalization):
            yield layer.name, readers[0]


def _with_norm(convolution: Any, norm: Any) -> list[Any]:
    """Return kernel and bias of a convolution that does what its batch norm does besides."""
    as_arrays = keras.ops.convert_to_numpy
    mean, variance = as_arrays(norm.moving_mean), as_arrays(norm.moving_variance)
    gain = 1.0 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        gain = gain * as_arrays(norm.gamma)
    kernel, *bias = convolution.get_weights()
    shift = (bias[0] if bias else 0.0) - mean
    return [kernel * gain, shift * gain + (as_arrays(norm.beta) if norm.center else 0.0)]


def adam(**options: Any) -> Any:
    """Return Adam, fused where the backend can."""
    if keras.backend.backend() != "tensorflow":
        return keras.optimizers.Adam(**options)
    return FusedAdam(**options)


def _handle(variable: Any) -> Any:
    """Return the resource of a Keras variable, or of the TensorFlow variable inside it."""
    return variable.handle if hasattr(variable, "handle") else variable.value.handle
