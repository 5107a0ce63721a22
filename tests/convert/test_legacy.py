"""Networks that older programs left."""

import json

import h5py
import numpy as np
import pytest
from toy_run import SEVEN, toy_pictures

from fer_convert.conversion import Plan, convert
from fer_convert.source.modernisation import modernise
from fer_convert.source.run import open_run
from fer_convert.targets import Target
from fer_edge.shared.errors import EXIT_CONFIG, ModelError


def dense(units, **config):
    return {"class_name": "Dense", "config": {"name": "answer", "units": units, **config}}


def keras_2(*layers, shape=(None, 48, 48, 1), units=1):
    first = {"class_name": "Conv2D", "config": {"name": "first", "batch_input_shape": list(shape)}}
    return {
        "class_name": "Sequential",
        "config": {"name": "old", "layers": [first, *layers, dense(units)]},
        "keras_version": "2.4.0",
    }


def written(folder, network):
    path = folder / "architecture.json"
    path.write_text(json.dumps(network))
    (folder / "weights.h5").write_bytes(b"not read here")
    return {"path": folder / "weights.h5", "architecture": path}


def test_keras_2_becomes_keras_3():
    norm = {"class_name": "BatchNormalization", "config": {"name": "norm", "axis": [3]}}
    layers = modernise(keras_2(norm))["config"]["layers"]
    assert [layer["class_name"] for layer in layers[:2]] == ["InputLayer", "Conv2D"]
    assert layers[0]["config"]["batch_shape"] == [None, 48, 48, 1]
    assert "batch_input_shape" not in layers[1]["config"]
    assert layers[2]["config"]["axis"] == 3


def test_keras_1_becomes_keras_3():
    """As written by keras 1.2: a list of layers, other names for nearly everything."""
    first = {
        "class_name": "Convolution2D",
        "config": {
            "name": "first", "batch_input_shape": [None, 48, 48, 1], "nb_filter": 8, "nb_row": 3,
            "nb_col": 5, "border_mode": "same", "subsample": [2, 1], "dim_ordering": "tf",
            "init": "glorot_uniform", "W_regularizer": None, "bias": False,
            "input_dtype": "float32",
        },
    }  # fmt: skip
    last = {"class_name": "Dense", "config": {"name": "last", "output_dim": 7, "init": "uniform"}}
    drop = {"class_name": "Dropout", "config": {"name": "drop", "p": 0.5}}
    old = {"class_name": "Sequential", "config": [first, drop, last], "keras_version": "1.2.2"}
    given, convolution, dropout, answer = modernise(old)["config"]["layers"]
    assert given["config"]["batch_shape"] == [None, 48, 48, 1]
    assert convolution == {
        "class_name": "Conv2D",
        "config": {
            "name": "first", "filters": 8, "kernel_size": [3, 5], "padding": "same",
            "strides": [2, 1], "data_format": "channels_last", "use_bias": False,
        },
    }  # fmt: skip
    assert dropout["config"] == {"name": "drop", "rate": 0.5}
    assert answer["config"] == {"name": "last", "units": 7}


def test_two_labels_and_one_unit_are_a_sigmoid(tmp_path):
    labels = ("sad", "happy")
    contract = open_run(**written(tmp_path, keras_2(units=1)), labels=labels).contract
    assert (contract.task, contract.output.kind) == ("binary", "sigmoid")
    contract = open_run(**written(tmp_path, keras_2(units=2)), labels=labels).contract
    assert (contract.task, contract.output.kind) == ("multiclass", "softmax")


def test_words_of_ones_own_and_pictures_in_colour(tmp_path):
    network = keras_2(shape=(None, 64, 64, 3), units=2)
    contract = open_run(**written(tmp_path, network), labels=("smile", "no smile")).contract
    assert contract.labels == ("smile", "no smile")
    assert (contract.input.shape, contract.input.colour) == ((64, 64, 3), "rgb")


def test_a_json_that_is_no_network(tmp_path):
    with pytest.raises(ModelError, match="does not describe a network"):
        open_run(**written(tmp_path, []), labels=SEVEN)


