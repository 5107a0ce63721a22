"""Correct biases by the mean error that rounding gives each channel.

Source: Nagel, van Baalen, Blankevoort, Welling: Data-Free Quantization Through Weight Equalization
and Bias Correction (ICCV 2019), section 4.2, in its empirical form: the error is measured on
pictures, layer by layer, with the layers before already corrected.
"""

from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from fer_convert.worker.simulated import SimulatedNetwork
from fer_edge.shared.data.samples import with_channels

_BATCH: Final = 64

_ENOUGH: Final = 128
"""Pictures: an error is a difference on the same ones, so few tell it as well as many."""


def correct_biases(
    simulated: SimulatedNetwork, pictures: NDArray[np.uint8], *, activations: bool = True
) -> dict[str, Any]:
    """Correct the bias of every layer with weights.

    Args:
        simulated: Changed in place.
        pictures: uint8, shape (N, height, width); of many, some evenly spread are enough.
        activations: Whether these are rounded, too; then their ranges must be set.

    Returns:
        The largest correction in units of its channel's own spread, and its layer.
    """
    if len(pictures) > _ENOUGH:
        # From the first to the last: where a folder's classes stand in turn, all of them.
        pictures = pictures[np.linspace(0, len(pictures) - 1, _ENOUGH).astype(int)]
    picture = simulated.model.inputs[0]
    probe = keras.Model(picture, [layer.output for layer in simulated.linear])
    simulated.activate(False)
    wanted, spreads = _statistics(probe, pictures)
    simulated.activate(activations, weights=True)
    largest, where = 0.0, ""
    for layer, mean, spread in zip(simulated.linear, wanted, spreads, strict=True):
        (found,), _ = _statistics(keras.Model(picture, layer.output), pictures)
        error = mean - found
        layer.bias.assign_add(error.astype(np.float32))
        relative = float((np.abs(error) / np.maximum(spread, 1e-9)).max())
        if relative > largest:
            largest, where = relative, layer.name
    return {"largest_correction": round(largest, 4), "largest_correction_at": where}


def _statistics(
    probe: Any, pictures: NDArray[np.uint8]
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Return mean and standard deviation of every layer's channels."""
    sums: list[list[NDArray[np.float64]]] = []
    for start in range(0, len(pictures), _BATCH):
        batch = with_channels(pictures[start : start + _BATCH]).astype(np.float32)
        given = probe(batch, training=False)
        sums.append([_sums(output) for output in (given if isinstance(given, list) else [given])])
    moments = [sum(parts) / len(pictures) for parts in zip(*sums, strict=True)]
    spreads = [np.sqrt(np.maximum(square - mean**2, 0.0)) for mean, square in moments]
    return [mean for mean, _ in moments], spreads


def _sums(output: Any) -> NDArray[np.float64]:
    """Return the sums of values and squares by channel, shape (2, channels).

    Pictures weigh by their number; a layer's positions all weigh the same.
    """
    values = np.asarray(output, np.float64).reshape(len(output), -1, output.shape[-1])
    return np.stack([part.mean(axis=1).sum(axis=0) for part in (values, values**2)])
