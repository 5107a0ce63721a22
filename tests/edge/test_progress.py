"""The line on a terminal that is written over."""

import io
import time

import pytest

from fer_edge.shared.terminal.progress import ERASE_LINE, ProgressLine, draw_bar, format_duration


class Clock:
    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def shown_of(terminal):
    return terminal.getvalue().split(ERASE_LINE)[1:]


def test_words_replace_those_before_and_vanish_at_the_end():
    terminal = io.StringIO()
    with ProgressLine(terminal, shown=True) as line:
        line("one")
        line("two")
    assert shown_of(terminal) == ["one", "two", ""]


def test_the_line_vanishes_before_an_error_is_told():
    def fail(line):
        line("one")
        raise ValueError("wrong")

    terminal = io.StringIO()
    with pytest.raises(ValueError, match="wrong"), ProgressLine(terminal, shown=True) as line:
        fail(line)
    assert shown_of(terminal)[-1] == ""


def test_nothing_is_written_where_no_terminal_is():
    file = io.StringIO()
    with ProgressLine(file) as line:
        line("words")
        line.count("counting", 1, 10)
        assert list(line.each("reading", "abc", 3)) == ["a", "b", "c"]
        assert not line.is_due
    assert file.getvalue() == ""


def test_a_line_never_wraps(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    terminal = io.StringIO()
    ProgressLine(terminal, shown=True)("x" * 99)
    assert shown_of(terminal) == ["x" * 19]


def test_a_count_shows_share_rate_and_time_left(clock):
    terminal = io.StringIO()
    line = ProgressLine(terminal, shown=True)
    for done in (1, 2, 501, 2001, 4000):
        line.count("evaluating", done, 4000)
        clock.now += 1 if done > 1 else 9
    assert shown_of(terminal) == [
        "evaluating: 1 of 4,000  [                        ]",
        "evaluating: 2 of 4,000  [                        ]  0.111/s, 9:59:42 left",
        "evaluating: 501 of 4,000  [###                     ]  50/s, 1:10 left",
        "evaluating: 2,001 of 4,000  [############            ]  182/s, 0:11 left",
        "",
    ]


def test_a_count_is_not_shown_oftener_than_can_be_read(clock):
    terminal = io.StringIO()
    line = ProgressLine(terminal, shown=True)
    for done in range(1, 1001):
        clock.now += 0.001
        line.count("reading", done, 10_000)
    assert len(shown_of(terminal)) == 2


def test_each_task_has_a_clock_of_its_own(clock):
    terminal = io.StringIO()
    line = ProgressLine(terminal, shown=True)
    for what in ("one", "two"):
        for done in (0, 10):
            line.count(what, done, 100)
            clock.now += 10
    assert [text for text in shown_of(terminal) if "10 of" in text] == [
        f"{what}: 10 of 100  [##                      ]  1/s, 1:30 left" for what in ("one", "two")
    ]


def test_what_is_over_leaves_no_line_and_is_told_once():
    terminal = io.StringIO()
    line = ProgressLine(terminal, shown=True)
    for done in (1, 3, 3, 4):
        line.count("reading", done, 3)
    assert shown_of(terminal)[1:] == [""]


def test_each_counts_what_it_yields(clock):
    terminal = io.StringIO()
    line = ProgressLine(terminal, shown=True)
    for total in (3, None):
        for _ in line.each("reading", "abc", total):
            clock.now += 1
    assert shown_of(terminal) == [
        "reading: 1 of 3  [########                ]",
        "reading: 2 of 3  [################        ]  1/s, 0:01 left",
        "",
        "reading: 1",
        "reading: 2",
        "reading: 3",
    ]


@pytest.mark.parametrize(("share", "filled"), [(0, 0), (0.5, 12), (1, 24)])
def test_a_bar(share, filled):
    assert draw_bar(share) == "[" + "#" * filled + " " * (24 - filled) + "]"


@pytest.mark.parametrize(("seconds", "text"), [(5, "0:05"), (125, "2:05"), (3723, "1:02:03")])
def test_durations(seconds, text):
    assert format_duration(seconds) == text


def test_what_exactly_is_done_stands_behind_the_time_left(clock):
    terminal = io.StringIO()
    line = ProgressLine(terminal, shown=True)
    line.count("trial", 0, 40, "tracker.mode each")
    clock.now += 10
    line.count("trial", 20, 40, "tracker.mode x")
    first, second = shown_of(terminal)
    assert first == f"trial: 0 of 40  {draw_bar(0)}  tracker.mode each"
    assert second == f"trial: 20 of 40  {draw_bar(0.5)}  2/s, 0:10 left  tracker.mode x"
