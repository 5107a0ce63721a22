"""`import fer_convert`: a conversion in one call, and ONNX among its files."""

import json
import subprocess
import sys

import numpy as np
import pytest
from toy_run import SEVEN

import fer_convert
from fer_convert.file.onnx_file import METADATA, PACKAGES, OnnxFile, require_onnx
from fer_convert.judgement.onnx_runtime import OnnxNetwork
from fer_edge.shared.data.samples import Samples
from fer_edge.shared.errors import (
    EXIT_CONFIG,
    DependencyError,
    GateError,
    ModelError,
    OutputError,
    SettingsError,
)
from fer_edge.shared.model.contract import InputSpec, ModelContract
from fer_edge.shared.model.litert import LitertClassifier, to_prediction
from fer_edge.shared.model.model_file import read_model


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("api") / "out"


@pytest.fixture(scope="module")
def done(runs, out):
    return fer_convert.convert(str(runs["toy"]), ["int8", "onnx"], out=str(out))


def test_importing_it_loads_nothing():
    program = (
        "import sys, fer_convert, fer_trainer\n"
        "print(dir(fer_convert)[:1], sorted({'numpy', 'keras', 'tensorflow', 'click', 'cv2'} "
        "& set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert said.stdout.split("] ")[-1] == "[]\n"
    with pytest.raises(AttributeError, match="no attribute 'open_run'"):
        fer_convert.open_run  # noqa: B018


def test_it_writes_and_returns_what_the_command_does(done, out, converted):
    assert {what: path.name for what, path in done.files.items()} == {
        "int8": "emotion.int8.tflite", "onnx": "emotion.onnx", "report": "report.json",
        "page": "report.html",
    }  # fmt: skip
    assert sorted(path.name for path in out.iterdir()) == sorted(p.name for p in done.written)
    assert json.loads(done.files["report"].read_text()) == done.report
    assert done.passed
    done.check()
    assert str(done).splitlines()[0].startswith("         accuracy %")
    int8 = next(each for each in converted.artefacts if each.target == "int8")
    theirs, ours = int8.model, read_model(done.files["int8"])
    assert ours.flatbuffer == theirs.flatbuffer


def test_onnx_is_compared_like_the_others(done):
    told = done.report["targets"]["onnx"]
    assert told["n"] == 210
    assert told["gate"]["verdict"] == "passed"
    assert told["against_float32"]["agreement"] == 1.0
    assert told["against_float32"]["worst_shift"] < 1e-4
    assert told["bytes"] == done.files["onnx"].stat().st_size
    page = done.files["page"].read_text()
    assert "onnx has passed" in page
    assert told["model_sha256"] in page
    assert any(line.startswith("onnx ") for line in str(done).splitlines())


def test_onnx_stands_alone(done, converted):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(
        str(done.files["onnx"]), providers=["CPUExecutionProvider"]
    )
    (given,), (answer,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.type, given.shape) == ("pixels", "tensor(float)", ["N", 48, 48, 1])
    assert (answer.name, answer.shape) == ("probabilities", ["N", 7])
    text = session.get_modelmeta().custom_metadata_map[METADATA]
    contract = ModelContract.from_json(text, where="ONNX")
    assert contract.labels == SEVEN
    assert contract.provenance["conversion"]["target"] == "onnx"
    assert contract.provenance["conversion"]["gate"] == "passed"
    pictures = converted.held_out.pictures[:5]
    raw = session.run(None, {"pixels": pictures[..., np.newaxis].astype(np.float32)})[0]
    float32 = next(each for each in converted.artefacts if each.target == "float32")
    device = LitertClassifier(float32.model)
    for picture, its in zip(pictures, raw, strict=True):
        expected = device.predict(picture).probabilities
        assert to_prediction(its, contract).probabilities == pytest.approx(expected, abs=1e-5)


def test_onnx_gets_colours():
    onnx, _ = (pytest.importorskip(name) for name in ("onnx", "onnxruntime"))
    made, tensor = onnx.helper, onnx.helper.make_tensor_value_info
    nodes = [
        made.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2], keepdims=0),
        made.make_node("Softmax", ["mean"], ["probabilities"], axis=1),
    ]
    ends = [tensor("pixels", 1, ["N", 4, 4, 3])], [tensor("probabilities", 1, ["N", 3])]
    graph = made.make_graph(nodes, "colours", *ends)
    model = made.make_model(graph, opset_imports=[made.make_opsetid("", 13)], ir_version=8)
    spec = InputSpec(height=4, width=4, channels=3, colour="rgb")
    contract = ModelContract(name="colours", labels=("red", "green", "blue"), input=spec)
    pictures = np.zeros((3, 4, 4, 3), np.uint8)
    for number in range(3):
        pictures[number, ..., number] = 9
    samples = Samples(pictures, np.arange(3), ("1", "2", "3"), source="a test")
    network = OnnxNetwork(OnnxFile(model.SerializeToString(), contract, {}))
    assert network.ask(samples).chosen.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"targets": "int4"}, SettingsError, "no target 'int4'.*onnx"),
        ({"targets": ()}, SettingsError, "no target at all"),
        ({"targets": "float32", "c_array": True}, SettingsError, "add int8"),
        ({"calibration_count": 3}, SettingsError, "calibration_count=3; expected 300 or more"),
        ({"range_percentile": 5}, SettingsError, "expected 90 to 100"),
        ({}, OutputError, "emotion.int8.tflite, report.json, report.html already"),
        ({"run": "/no/where", "force": True}, ModelError, "does not exist"),
        ({"pixels": "0.5/0.2", "force": True}, ModelError, "multiply both by 255"),
    ],
)
def test_what_cannot_be(runs, done, out, change, error, said):
    given = {"run": runs["toy"], "out": out, **change}
    with pytest.raises(error, match=said):
        fer_convert.convert(**given)


def test_what_has_not_passed_is_an_error_for_whoever_asks(done):
    from dataclasses import replace

    fewer = replace(done.conversion, held_out=done.conversion.held_out.take(range(5)))
    answers = {
        name: replace(each, chosen=each.chosen[:5], probabilities=each.probabilities[:5])
        for name, each in fewer.answers.items()
    }
    unsure = replace(done, conversion=replace(fewer, answers=answers))
    assert not unsure.passed
    with pytest.raises(GateError, match="5 held-out pictures"):
        unsure.check()


def test_without_its_packages_onnx_says_what_to_install(monkeypatch):
    monkeypatch.setattr("fer_convert.file.onnx_file.find_spec", lambda name: None)
    with pytest.raises(DependencyError, match=r"pip install 'fer-convert\[onnx\]'") as caught:
        require_onnx()
    assert caught.value.exit_code == EXIT_CONFIG
    assert all(name in str(caught.value) for name in PACKAGES)


def test_onnx_files_are_not_read_and_the_way_is_named(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"")
    with pytest.raises(ModelError, match=r"is ONNX, which no maintained library.*onnx2tf"):
        fer_convert.convert(tmp_path / "net.onnx", out=tmp_path / "out", labels=SEVEN)
