"""Intervals of shares and bins of confidence, worked out by hand."""

import numpy as np
import pytest

from fer_edge.shared.statistics import Interval, calibration_error, reliability, wilson


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # (k + z2/2 -+ z sqrt(k (n - k) / n + z2/4)) / (n + z2) with z = 1.96, worked out by hand
        (0, 10, 0.0, 0.2775),
        (1, 10, 0.0179, 0.4042),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilson_by_hand(successes, n, low, high):
    assert wilson(successes, n) == pytest.approx((low, high), abs=6e-5)


def test_an_interval_is_rounded_for_json():
    assert Interval(0.12345, 0.98765).rounded(3) == [0.123, 0.988]


def test_the_calibration_error_by_hand():
    # Two bins: confidences 0.6 and 0.8 in the upper, one of them right: |0.7 - 0.5|.
    confidence, right = np.array([0.6, 0.8]), np.array([True, False])
    lower, upper = reliability(confidence, right, bins=2)
    assert (lower.n, upper.n) == (0, 2)
    assert (lower.confidence, lower.accuracy) == (0.0, 0.0)
    assert (upper.confidence, upper.accuracy) == (pytest.approx(0.7), 0.5)
    assert upper.to_json() == [0.5, 1.0, 2, 0.7, 0.5]
    assert calibration_error(confidence, right, bins=2) == pytest.approx(0.2)


def test_bins_are_weighted_by_their_pictures():
    confidence, right = np.array([0.95, 0.95, 0.95, 0.55]), np.array([True, True, True, False])
    assert len(reliability(confidence, right)) == 15
    # 3 of 4 pictures are 0.05 too modest, one is 0.55 too sure.
    assert calibration_error(confidence, right) == pytest.approx(0.75 * 0.05 + 0.25 * 0.55)


@pytest.mark.parametrize(("confidence", "place"), [(1.0, 14), (0.8, 11), (0.5, 7), (0.0, 0)])
def test_a_bin_holds_its_upper_end(confidence, place):
    bins = reliability(np.array([confidence]), np.array([True]))
    assert [each.n for each in bins].index(1) == place
