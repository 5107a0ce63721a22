"""Faces of which no expression can be read, and who is told the reason."""

import dataclasses
import json

import numpy as np
import pytest
from builders import PORTRAIT, PORTRAIT_FACE, a_frame, a_model, a_prediction, a_reading
from techniques import needs_weights

from fer_edge.assemble.parts import make_detector
from fer_edge.pipeline.pipeline import Pipeline
from fer_edge.settings import DetectorSettings
from fer_edge.shared.data.pictures import read_grey
from fer_edge.shared.faces.legibility import nose_offset, why_unreadable
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.records import UNCERTAIN, Box, Face, Landmarks, Observation, Point
from fer_edge.sinks.jsonl.line import json_line
from fer_edge.stages.clocks import by_index
from fer_edge.stages.each_picture import EachPicture
from fer_edge.stages.smoothing import LabelSmoother

FRONTAL = Landmarks(Point(30, 40), Point(70, 40), Point(50, 60), Point(35, 80), Point(65, 80))


@pytest.fixture(scope="module")
def portrait():
    return read_grey(PORTRAIT)


def the_face(**changes):
    return dataclasses.replace(Face(PORTRAIT_FACE, 0.9), **changes)


def test_nothing_speaks_against_the_portrait(portrait):
    assert why_unreadable(portrait, the_face()) is None
    assert why_unreadable(portrait, the_face(landmarks=FRONTAL)) is None


def test_a_face_of_a_few_pixels_is_too_small(portrait):
    assert why_unreadable(portrait, Face(Box(180, 70, 13, 13), 0.9)) == "too small"
    assert why_unreadable(portrait, Face(Box(180, 70, 15, 15), 0.9)) is None


def test_little_light_is_too_dark_but_a_dark_face_in_the_light_is_not(portrait):
    assert why_unreadable((portrait * 0.05).astype(np.uint8), the_face()) == "too dark"
    assert why_unreadable((portrait * 0.25).astype(np.uint8), the_face()) is None
    bright_fog = (portrait * 0.05 + 150).astype(np.uint8)
    assert why_unreadable(bright_fog, the_face()) is None, "that is another matter"


def test_a_nose_beyond_an_eye_is_a_face_turned_away(portrait):
    for nose_x, why in ((50, None), (62, None), (70, "turned away"), (28, "turned away")):
        turned = FRONTAL._replace(nose=Point(nose_x, 60))
        assert why_unreadable(portrait, the_face(landmarks=turned)) == why, nose_x


def test_the_nose_s_offset_is_measured_along_the_eyes():
    assert nose_offset(FRONTAL) == 0
    leaning = Landmarks(*(Point(-y, x) for x, y in FRONTAL))
    assert nose_offset(leaning) == pytest.approx(0)


def test_a_covered_face(portrait):
    assert why_unreadable(portrait, the_face(covered=0.9)) == "covered"
    assert why_unreadable(portrait, the_face(covered=0.5)) is None


@needs_weights
def test_a_mask_is_seen(portrait):
    """A made one: the lower half of the face under plain cloth."""
    masked = portrait.copy()
    masked[116:166, 180:268] = 190
    (face,) = make_detector(DetectorSettings(kind="yunet")).detect(masked)
    assert why_unreadable(masked, face) == "covered"


class OneFace:
    """Finds the portrait's face, covered."""

    def detect(self, grey):
        return [the_face(covered=0.95)]


def test_the_pipeline_s_readings_and_their_json_carry_the_reason(portrait):
    pipeline = Pipeline(EachPicture(OneFace()), LitertClassifier(a_model()))
    seen = pipeline.process(a_frame(grey=portrait))
    assert seen.readings[0].why == "covered"
    assert seen.to_json()["faces"][0]["why"] == "covered"
    assert json.loads(json_line(seen))["faces"][0]["why"] == "covered"


def test_lines_without_a_reason_are_as_they_were():
    seen = Observation(1, 0.0, (a_reading(),), {"age": 1.0})
    assert "why" not in json_line(seen)
    assert json.loads(json_line(seen)) == json.loads(json.dumps(seen.to_json()))


def test_a_steadied_label_is_uncertain_while_nothing_can_be_read_and_then_returns():
    smoother = LabelSmoother(
        by_index, memory_seconds=0.25, least_probability=0.4, margin=0.15, settle_seconds=0.0
    )
    face = Face(PORTRAIT_FACE, 0.9, track_id=1)
    sad = a_prediction(probabilities=tuple(float(i == 4) for i in range(7)))
    shown = []
    for index in range(30):
        covered = 10 <= index < 20
        reading = a_reading(
            face=face,
            prediction=sad if covered else a_prediction(),
            why="covered" if covered else None,
        )
        (steadied,) = smoother.update(a_frame(index=index), [reading])
        shown.append(steadied.stable)
    assert shown == ["happy"] * 10 + [UNCERTAIN] * 10 + ["happy"] * 10
