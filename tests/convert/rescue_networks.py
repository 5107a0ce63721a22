"""Trained networks that plain int8 breaks: `python rescue_networks.py FOLDER`.

The first convolution is given one more channel, to which no later layer listens. Float does
not notice; int8, with one scale for the whole tensor, has no steps left for the other channels.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import toy_networks


def with_loud_channel(network: Any, *, gain: float, threshold: float) -> Any:
    """Return the toy with a ninth channel, relu(gain (x - threshold)) of the pixel x."""

    def body(x: Any) -> Any:
        for filters in (9, 16):
            x = layers.ReLU()(toy_networks._convolution(x, filters, 2))
        return layers.GlobalAveragePooling2D()(x)

    layers = toy_networks.layers
    wide = toy_networks._around(body)
    for layer, old in zip(wide.layers, network.layers, strict=True):
        weights = [np.zeros(weight.shape) for weight in layer.weights]
        for weight, trained in zip(weights, old.get_weights(), strict=True):
            weight[tuple(map(slice, trained.shape))] = trained
        layer.set_weights(weights)
    convolution, norm = wide.layers[2:4]
    kernel = convolution.kernel.numpy()
    kernel[1, 1, 0, 8] = gain
    convolution.kernel.assign(kernel)
    values = norm.get_weights()
    for value, new in zip(values, (1.0, -gain * threshold, 0.0, 1.0), strict=True):
        value[8] = new
    norm.set_weights(values)
    return wide


def main(folder: Path) -> None:
    """Train one network and write it in three ways."""
    toy_networks.keras.utils.set_random_seed(0)
    network = toy_networks.toy()
    toy_networks._train(network, folder / "toy.npz")
    for name, gain, threshold in (
        # Only a white pixel sets it off, and that is rare.
        ("spike", 6e4, 0.99),
        # Always on: clipping it would clip the others.
        ("loud", 2e3, 0.0),
        # Louder than 16 bits can hold.
        ("deafening", 1e5, 0.0),
    ):
        with_loud_channel(network, gain=gain, threshold=threshold).save(folder / f"{name}.keras")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
