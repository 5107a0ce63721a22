"""Calibration to a participant: what makes a baseline, and what is refused."""

import dataclasses

import numpy as np
import pytest
from builders import (
    PORTRAIT,
    SEVEN,
    a_box,
    a_contract,
    a_face,
    a_frame,
    a_model,
    a_prediction,
    a_reading,
    an_observation,
)

from fer_edge.assemble.parts import make_detector
from fer_edge.daemon.calibrating import Calibrator
from fer_edge.pipeline.pipeline import Pipeline
from fer_edge.settings import DetectorSettings
from fer_edge.shared.data.pictures import read_grey
from fer_edge.shared.errors import CalibrationError, SettingsError
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.stages.baseline import BaselineStage, Weighing
from fer_edge.stages.calibration import Calibration, calibrate, calibrate_frames
from fer_edge.stages.clocks import by_index
from fer_edge.state.controls import Controls

CONTRACT = a_contract(flatbuffer_sha256="ab" * 32)
LIGHT = np.full((200, 200), 120, np.uint8)


def says(label, sure=0.8):
    rest = (1 - sure) / 6
    return a_prediction(probabilities=tuple(sure if one == label else rest for one in SEVEN))


def a_look(said=None, **box):
    place = a_box(**({"x": 50, "y": 50, "width": 80, "height": 80} | box))
    return [a_reading(face=a_face(box=place), prediction=said or says("neutral"))]


def taken(looks, *, grey=LIGHT, **options):
    calibration = Calibration(CONTRACT, **options)
    for look in looks:
        calibration.add(grey, look)
    return calibration.result(5.0)


def test_a_steady_face_is_a_baseline():
    baseline = taken([a_look()] * 150)
    assert baseline.labels == SEVEN
    assert baseline.network_sha256 == "ab" * 32
    assert baseline.steadiness == 1
    assert baseline.seconds == 5
    assert np.exp(baseline.log_probabilities) == pytest.approx(
        says("neutral").probabilities, abs=1e-3
    )


def test_a_stern_face_at_rest_is_one_too():
    assert taken([a_look(says("sad"))] * 50).steadiness == 1


def test_of_several_faces_the_largest_counts():
    small = a_reading(face=a_face(box=a_box(width=20, height=20)), prediction=says("happy"))
    assert taken([[small, *a_look()]] * 20).log_probabilities[SEVEN.index("neutral")] > -0.3


