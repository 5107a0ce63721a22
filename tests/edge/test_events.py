"""From observations to events of faces, and to counts of many."""

import dataclasses
import errno
import io
import json
import os

import pytest
from builders import SEVEN, a_face, a_prediction, a_reading, an_observation

from fer_edge.shared.records import UNCERTAIN, Prediction
from fer_edge.sinks.events.aggregates import Aggregates
from fer_edge.sinks.events.faces import FaceEvents, Origin, encode
from fer_edge.sinks.events.sink import EventSink
from fer_edge.sinks.spool.ids import EventIds

ORIGIN = Origin("hall", "ab" * 32, "light follows who is there")


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def faces(clock):
    return FaceEvents(EventIds(), ORIGIN, settle_seconds=1.0, left_seconds=2.5, clock=clock)


def seen(*labels, tracks=None):
    """Return an observation of one face a label, numbered from 1."""
    tracks = tracks or range(1, len(labels) + 1)
    readings = tuple(
        a_reading(face=a_face(track_id=track), stable=label)
        for track, label in zip(tracks, labels, strict=True)
    )
    return an_observation(readings=readings)


def watch(deriver, clock, observation, *, seconds, step=0.1):
    """Show the same for a while; return what was told."""
    told = []
    for _ in range(round(seconds / step)):
        told += deriver.take(observation)
        clock.now += step
    return told


def kinds(events):
    return [(event.kind, event.track, event.expression) for event in events]


def test_a_face_appears_changes_and_leaves(faces, clock):
    told = watch(faces, clock, seen(UNCERTAIN), seconds=0.3)
    assert told == []
    told = watch(faces, clock, seen("happy"), seconds=2)
    told += watch(faces, clock, seen("sad"), seconds=3)
    told += watch(faces, clock, seen(), seconds=4)
    assert kinds(told) == [("appeared", 1, "happy"), ("changed", 1, "sad"), ("left", 1, "sad")]
    appeared, changed, left = told
    assert appeared.seconds == pytest.approx(0.3)
    assert (changed.previous, changed.seconds) == ("happy", pytest.approx(2.0))
    assert left.seconds == pytest.approx(5.2)


def test_a_face_without_a_label_appears_once_it_has_stayed(faces, clock):
    assert watch(faces, clock, seen(UNCERTAIN), seconds=0.9) == []
    assert kinds(watch(faces, clock, seen(UNCERTAIN), seconds=1)) == [("appeared", 1, UNCERTAIN)]


def test_a_face_that_was_never_sure_leaves_without_a_word(faces, clock):
    watch(faces, clock, seen(UNCERTAIN), seconds=0.5)
    assert watch(faces, clock, seen(), seconds=5) == []


def test_a_label_missing_for_a_moment_is_no_change(faces, clock):
    watch(faces, clock, seen("happy"), seconds=1)
    for _ in range(5):
        assert watch(faces, clock, seen(UNCERTAIN), seconds=0.9) == []
        assert watch(faces, clock, seen("happy"), seconds=0.5) == []
    assert kinds(watch(faces, clock, seen(UNCERTAIN), seconds=2)) == [("changed", 1, UNCERTAIN)]


def test_a_face_that_returns_in_time_has_not_left(faces, clock):
    watch(faces, clock, seen("happy"), seconds=1)
    assert watch(faces, clock, seen(), seconds=2.2) == []
    assert watch(faces, clock, seen("happy"), seconds=1) == []


def test_a_face_leaves_also_where_no_frame_comes(faces, clock):
    watch(faces, clock, seen("happy"), seconds=1)
    clock.now += 2
    assert list(faces.tick()) == []
    clock.now += 1
    assert kinds(faces.tick()) == [("left", 1, "happy")]
    assert list(faces.tick()) == []


def test_a_face_that_has_left_was_as_sure_as_its_last_frame(faces, clock):
    for probability, label in ((0.9, "happy"), (0.6, UNCERTAIN)):
        (reading,) = seen(label).readings
        rest = (1 - probability) / 6
        said = a_prediction(
            probabilities=tuple(probability if one == "happy" else rest for one in SEVEN)
        )
        reading = dataclasses.replace(reading, prediction=said)
        watch(faces, clock, an_observation(readings=(reading,)), seconds=0.5)
    (left,) = faces.end()
    assert left.confidence == pytest.approx(0.6)


def test_all_leave_in_the_end(faces, clock):
    watch(faces, clock, seen("happy", "sad", UNCERTAIN), seconds=0.5)
    assert kinds(faces.end()) == [("left", 1, "happy"), ("left", 2, "sad")]


def test_faces_are_told_apart(faces, clock):
    told = watch(faces, clock, seen("happy", "sad"), seconds=1)
    told += watch(faces, clock, seen("sad", tracks=[2]), seconds=4)
    told += watch(faces, clock, seen("sad", "happy", tracks=[2, 7]), seconds=1)
    assert kinds(told) == [
        ("appeared", 1, "happy"), ("appeared", 2, "sad"), ("left", 1, "happy"),
        ("appeared", 7, "happy"),
    ]  # fmt: skip


def test_faces_without_a_number_make_no_events(faces, clock):
    nobody = an_observation(readings=(a_reading(face=a_face(track_id=None)),))
    assert watch(faces, clock, nobody, seconds=5) == []


def test_confidence_is_of_the_expression_told(faces):
    probabilities = tuple(0.6 if label == "happy" else 0.4 / 6 for label in SEVEN)
    reading = a_reading(
        face=a_face(track_id=1), prediction=Prediction(SEVEN, probabilities), stable="sad"
    )
    (event,) = faces.take(an_observation(readings=(reading,)))
    assert event.confidence == pytest.approx(0.4 / 6)


