"""Answers relative to a person's own face at rest."""

import dataclasses
import math

import numpy as np
import pytest
from builders import SEVEN, a_box, a_contract, a_face, a_frame, a_prediction, a_reading

from fer_edge.assemble.baselines import make_corrector, mode_of
from fer_edge.models.choice import ServedModel
from fer_edge.pipeline.protocols import Corrector
from fer_edge.settings import BaselineSettings, ExpressionSettings, Settings
from fer_edge.shared.errors import SettingsError
from fer_edge.shared.records import Prediction
from fer_edge.stages.baseline import Baseline, BaselineStage, Weighing
from fer_edge.stages.baseline_file import read_baseline, write_baseline
from fer_edge.stages.clocks import by_index

NEUTRAL = SEVEN.index("neutral")
CONTRACT = a_contract(flatbuffer_sha256="ab" * 32)
FRAME = a_frame()
PLAIN = (0.0,) * len(SEVEN)


def says(**probabilities):
    """Return an answer; what is not named shares the rest."""
    rest = (1 - sum(probabilities.values())) / (len(SEVEN) - len(probabilities))
    return a_prediction(probabilities=tuple(probabilities.get(label, rest) for label in SEVEN))


CALM = says(neutral=0.8, sad=0.1)
STERN = says(sad=0.55, neutral=0.35)
SMILE = says(happy=0.93, neutral=0.03)
POSED_ANGER = says(neutral=0.5, angry=0.4)


def a_stage(mode="track", **options):
    return BaselineStage(by_index, CONTRACT, Weighing(CONTRACT, PLAIN), mode=mode, **options)


def a_baseline(said=CALM, **changes):
    known = Baseline(
        labels=SEVEN,
        log_probabilities=tuple(math.log(p) for p in said.probabilities),
        spread=(0.1,) * len(SEVEN),
        seconds=5.0,
        network_sha256="ab" * 32,
    )
    return dataclasses.replace(known, **changes)


def watch(stage, answers, *, first=0, track=1):
    """Return what is believed of one face, frame by frame, 30 a second."""
    believed = []
    for index, said in enumerate(answers, start=first):
        reading = a_reading(face=a_face(track_id=track), prediction=said)
        (weighed,) = stage.update(dataclasses.replace(FRAME, index=index), [reading])
        assert weighed.prediction is said, "the raw answer stays"
        assert sum(weighed.answer.probabilities) == pytest.approx(1)
        believed.append(weighed.answer)
    return believed


def test_it_keeps_the_protocol():
    assert isinstance(a_stage(), Corrector)
    assert a_stage().update(a_frame(), []) == ()


def test_before_anything_is_known_the_answer_is_the_networks():
    (believed,) = watch(a_stage(), [POSED_ANGER])
    assert believed.probabilities == POSED_ANGER.probabilities


def test_what_differs_from_the_face_at_rest_counts_for_more():
    stage = a_stage()
    assert {one.label for one in watch(stage, [CALM] * 600)} == {"neutral"}
    (believed,) = watch(stage, [POSED_ANGER], first=600)
    assert POSED_ANGER.label == "neutral"
    assert believed.label == "angry"


def test_a_face_at_rest_keeps_its_label_and_most_of_its_confidence():
    believed = watch(a_stage(), [CALM] * 1800)[-1]
    assert believed.label == "neutral"
    assert believed.confidence > 0.6


@pytest.mark.parametrize("label", [label for label in SEVEN if label != "neutral"])
@pytest.mark.parametrize("sure", [0.45, 0.6, 0.9])
def test_an_expression_that_lasts_ten_minutes_stays_what_it_is(label, sure):
    lasting = says(**{label: sure, "neutral": max(0.02, min(0.3, 0.9 - sure))})
    rng = np.random.default_rng(1)
    trembling = []
    for _ in range(600 * 2):
        values = np.log(lasting.probabilities) + 0.1 * rng.standard_normal(len(SEVEN))
        trembling.append(a_prediction(probabilities=tuple(np.exp(values) / np.exp(values).sum())))
    stage = a_stage()
    watch(stage, [CALM] * 300)
    # Two frames a second, as on a slow device: ten minutes in all.
    believed = []
    for index, said in enumerate(trembling):
        believed += watch(stage, [said], first=300 + 15 * index)
    named = [one.label == label for one in believed]
    assert np.mean(named[-200:]) >= np.mean(named[:200]) - 0.05
    assert np.mean(named[-200:]) > 0.9
    # Whoever then relaxes is neutral again, and no opposite of what was shown.
    assert {one.label for one in watch(stage, [CALM] * 30, first=20_000)} == {"neutral"}


