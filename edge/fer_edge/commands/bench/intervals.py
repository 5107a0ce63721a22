"""Figures of a series of measurements and of the ratio of two, each with its interval."""

from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

PERCENTS: Final = (50, 90, 95, 99)
CONFIDENCE: Final = 0.95
_EXACT_UP_TO: Final = 100_000
_RESAMPLES: Final = 4000
_AT_ONCE: Final = 200  # in parts: a Pi has little memory

Series = NDArray[np.float64]
Interval = tuple[float | None, float | None]


def figures(values: Series, unit: str = "_ms") -> dict[str, Any]:
    """Summarise at least one measurement; nothing is discarded.

    Args:
        values: In milliseconds.
        unit: Behind each name.

    Returns:
        Figures with keys such as p50_ms, and the percentiles' intervals under `intervals`; None
        for an end that so few measurements do not bound.
    """
    ordered = np.sort(values)
    percentiles = {p: float(np.percentile(ordered, p)) for p in PERCENTS}
    intervals = {p: percentile_interval(ordered, p) for p in PERCENTS}
    return {
        "n": len(ordered),
        f"mean{unit}": round(float(ordered.mean()), 5),
        **{f"p{p}{unit}": round(value, 5) for p, value in percentiles.items()},
        f"max{unit}": round(float(ordered[-1]), 5),
        f"intervals{unit}": {
            f"p{p}": [None if end is None else round(end, 5) for end in ends]
            for p, ends in intervals.items()
        },
    }


def percentile_interval(
    ordered: Series, percent: float, *, confidence: float = CONFIDENCE
) -> Interval:
    """Return an interval for a percentile from order statistics; no distribution is assumed.

    How many of n independent measurements lie below the true percentile is binomial, which
    gives the two measurements that hold it between them with at least that confidence.

    Args:
        ordered: Ascending, at least one.
        percent: 0 to 100, exclusive.
        confidence: Of the interval.

    Returns:
        Lower and upper end; None for an end that n measurements cannot give.
    """
    n, p, tail = len(ordered), percent / 100, (1 - confidence) / 2
    if n <= _EXACT_UP_TO:
        below = _binomial_cdf(n, p)  # below[k]: at most k of them lie below
        low = int(np.searchsorted(below, tail, side="right")) - 1
        high = int(np.searchsorted(below, 1 - tail, side="left")) + 1
    else:
        half = NormalDist().inv_cdf(1 - tail) * (n * p * (1 - p)) ** 0.5
        low, high = int(n * p - half) - 1, int(n * p + half) + 2
    return (
        float(ordered[low]) if low >= 0 else None,
        float(ordered[high - 1]) if high <= n else None,
    )


def _binomial_cdf(n: int, p: float) -> Series:
    """Return P(at most k of n) for k = 0 ... n - 1, summed in logarithms."""
    k = np.arange(n + 1, dtype=np.float64)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(k[1:]))])
    log_terms = (
        log_factorial[n] - log_factorial - log_factorial[::-1]
        + k * np.log(p) + (n - k) * np.log1p(-p)
    )  # fmt: skip
    cdf: Series = np.cumsum(np.exp(log_terms))[:n]
    return cdf


def slope_interval(
    at: Series, values: Series, *, confidence: float = CONFIDENCE
) -> tuple[float, float, float]:
    """Return the Theil-Sen slope with Sen's interval: a few outliers do not move it.

    Args:
        at: Where or when, ascending; at least three, at most some hundreds.
        values: What was found there.
        confidence: Of the interval.

    Returns:
        Slope, lower end, upper end, in units of `values` per unit of `at`.
    """
    first, second = np.triu_indices(len(at), k=1)
    slopes = np.sort((values[second] - values[first]) / (at[second] - at[first]))
    n = len(at)
    # Kendall's variance says how far from the middle the ends lie.
    half = NormalDist().inv_cdf((1 + confidence) / 2) * (n * (n - 1) * (2 * n + 5) / 18) ** 0.5
    low = max(0, int((len(slopes) - half) / 2))
    high = min(len(slopes) - 1, int((len(slopes) + half) / 2) + 1)
    return float(np.median(slopes)), float(slopes[low]), float(slopes[high])


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
