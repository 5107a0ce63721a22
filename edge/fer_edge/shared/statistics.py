"""Shares of pictures: their intervals, two models compared, and how far confidence is from them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

BINS: Final = 15
Z95: Final = 1.959963984540054
"""The normal distribution's 97.5 % point: what lies beyond it on either side is 5 %."""

_RESAMPLINGS: Final = 2000
_SEED: Final = 2013


class Interval(NamedTuple):
    """An interval of 95 % confidence."""

    low: float
    high: float

    def rounded(self, places: int) -> list[float]:
        """Return both ends, rounded."""
        return [round(end, places) for end in self]


@dataclass(frozen=True, slots=True)
class Bin:
    """The pictures whose confidence lies in one of the equal intervals from 0 to 1.

    Attributes:
        low: Lower end of the interval, outside it.
        high: Upper end, inside it.
        n: Pictures.
        confidence: Their mean confidence; 0 without pictures.
        accuracy: Share of them that is right; 0 without pictures.
    """

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float

    def to_json(self) -> list[float]:
        """Return [low, high, n, confidence, accuracy]."""
        low, high = round(self.low, 4), round(self.high, 4)
        return [low, high, self.n, round(self.confidence, 4), round(self.accuracy, 4)]


def wilson(successes: int, n: int) -> Interval:
    """Return the 95 % interval of a share; from 0 to 1 where nothing was tried.

    Unlike the textbook's, it stays inside 0 to 1 and is right for few pictures and for none or
    all of them right.

    Source: Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927.
    """
    if n == 0:
        return Interval(0.0, 1.0)
    z2 = Z95 * Z95
    centre = (successes + z2 / 2) / (n + z2)
    half = Z95 / (n + z2) * math.sqrt(successes * (n - successes) / n + z2 / 4)
    # At none and at all the formula gives 0 and 1 but for rounding.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    return Interval(low, 1.0 if successes == n else min(1.0, centre + half))


def resampled_clusters(right: NDArray[np.bool_], clusters: Sequence[str]) -> Interval | None:
    """Return the 95 % interval of a share by a bootstrap that draws whole clusters anew.

    Pictures of one person are alike; drawn one by one they would seem surer than they are.

    Args:
        right: Of each picture, shape (N,).
        clusters: To which each belongs; N of them.

    Returns:
        The same each time; None of fewer than two clusters.

    Source: Davison and Hinkley, Bootstrap Methods and their Application, 1997.
    """
    each, whose = np.unique(np.asarray(clusters), return_inverse=True)
    if len(each) < 2:
        return None
    sums = np.stack([np.bincount(whose, right), np.bincount(whose)], axis=1)
    drawn = np.random.default_rng(_SEED).integers(len(each), size=(_RESAMPLINGS, len(each)))
    hits, pictures = sums[drawn].sum(axis=1).T
    low, high = np.percentile(hits / pictures, [2.5, 97.5])
    return Interval(float(low), float(high))


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Two models on the same pictures.

    Attributes:
        n: Pictures.
        lost: Right before, wrong after.
        won: Wrong before, right after.
        p_value: Of McNemar's exact test: how often chance alone would part `lost` and `won` at
            least so far.
        difference: Share right after minus share right before.
        interval: Of the difference.
    """

    n: int
    lost: int
    won: int
    p_value: float
    difference: float
    interval: Interval

    def to_json(self) -> dict[str, Any]:
        """Return the figures, rounded to six places."""
        return {
            "lost": self.lost,
            "won": self.won,
            "p_value": round(self.p_value, 6),
            "difference": round(self.difference, 6),
            "interval": self.interval.rounded(6),
        }


def paired_test(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> PairedTest:
    """Compare two models picture by picture.

    Args:
        before: Where the first was right; bool, shape (N,).
        after: Where the second was right.

    Source: McNemar, Note on the sampling error of the difference between correlated proportions,
        1947, as an exact binomial test; the interval is Agresti and Min's, Simple improved
        confidence intervals for comparing matched proportions, 2005.
    """
    n = len(before)
    lost = int(np.count_nonzero(before & ~after))
    won = int(np.count_nonzero(~before & after))
    # Half a picture more in each of the four cells.
    more, fewer, count = won + 0.5, lost + 0.5, n + 2
    middle = (more - fewer) / count
    half = Z95 * math.sqrt(more + fewer - (more - fewer) ** 2 / count) / count
    return PairedTest(
        n=n,
        lost=lost,
        won=won,
        p_value=_sign_test(lost, won),
        difference=(won - lost) / n if n else 0.0,
        interval=Interval(max(-1.0, middle - half), min(1.0, middle + half)),
    )


def _sign_test(one: int, other: int) -> float:
    n = one + other
    tail = sum(math.comb(n, k) for k in range(min(one, other) + 1))
    return min(1.0, 2 * tail / (1 << n))


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
    gaps = np.bincount(_places(confidence, bins), confidence - right, minlength=bins)
    return float(np.abs(gaps).sum() / max(1, len(right)))


def reliability(
    confidence: NDArray[np.floating[Any]], right: NDArray[np.bool_], *, bins: int = BINS
) -> tuple[Bin, ...]:
    """Sort pictures by confidence into equal intervals; arguments as above."""
    places = _places(confidence, bins)
    return tuple(
        Bin(
            low=number / bins,
            high=(number + 1) / bins,
            n=int(inside.sum()),
            confidence=float(confidence[inside].mean()) if inside.any() else 0.0,
            accuracy=float(right[inside].mean()) if inside.any() else 0.0,
        )
        for number, inside in ((number, places == number) for number in range(bins))
    )


def _places(confidence: NDArray[np.floating[Any]], bins: int) -> NDArray[np.int64]:
    places: NDArray[np.int64] = np.ceil(confidence * bins).astype(np.int64) - 1
    return np.clip(places, 0, bins - 1)
