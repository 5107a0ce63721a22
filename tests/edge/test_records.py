"""What the records say of themselves."""

import dataclasses
import json

import pytest
from builders import a_box, a_face, a_prediction, a_reading, an_observation

from fer_edge.shared.records import Box, Prediction


@pytest.mark.parametrize(
    "record", [a_box(), a_face(), a_prediction(), a_reading(), an_observation()]
)
def test_records_do_not_change(record):
    name = dataclasses.fields(record)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(record, name, None)


@pytest.mark.parametrize(
    ("other", "iou"),
    [
        (Box(0, 0, 10, 10), 1.0),
        (Box(5, 0, 10, 10), 50 / 150),
        (Box(10, 0, 10, 10), 0.0),
        (Box(20, 20, 5, 5), 0.0),
        (Box(2, 2, 5, 5), 25 / 100),
        (Box(3, 3, 0, 5), 0.0),
    ],
)
def test_iou(other, iou):
    box = Box(0, 0, 10, 10)
    assert box.iou(other) == other.iou(box) == pytest.approx(iou)


def test_two_empty_boxes_share_nothing():
    assert Box(1, 1, 0, 0).iou(Box(1, 1, 0, 0)) == 0


def test_scaled_box():
    assert Box(10, 21, 30, 40).scaled(0.5) == Box(5, 10, 15, 20)


def test_the_most_probable_label_is_said():
    prediction = Prediction(("angry", "happy", "sad"), (0.2, 0.5, 0.3))
    assert (prediction.index, prediction.label, prediction.confidence) == (1, "happy", 0.5)
    assert prediction.scores == {"angry": 0.2, "happy": 0.5, "sad": 0.3}


@pytest.mark.parametrize(
    ("happy", "threshold", "label"),
    [(0.4, 0.3, "happy"), (0.3, 0.3, "happy"), (0.29, 0.3, "sad"), (0.6, 0.7, "sad")],
)
def test_a_binary_model_goes_by_its_threshold(happy, threshold, label):
    prediction = Prediction(("sad", "happy"), (1 - happy, happy), threshold)
    assert prediction.label == label
    assert prediction.confidence == prediction.scores[label]


def test_an_observation_as_json():
    line = an_observation(timings={"detect": 1.23456}, name="a.png").to_json()
    assert json.loads(json.dumps(line)) == line
    assert line["schema"] == 1
    assert line["timings_ms"] == {"detect": 1.235}
    assert line["name"] == "a.png"
    assert line["faces"][0]["box"] == [10, 20, 30, 40]


def test_an_observation_without_name_has_no_name():
    assert "name" not in an_observation().to_json()
