"""Shares of pictures: their intervals, and how far confidence is from them."""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BINS: Final = 15
_Z95: Final = 1.959963984540054


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share; from 0 to 1 where nothing was tried.

    Unlike the textbook's, it stays inside 0 to 1 and is right for few pictures and for none or
    all of them right.

    Source: Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927.
    """
    if n == 0:
        return 0.0, 1.0
    z2 = _Z95 * _Z95
    centre = (successes + z2 / 2) / (n + z2)
    half = _Z95 / (n + z2) * math.sqrt(successes * (n - successes) / n + z2 / 4)
    # At none and at all the formula gives 0 and 1 but for rounding.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    return low, 1.0 if successes == n else min(1.0, centre + half)


def calibration_error(
    confidence: NDArray[np.floating[Any]], right: NDArray[np.bool_], *, bins: int = BINS
) -> float:
    """Return how far confidence is from accuracy, over bins of equal width, weighted by pictures.

    Args:
        confidence: Probability of the label given, shape (N,).
        right: Where that is the picture's label, shape (N,).
        bins: Number of them.

    Source: Guo et al., On Calibration of Modern Neural Networks, 2017.
    """
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(place, confidence - right, minlength=bins)
    return float(np.abs(gaps).sum() / max(1, len(right)))
