"""Labels that do not flicker."""

import dataclasses
import itertools

import numpy as np
import pytest
from builders import SEVEN, a_face, a_frame, a_prediction, a_reading

from fer_edge.pipeline.protocols import Smoother
from fer_edge.settings import SmoothingSettings
from fer_edge.shared.records import UNCERTAIN, Prediction
from fer_edge.stages.clocks import by_capture, by_index
from fer_edge.stages.smoothing import LabelSmoother


def a_smoother(clock=by_index, **changes):
    settings = SmoothingSettings(least_probability=0.4)
    return LabelSmoother(clock, **(dataclasses.asdict(settings) | changes))


def says(label, probability=0.9):
    rest = (1 - probability) / (len(SEVEN) - 1)
    return a_prediction(probabilities=tuple(probability if one == label else rest for one in SEVEN))


def watch(smoother, predictions, *, track=1, first=0):
    """Return the stable label of one face, frame by frame."""
    stable = []
    for index, prediction in enumerate(predictions, start=first):
        reading = a_reading(face=a_face(track_id=track), prediction=prediction)
        (steadied,) = smoother.update(a_frame(index=index), [reading])
        assert steadied.prediction is prediction
        stable.append(steadied.stable)
    return stable


def test_it_keeps_the_protocol():
    assert isinstance(a_smoother(), Smoother)
    assert a_smoother().update(a_frame(), []) == ()


def test_a_steady_face_gets_its_label_after_settling():
    stable = watch(a_smoother(), [says("happy")] * 10)
    assert stable == [UNCERTAIN] * 3 + ["happy"] * 7


def test_an_expression_of_half_a_second_is_reported():
    stable = watch(a_smoother(), [says("happy")] * 30 + [says("sad")] * 15 + [says("happy")] * 30)
    assert "sad" in stable
    assert stable[-1] == "happy"


def test_single_frames_that_say_something_else_change_nothing():
    seen = [says("happy")] * 30
    for index in (10, 15, 16, 25):
        seen[index] = says("sad")
    assert set(watch(a_smoother(), seen)[3:]) == {"happy"}


@pytest.mark.parametrize("sure", [0.9, 0.6])
def test_a_real_change_is_followed_within_half_a_second(sure):
    stable = watch(a_smoother(), [says("happy", sure)] * 30 + [says("sad", sure)] * 30)
    changed = stable.index("sad")
    assert 30 < changed <= 45
    assert set(stable[changed:]) == {"sad"}


def test_two_labels_that_are_equally_probable_do_not_alternate():
    rng = np.random.default_rng(0)
    seen = []
    for _ in range(900):
        happy = 0.45 + 0.1 * rng.standard_normal()
        values = {"happy": happy, "neutral": 0.9 - happy}
        seen.append(a_prediction(probabilities=tuple(values.get(one, 0.02) for one in SEVEN)))
    assert sum(a.label != b.label for a, b in itertools.pairwise(seen)) > 300
    stable = [label for label in watch(a_smoother(), seen) if label != UNCERTAIN]
    assert sum(a != b for a, b in itertools.pairwise(stable)) <= 5


def test_a_face_that_shows_nothing_clearly_is_uncertain():
    flat = a_prediction(probabilities=(1 / 7,) * 7)
    assert set(watch(a_smoother(), [flat] * 30)) == {UNCERTAIN}


def test_a_label_that_fades_becomes_uncertain_but_not_for_a_little():
    fading = [says("happy")] * 20 + [says("happy", 0.33)] * 40 + [says("happy", 0.2)] * 40
    stable = watch(a_smoother(), fading)
    assert set(stable[5:60]) == {"happy"}
    assert stable[-1] == UNCERTAIN


def test_faces_are_smoothed_each_on_its_own():
    smoother = a_smoother()
    for index in range(10):
        readings = [
            a_reading(face=a_face(track_id=1), prediction=says("happy")),
            a_reading(face=a_face(track_id=2), prediction=says("sad")),
        ]
        steadied = smoother.update(a_frame(index=index), readings)
    assert [reading.stable for reading in steadied] == ["happy", "sad"]


def test_a_face_without_a_number_is_left_as_it_is():
    reading = a_reading(face=a_face(track_id=None))
    assert a_smoother().update(a_frame(), [reading]) == (reading,)


@pytest.mark.parametrize(("happy", "label"), [(0.35, "happy"), (0.25, "sad")])
def test_a_binary_model_goes_by_its_threshold(happy, label):
    seen = Prediction(("sad", "happy"), (1 - happy, happy), 0.3)
    assert watch(a_smoother(), [seen] * 10)[-1] == label == seen.label


def test_time_is_what_counts_not_frames():
    """At five frames a second a label changes after as many seconds, so after fewer frames."""
    changed = {}
    for rate in (5, 30):
        smoother = a_smoother(by_capture)
        for index in range(4 * rate):
            label = "happy" if index < 2 * rate else "sad"
            frame = a_frame(index=index, monotonic_ns=index * 10**9 // rate)
            reading = a_reading(face=a_face(track_id=1), prediction=says(label))
            (steadied,) = smoother.update(frame, [reading])
            if steadied.stable == "sad":
                changed.setdefault(rate, index / rate - 2)
    assert changed[5] == pytest.approx(changed[30], abs=0.25)


def test_faces_that_are_gone_are_forgotten():
    smoother = a_smoother()
    for track in range(50):
        watch(smoother, [says("happy")] * 5, track=track, first=track * 100)
    assert len(smoother._faces) <= 3


def test_faces_of_another_clip_are_forgotten_when_time_begins_anew():
    smoother = a_smoother()
    assert watch(smoother, [says("happy")] * 10, track=1, first=600)[-1] == "happy"
    watch(smoother, [says("happy")] * 5, track=2)
    assert watch(smoother, [says("happy")], track=1, first=601) == [UNCERTAIN]
