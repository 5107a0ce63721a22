"""A device with a network of somebody's own words, in colour: read, told, evaluated, calibrated."""

import dataclasses
import json
import logging
from pathlib import Path

import numpy as np
import pytest
from builders import SEVEN, a_face, a_frame, a_model, a_reading, an_observation, encoded
from tiny_model import tiny_contract, tiny_model

from fer_edge.api import Reader
from fer_edge.assemble.baselines import make_corrector
from fer_edge.commands.evaluate import evaluate, format_evaluation
from fer_edge.pipeline.pipeline import Pipeline
from fer_edge.settings import Settings
from fer_edge.shared.data.labelled import LabelledPictures
from fer_edge.shared.errors import CalibrationError, DataError
from fer_edge.shared.model.contract import InputSpec, ModelContract, OutputSpec
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.model.model_file import parse_model
from fer_edge.shared.model.selftest import run_selftest
from fer_edge.shared.records import Box, Colour, Face, Prediction
from fer_edge.shared.report.drawing import draw
from fer_edge.sinks.jsonl.line import json_line
from fer_edge.sinks.mqtt.home_assistant import Offer, discovery
from fer_edge.sinks.mqtt.topics import Topics
from fer_edge.stages.calibration import Calibration
from fer_edge.stages.clocks import by_index

OWN = ("lächelt", "no smile", "100 % sure"[:3] + " hands")
COLOURS = InputSpec(
    height=64, width=64, channels=3, colour="rgb", dtype="int8", scale=1.0, zero_point=-128
)


def an_own_contract(**changes: object) -> ModelContract:
    contract = tiny_contract(labels=OWN)
    return dataclasses.replace(contract, input=COLOURS, **changes)


@pytest.fixture(scope="module")
def classifier() -> LitertClassifier:
    return LitertClassifier(a_model(an_own_contract()))


def test_a_model_file_keeps_words_and_colours():
    model = parse_model(tiny_model(an_own_contract(merged={"no smile": ("sad",)})), where="own")
    assert model.contract.labels == OWN
    assert model.contract.input.shape == (64, 64, 3)
    assert model.contract.vocabulary.find("Sadness") == "no smile"
    assert run_selftest(model).passed


def test_a_contract_of_expressions_says_nothing_of_what_is_new():
    told = json.loads(tiny_contract().to_json())
    assert not {"merged", "dropped"} & told.keys()


class Faces:
    """A tracker that sees one face."""

    left_out = 0

    def update(self, _frame):
        return [a_face(box=Box(0, 0, 64, 64))]

    def close(self):
        pass


def test_a_network_of_colours_is_shown_red_green_blue(classifier):
    bgr = np.zeros((64, 64, 3), np.uint8)
    bgr[...] = (10, 100, 200)
    frame = a_frame(grey=np.zeros((64, 64), np.uint8), colour=Colour(lambda: bgr))
    Pipeline(Faces(), classifier).process(frame)
    assert classifier._input()[0][0, 0].tolist() == [200 - 128, 100 - 128, 10 - 128]
    Pipeline(Faces(), classifier).process(dataclasses.replace(frame, colour=None))
    assert classifier._input()[0][0, 0].tolist() == [-128, -128, -128]


def test_a_grey_network_never_has_colours_made():
    def never():
        raise AssertionError("colours were made")

    frame = a_frame(grey=np.zeros((64, 64), np.uint8), colour=Colour(never))
    assert Pipeline(Faces(), LitertClassifier(a_model())).process(frame).readings


def test_the_python_api_reads_crops_in_colour(tmp_path):
    path = tmp_path / "own.tflite"
    path.write_bytes(tiny_model(an_own_contract()))
    pictures = np.random.default_rng(0).integers(0, 256, (12, 64, 64, 3)).astype(np.uint8)
    with Reader(model=path, crops=True) as reader:
        assert reader.labels == OWN
        said = [[reader.read(bgr[..., ::step])[0].scores for bgr in pictures] for step in (1, -1)]
        assert said[0] != said[1]
        bgr = pictures[0]
        as_bgr, as_rgb = (reader.read(bgr[..., ::step], colour=order)
                          for step, order in ((1, "bgr"), (-1, "rgb")))  # fmt: skip
        assert as_bgr[0].scores == as_rgb[0].scores


