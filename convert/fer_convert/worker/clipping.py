"""Activation ranges from calibration pictures, with their rarest values cut off."""

from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from fer_convert.worker.simulated import PICTURE, Range, SimulatedNetwork

_BATCH: Final = 32


def clipped_ranges(
    simulated: SimulatedNetwork, pictures: NDArray[np.uint8], *, percentile: float
) -> dict[str, Range]:
    """Return the range of every int8 tensor but the input's.

    Args:
        simulated: Measured as float.
        pictures: uint8, shape (N, height, width).
        percentile: Of the values of a batch that the range holds, half of the rest lying below
            and half above it; the ranges of the batches are averaged. 100 takes the extremes of
            all, as the converter does.
    """
    simulated.activate(False)
    names = [name for name in simulated.points if name != PICTURE]
    probe = keras.Model(
        simulated.model.inputs[0], [simulated.points[name].output for name in names]
    )
    lows: list[list[float]] = []
    highs: list[list[float]] = []
    for start in range(0, len(pictures), _BATCH):
        batch = pictures[start : start + _BATCH, ..., np.newaxis].astype(np.float32)
        answers = probe(batch, training=False)
        outputs = [np.asarray(output) for output in (answers if len(names) > 1 else [answers])]
        lows.append([_quantile(output, 100 - percentile) for output in outputs])
        highs.append([_quantile(output, percentile) for output in outputs])
    if percentile >= 100:
        low, high = np.min(lows, axis=0), np.max(highs, axis=0)
    else:
        low, high = np.mean(lows, axis=0), np.mean(highs, axis=0)
    # A range always holds 0: padding and ReLU need it exactly.
    return {
        name: (min(float(low[i]), 0.0), max(float(high[i]), 1e-6)) for i, name in enumerate(names)
    }


def _quantile(values: Any, percentile: float) -> float:
    return float(np.percentile(values, percentile))
