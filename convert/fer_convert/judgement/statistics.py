"""Two models on the same pictures, tested in pairs; two-sided at 95 %."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.statistics import Z95, Interval


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