def test_a_minute_of_smiling_teaches_nothing():
    stage, other = a_stage(), a_stage()
    watch(stage, [CALM] * 300 + [SMILE] * 1800)
    watch(other, [CALM] * 300)
    believed = watch(stage, [SMILE, POSED_ANGER], first=2100)
    expected = watch(other, [SMILE, POSED_ANGER], first=2100)
    assert believed[0].label == "happy"
    for one, before in zip(believed, expected, strict=True):
        assert one.probabilities == pytest.approx(before.probabilities, abs=0.05)


def test_faces_are_known_each_on_its_own_and_forgotten_with_their_number():
    stage = a_stage()
    watch(stage, [CALM] * 300, track=1)
    (stranger,) = watch(stage, [POSED_ANGER], first=300, track=2)
    assert stranger.label == "neutral"
    watch(stage, [CALM] * 10, first=700, track=2)
    (again,) = watch(stage, [POSED_ANGER], first=710, track=1)
    assert again.label == "neutral", "after so long it may be anybody"


def test_faces_of_another_clip_are_forgotten_when_time_begins_anew():
    stage = a_stage()
    watch(stage, [CALM] * 300, track=1, first=600)
    watch(stage, [CALM] * 10, track=2)
    (again,) = watch(stage, [POSED_ANGER], first=900, track=1)
    assert again.label == "neutral"


def test_a_stern_participant_is_neutral_at_rest():
    assert STERN.label == "sad"
    (without,) = watch(a_stage("none"), [STERN])
    (known,) = watch(a_stage("participant", known=a_baseline(STERN)), [STERN])
    assert without.label == "sad"
    assert known.label == "neutral"
    (sadder,) = watch(a_stage("participant", known=a_baseline(STERN)), [says(sad=0.9)])
    assert sadder.label == "sad"


def test_a_face_without_a_number_can_be_a_participants_and_teaches_nothing():
    reading = a_reading(face=a_face(track_id=None), prediction=STERN)
    (weighed,) = a_stage("participant", known=a_baseline(STERN)).update(a_frame(), [reading])
    assert weighed.answer.label == "neutral"
    (same,) = a_stage().update(a_frame(), [reading])
    assert same.answer.probabilities == STERN.probabilities


def test_a_place_is_learnt_over_many_faces_and_kept():
    kept = []
    stage = a_stage("place", keep=kept.append)
    for person in range(8):
        watch(stage, [CALM] * 900, first=1000 * person, track=person)
    (stranger,) = watch(stage, [POSED_ANGER], first=9000, track=99)
    assert stranger.label == "angry"
    stage.close()
    assert kept[-1].log_probabilities[NEUTRAL] == pytest.approx(math.log(0.8), abs=0.01)
    again = a_stage("place", known=kept[-1])
    (believed,) = watch(again, [POSED_ANGER])
    assert believed.label == "angry"


def test_a_place_that_is_known_for_an_hour_is_still_kept():
    kept = []
    known = a_baseline(seconds=3600.0)
    stage = a_stage("place", known=known, keep=kept.append)
    stage.close()
    assert not kept, "nothing was learnt"
    watch(stage, [says(neutral=0.7, angry=0.2)] * 90)
    stage.close()
    stage.close()
    assert [baseline.seconds for baseline in kept] == [3600.0]


def test_one_face_that_stays_all_day_makes_no_place():
    kept = []
    stage = a_stage("place", keep=kept.append)
    watch(stage, [CALM] * 6000)
    stage.close()
    assert kept[-1].seconds <= 21


def test_a_model_without_neutral_learns_nothing_and_says_so():
    contract = a_contract(labels=("happy", "sad", "angry"))
    stage = BaselineStage(by_index, contract, Weighing(contract, (0.0,) * 3), mode="track")
    assert stage.mode == "none"
    said = Prediction(contract.labels, (0.5, 0.3, 0.2))
    reading = a_reading(face=a_face(track_id=1), prediction=said)
    assert stage.update(a_frame(), [reading]) == (reading,)


