"""Networks that older programs left."""

import json

import numpy as np
import pytest
from toy_run import SEVEN, toy_pictures

from fer_convert.conversion import Plan, convert
from fer_convert.source.legacy import contract_of_labels, modernise
from fer_convert.source.run import open_run
from fer_convert.targets import Target
from fer_edge.shared.errors import ModelError

KERAS_2 = {
    "class_name": "Sequential",
    "config": {
        "name": "sequential",
        "layers": [
            {"class_name": "Conv2D", "config": {"batch_input_shape": [None, 48, 48, 1]}},
            {"class_name": "BatchNormalization", "config": {"axis": [3]}},
            {"class_name": "Dense", "config": {"units": 1}},
        ],
    },
}


def test_keras_2_becomes_keras_3():
    layers = json.loads(modernise(json.dumps(KERAS_2)))["config"]["layers"]
    assert [layer["class_name"] for layer in layers[:2]] == ["InputLayer", "Conv2D"]
    assert layers[0]["config"]["batch_shape"] == [None, 48, 48, 1]
    assert "batch_input_shape" not in layers[1]["config"]
    assert layers[2]["config"]["axis"] == 3


def test_two_labels_and_one_unit_are_a_sigmoid(tmp_path):
    path = tmp_path / "architecture.json"
    path.write_text(json.dumps(KERAS_2))
    contract = contract_of_labels("old", ("sad", "happy"), path)
    assert (contract.task, contract.output.kind) == ("binary", "sigmoid")
    path.write_text(path.read_text().replace('"units": 1', '"units": 2'))
    contract = contract_of_labels("old", ("sad", "happy"), path)
    assert (contract.task, contract.output.kind) == ("multiclass", "softmax")


def test_a_json_that_is_no_network(tmp_path):
    path = tmp_path / "architecture.json"
    path.write_text("[]")
    with pytest.raises(ModelError, match="does not describe a network"):
        contract_of_labels("old", SEVEN, path)


@pytest.mark.parametrize("parts", ["weights", "whole"])
def test_an_hdf5_file_becomes_the_same_model(networks, converted, tmp_path, parts):
    architecture = networks / "toy.json" if parts == "weights" else None
    run = open_run(networks / "toy.h5", architecture=architecture, labels=SEVEN)
    np.savez(tmp_path / "mine.npz", **toy_pictures(420, seed=2))
    conversion = convert(run, Plan((Target.FLOAT32,), tmp_path / "mine.npz"))
    theirs = conversion.artefacts[0].model.members["golden/outputs.npy"]
    float32 = next(a for a in converted.artefacts if a.target is Target.FLOAT32)
    assert theirs == float32.model.members["golden/outputs.npy"]


def test_an_hdf5_file_that_is_not_said_enough_about(networks, tmp_path):
    np.savez(tmp_path / "mine.npz", **toy_pictures(420, seed=2))
    run = open_run(networks / "toy.h5", labels=SEVEN, pixels="0..1")
    with pytest.raises(ModelError, match=r"rescales pixels itself, and --pixels 0\.\.1 is given"):
        convert(run, Plan((Target.FLOAT32,), tmp_path / "mine.npz"))
