"""The newest frame of a live source, and how its thread ends."""

import gc
import logging
import queue
import subprocess
import sys
import threading
import time
import weakref

import pytest

from fer_edge.shared.errors import (
    EXIT_UNAVAILABLE,
    SettingsError,
    SourceStuckError,
    SourceUnavailableError,
)
from fer_edge.sources.capture import picture_now
from fer_edge.sources.newest import NewestFrameReader
from fer_edge.testing.fakes import number_of, numbered_picture

PROMPT_SECONDS = 4.0


class Tap:
    """A capture that delivers what the test puts in: a number, an error, or None as the end."""

    def __init__(self):
        self.queue = queue.Queue()
        self.released_on = None

    def pictures(self):
        try:
            while (item := self.queue.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield picture_now(numbered_picture(item))
        finally:
            self.released_on = threading.current_thread().name

    def put(self, *items):
        for item in items:
            self.queue.put(item)


@pytest.fixture
def tap():
    tap = Tap()
    yield tap
    tap.put(None)


def reader_of(tap, **options):
    return NewestFrameReader(tap.pictures, name="tap", open_timeout_seconds=5, **options)


def wait_until(condition):
    give_up = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def broken(found="the tap is broken"):
    return SourceUnavailableError(found, expected="a whole one", fix="mend it")


def test_only_the_newest_frame_is_kept(tap):
    tap.put(0, 1, 2)
    reader = reader_of(tap)
    wait_until(lambda: reader.dropped == 2)
    frame = reader.read(1.0)
    assert (frame.index, number_of(frame.grey)) == (2, 2)


def test_a_frame_is_returned_once(tap):
    tap.put(0)
    reader = reader_of(tap)
    assert reader.read(1.0).index == 0
    with pytest.raises(SourceUnavailableError, match=r"no frame within 0\.05 s"):
        reader.read(0.05)
    tap.put(1)
    assert reader.read(5.0).index == 1
    assert reader.dropped == 0


def test_every_frame_is_delivered_or_counted_as_dropped(tap):
    tap.put(*range(40))
    reader = reader_of(tap)
    seen = []
    while not seen or seen[-1] < 39:
        seen.append(reader.read(5.0).index)
        time.sleep(0.002)
    assert len(seen) + reader.dropped == 40


def test_a_frame_that_comes_later_ends_the_wait(tap):
    tap.put(0)
    reader = reader_of(tap)
    reader.read(1.0)
    threading.Timer(0.2, tap.put, [1]).start()
    began = time.monotonic()
    assert reader.read(30.0).index == 1
    assert time.monotonic() - began < PROMPT_SECONDS


def test_a_failure_is_raised_by_the_next_reads_after_the_last_frame(tap):
    tap.put(0, broken())
    reader = reader_of(tap)
    wait_until(lambda: tap.released_on)
    assert reader.read(1.0).index == 0
    for _ in range(3):
        with pytest.raises(SourceUnavailableError, match="the tap is broken"):
            reader.read(1.0)


def test_a_failure_ends_the_wait(tap):
    tap.put(0)
    reader = reader_of(tap)
    reader.read(1.0)
    threading.Timer(0.2, tap.put, [broken()]).start()
    began = time.monotonic()
    with pytest.raises(SourceUnavailableError, match="broken"):
        reader.read(30.0)
    assert time.monotonic() - began < PROMPT_SECONDS


@pytest.mark.parametrize(
    "error",
    [ZeroDivisionError("by zero"), OverflowError("too large"), IndexError("out of range"),
     RecursionError("too deep"), MemoryError(), UnicodeDecodeError("ascii", b"", 0, 1, "no")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_whatever_a_capture_raises_is_a_fault_of_the_camera_with_its_cause(tap, error):
    tap.put(0, error)
    reader = reader_of(tap)
    reader.read(1.0)
    with pytest.raises(SourceUnavailableError, match=f"tap: {type(error).__name__}") as caught:
        reader.read(1.0)
    assert caught.value.exit_code == EXIT_UNAVAILABLE


def test_settings_that_are_wrong_stay_wrong_settings(tap):
    tap.put(0, SettingsError("no such thing", expected="one", fix="correct it"))
    reader = reader_of(tap)
    reader.read(1.0)
    with pytest.raises(SettingsError):
        reader.read(1.0)


def test_no_more_is_opened_where_drivers_keep_the_threads(caplog):
    taps = [Tap() for _ in range(4)]
    try:
        for tap in taps[:3]:
            tap.put(0)
            reader_of(tap, close_timeout_seconds=0.05).close()
        taps[3].put(0)
        with pytest.raises(SourceStuckError, match="3 captures are stuck") as caught:
            reader_of(taps[3])
        assert caught.value.exit_code == EXIT_UNAVAILABLE
    finally:
        for tap in taps:
            tap.put(None)  # their calls return after all
    wait_until(lambda: all(tap.released_on for tap in taps[:3]))
    time.sleep(0.05)
    taps[3].put(0)
    reader_of(taps[3]).close()


def test_an_end_is_none(tap):
    tap.put(0, None)
    reader = reader_of(tap)
    assert reader.read(1.0) is not None
    assert reader.read(1.0) is None


def test_a_capture_that_cannot_be_opened_fails_the_constructor(tap):
    tap.put(broken("no such tap"))
    with pytest.raises(SourceUnavailableError, match="no such tap"):
        reader_of(tap)


def test_without_a_first_frame_the_constructor_fails_in_time(tap):
    began = time.monotonic()
    with pytest.raises(SourceUnavailableError, match=r"tap delivered no frame within 0.1 s.*plug"):
        NewestFrameReader(
            tap.pictures,
            name="tap",
            open_timeout_seconds=0.1,
            close_timeout_seconds=0.1,
            fix="plug it in",
        )
    assert time.monotonic() - began < PROMPT_SECONDS


def test_close_releases_on_the_capture_thread(tap):
    tap.put(0)
    reader = reader_of(tap)
    threading.Timer(0.1, tap.put, [1]).start()
    reader.close()
    assert tap.released_on == "capture tap"


def test_close_ends_a_read_of_another_thread(tap):
    tap.put(0)
    reader = reader_of(tap, close_timeout_seconds=0.1)
    reader.read(1.0)
    threading.Timer(0.2, reader.close).start()
    began = time.monotonic()
    assert reader.read(30.0) is None
    assert time.monotonic() - began < PROMPT_SECONDS


def test_a_stuck_capture_does_not_hold_up_close(tap, caplog):
    caplog.set_level(logging.WARNING)
    tap.put(0)
    reader = reader_of(tap, close_timeout_seconds=0.1)
    began = time.monotonic()
    reader.close()
    reader.close()
    assert time.monotonic() - began < PROMPT_SECONDS
    assert caplog.messages == ["tap: the capture is stuck and was left behind"]
    tap.put(1)  # the call returns after all
    wait_until(lambda: tap.released_on)


def test_a_stuck_capture_does_not_hold_up_the_interpreters_exit():
    script = """
import os
from fer_edge.sources.capture import picture_now
from fer_edge.sources.newest import NewestFrameReader
from fer_edge.testing.fakes import numbered_picture

def pictures():
    yield picture_now(numbered_picture(0))
    os.read(os.pipe()[0], 1)  # never returns

reader = NewestFrameReader(pictures, name="stuck", open_timeout_seconds=5)
assert reader.read(1.0) is not None
"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, timeout=30, capture_output=True
    )
    assert done.returncode == 0, done.stderr


def test_a_reader_that_failed_is_gone_with_its_last_picture(tap):
    """At once: a picture may lie in memory that another process shares."""
    gc.disable()
    try:
        tap.put(0)
        reader = reader_of(tap)
        last = weakref.ref(reader.read(1.0).grey)
        tap.put(broken())
        with pytest.raises(SourceUnavailableError):
            reader.read(1.0)
        reader.close()
        gone = weakref.ref(reader)
        del reader
        wait_until(lambda: gone() is None and last() is None)
    finally:
        gc.enable()
