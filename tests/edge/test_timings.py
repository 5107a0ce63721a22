"""Clocks, percentiles, and the tables that show them."""

import logging

import pytest

from fer_edge.pipeline.timings import StageClock, StageTimes, percentile, summarise
from fer_edge.shared.terminal.command_line import JournalFormatter
from fer_edge.shared.terminal.tables import format_fields, format_table


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([5], 50, 5),
        ([5], 99, 5),
        ([3, 1, 2], 0, 1),
        ([3, 1, 2], 50, 2),
        ([3, 1, 2], 100, 3),
        ([1, 2], 50, 1.5),
        ([0, 10], 90, 9),
        (range(101), 99, 99),
    ],
)
def test_percentiles(values, percent, expected):
    assert percentile(values, percent) == pytest.approx(expected)


def test_a_summary_discards_nothing():
    summary = summarise([1.0, 1.0, 1.0, 97.0])
    assert (summary.n, summary.mean, summary.max) == (4, 25.0, 97.0)
    assert summary.p50 == 1.0
    assert summary.p50 <= summary.p90 <= summary.p99 <= summary.max


def test_a_stage_is_summarised_over_the_frames_that_had_it():
    times = StageTimes(10)
    times.add({"detect": 1.0})
    times.add({"detect": 3.0, "classify": 5.0})
    assert {name: (stage.n, stage.mean) for name, stage in times.summarise().items()} == {
        "detect": (2, 2.0),
        "classify": (1, 5.0),
    }


def test_the_newest_times_take_the_place_of_the_oldest():
    times = StageTimes(3)
    assert times.summarise() == {}
    for value in range(5):
        times.add({"detect": value, **({"classify": value} if value < 2 else {})})
    assert {name: sorted(values) for name, values in times.items()} == {
        "detect": [2, 3, 4],
        "classify": [0, 1],
    }


def test_a_stage_is_timed_even_when_it_fails():
    clock = StageClock()
    with pytest.raises(ZeroDivisionError), clock.stage("divide"):
        _ = 1 / 0
    assert clock.milliseconds["divide"] > 0


def test_tables_align():
    table = format_table(["name", "ms"], [["a", "1.5"], ["longer", "10"]])
    assert table.splitlines() == ["name     ms", "a       1.5", "longer   10"]


def test_a_table_without_header():
    assert format_table(["", ""], [["a", "1"], ["b", "22"]]).splitlines() == ["a   1", "b  22"]


def test_fields_align():
    assert format_fields([("a", "1"), ("long", ""), ("b", "x y")]) == "a     1\nlong\nb     x y"


def test_what_others_write_makes_no_line_of_its_own():
    evil = "a\nstate  fine\r\u2028\x1b[2J\u202e"
    assert len(format_fields([("name", evil)]).split("\n")) == 1
    assert len(format_table(["x", "y"], [[evil, "1"]]).splitlines()) == 2
    assert "\u202e" not in format_fields([("name", evil)])
    record = logging.LogRecord("fer_edge", logging.WARNING, "", 0, "%s", (evil,), None)
    assert JournalFormatter().format(record).count("<4>") == 1
    assert len(JournalFormatter().format(record).splitlines()) == 1
