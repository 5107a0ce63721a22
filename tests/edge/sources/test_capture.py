"""When a frame was taken, and what is made of its pixels."""

import time

import numpy as np
import pytest

from fer_edge.shared.opencv import cv2
from fer_edge.sources.capture import SensorClock, decode_jpeg, reduction
from fer_edge.testing.fakes import number_of, numbered_picture

SECOND = 10**9


def age_seconds(captured_ns):
    return (time.monotonic_ns() - captured_ns) / SECOND


@pytest.mark.parametrize("clock", [time.CLOCK_MONOTONIC, time.CLOCK_BOOTTIME])
def test_a_stamp_of_the_monotonic_or_the_boot_clock_is_believed(clock):
    sensor = SensorClock()
    captured = sensor.monotonic_ns(time.clock_gettime_ns(clock) - 3 * SECOND)
    assert sensor.believed
    assert age_seconds(captured) == pytest.approx(3, abs=0.9)


@pytest.mark.parametrize(
    "stamp",
    [
        lambda: 0,
        lambda: 1,
        lambda: -5,
        lambda: time.monotonic_ns() + 3600 * SECOND,
        time.time_ns,
    ],
    ids=["none", "start of a clock", "negative", "ahead", "wall clock"],
)
def test_another_stamp_is_not(stamp):
    sensor = SensorClock()
    assert age_seconds(sensor.monotonic_ns(stamp())) < 1
    assert not sensor.believed


def test_a_stamp_that_stands_still_is_not_believed_again():
    sensor = SensorClock()
    stamp = time.monotonic_ns() - SECOND
    sensor.monotonic_ns(stamp)
    assert age_seconds(sensor.monotonic_ns(stamp)) < 0.9
    assert not sensor.believed


def test_capture_never_goes_back():
    sensor = SensorClock()
    stamps = [time.monotonic_ns() - age for age in (SECOND, 0, 5 * SECOND, SECOND // 2)]
    captured = [sensor.monotonic_ns(stamp) for stamp in stamps]
    assert captured == sorted(captured)


@pytest.mark.parametrize(
    ("size", "wanted", "factor"),
    [
        ((640, 480), (640, 480), 1),
        ((320, 240), (640, 480), 1),
        ((1279, 720), (640, 480), 1),
        ((1280, 720), (640, 480), 2),
        ((1920, 1080), (640, 480), 2),
        ((2560, 1440), (640, 480), 4),
        ((480, 640), (240, 320), 2),
        ((8192, 8192), (16, 16), 8),
    ],
)
def test_pictures_are_shrunk_only_as_far_as_what_was_asked_for(size, wanted, factor):
    assert reduction(size, wanted) == factor


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_a_jpeg_is_decoded_at_each_size(factor):
    jpeg = cv2.imencode(".jpg", numbered_picture(20, width=160, height=80))[1]
    grey = decode_jpeg(jpeg, reduced_by=factor)
    assert grey.shape == (80 // factor, 160 // factor)
    assert number_of(grey) == 20


def test_what_is_no_jpeg_is_nothing():
    assert decode_jpeg(np.zeros(100, np.uint8)) is None
