"""How sure is a ratio of two runs? A block bootstrap of their samples."""

from typing import Any, Final

import numpy as np

from fer_edge.commands.bench.intervals import Series

_RESAMPLES: Final = 4000
_AT_ONCE: Final = 200  # in parts: a Pi has little memory


def ratio_interval(
    before: Series,
    after: Series,
    percent: int | None,
    *,
    confidence: float,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Return an interval for the statistic of `after` divided by that of `before`.

    Args:
        before: Samples in the order they were made.
        after: Likewise; need not be as many.
        percent: Of the percentile compared; None compares the means.
        confidence: Of the interval.
        rng: Decides the resamples.
    """
    ratios = _resampled(after, percent, rng) / _resampled(before, percent, rng)
    tail = (1 - confidence) / 2
    return float(np.quantile(ratios, tail)), float(np.quantile(ratios, 1 - tail))


def statistic(values: Series, percent: int | None, *, axis: int = -1) -> Any:
    """Return a percentile, or the mean where none is named, along an axis."""
    if percent is None:
        return values.mean(axis=axis)
    return np.percentile(values, percent, axis=axis)


def _resampled(values: Series, percent: int | None, rng: np.random.Generator) -> Series:
    """Return the statistic of `_RESAMPLES` circular block resamples (Politis, Romano 1992)."""
    n = len(values)
    length = max(1, round(n ** (1 / 3)))
    wrapped = np.concatenate([values, values[: length - 1]])
    blocks = np.lib.stride_tricks.sliding_window_view(wrapped, length)
    results = []
    for _ in range(0, _RESAMPLES, _AT_ONCE):
        starts = rng.integers(0, n, (_AT_ONCE, -(-n // length)))
        drawn = blocks[starts].reshape(_AT_ONCE, -1)[:, :n]
        results.append(statistic(drawn, percent, axis=1))
    return np.concatenate(results)