def test_the_message_is_one_line_with_everything_in_it(faces):
    (event,) = faces.take(seen("happy"))
    line = encode(event)
    assert "\n" not in line
    assert json.loads(line) == {
        "schema": 1,
        "id": event.id,
        "kind": "appeared",
        "at": 1_700_000_000.25,
        "seconds": 0.0,
        "node": "hall",
        "track": 1,
        "expression": "happy",
        "confidence": 1.0,
        "model_sha256": "ab" * 32,
        "purpose": "light follows who is there",
        "baseline": "none",
    }


def test_ids_sort_as_they_were_given_across_runs_and_clocks_set_back():
    first = EventIds()
    ids = [next(first) for _ in range(300)]
    far_ahead = EventIds(after_ms=first.began_ms + 10_000_000)
    ids += [next(far_ahead) for _ in range(300)]
    after = EventIds(after_ms=far_ahead.began_ms)
    ids += [next(after) for _ in range(300)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_two_devices_started_at_the_same_moment_give_other_ids():
    assert next(EventIds(after_ms=10**13)) != next(EventIds(after_ms=10**13))


# Counts of many.


@pytest.fixture
def crowd(clock):
    return Aggregates(
        EventIds(), ORIGIN, period_seconds=60, least_faces=3, settle_seconds=1.0,
        clock=clock, wall_clock=lambda: 1_700_000_060.0,
    )  # fmt: skip


def test_enough_faces_are_counted_by_the_expression_shown_longest(crowd, clock):
    told = watch(crowd, clock, seen("happy", "happy", "sad"), seconds=10)
    told += watch(crowd, clock, seen("sad", "happy", "sad"), seconds=5)
    told += watch(crowd, clock, seen(), seconds=46)
    (one,) = told
    assert one.to_json() == {
        "schema": 1,
        "id": one.id,
        "kind": "aggregate",
        "at": 1_700_000_060.0,
        "seconds": pytest.approx(60, abs=0.2),
        "node": "hall",
        "faces": 3,
        "expressions": {"happy": 2, "sad": 1},
        "model_sha256": "ab" * 32,
        "purpose": "light follows who is there",
        "baseline": "none",
    }


def test_too_few_are_withheld_and_not_carried_over(crowd, clock):
    told = []
    for first in (1, 3, 5):
        told += watch(crowd, clock, seen("sad", "happy", tracks=[first, first + 1]), seconds=30)
        told += watch(crowd, clock, seen(), seconds=31)
    assert told == []
    assert crowd.withheld == 3


def test_nobody_is_nothing_withheld(crowd, clock):
    assert watch(crowd, clock, seen(), seconds=200) == []
    assert crowd.withheld == 0


def test_a_glimpse_is_not_counted(crowd, clock):
    for track in range(1, 10):
        watch(crowd, clock, seen("happy", tracks=[track]), seconds=0.5)
    assert list(crowd.end()) == []


def test_who_stays_counts_in_each_period(crowd, clock):
    told = watch(crowd, clock, seen("happy", "sad", "sad"), seconds=121)
    assert [one.expressions for one in told] == [{"happy": 1, "sad": 2}] * 2


# What becomes of them.


class Kept(list):
    """Stands for a spool."""

    def append(self, payload):
        super().append(payload)
        return True


class FullDisk(io.StringIO):
    """A file that takes nothing."""

    def write(self, _text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_gets_what_the_spool_gets(faces):
    spool, file = Kept(), io.StringIO()
    sink = EventSink(faces, spool=spool, file=file)
    sink.emit(seen("happy", "sad"))
    assert file.getvalue().splitlines() == spool
    assert sink.figures()["events_appeared"] == 2
    sink.close()
    sink.close()
    assert sink.figures()["events"] == 4


def test_a_file_on_a_full_disk_keeps_no_event_from_the_spool(faces):
    spool = Kept()
    sink = EventSink(faces, spool=spool, file=FullDisk())
    sink.emit(seen("happy", "sad"))
    assert len(spool) == 2
    assert sink.figures()["unwritten"] == 2
    assert "No space left" in sink.figures()["problem"]
    sink.close()


def test_a_hundred_thousand_frames_without_a_change_are_one_event(faces, clock):
    """Nothing piles up while nothing happens."""
    told = watch(faces, clock, seen("happy"), seconds=10_000)
    assert len(told) == 1


def test_a_face_stays_however_rarely_frames_come(faces, clock):
    for _ in range(2):  # by which it is known how rarely
        assert list(faces.take(seen())) == []
        clock.now += 10
    told = []
    for _ in range(20):
        told += faces.take(seen("happy"))
        for _ in range(10):  # as the daemon's state is told, each second
            clock.now += 1
            told += faces.tick()
    assert kinds(told) == [("appeared", 1, "happy")]
    told = []
    for _ in range(3):
        told += faces.take(seen())
        clock.now += 10
    assert kinds(told) == [("left", 1, "happy")]


def test_one_face_that_is_seen_rarely_is_counted_once(clock):
    counts = Aggregates(
        EventIds(), ORIGIN, period_seconds=300, least_faces=1, settle_seconds=1.0, clock=clock
    )
    told = []
    for number in range(40):
        told += counts.take(seen("happy") if number % 2 else seen("happy", "sad", tracks=[1, 9]))
        clock.now += 10
    assert [sum(event.expressions.values()) for event in told] == [2]


def test_faces_that_have_gone_are_forgotten_though_frames_come_rarely(clock):
    counts = Aggregates(
        EventIds(), ORIGIN, period_seconds=60, least_faces=1, settle_seconds=1.0, clock=clock
    )
    for number in range(100):
        list(counts.take(seen("happy", tracks=[number])))
        clock.now += 40
    assert len(counts._faces) < 5
