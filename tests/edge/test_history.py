"""The last hours, as the page shows them."""

import json

from builders import SEVEN, a_face, a_reading, an_observation

from fer_edge.sinks.web.history import MOST_BINS, MOST_EVENTS, History


class Clock:
    """A clock that tests turn."""

    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


def a_history(**options):
    clock, wall = Clock(5000.0), Clock(1_790_000_000.0)
    return History(clock=clock, wall_clock=wall, **options), clock, wall


def told_by(history):
    return json.loads(history.to_json())


def seen(*labels):
    return an_observation(
        readings=tuple(
            a_reading(face=a_face(track_id=number), stable=label)
            for number, label in enumerate(labels)
        )
    )


def run(history, clock, wall, labels, *, frames, step=0.25):
    for _ in range(frames):
        history.add(seen(*labels))
        clock.now += step
        wall.now += step


def test_nothing_was_seen_yet():
    history, _, _ = a_history()
    assert told_by(history) == {
        "bin_seconds": 60, "start": 1_790_000_000.0, "labels": [], "bins": [], "events": [],
    }  # fmt: skip


def test_labels_are_counted_in_seconds_and_faces_by_frame():
    history, clock, wall = a_history()
    run(history, clock, wall, ["happy"], frames=40)
    run(history, clock, wall, ["happy", "sad"], frames=40)
    run(history, clock, wall, [], frames=40)
    told = told_by(history)
    assert told["labels"] == [*SEVEN, "uncertain"]
    (one,) = told["bins"]
    assert one == {
        "time": 1_790_000_000.0, "frames": 120, "faces_mean": 1.0, "faces_most": 2,
        "seconds": {"happy": 20.0, "sad": 10.0},
    }  # fmt: skip


def test_a_face_without_a_label_is_uncertain():
    history, clock, wall = a_history()
    run(history, clock, wall, [None], frames=9)
    assert told_by(history)["bins"][0]["seconds"] == {"uncertain": 2.0}


def test_a_pause_of_the_camera_counts_for_nobody():
    history, clock, wall = a_history()
    run(history, clock, wall, ["happy"], frames=1)
    clock.now += 600.0
    wall.now += 600.0
    run(history, clock, wall, ["happy"], frames=1)
    first, second = told_by(history)["bins"]
    assert first["seconds"] == {}
    assert second["seconds"] == {"happy": 1.0}
    assert second["time"] - first["time"] == 600.0


def test_a_clock_that_is_set_right_moves_all_bins_alike():
    history, clock, wall = a_history()
    run(history, clock, wall, ["happy"], frames=1)
    clock.now += 60.0
    wall.now += 60.0 + 86_400.0
    run(history, clock, wall, ["happy"], frames=1)
    first, second = told_by(history)["bins"]
    assert second["time"] - first["time"] == 60.0
    assert told_by(history)["start"] == first["time"] == 1_790_086_400.0


def test_what_is_kept_is_bounded():
    history, clock, wall = a_history()
    for _ in range(MOST_BINS + 50):
        run(history, clock, wall, ["happy"], frames=1, step=60.0)
    for number in range(MOST_EVENTS + 50):
        history.note(json.dumps({"kind": "appeared", "track": number}))
    told = told_by(history)
    assert len(told["bins"]) == MOST_BINS - 1, "the newest has just begun, and is empty"
    assert len(told["events"]) == MOST_EVENTS
    assert told["events"][-1]["track"] == MOST_EVENTS + 49
    clock.now += 60.0 * MOST_BINS
    assert told_by(history)["bins"] == [], "nothing is older than it says"


def test_labels_of_a_model_before_stay_as_long_as_they_were_shown():
    history, clock, wall = a_history()
    run(history, clock, wall, ["contempt"], frames=2)
    run(history, clock, wall, ["happy"], frames=1)
    assert told_by(history)["labels"] == [*SEVEN, "contempt", "uncertain"]


def test_where_faces_may_not_be_told_of_nothing_is_kept():
    history, clock, wall = a_history(faces=False)
    run(history, clock, wall, ["happy"], frames=9)
    history.note('{"kind": "appeared"}')
    told = told_by(history)
    assert (told["bins"], told["events"], told["labels"]) == ([], [], [])
