"""Networks as Keras 2 writes them, in a process of its own: `python keras2_networks.py FOLDER`.

Writes for every kind of layer in KINDS, and each way of putting a network together in FORMS,
FOLDER/<kind>-<form>.h5 with the whole network, -weights.h5 and .json with its parts, and
FOLDER/answers.npz with what Keras 2 says of the pictures in it, fed as 0 to 1.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.update(
    TF_CPP_MIN_LOG_LEVEL="3",
    CUDA_VISIBLE_DEVICES="-1",
    TF_NUM_INTRAOP_THREADS="2",
    TF_NUM_INTEROP_THREADS="2",
)

import numpy as np
import tf_keras

layers = tf_keras.layers
Tensor = Any

SIDE = 12


def _normalization() -> Any:
    return layers.Normalization(mean=[0.4, 0.5, 0.6, 0.5], variance=[0.04, 0.05, 0.06, 0.05])


KINDS: dict[str, Callable[[], Any]] = {
    "activation": lambda: layers.Activation("tanh"),
    "activity_regularization": lambda: layers.ActivityRegularization(0.01),
    "alpha_dropout": lambda: layers.AlphaDropout(0.2),
    "average_pooling": lambda: layers.AveragePooling2D(padding="same"),
    "batch_normalization": lambda: layers.BatchNormalization(momentum=0.9),
    "center_crop": lambda: layers.CenterCrop(8, 8),
    "conv": lambda: layers.Conv2D(4, 3, kernel_regularizer="l2", kernel_initializer="he_normal"),
    "conv_transpose": lambda: layers.Conv2DTranspose(4, 3, 2, padding="same"),
    "cropping": lambda: layers.Cropping2D(1),
    "dense": lambda: layers.Dense(5, activation="relu", bias_constraint="non_neg"),
    "depthwise": lambda: layers.DepthwiseConv2D(3, depth_multiplier=2),
    "dropout": lambda: layers.Dropout(0.5),
    "elu": lambda: layers.ELU(0.5),
    "gaussian_dropout": lambda: layers.GaussianDropout(0.2),
    "gaussian_noise": lambda: layers.GaussianNoise(0.1),
    "group_normalization": lambda: layers.GroupNormalization(2),
    "layer_normalization": layers.LayerNormalization,
    "leaky_relu": lambda: layers.LeakyReLU(0.3),
    "max_pooling": layers.MaxPooling2D,
    "normalization": _normalization,
    "permute": lambda: layers.Permute((2, 1, 3)),
    "prelu": lambda: layers.PReLU(alpha_initializer="uniform", shared_axes=[1, 2]),
    "random_brightness": lambda: layers.RandomBrightness(0.1),
    "random_contrast": lambda: layers.RandomContrast(0.1),
    "random_flip": lambda: layers.RandomFlip("horizontal"),
    "random_rotation": lambda: layers.RandomRotation(0.1),
    "random_translation": lambda: layers.RandomTranslation(0.1, 0.1),
    "random_zoom": lambda: layers.RandomZoom(0.1),
    "relu": lambda: layers.ReLU(max_value=6.0, negative_slope=0.1),
    "rescaling": lambda: layers.Rescaling(2.0, offset=-1.0),
    "reshape": lambda: layers.Reshape((SIDE // 2, SIDE // 2, 4)),
    "resizing": lambda: layers.Resizing(8, 8),
    "separable": lambda: layers.SeparableConv2D(4, 3, activation="relu", use_bias=False),
    "softmax": layers.Softmax,
    "spatial_dropout": lambda: layers.SpatialDropout2D(0.2),
    "thresholded_relu": lambda: layers.ThresholdedReLU(0.05),
    "unit_normalization": layers.UnitNormalization,
    "up_sampling": lambda: layers.UpSampling2D(interpolation="bilinear"),
    "zero_padding": lambda: layers.ZeroPadding2D(1),
}
"""One of each kind, between two other layers; takes (N, 6, 6, 4)."""

MERGES: dict[str, Callable[[], Any]] = {
    "add": layers.Add,
    "average": layers.Average,
    "concatenate": layers.Concatenate,
    "maximum": layers.Maximum,
    "multiply": layers.Multiply,
    "subtract": layers.Subtract,
}
"""Of two tensors; for functional networks only."""


def _before() -> list[Any]:
    return [layers.Conv2D(4, 3, 2, padding="same", activation="relu", name="first")]


def _after() -> list[Any]:
    return [layers.GlobalAveragePooling2D(), layers.Dense(7, activation="softmax", name="answer")]


def sequential(make: Callable[[], Any]) -> Any:
    """As tutorials do it: the first layer is told the shape of its input."""
    first = layers.Conv2D(4, 3, 2, padding="same", input_shape=(SIDE, SIDE, 1))
    return tf_keras.Sequential([first, make(), *_after()])


def functional(make: Callable[[], Any]) -> Any:
    """With a second branch that is added."""
    pixels = tf_keras.Input((SIDE, SIDE, 1))
    x = pixels
    for layer in (*_before(), make(), *_after()):
        x = layer(x)
    other = layers.Dense(7)(layers.Flatten()(pixels))
    return tf_keras.Model(pixels, layers.Softmax()(layers.Add()([x, other])))


def nested(make: Callable[[], Any]) -> Any:
    """A network within a network within a network."""
    inner = tf_keras.Sequential([layers.Conv2D(4, 1, input_shape=(6, 6, 4)), make()], name="inner")
    around = tf_keras.Input((SIDE, SIDE, 1))
    middle = tf_keras.Model(around, inner(_before()[0](around)), name="middle")
    return tf_keras.Sequential([layers.InputLayer((SIDE, SIDE, 1)), middle, *_after()])


def merging(make: Callable[[], Any]) -> Any:
    """Two branches that the layer makes one."""
    pixels = tf_keras.Input((SIDE, SIDE, 1))
    shared = layers.Conv2D(4, 3, padding="same", activation="relu")
    x = make()([shared(pixels), layers.Conv2D(4, 1)(pixels)])
    for layer in _after():
        x = layer(x)
    return tf_keras.Model(pixels, x)


FORMS = {form.__name__: form for form in (sequential, functional, nested)}


def preprocessing() -> Any:
    """With the arithmetic of tf.keras.applications' preprocess_input in the graph."""
    pixels = tf_keras.Input((SIDE, SIDE, 1))
    x = pixels / 127.5 - 1.0
    for layer in (*_before(), *_after()):
        x = layer(x)
    return tf_keras.Model(pixels, x)