LAMBDA = {"class_name": "Lambda", "config": {"name": "halve", "function": ["4wEAAAA=", None, None]}}
FIRST = {"class_name": "MaxPooling2D", "config": {"name": "pool", "data_format": "channels_first"}}


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (keras_2(LAMBDA, units=7), r"layer 'halve' is a Lambda: Python code of its author's"),
        (keras_2(FIRST, units=7), r"layer 'pool' \(MaxPooling2D\) takes its channels first"),
        (
            keras_2(shape=(None, 64, 64, 4), units=7),
            r"takes \[N, 64, 64, 4\]: transparency, which is not supported.*'rgb'",
        ),
        (keras_2(shape=(None, 2304), units=7), r"takes \[N, 2304\]; expected a picture"),
        (keras_2(shape=(None, None, None, 1), units=7), r"does not fix how large.*--contract"),
    ],
)
def test_what_cannot_be_converted_is_said_as_it_is(tmp_path, network, said):
    with pytest.raises(ModelError, match=said) as caught:
        open_run(**written(tmp_path, network), labels=SEVEN)
    assert caught.value.exit_code == EXIT_CONFIG


@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [
        (["face", "eyes"], ["answer"], r"takes 2 inputs \(\[N, 48, 48, 1\] and \[N, 24, 24, 1\]\)"),
        (["face"], ["answer", "age"], r"gives 2 answers \(answer, age\)"),
    ],
)
def test_a_network_of_several_inputs_or_outputs(tmp_path, inputs, outputs, said):
    def given(name, side):
        config = {"name": name, "batch_input_shape": [None, side, side, 1]}
        return {"class_name": "InputLayer", "name": name, "config": config, "inbound_nodes": []}

    ends = ({**dense(7), "name": name} for name in ("answer", "age"))
    read = {"inbound_nodes": [[["face", 0, 0, {}]]]}
    layers = [given("face", 48), given("eyes", 24), *({**end, **read} for end in ends)]
    config = {
        "name": "old",
        "layers": layers,
        "input_layers": [[name, 0, 0] for name in inputs],
        "output_layers": [[name, 0, 0] for name in outputs],
    }
    network = {"class_name": "Model", "config": config, "keras_version": "2.4.0"}
    with pytest.raises(ModelError, match=said):
        open_run(**written(tmp_path, network), labels=SEVEN)


@pytest.mark.parametrize(
    ("function", "node", "kind", "config"),
    [
        ("math.truediv", [["pixels", 0, 0, {"y": 127.5}]], "Rescaling", {"scale": 1 / 127.5}),
        ("math.subtract", [["pixels", 0, 0, {"y": 1}]], "Rescaling", {"offset": -1}),
        ("nn.relu", [[["pixels", 0, 0, {}]]], "Activation", {"activation": "relu"}),
        ("__operators__.add", [["pixels", 0, 0, {"y": ["b", 0, 0]}]], "Add", {}),
    ],
)
def test_arithmetic_outside_of_layers_becomes_a_layer(function, node, kind, config):
    layer = {
        "class_name": "TFOpLambda",
        "config": {"name": "tf.op", "function": function},
        "inbound_nodes": node,
    }
    (made,) = modernise({"class_name": "Functional", "config": {"layers": [layer]}})["config"][
        "layers"
    ]
    assert made["class_name"] == kind
    assert made["config"].items() >= config.items()


@pytest.mark.parametrize(
    ("function", "node"),
    [
        ("image.resize", [["pixels", 0, 0, {"size": [48, 48]}]]),
        ("math.subtract", [["_CONSTANT_VALUE", -1, 1.0, {"y": ["pixels", 0, 0]}]]),
        ("cast", [["pixels", 0, 0, {"dtype": "float16"}]]),
    ],
)
def test_other_operations_are_named(function, node):
    layer = {
        "class_name": "TFOpLambda",
        "config": {"name": "tf.op", "function": function},
        "inbound_nodes": node,
    }
    with pytest.raises(ModelError, match=rf"TensorFlow's operation {function}.*'tf\.op'"):
        modernise({"class_name": "Functional", "config": {"layers": [layer]}})


def test_an_architecture_without_its_weights(tmp_path):
    written(tmp_path, keras_2(units=7))
    with pytest.raises(ModelError, match=r"is no \.keras and no \.h5 file.*--architecture"):
        open_run(tmp_path / "architecture.json", labels=SEVEN)


def test_weights_without_their_architecture(networks, tmp_path):
    with h5py.File(tmp_path / "lone.h5", "w") as file:
        file.attrs["layer_names"] = [b"first"]
    with pytest.raises(ModelError, match=r"holds weights alone.*--architecture"):
        open_run(tmp_path / "lone.h5", labels=SEVEN)


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
    with pytest.raises(
        ModelError, match=r"rescales pixels itself \(Rescaling '.*'\), and --pixels 0\.\.1 is given"
    ):
        convert(run, Plan((Target.FLOAT32,), tmp_path / "mine.npz"))