@pytest.mark.parametrize(
    ("looks", "grey", "why"),
    [
        ([a_look()] * 5, LIGHT, "only 5 frames"),
        ([], LIGHT, "only 0 frames"),
        ([a_look()] * 7 + [[]] * 3, LIGHT, "a face was seen in 7 of 10"),
        ([a_look()] * 20, LIGHT // 4, "the face is dark"),
        ([a_look(x=x) for x in range(0, 100, 4)], LIGHT, "the face moved"),
        ([a_look(width=60 + x, height=60 + x) for x in range(40)], LIGHT, "the face moved"),
        ([a_look(says("happy"))] * 20, LIGHT, "the face smiles in 20 of 20"),
        ([a_look(says("sad")), a_look(says("angry"))] * 10, LIGHT, "the expression changed"),
    ],
)
def test_what_is_no_face_at_rest_is_refused(looks, grey, why):
    with pytest.raises(CalibrationError, match=why):
        taken(looks, grey=grey)


def test_pictures_need_not_follow_one_another():
    assert taken([a_look(x=0), a_look(x=90)], moves=False).steadiness == 1
    with pytest.raises(CalibrationError, match="smiles"):
        taken([a_look(says("happy"))], moves=False)


@pytest.fixture(scope="module")
def parts():
    return make_detector(DetectorSettings()), LitertClassifier(a_model())


def test_pictures_at_hand_are_searched(parts):
    baseline = calibrate([a_frame(grey=read_grey(PORTRAIT))] * 2, *parts)
    assert (baseline.seconds, baseline.steadiness) == (2, 1)


@pytest.mark.parametrize(
    ("pictures", "why"), [([], "only 0 frames"), ([LIGHT], "no face was seen .frames looked at: 1")]
)
def test_pictures_without_a_face_are_refused(parts, pictures, why):
    with pytest.raises(CalibrationError, match=why):
        calibrate([a_frame(grey=grey) for grey in pictures], *parts)


class Nobody:
    """A tracker and classifier that are not asked."""

    def __init__(self, contract=CONTRACT):
        self.contract = contract


def a_pipeline(contract=CONTRACT):
    weighing = Weighing(contract, (0.0,) * len(contract.labels))
    stage = BaselineStage(by_index, contract, weighing, mode="track")
    return Pipeline(Nobody(), Nobody(contract), corrector=stage)


class Daemon:
    """What a daemon does between two frames, at 10 frames a second."""

    def __init__(self, participants=None, *, contract=CONTRACT):
        self.now = 0.0
        self.controls = Controls()
        self.pipeline = a_pipeline(contract)
        self.calibrator = Calibrator(self.controls, clock=lambda: self.now)
        if participants is not None:
            self.calibrator.participants = participants

    def watch(self, look, frames, *, seen=True):
        frame = dataclasses.replace(a_frame(), grey=LIGHT)
        for _ in range(frames):
            self.now += 0.1
            self.calibrator.turn(self.pipeline)
            if seen:
                observation = an_observation(readings=tuple(look))
                self.calibrator.see(self.pipeline, frame, observation)
        return self.controls.calibration.phase


def test_a_daemon_calibrates_when_it_is_asked():
    daemon = Daemon()
    assert daemon.watch(a_look(), 5) == ""
    daemon.controls.calibrate(5.0)
    assert daemon.watch(a_look(says("sad")), 20) == "running"
    assert daemon.watch(a_look(says("sad")), 40) == "done"
    assert daemon.pipeline.baseline == "participant"
    assert "steadiness 1.00" in daemon.controls.calibration.text
    assert daemon.watch(a_look(says("sad")), 100) == "done"


def test_a_daemon_says_why_it_refuses_and_goes_on_as_before():
    daemon = Daemon()
    daemon.controls.calibrate(2.0)
    assert daemon.watch(a_look(says("happy")), 30) == "refused"
    assert "smiles" in daemon.controls.calibration.text
    assert daemon.pipeline.baseline == "track"


def test_a_daemon_whose_model_knows_no_neutral_refuses_and_goes_on():
    daemon = Daemon(contract=a_contract(labels=("angry", "happy", "sad")))
    daemon.controls.calibrate(2.0)
    assert daemon.watch((), 30) == "refused"
    assert "angry, happy, sad" in daemon.controls.calibration.text


@pytest.mark.parametrize("labels", [SEVEN, ("happy", "neutral")])
def test_a_calibration_ends_where_another_model_serves(labels):
    daemon = Daemon()
    daemon.controls.calibrate(5.0)
    assert daemon.watch(a_look(says("sad")), 20) == "running"
    daemon.pipeline = a_pipeline(a_contract(labels=labels))
    at_rest = tuple(float(label == "neutral") for label in labels)
    look = (a_reading(prediction=a_prediction(labels=labels, probabilities=at_rest)),)
    assert daemon.watch(look, 100) == "refused"
    assert "changed meanwhile" in daemon.controls.calibration.text
    assert daemon.pipeline.baseline == "track"
    daemon.controls.calibrate(5.0)
    assert daemon.watch(look, 100) == "done"


def test_a_camera_that_delivers_nothing_ends_a_calibration():
    daemon = Daemon()
    daemon.controls.calibrate(2.0)
    assert daemon.watch((), 30, seen=False) == "running"
    assert daemon.watch((), 20, seen=False) == "refused"


def test_a_camera_of_few_pictures_is_waited_for():
    daemon = Daemon()
    daemon.controls.calibrate(5.0)
    for _ in range(9):
        daemon.now += 1.0
        assert daemon.watch(a_look(says("sad")), 1) == "running"
    daemon.now += 1.0
    assert daemon.watch(a_look(says("sad")), 1) == "done"


def test_a_device_that_is_switched_off_refuses_at_once():
    daemon = Daemon()
    daemon.controls.enabled = False
    daemon.controls.calibrate(5.0)
    assert daemon.watch((), 1, seen=False) == "refused"
    assert "switched off" in daemon.controls.calibration.text


def test_where_no_answer_is_relative_to_anything_it_is_refused():
    daemon = Daemon()
    daemon.pipeline = Pipeline(Nobody(), Nobody())
    daemon.controls.calibrate(2.0)
    assert daemon.watch(a_look(), 30) == "refused"
    assert "tracker.mode" in daemon.controls.calibration.text


def test_what_is_in_force_no_longer_is_not_told_of():
    daemon = Daemon()
    daemon.controls.calibrate(2.0)
    assert daemon.watch(a_look(), 30) == "done"
    daemon.pipeline = a_pipeline()
    assert daemon.watch(a_look(), 1) == ""
    for _ in range(2):
        daemon.controls.calibrate(2.0)
        assert daemon.watch(a_look(), 30) == "done"
    daemon.controls.calibrate(2.0)
    assert daemon.watch(a_look(), 5) == "running"
    daemon.pipeline = a_pipeline()
    assert daemon.watch(a_look(), 5) == "refused", "whoever waits is told"


def test_a_participant_is_taken_by_the_name_given():
    asked = []
    known = taken([a_look()] * 20)

    def participants(name):
        asked.append(name)
        if name != "anna":
            raise SettingsError(f"no participant {name}", expected="anna", fix="calibrate")
        return known

    daemon = Daemon(participants)
    daemon.controls.take_participant("berta")
    assert daemon.watch((), 1) == "refused"
    daemon.controls.take_participant("anna")
    assert daemon.watch((), 1) == "done"
    assert asked == ["berta", "anna"]
    assert daemon.pipeline.baseline == "participant"


def test_without_a_folder_nobody_is_known_by_name():
    daemon = Daemon()
    daemon.controls.take_participant("anna")
    assert daemon.watch((), 1) == "refused"
    assert "no folder of participants" in daemon.controls.calibration.text


def test_frames_of_a_camera_are_counted_down_and_then_taken_for_so_long():
    frames = [dataclasses.replace(a_frame(), index=index, grey=LIGHT) for index in range(300)]
    told, processed = [], []

    def process(frame):
        processed.append(frame.index)
        smiles = frame.index < 30  # in the countdown
        return an_observation(readings=tuple(a_look(says("happy" if smiles else "neutral"))))

    options = {"clock": by_index, "seconds": 2.0, "countdown_seconds": 1.0, "tell": told.append}
    baseline = calibrate_frames(frames, process, CONTRACT, **options)
    assert (baseline.frames, baseline.seconds) == (60, 2.0)
    assert (told[0], len(processed)) == (-1.0, 91)


def test_a_clip_may_begin_before_its_face_is_found():
    frames = [dataclasses.replace(a_frame(), index=index, grey=LIGHT) for index in range(60)]

    def process(frame):
        return an_observation(readings=tuple(a_look()) if frame.index > 20 else ())

    assert calibrate_frames(frames, process, CONTRACT, clock=by_index).frames == 39


@pytest.mark.parametrize("countdown", [0.0, 0.5])
def test_where_no_face_is_seen_that_is_said(countdown):
    frames = [dataclasses.replace(a_frame(), index=index, grey=LIGHT) for index in range(60)]
    options = {"clock": by_index, "countdown_seconds": countdown}
    seen = 60 - round(30 * countdown)
    with pytest.raises(
        CalibrationError, match=f"no face was seen .frames looked at: {seen}..*look straight"
    ):
        calibrate_frames(frames, lambda _: an_observation(readings=()), CONTRACT, **options)