def said(label: str) -> Prediction:
    return Prediction(OWN, tuple(float(label == own) for own in OWN))


def test_words_go_out_as_they_are():
    reading = a_reading(prediction=said("lächelt"), stable="lächelt")
    observation = an_observation(readings=(reading,))
    assert json.loads(json_line(observation)) == observation.to_json()
    topics = Topics("fer", "hall")
    message = discovery(topics, "homeassistant", labels=OWN, offer=Offer(of_faces=True))
    options = json.loads(message.payload)["components"]["expression"]["options"]
    assert options == [*OWN, "uncertain", "none"]


def test_a_word_in_any_letters_is_drawn():
    picture, face = np.full((240, 320), 90, np.uint8), Face(Box(60, 80, 90, 90), 1.0)
    drawn, plain = (
        draw(picture, [a_reading(face=face, prediction=Prediction((word, "b"), (0.9, 0.1)))])
        for word in ("lächelt", "lachelt")
    )
    assert np.array_equal(drawn, plain)


def test_a_face_at_rest_needs_a_label_for_it():
    with pytest.raises(CalibrationError, match=r"labels are lächelt, no smile.*neutral among them"):
        Calibration(an_own_contract())
    Calibration(dataclasses.replace(tiny_contract(), labels=("Calm", *SEVEN[:6])))


def test_without_neutral_answers_are_relative_to_nothing_and_that_is_said(caplog):
    labels = ("thumb up", "thumb down")
    contract = dataclasses.replace(
        tiny_contract(), labels=labels, output=OutputSpec(), class_shares={}
    )
    with caplog.at_level(logging.INFO):
        stage = make_corrector(Settings(), contract, by_index, follows=True)
    assert stage is None or stage.mode == "none"
    assert "none of the model's labels (thumb up, thumb down) is neutral" in caplog.text


def write_crops(folder: Path, names: dict[str, int]) -> Path:
    rng = np.random.default_rng(0)
    for name, count in names.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            noise = rng.integers(0, 256, (64, 64)).astype(np.uint8)
            (folder / name / f"{number}.png").write_bytes(encoded(noise))
    return folder


def judged(data: Path, classifier: LitertClassifier):
    with LabelledPictures(data, vocabulary=classifier.contract.vocabulary) as pictures:
        return evaluate(pictures, classifier)


def test_a_data_set_is_read_by_the_models_own_words(tmp_path, classifier):
    write_crops(tmp_path, {"LÄCHELT": 3, "no_smile": 2, "100 hands": 1})
    result = judged(tmp_path, classifier)
    assert result.confusion.sum(axis=1).tolist() == [3, 2, 1]
    write_crops(tmp_path, {"angry": 1})
    with pytest.raises(DataError, match="angry, which the model does not know"):
        judged(tmp_path, classifier)


def test_a_model_at_chance_is_told_in_capitals(tmp_path):
    classifier = LitertClassifier(a_model())
    result = judged(write_crops(tmp_path, dict.fromkeys(SEVEN, 12)), classifier)
    assert result.remarks[0].startswith("THE MODEL ")
    assert result.remarks[0] in format_evaluation(result)
    assert result.to_json()["remarks"] == list(result.remarks)


def test_a_model_that_is_worse_than_what_serves_is_told(tmp_path):
    result = judged(write_crops(tmp_path, dict.fromkeys(SEVEN, 12)), LitertClassifier(a_model()))
    always = dataclasses.replace(
        result,
        confusion=np.diag(result.confusion.sum(axis=1)),
        right=np.ones(result.n, np.bool_),
    )
    (*_, worse) = result.beside("edge-small", always).remarks
    assert worse.startswith("WORSE THAN WHAT SERVES: ")
    assert "edge-small has 100.00% of the same pictures" in worse
    assert always.beside("edge-small", result).remarks == ()
    assert result.beside("edge-small", result).worse == ()
