"""What the benchmark of steady labels counts, on faces whose figures can be counted by hand."""

import numpy as np
import pytest
from builders import SEVEN, a_picture, a_prediction
from label_tracks import (
    WatchedFace,
    box_jitter,
    changes,
    reference_labels,
    seconds_to_stable,
    smoothed_labels,
    steadiness,
    switches,
)
from made_expressions import (
    FACE_PX,
    LASTING_RATE,
    Camera,
    MadeFace,
    change_figures,
    drift,
    passing_reported,
    shortened,
)

from fer_edge.settings import SmoothingSettings
from fer_edge.shared.records import UNCERTAIN, Box

RATE = 10


def says(label):
    return a_prediction(probabilities=tuple(float(label == one) for one in SEVEN))


def a_watched_face(labels):
    return WatchedFace([i / RATE for i in range(len(labels))], [says(one) for one in labels])


def a_made_face(labels, truth):
    face = a_watched_face(labels)
    return MadeFace(face.seconds, face.predictions, truth=truth)


def test_uncertain_between_two_labels_is_no_switch_but_a_change():
    labels = [UNCERTAIN, "happy", UNCERTAIN, "happy", UNCERTAIN, "sad", "happy"]
    assert switches(labels) == 2
    assert changes(labels) == 5


def test_a_label_is_stable_from_where_it_begins_to_stay():
    labels = [UNCERTAIN, "happy", "sad", "happy"] + ["sad"] * 11
    seconds = [i / RATE for i in range(len(labels))]
    assert seconds_to_stable(labels, seconds) == pytest.approx(0.4)
    assert seconds_to_stable([UNCERTAIN] * 15, seconds) is None
    assert seconds_to_stable(["happy", "sad"] * 7 + ["sad"], seconds) is None


def test_the_vote_around_a_frame_leaves_blips_out_and_comes_without_delay():
    labels = ["happy"] * 20 + ["sad"] * 20
    labels[8] = labels[30] = "fear"
    assert reference_labels(a_watched_face(labels)) == ["happy"] * 20 + ["sad"] * 20


def test_the_figures_of_watched_faces():
    flickering = a_watched_face(["happy"] * 15 + ["sad", "happy"] * 3 + ["happy"] * 10)
    figures = steadiness([flickering], [[label.label for label in flickering.predictions]])
    assert (figures["switches"], figures["faces_stable"]) == (6, 1)
    assert figures["switches_per_minute"] == pytest.approx(6 / 3 * 60)
    assert figures["labelled"] == 1
    assert figures["agrees"] == pytest.approx(28 / 31)
    hidden = steadiness([flickering], [[UNCERTAIN] * 31])
    assert hidden["stable_label_s"] is hidden["agrees_where_labelled"] is None
    assert (hidden["lasting"], hidden["lasting_shown"], hidden["agrees"]) == (1, 0, 0)


def test_labels_are_replayed_with_the_settings_given_and_the_faces_own_time():
    face = a_watched_face(["happy"] * 30 + ["sad"] * 30)
    waits = {}
    for memory in (0.2, 0.8):
        labels = smoothed_labels(
            face, SmoothingSettings(memory_seconds=memory, least_probability=0.4)
        )
        assert labels[:2] == [UNCERTAIN, "happy"]  # a tenth of a second until it is settled
        waits[memory] = labels.index("sad") - 30
    assert 0 < waits[0.2] < waits[0.8]


def test_a_change_is_reported_when_its_label_first_shows():
    truth = ["happy"] * 10 + ["sad"] * 10 + ["fear"] * 10
    given = ["happy"] * 13 + ["sad"] * 7 + ["angry", "sad"] + [UNCERTAIN] * 8
    figures = change_figures([a_made_face(truth, truth)], [given])
    assert (figures["changes"], figures["readable"]) == (2, 2)
    assert figures["reported"] == figures["readable_reported"] == 0.5
    assert figures["delay_p50_s"] == pytest.approx(0.3)
    assert figures["false_turns_per_minute"] == pytest.approx(2 / 2.9 * 60, abs=0.01)
    assert figures["right"] == pytest.approx(17 / 30)


def test_what_the_network_misreads_is_not_held_against_the_smoother():
    truth = ["happy"] * 10 + ["sad"] * 10
    face = a_made_face(["happy"] * 10 + ["fear"] * 8 + ["sad"] * 2, truth)
    figures = change_figures([face], [["happy"] * 20])
    assert (figures["changes"], figures["readable"], figures["reported"]) == (1, 0, 0)


def test_a_passing_expression_is_cut_to_its_length_and_may_be_reported_late():
    truth = ["happy"] * 20 + ["sad"] * 10 + ["happy"] * 20
    cut = shortened(a_made_face(truth, truth), 0.3, rate=RATE)
    assert cut.truth == ["happy"] * 20 + ["sad"] * 3 + ["happy"] * 20
    assert [one.label for one in cut.predictions] == cut.truth
    late = ["happy"] * 24 + ["sad"] + ["happy"] * 18
    early = ["sad"] + ["happy"] * 42
    assert passing_reported([cut, cut], [late, early]) == 0.5


def test_jitter_is_what_remains_beside_a_smooth_way():
    rng = np.random.default_rng(0)
    steps = np.arange(400)
    way = 2 * steps + 0.004 * steps**2
    for trembling in (0.0, 4.0):
        across = np.rint(way + trembling * rng.standard_normal(400)).astype(int)
        boxes = [Box(int(x), 50, 100, 100) for x in across]
        jitter = box_jitter([WatchedFace(boxes=boxes)])
        assert jitter["across"] == pytest.approx(trembling / 100, abs=0.004)
        assert jitter["down"] == jitter["size"] == 0


@pytest.mark.parametrize("margin", [0.0, 0.25])
def test_the_camera_shows_the_picture_in_the_box_that_the_model_wants(margin):
    camera = Camera(30, np.random.default_rng(0))
    seen = [camera.see(a_picture(48, 48), crop_margin=margin) for _ in range(60)]
    sides = [box.width for _, box in seen]
    assert np.mean(sides) == pytest.approx(FACE_PX / (1 + 2 * margin), rel=0.05)
    assert len({(box.x, box.y) for _, box in seen}) > 5
    assert not np.array_equal(seen[0][0], seen[1][0])


def test_an_expression_that_fades_while_it_lasts_is_seen():
    minute = round(60 * LASTING_RATE)
    truth = ["neutral"] * 10 + ["sad"] * (10 * minute)
    given = ["neutral"] * 10 + ["sad"] * (9 * minute) + ["sad", "neutral"] * (minute // 2)
    assert drift([a_made_face(given, truth)], [given]) == {"first_minute": 1.0, "last_minute": 0.5}
