"""Activation ranges from calibration pictures, with their rarest values cut off."""

from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fer_convert.worker.bias import correct_biases
from fer_convert.worker.network import for_one_picture
from fer_convert.worker.simulated import PICTURE, Range, SimulatedNetwork
from fer_edge.shared.data.samples import with_channels
from fer_edge.shared.errors import ModelError

_BATCH: Final = 32


def clipped_ranges(
    simulated: SimulatedNetwork, pictures: NDArray[np.uint8], *, percentile: float
) -> dict[str, Range]:
    """Return the range of every int8 tensor but the input's.

    Args:
        simulated: Measured as float.
        pictures: uint8, shape (N, height, width).
        percentile: Of the values of a batch, where the range ends; it begins as far from the
            other end. The ranges of the batches are averaged. 100 takes the extremes of all, as
            the converter does.
    """
    simulated.activate(False)
    names = [name for name in simulated.points if name != PICTURE]
    probe = keras.Model(
        simulated.model.inputs[0], [simulated.points[name].output for name in names]
    )
    lows: list[list[float]] = []
    highs: list[list[float]] = []
    for start in range(0, len(pictures), _BATCH):
        batch = with_channels(pictures[start : start + _BATCH]).astype(np.float32)
        answers = probe(batch, training=False)
        outputs = [np.asarray(output) for output in (answers if len(names) > 1 else [answers])]
        both = [np.percentile(output, (100 - percentile, percentile)) for output in outputs]
        lows.append([float(low) for low, _ in both])
        highs.append([float(high) for _, high in both])
    if percentile >= 100:
        low, high = np.min(lows, axis=0), np.max(highs, axis=0)
    else:
        low, high = np.mean(lows, axis=0), np.mean(highs, axis=0)
    # A range always holds 0: padding and ReLU need it exactly.
    return {
        name: (min(float(low[i]), 0.0), max(float(high[i]), 1e-6)) for i, name in enumerate(names)
    }


def to_clipped_flatbuffer(
    network: Any, pictures: NDArray[np.uint8], *, percentile: float, where: Path
) -> tuple[bytes, dict[str, Any]]:
    """Translate a network to int8 with ranges that hold all but its rarest activations.

    Its biases take up the mean error that the rounding gives each channel.

    Args:
        network: Loaded and checked.
        pictures: To take the ranges from; uint8, shape (N, height, width).
        percentile: As `clipped_ranges` takes it.
        where: The network's file, for messages.

    Returns:
        The flatbuffer, and what `correct_biases` says.

    Raises:
        ModelError: It holds a layer that cannot be simulated, or the converter refuses it.
    """
    simulated = SimulatedNetwork(network, pictures)
    simulated.set_ranges(clipped_ranges(simulated, pictures, percentile=percentile))
    correction = correct_biases(simulated, pictures)
    return simulated_to_flatbuffer(simulated, where=where), correction


def simulated_to_flatbuffer(simulated: SimulatedNetwork, *, where: Path) -> bytes:
    """Translate a network to int8 with the ranges that are set in it.

    Raises:
        ModelError: The converter refuses it.
    """
    simulated.activate_for_export()
    converter = tf.lite.TFLiteConverter.from_keras_model(for_one_picture(simulated.model))
    # No calibration: the ranges in the network are all there are. Purity is checked afterwards.
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    try:
        return bytes(converter.convert())
    except Exception as error:  # TensorFlow raises many kinds, all mean this
        raise ModelError(
            f"{where} with set ranges cannot be converted ({' '.join(str(error).split())[-200:]})",
            expected="layers that TFLite has int8 operators for",
            fix="keep the converter's own ranges with --range-percentile 100",
        ) from error
