"""Reading expressions with the TFLite runtime."""

import dataclasses
import sys
import types

import numpy as np
import pytest
from builders import a_contract, a_model, a_picture
from tiny_model import tiny_contract, tiny_flatbuffer

from fer_edge.assemble.parts import make_classifier
from fer_edge.pipeline.protocols import Classifier
from fer_edge.settings import ModelSettings
from fer_edge.shared.errors import EXIT_CONFIG, DependencyError, ModelError
from fer_edge.shared.model import interpreter, litert
from fer_edge.shared.model.contract import OutputSpec
from fer_edge.shared.model.litert import LitertClassifier, dequantise, to_prediction
from fer_edge.shared.model.model_file import ModelFile
from fer_edge.shared.model.preprocess import prepare_crop, whole_picture
from fer_edge.shared.records import Box, Face

BOXES = [Box(0, 0, 60, 60), Box(50, 30, 40, 44), Box(-10, 60, 50, 50), Box(100, 70, 48, 48)]
FACES = [Face(box, 1.0) for box in BOXES]


@pytest.fixture(scope="module")
def classifier():
    return LitertClassifier(a_model())


def test_it_keeps_the_protocol(classifier):
    assert isinstance(classifier, Classifier)
    assert classifier.contract == a_model().contract


def test_every_face_of_a_frame_gets_its_own_prediction(classifier):
    grey = a_picture(160, 120)
    together = classifier.classify(grey, FACES)
    assert together == [classifier.classify(grey, [face])[0] for face in FACES]
    assert len({prediction.probabilities for prediction in together}) > 1


def test_predictions_outlive_the_next_one(classifier):
    grey = a_picture(160, 120)
    (first,) = classifier.classify(grey, FACES[:1])
    kept = dataclasses.astuple(first)
    classifier.classify(grey, FACES[1:])
    assert dataclasses.astuple(first) == kept


def test_a_raw_output_outlives_the_next_one(classifier):
    first = classifier.raw_output(a_picture(48, 48))
    kept = first.copy()
    assert not np.array_equal(classifier.raw_output(a_picture(48, 48, seed=5)), kept)
    np.testing.assert_array_equal(first, kept)


def test_no_faces_no_predictions(classifier):
    assert classifier.classify(a_picture(), []) == []


def test_probabilities_sum_to_one(classifier):
    for prediction in classifier.classify(a_picture(160, 120), FACES):
        assert sum(prediction.probabilities) == pytest.approx(1)
        assert all(type(p) is float for p in prediction.probabilities)


def test_a_crop_is_read_alike_whichever_way_it_comes(classifier):
    crop = a_picture(70, 70)
    (through_box,) = classifier.classify(crop, [Face(whole_picture(crop), 1.0)])
    assert classifier.predict(prepare_crop(crop, classifier.contract.input)) == through_box


def test_more_threads_say_the_same(classifier):
    grey = a_picture(160, 120)
    two = LitertClassifier(a_model(), threads=2)
    assert two.classify(grey, FACES) == classifier.classify(grey, FACES)


@pytest.mark.parametrize(("threshold", "label"), [(0.01, "happy"), (1.0, "sad")])
def test_a_binary_model_says_the_second_label_from_its_threshold_on(threshold, label):
    contract = dataclasses.replace(tiny_contract(labels=("sad", "happy")), threshold=threshold)
    output = np.array([round(0.5 / contract.output.scale) + contract.output.zero_point], np.int8)
    prediction = to_prediction(output, contract)
    assert prediction.label == label
    assert prediction.probabilities == pytest.approx((0.5, 0.5))


def test_a_binary_network_runs():
    model = a_model(tiny_contract(labels=("sad", "happy")))
    prediction = LitertClassifier(model).predict(a_picture(48, 48))
    assert prediction.labels == ("sad", "happy")
    assert prediction.threshold == 0.5
    assert sum(prediction.probabilities) == pytest.approx(1)


@pytest.mark.parametrize(
    ("spec", "output", "expected"),
    [
        (OutputSpec(), np.array([0.2, 0.8], np.float32), [0.2, 0.8]),
        (a_contract().output, np.array([-128, 127], np.int8), [0, 1]),
        (OutputSpec(dtype="uint8", scale=1 / 256), np.array([64, 192], np.uint8), [0.25, 0.75]),
        (OutputSpec(kind="sigmoid"), np.array([0.3], np.float32), [0.7, 0.3]),
        (OutputSpec(temperature=0.5), np.array([0.2, 0.8], np.float32), [0.04 / 0.68, 0.64 / 0.68]),
        (OutputSpec(temperature=2), np.array([0.2, 0.8], np.float32), [1 / 3, 2 / 3]),
        (OutputSpec(kind="sigmoid", temperature=2), np.array([0.8], np.float32), [1 / 3, 2 / 3]),
        (OutputSpec(), np.array([0.0, 0.0], np.float32), [0.5, 0.5]),
        (OutputSpec(), np.array([np.nan, 0.3], np.float32), [0.5, 0.5]),
        (OutputSpec(), np.array([[0.1, 0.3], [0.5, 0.5]], np.float32), [[0.25, 0.75], [0.5, 0.5]]),
    ],
)  # fmt: skip
def test_outputs_become_probabilities(spec, output, expected):
    np.testing.assert_allclose(dequantise(output, spec), expected, atol=1e-6)


