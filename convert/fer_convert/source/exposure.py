"""Pictures that would mislead a calibration: blank ones, and those far too dark or too bright.

Judged by percentiles of a picture's own pixels, so that what is left out of one data set is left
out of every other, and a good set loses nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.data.samples import Samples

LOW_PERCENT: Final = 5
HIGH_PERCENT: Final = 95
LEAST_SPREAD: Final = 16
"""Grey levels between the two percentiles; less is blank or nearly constant."""
DARKEST: Final = 48
"""The high percentile must reach this; a picture below is under-exposed."""
BRIGHTEST: Final = 208
"""The low percentile must not pass this; a picture above is over-exposed."""

NAMED: Final = 10
"""Of each fault, pictures that a contract names: it has little room, and a few say which kind."""

RULE: Final = (
    f"pixels' {HIGH_PERCENT}th less {LOW_PERCENT}th percentile under {LEAST_SPREAD}: flat; "
    f"{HIGH_PERCENT}th under {DARKEST}: dark; {LOW_PERCENT}th over {BRIGHTEST}: bright"
)


def find_extremes(pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.int64]]:
    """Return the indices of pictures that break the rule, by the part of it that they break."""
    if not len(pictures):
        return {}
    pixels = pictures.reshape(len(pictures), -1)
    # "lower" names a pixel's own value, so that no rounding decides.
    low, high = np.percentile(pixels, (LOW_PERCENT, HIGH_PERCENT), axis=1, method="lower").astype(
        np.int64
    )
    flat = high - low < LEAST_SPREAD
    dark = ~flat & (high < DARKEST)
    bright = ~flat & (low > BRIGHTEST)
    return {
        name: np.flatnonzero(broken)
        for name, broken in (("flat", flat), ("dark", dark), ("bright", bright))
    }


def trim(samples: Samples) -> tuple[Samples, Mapping[str, Any]]:
    """Leave the extremes out; also return the rule, and how many of each kind it left out.

    The first of each kind are named.
    """
    extremes = find_extremes(samples.pictures)
    out = {index for indices in extremes.values() for index in indices.tolist()}
    kept = samples.without(out)
    left_out = {
        name: {
            "pictures": len(indices),
            "first": [samples.names[index] for index in indices[:NAMED]],
        }
        for name, indices in extremes.items()
        if len(indices)
    }
    return kept, {"rule": RULE, "left_out": left_out}