def shared() -> Any:
    """One layer that is used twice, and one network that is."""
    pixels = tf_keras.Input((SIDE, SIDE, 1))
    twice = layers.Conv2D(1, 3, padding="same", activation="relu")
    net = tf_keras.Sequential([layers.Conv2D(1, 3, padding="same", input_shape=(SIDE, SIDE, 1))])
    x = net(net(twice(twice(pixels))))
    for layer in (*_before(), *_after()):
        x = layer(x)
    return tf_keras.Model(pixels, x)


def _with_a_base(*, frozen: Callable[[Any], bool]) -> Any:
    """A base network, as for transfer; what is frozen decides the order of weights in a file."""
    pixels = tf_keras.Input((SIDE, SIDE, 1))
    x = pixels
    for _ in range(2):
        x = layers.Conv2D(4, 3, use_bias=False)(x)
        x = layers.PReLU(shared_axes=[1, 2])(layers.BatchNormalization()(x))
    base = tf_keras.Model(pixels, x, name="base")
    for layer in base.layers:
        layer.trainable = not frozen(layer)
    return tf_keras.Sequential([layers.InputLayer((SIDE, SIDE, 1)), base, *_after()])


def base() -> Any:
    """Nothing frozen."""
    return _with_a_base(frozen=lambda layer: False)


def frozen_base() -> Any:
    """All of it frozen."""
    return _with_a_base(frozen=lambda layer: True)


def frozen_norms() -> Any:
    """Only batch norms frozen."""
    return _with_a_base(frozen=lambda layer: isinstance(layer, layers.BatchNormalization))


def built_late() -> Any:
    """A Sequential that is told its shape by build()."""
    network = tf_keras.Sequential([layers.Rescaling(1 / 255), *_before(), *_after()])
    network.build((None, SIDE, SIDE, 1))
    return network


def every() -> dict[str, Callable[[], Any]]:
    """Return what builds each network, by its name."""
    built = {
        f"{kind}-{name}": (lambda form=form, make=make: form(make))
        for kind, make in KINDS.items()
        for name, form in FORMS.items()
    }
    merged = {
        f"{kind}-functional": (lambda make=make: merging(make)) for kind, make in MERGES.items()
    }
    others = (preprocessing, shared, base, frozen_base, frozen_norms, built_late)
    return {**built, **merged, **{build.__name__: build for build in others}}


def shake(network: Any, rng: np.random.Generator) -> None:
    """Give every weight another value than it begins with, so that none can be forgotten."""
    network.set_weights(
        [
            weight + rng.uniform(0.05, 0.3, weight.shape) if weight.dtype.kind == "f" else weight
            for weight in network.get_weights()
        ]
    )


def main(folder: Path) -> None:
    """Write every network."""
    rng = np.random.default_rng(0)
    raw = rng.integers(0, 256, (4, SIDE, SIDE), dtype=np.uint8)
    pictures = raw[..., np.newaxis].astype("float32") / np.float32(255)
    answers = {}
    for name, build in every().items():
        tf_keras.backend.clear_session()
        tf_keras.utils.set_random_seed(0)
        network = build()
        shake(network, rng)
        network.save(folder / f"{name}.h5")
        network.save_weights(folder / f"{name}-weights.h5")
        (folder / f"{name}.json").write_text(network.to_json())
        if name in ("base", "shared"):
            network.save(folder / f"{name}.keras")
            network.save_weights(folder / f"{name}.weights.h5")
            network.save(folder / name, save_format="tf")
        answers[name] = np.asarray(network(pictures, training=False))
    np.savez(folder / "answers.npz", pictures=raw, **answers)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
