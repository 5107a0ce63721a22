"""Networks to convert, made in a process of its own: `python toy_networks.py FOLDER`.

Writes FOLDER/<name>.keras for every function in NETWORKS. "toy" is trained on the pictures that
lie in FOLDER/toy.npz; the others are as initialised, from one seed. FOLDER/exported is it as a
SavedModel.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.update(
    KERAS_BACKEND="tensorflow",
    TF_CPP_MIN_LOG_LEVEL="3",
    CUDA_VISIBLE_DEVICES="-1",
    TF_NUM_INTRAOP_THREADS="2",
    TF_NUM_INTEROP_THREADS="2",
)

import keras
import numpy as np

layers = keras.layers
Tensor = Any


def _convolution(x: Tensor, filters: int, stride: int = 1, *, kernel: int = 3) -> Tensor:
    x = layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False)(x)
    # A quick average: the toy trains for a few dozen steps.
    return layers.BatchNormalization(momentum=0.8)(x)


def _residual(x: Tensor, filters: int, stride: int = 1) -> Tensor:
    shortcut = x
    if stride != 1 or x.shape[-1] != filters:
        shortcut = _convolution(x, filters, stride, kernel=1)
    x = layers.ReLU()(_convolution(x, filters, stride))
    x = _convolution(x, filters)
    return layers.ReLU()(layers.Add()([x, shortcut]))


def _around(body: Callable[[Tensor], Tensor], *, ending: str = "softmax", units: int = 7) -> Any:
    pixels = keras.Input((48, 48, 1))
    x = body(layers.Rescaling(1 / 255)(pixels))
    return keras.Model(pixels, layers.Dense(units, activation=ending, name="answer")(x))


def toy() -> Any:
    """A few kilobytes: Conv-BN-ReLU twice, global pooling, softmax."""

    def body(x: Tensor) -> Tensor:
        x = layers.ReLU()(_convolution(x, 8, 2))
        x = layers.ReLU()(_convolution(x, 16, 2))
        return layers.GlobalAveragePooling2D()(x)

    return _around(body)


def residual() -> Any:
    """As large and of the same parts as the network that fer-edge ships."""
    pixels = keras.Input((48, 48, 1))
    x = layers.Rescaling(2 / 255, offset=-1.0)(pixels)
    x = layers.ReLU()(_convolution(x, 24, 2))
    for filters, stride in ((32, 1), (64, 2), (128, 2)):
        x = _residual(x, filters, stride)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(pixels, layers.Dense(7, activation="softmax")(x))


def _loose_norm(name: str, x: Tensor, *, negative: bool = False) -> Tensor:
    """A batch norm with statistics as after a training."""
    norm = layers.BatchNormalization(name=name)
    y = norm(x)
    rng = np.random.default_rng(len(name))
    gamma, beta, mean, variance = (rng.uniform(0.5, 1.5, x.shape[-1]) for _ in range(4))
    gamma[0] *= -1 if negative else 1
    norm.set_weights([gamma, beta - 1, mean - 1, variance])
    return y


def loose_norms() -> Any:
    """Batch norms behind ReLU, each before something else."""

    def body(x: Tensor) -> Tensor:
        x = layers.Conv2D(4, 3, 2, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(name="pooled")(_loose_norm("padded", x))
        x = layers.Dropout(0.2, name="thinned")(x)
        x = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
        x = layers.Conv2D(4, 3, activation="relu", name="valid")(_loose_norm("before_valid", x))
        x = layers.MaxPooling2D()(_loose_norm("negative", x, negative=True))
        x = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
        x = layers.Flatten()(_loose_norm("flat", x))
        return _loose_norm("dense", layers.Dense(8, activation="relu", name="hidden")(x))

    return _around(body)


def flatten() -> Any:
    """Ends as the oldest of the documented networks do."""

    def body(x: Tensor) -> Tensor:
        x = layers.MaxPooling2D()(layers.Conv2D(4, 3, activation="relu")(x))
        return layers.Dropout(0.5)(layers.Flatten()(x))

    return _around(body)


def binary() -> Any:
    """One sigmoid."""
    return _around(
        lambda x: layers.GlobalAveragePooling2D()(layers.ReLU()(_convolution(x, 4, 2))),
        ending="sigmoid",
        units=1,
    )


def logits() -> Any:
    """Forgets its softmax."""
    return _around(layers.GlobalAveragePooling2D(), ending="linear")


def erf() -> Any:
    """Has an operation that TFLite lacks."""
    return _around(lambda x: layers.GlobalAveragePooling2D()(keras.ops.erf(x)))


def group_norm() -> Any:
    """Converts, but leaves float islands in the int8 graph."""
    return _around(
        lambda x: layers.GlobalAveragePooling2D()(
            layers.GroupNormalization(2, name="uneven")(layers.Conv2D(4, 3, 2)(x))
        )
    )


def upsampling() -> Any:
    """Is pure with the converter's own ranges alone."""
    return _around(
        lambda x: layers.GlobalAveragePooling2D()(
            layers.UpSampling2D(name="larger")(layers.Conv2D(4, 3, 2, activation="relu")(x))
        )
    )


def lstm() -> Any:
    """Crashes TensorFlow's converter with a segmentation fault."""
    return _around(lambda x: layers.LSTM(4, name="memory")(layers.Reshape((48, 48))(x)))


def custom() -> Any:
    """Has a layer that is not one of Keras' own."""

    class Shy(keras.layers.Layer):
        def call(self, x: Tensor) -> Tensor:
            return x

    return _around(lambda x: layers.GlobalAveragePooling2D()(Shy(name="shy")(x)))


def not_a_number() -> Any:
    """Training has diverged."""
    network = toy()
    network.layers[-1].bias.assign([float("nan")] * 7)
    return network


NETWORKS = (
    toy, residual, loose_norms, flatten, binary, logits, erf, group_norm, lstm, custom,
    not_a_number, upsampling,
)  # fmt: skip


def _train(network: Any, data: Path) -> None:
    with np.load(data) as samples:
        pictures, labels = samples["pictures"][..., np.newaxis], samples["labels"]
    network.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    network.fit(pictures.astype("float32"), labels, batch_size=32, epochs=5, verbose=0)


def main(folder: Path) -> None:
    """Write every network."""
    for build in NETWORKS:
        keras.backend.clear_session()
        keras.utils.set_random_seed(0)
        network = build()
        if build is toy:
            _train(network, folder / "toy.npz")
        network.save(folder / f"{build.__name__}.keras")
        if build is toy:
            network.save(folder / "toy.h5")
            (folder / "toy.json").write_text(network.to_json())
            network.export(str(folder / "exported"), verbose=False)
        if build is loose_norms:
            with np.load(folder / "toy.npz") as samples:
                pictures = samples["pictures"][:32, ..., np.newaxis].astype("float32")
            np.save(folder / "loose_norms.npy", network(pictures, training=False))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