def test_a_file_holds_two_numbers_a_label_and_nothing_else(tmp_path):
    path = tmp_path / "people" / "me.json"
    write_baseline(path, a_baseline())
    assert read_baseline(path, CONTRACT) == a_baseline()
    assert len(path.read_text()) < 1000


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{}", "schema None"),
        ("[1]", "schema None"),
        ("nothing", "cannot be used"),
        ('{"schema": 1, "labels": ["sad"]}', "missing"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, text, named):
    (tmp_path / "me.json").write_text(text)
    with pytest.raises(SettingsError, match=named):
        read_baseline(tmp_path / "me.json", CONTRACT)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"network_sha256": "cd" * 32}, "another model"),
        ({"log_probabilities": (0.5,) * 7}, "numbers that no calibration gives"),
        ({"spread": (0.5,) * 6}, "numbers that no calibration gives"),
    ],
)
def test_a_baseline_that_does_not_fit_is_refused(tmp_path, change, named):
    write_baseline(tmp_path / "me.json", a_baseline(**change))
    with pytest.raises(SettingsError, match=named):
        read_baseline(tmp_path / "me.json", CONTRACT)


@pytest.mark.parametrize(
    ("settings", "mode"),
    [
        ({}, "track"),
        ({"file": "me.json"}, "participant"),
        ({"mode": "none", "file": "me.json"}, "none"),
        ({"participants": "people"}, "track"),
        ({"participants": "people", "participant": "anna"}, "participant"),
    ],
)
def test_a_participant_that_is_named_wins(settings, mode):
    assert mode_of(BaselineSettings(**settings)) == mode


@pytest.mark.parametrize(
    "settings",
    [
        {"mode": "participant"},
        {"mode": "place", "file": "me.json"},
        {"participant": "anna"},
        {"file": "me.json", "participants": "people", "participant": "anna"},
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings):
    with pytest.raises(SettingsError):
        mode_of(BaselineSettings(**settings))


@pytest.mark.parametrize(
    ("name", "named"), [("berta", "no participant 'berta'.*anna"), ("../anna", "no participant's")]
)
def test_a_participant_who_is_not_there_is_said(tmp_path, name, named):
    write_baseline(tmp_path / "anna.json", a_baseline())
    settings = BaselineSettings(participants=str(tmp_path), participant=name)
    with pytest.raises(SettingsError, match=named):
        make_corrector(Settings(baseline=settings), CONTRACT, by_index, follows=True)


def test_a_folder_of_participants_that_cannot_be_looked_into_is_no_defect():
    settings = BaselineSettings(participants="x" * 300, participant="anna")
    with pytest.raises(SettingsError, match=r"no participant 'anna'.*\(none\)"):
        make_corrector(Settings(baseline=settings), CONTRACT, by_index, follows=True)


def test_a_slot_with_another_model_goes_on_without_the_participant(tmp_path, caplog):
    write_baseline(tmp_path / "anna.json", a_baseline(network_sha256="cd" * 32))
    settings = Settings(baseline=BaselineSettings(file=str(tmp_path / "anna.json")))
    with pytest.raises(SettingsError, match="another model"):
        make_corrector(settings, CONTRACT, by_index, follows=True)
    in_slot = dataclasses.replace(settings, model=ServedModel())
    assert make_corrector(in_slot, CONTRACT, by_index, follows=True).mode == "track"
    assert "without the participant's baseline" in caplog.text


def test_single_pictures_are_relative_to_nothing_that_is_learnt():
    plain = Settings(expression=ExpressionSettings(balance=0.0))
    assert make_corrector(plain, CONTRACT, by_index, follows=False) is None
    stage = make_corrector(Settings(), CONTRACT, by_index, follows=False)
    assert stage.mode == "none"


def test_a_place_is_kept_over_a_restart(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    settings = Settings(baseline=BaselineSettings(mode="place"))
    stage = make_corrector(settings, CONTRACT, by_index, follows=True)
    watch(stage, [CALM] * 300)
    stage.close()
    (file,) = tmp_path.iterdir()
    assert read_baseline(file, CONTRACT).seconds > 5
    other = dataclasses.replace(CONTRACT, flatbuffer_sha256="cd" * 32)
    make_corrector(settings, other, by_index, follows=True)
    assert "learnt anew" in caplog.text


def test_boxes_are_not_looked_at():
    far = a_reading(face=a_face(track_id=1, box=a_box(x=-500)), prediction=CALM)
    assert a_stage().update(a_frame(), [far])[0].answer.label == "neutral"
