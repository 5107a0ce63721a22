"""Figures and their intervals."""

import itertools
import math
import threading

import numpy as np
import pytest

from fer_edge.commands.bench.intervals import figures, percentile_interval, slope_interval
from fer_edge.commands.bench.measure.sampling import KEPT_SAMPLES, measure, thin_out
from fer_edge.commands.bench.measure.sustained import LatencyHistogram


@pytest.mark.parametrize(
    ("n", "percent", "low", "high"),
    [
        # Tables of nonparametric intervals for the median: ranks for 95 %.
        (10, 50, 2, 9),
        (20, 50, 6, 15),
        (100, 50, 40, 61),
        (5, 50, None, None),
        (30, 99, 28, None),
    ],
)
def test_order_statistics(n, percent, low, high):
    ordered = np.arange(1, n + 1, dtype=float)
    assert percentile_interval(ordered, percent) == (low, high)


def test_a_99th_percentile_is_bounded_from_369_measurements_on():
    # The smallest n with 0.99 ** n <= 0.025.
    least = math.ceil(math.log(0.025) / math.log(0.99))
    assert percentile_interval(np.arange(least - 1.0), 99)[1] is None
    assert percentile_interval(np.arange(float(least)), 99)[1] is not None


@pytest.mark.parametrize("percent", [50, 90])
def test_intervals_hold_the_truth_as_often_as_they_say(percent):
    rng = np.random.default_rng(0)
    truth = -math.log(1 - percent / 100)
    held = 0
    for _ in range(400):
        low, high = percentile_interval(np.sort(rng.exponential(size=150)), percent)
        held += low <= truth <= high
    assert 0.92 <= held / 400 <= 1.0


def test_large_and_small_series_agree():
    ordered = np.arange(100_000.0)
    exact, close = percentile_interval(ordered, 90), percentile_interval(np.arange(100_001.0), 90)
    assert close == pytest.approx(exact, abs=5)


def test_figures():
    found = figures(np.array([3.0, 1.0, 2.0]))
    assert (found["n"], found["mean_ms"], found["p50_ms"], found["max_ms"]) == (3, 2, 2, 3)
    assert found["intervals_ms"]["p50"] == [None, None]
    assert set(found["intervals_ms"]) == {"p50", "p90", "p95", "p99"}


def test_a_slope_and_its_interval():
    rng = np.random.default_rng(1)
    at = np.linspace(0, 1, 120)
    rising = slope_interval(at, 5 * at + rng.normal(0, 0.1, 120))
    assert rising[1] < 5 < rising[2]
    level = slope_interval(at, rng.normal(0, 0.1, 120))
    assert level[1] < 0 < level[2]


def test_one_outlier_does_not_make_a_slope():
    at = np.arange(30.0)
    values = np.zeros(30)
    values[-1] = 1000
    assert slope_interval(at, values)[0] == 0


class TickingClock:
    """A clock that only actions move."""

    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now

    def action(self, *milliseconds):
        def act():
            self.now += round(milliseconds[act.calls % len(milliseconds)] * 1e6)
            act.calls += 1

        act.calls = 0
        return act


def measured(actions, clock, seconds=10.0, **options):
    return measure(actions, seconds, stop=threading.Event(), clock=clock, **options)


def test_steady_actions_end_as_soon_as_they_are_precise():
    clock = TickingClock()
    samples = measured({"a": clock.action(2)}, clock)["a"]
    assert samples.ended == "precise"
    assert samples.total_ns / 1e9 == pytest.approx(2.5, abs=0.25)
    assert samples.to_json()["p99_ms"] == 2


def test_unsteady_actions_take_their_time_and_nothing_is_discarded():
    clock = TickingClock()
    action = clock.action(*range(1, 101, 3))
    samples = measured({"a": action}, clock)["a"]
    assert samples.ended == "time"
    assert samples.warmup_runs + len(samples.nanoseconds) == action.calls
    assert samples.warmup_runs >= 5
    assert samples.to_json()["max_ms"] == 100


def test_slow_actions_run_thirty_times_all_the_same():
    clock = TickingClock()
    samples = measured({"a": clock.action(900, 1100, 1500)}, clock, seconds=1.0)["a"]
    assert len(samples.nanoseconds) == 30


def test_actions_take_turns():
    clock, order = TickingClock(), []
    actions = {name: clock.action(50, 60) for name in "ab"}
    measured(
        {name: lambda name=name: (order.append(name), actions[name]()) for name in "ab"}, clock
    )
    changes = sum(one != other for one, other in itertools.pairwise(order))
    assert changes >= 10


def test_what_was_measured_before_a_stop_is_kept():
    stop = threading.Event()
    clock = TickingClock()
    act = clock.action(5)

    def work():
        act()
        if act.calls == 350:
            stop.set()

    found = measure({"a": work, "b": clock.action(1)}, 10, stop=stop, clock=clock)
    assert found["a"].ended == "stopped"
    assert found["a"].warmup_runs + len(found["a"].nanoseconds) == 350


def test_kept_samples_are_bounded_and_in_order():
    assert thin_out(np.arange(5.0)) == [0, 1, 2, 3, 4]
    kept = thin_out(np.arange(12_345.0))
    assert 500 < len(kept) <= KEPT_SAMPLES
    assert kept == sorted(kept)


def test_a_histogram_knows_percentiles_to_half_a_percent():
    values = np.random.default_rng(2).lognormal(1, 0.5, 5000)
    histogram = LatencyHistogram()
    for part in np.split(values, 10):
        histogram.add(part)
    found = histogram.to_json()
    for percent in (50, 90, 99):
        assert found[f"p{percent}"] == pytest.approx(np.percentile(values, percent), rel=0.01)
    assert found["mean"] == pytest.approx(values.mean(), abs=1e-4)
    assert found["max"] == pytest.approx(values.max(), abs=1e-4)
