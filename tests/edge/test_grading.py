"""How well a camera does, by the figures behind it."""

import dataclasses

import pytest

from fer_edge.daemon.camera.grading import GRADES, CameraFigures, CameraRecord, grade

FINE = CameraFigures(
    frames_per_second=30.0, wanted_per_second=30.0, age_ms=40.0, longest_gap_seconds=0.04
)


def graded(**changes):
    return grade(dataclasses.replace(FINE, **changes), delivering=True)


def test_a_camera_with_nothing_wrong_is_excellent():
    assert graded() == "excellent"


def test_one_that_does_not_deliver_is_dead_whatever_it_was():
    assert grade(FINE, delivering=False) == "dead"


@pytest.mark.parametrize(
    ("figure", "values"),
    [
        ("frames_per_second", (27.0, 21.0, 12.0, 11.0)),
        ("age_ms", (200.0, 500.0, 1500.0, 1501.0)),
        ("longest_gap_seconds", (0.5, 1.0, 2.0, 2.1)),
        ("dropped_share", (0.8, 0.95, 0.99, 0.995)),
        ("faults", (0, 1, 4, 5)),
    ],
)
def test_each_figure_has_its_thresholds(figure, values):
    assert tuple(graded(**{figure: value}) for value in values) == GRADES[:4]


def test_the_worst_figure_decides():
    assert graded(age_ms=300.0, faults=3) == "fair"


def test_dark_pictures_are_no_better_than_fair():
    assert graded(dark=True) == "fair"
    assert graded(dark=True, faults=9) == "poor"


def test_gaps_of_a_slow_camera_are_no_fault_of_it():
    slow = CameraFigures(frames_per_second=0.5, wanted_per_second=0.5, longest_gap_seconds=4.0)
    assert grade(slow, delivering=True) == "excellent"
    assert graded(longest_gap_seconds=4.0) == "poor"


def test_a_single_frame_has_no_rate_and_is_judged_by_the_gap_after_it():
    assert graded(frames_per_second=0.0) == "excellent"
    assert graded(frames_per_second=0.0, longest_gap_seconds=1.2) == "fair"


def record_of(moments, *, asked=30.0, step=1, age_ms=10.0):
    record = CameraRecord(asked_per_second=asked)
    for number, moment in enumerate(moments):
        record.add_frame(moment, index=number * step, age_ms=age_ms)
    return record


def steadily(rate, seconds, *, start=0.0):
    return [start + number / rate for number in range(round(rate * seconds))]


def test_the_rate_is_of_the_last_seconds_and_counts_dropped_frames():
    record = record_of(steadily(10, 30), step=3)
    figures = record.figures(30.0)
    assert figures.frames_per_second == pytest.approx(30, rel=0.02)
    assert figures.dropped_share == pytest.approx(2 / 3, rel=0.02)
    assert graded(dropped_share=figures.dropped_share) == "excellent"


def test_a_camera_is_measured_by_the_best_that_it_has_held():
    record = record_of(steadily(10, 20), asked=30)
    record.figures(20.0)
    for number, moment in enumerate(steadily(5, 20, start=20.0)):
        record.add_frame(moment, index=200 + number, age_ms=10)
    figures = record.figures(40.0)
    assert figures.wanted_per_second == pytest.approx(10, rel=0.05)
    assert figures.frames_per_second == pytest.approx(5, rel=0.05)
    assert grade(figures, delivering=True) == "fair"


def test_more_than_was_asked_for_is_not_wanted():
    record = record_of(steadily(60, 20), asked=30)
    assert record.figures(20.0).wanted_per_second == 30.0


def test_a_burst_is_no_rate_that_was_held():
    record = record_of(steadily(30, 0.5), asked=30)
    assert record.figures(0.5).wanted_per_second == 0.0


def test_the_longest_gap_is_forgotten_after_a_minute():
    record = record_of([0.0, 3.0, *steadily(1, 50, start=4.0)])
    assert record.figures(54.0).longest_gap_seconds == 3.0
    record = record_of([0.0, 3.0, *steadily(1, 70, start=4.0)])
    assert record.figures(74.0).longest_gap_seconds == pytest.approx(1.0)


def test_a_gap_that_lasts_is_one_already():
    record = record_of(steadily(10, 5))
    assert record.figures(6.4).longest_gap_seconds == pytest.approx(1.5)


def test_the_time_of_a_fault_and_of_a_rest_is_no_gap():
    record = record_of(steadily(10, 5))
    record.add_fault(5.0)
    record.add_frame(20.0, index=50, age_ms=10)
    assert record.figures(20.1).longest_gap_seconds < 0.2
    record.rest()
    record.add_frame(40.0, index=51, age_ms=10)
    assert record.figures(40.1).longest_gap_seconds < 0.2


def test_faults_are_forgotten_after_five_minutes():
    record = CameraRecord(asked_per_second=30)
    for moment in (0.0, 10.0, 200.0):
        record.add_fault(moment)
    assert record.figures(200.0).faults == 3
    assert record.figures(305.0).faults == 2
    assert record.figures(600.0).faults == 0


def test_the_age_is_the_median_of_the_last_seconds():
    record = CameraRecord(asked_per_second=30)
    for number, age in enumerate((900.0, 10.0, 20.0, 30.0)):
        record.add_frame(number * 4.0, index=number, age_ms=age)
    assert record.figures(12.0).age_ms == 20.0


def test_nothing_yet_is_no_figure():
    assert CameraRecord(asked_per_second=30).figures(5.0) == CameraFigures()


def test_its_memory_is_bounded():
    record = CameraRecord(asked_per_second=30)
    for number in range(100_000):
        record.add_frame(number / 1000, index=number, age_ms=1.0)
        record.add_fault(number / 1000) if number % 7 == 0 else None
    assert record.figures(100.0).faults <= 1000