def test_temperature_does_not_change_the_order():
    output = np.array([0.1, 0.6, 0.3], np.float32)
    for temperature in (0.3, 1.0, 5.0):
        probabilities = dequantise(output, OutputSpec(temperature=temperature))
        assert list(np.argsort(probabilities)) == [0, 2, 1]


@pytest.mark.parametrize(
    "promise",
    [
        {"labels": ("sad", "happy", "fear")},
        {"input": dataclasses.replace(a_contract().input, height=64, width=64)},
        {"input": dataclasses.replace(a_contract().input, zero_point=0)},
        {"output": dataclasses.replace(a_contract().output, scale=1 / 255)},
        {"output": dataclasses.replace(a_contract().output, dtype="float32")},
    ],
)
def test_tensors_that_break_the_contract_are_refused(promise):
    flatbuffer = tiny_flatbuffer(a_contract())
    with pytest.raises(ModelError, match="as its contract says") as caught:
        LitertClassifier(ModelFile("m.tflite", flatbuffer, a_contract(**promise), {}))
    assert caught.value.exit_code == EXIT_CONFIG


def test_a_tensor_whose_name_is_no_text():
    flatbuffer = tiny_flatbuffer(a_contract()).replace(b"answer", b"\xbanswer")
    with pytest.raises(ModelError, match=r"m\.tflite: the TFLite runtime refuses the model"):
        LitertClassifier(ModelFile("m.tflite", flatbuffer, a_contract(), {}))


def test_a_flatbuffer_that_the_runtime_refuses():
    broken = ModelFile("m.tflite", b"\x1c\0\0\0TFL3" + bytes(100), a_contract(), {})
    with pytest.raises(ModelError, match=r"m\.tflite: the TFLite runtime refuses the model"):
        LitertClassifier(broken)


RUNTIMES = ["ai_edge_litert.interpreter", "tflite_runtime.interpreter"]


@pytest.mark.parametrize(
    ("stand_in", "found"),
    [
        (None, "neither ai_edge_litert nor tflite_runtime is installed"),
        (types.ModuleType("broken"), "cannot import name 'Interpreter'"),
    ],
    ids=["missing", "broken"],
)
def test_without_a_runtime_it_says_what_to_install(monkeypatch, stand_in, found):
    for name in RUNTIMES:
        monkeypatch.setitem(sys.modules, name, stand_in)
    with pytest.raises(DependencyError, match=found) as caught:
        LitertClassifier(a_model())
    assert caught.value.found.startswith("no usable TFLite runtime")
    assert "make -B demo" in caught.value.fix
    assert caught.value.exit_code == EXIT_CONFIG


def test_a_runtime_that_does_not_fit_numpy(monkeypatch):
    def interpreter(**_options):
        raise ImportError("numpy.core.multiarray failed to import")

    module = types.ModuleType("unfit")
    module.Interpreter = interpreter
    monkeypatch.setitem(sys.modules, RUNTIMES[0], module)
    with pytest.raises(DependencyError, match=r"multiarray failed to import.*numpy<2"):
        LitertClassifier(a_model())


class Unaccelerated:
    """A runtime that was told to do without XNNPACK."""

    def __new__(cls, **options):
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        return Interpreter(experimental_op_resolver_type=plain, **options)


@pytest.fixture
def without_xnnpack(monkeypatch):
    pytest.importorskip("ai_edge_litert", reason="tflite-runtime has no such switch")
    monkeypatch.setattr(interpreter, "load_runtime", lambda: Unaccelerated)


def test_xnnpack_is_on_and_nothing_is_said(caplog):
    assert make_classifier(ModelSettings()).accelerated is True
    assert caplog.records == []


def test_without_xnnpack_a_warning_says_so(without_xnnpack, caplog):
    assert make_classifier(ModelSettings()).accelerated is False
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.message.startswith("XNNPACK is off, so the network runs many times slower: ")


def test_a_hidden_cpuinfo_is_named_as_the_reason(without_xnnpack, caplog, monkeypatch, tmp_path):
    monkeypatch.setattr(litert, "_CPU_INFO", tmp_path / "cpuinfo")
    make_classifier(ModelSettings())
    assert "cannot be read; in a systemd unit ProcSubset=pid hides it" in caplog.text
