"""Opening a training run."""

import json
import os
import zipfile

import numpy as np
import pytest
from toy_run import SEVEN, a_contract, toy_pictures, write_data_set, write_run

from fer_convert.source.run import open_run
from fer_edge.shared.errors import EXIT_CONFIG, DataError, ModelError
from fer_edge.shared.model.contract import InputSpec


@pytest.fixture
def run(tmp_path):
    """Return a run folder whose network is never loaded."""
    network = tmp_path / "network"
    network.write_bytes(b"not loaded here")
    return write_run(tmp_path / "run", network, a_contract())


def test_pipes_are_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "model.keras")
    with pytest.raises(ModelError, match=r"model\.keras is a pipe"):
        open_run(tmp_path / "model.keras")
    (tmp_path / "net.keras").write_bytes(b"PK")
    os.mkfifo(tmp_path / "contract.json")
    with pytest.raises(ModelError, match="it is a pipe"):
        open_run(tmp_path / "net.keras")


def test_a_folder_and_its_model_are_the_same_run(run):
    assert open_run(run) == open_run(run / "model.keras")
    assert open_run(run).contract == a_contract()


def test_the_run_has_its_own_pictures(run):
    pictures = open_run(run).read_pictures(None, seed=0)
    assert (len(pictures.pool), len(pictures.held_out), pictures.copies) == (420, 210, 0)
    assert pictures.pool.source == "samples/representative.npz"
    assert pictures.held_out.source == "samples/heldout.npz"


def test_other_calibration_data_keeps_the_held_out_pictures(run, tmp_path):
    data = write_data_set(tmp_path / "mine", SEVEN, count=35)
    pictures = open_run(run).read_pictures(data, seed=0)
    assert pictures.pool.source == "mine"
    assert pictures.held_out.source == "samples/heldout.npz"


def test_a_lone_keras_file_needs_calibration_data(run, tmp_path):
    lone = tmp_path / "lone"
    lone.mkdir()
    (run / "model.keras").rename(lone / "mine.keras")
    (run / "contract.json").rename(lone / "contract.json")
    opened = open_run(lone / "mine.keras")
    with pytest.raises(DataError, match="--calibration-data FOLDER_OR_ZIP"):
        opened.read_pictures(None, seed=0)
    data = write_data_set(tmp_path / "mine", SEVEN, count=35)
    pictures = opened.read_pictures(data, seed=0)
    assert (len(pictures.pool), len(pictures.held_out)) == (28, 7)


def test_nothing_to_compare_on(run, tmp_path):
    (run / "samples" / "heldout.npz").unlink()
    data = write_data_set(tmp_path / "mine", SEVEN, count=14)
    with pytest.raises(DataError, match="no pictures to compare on"):
        open_run(run).read_pictures(data, seed=0)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda run: (run / "model.keras").unlink(), r"holds no model\.keras.*let `fer-train fit"),
        (lambda run: (run / "contract.json").unlink(), r"contract\.json cannot be read \(No such"),
        (lambda run: (run / "contract.json").write_bytes(b"\xff"), r"\(not UTF-8\)"),
        (lambda run: (run / "contract.json").write_text("{"), "the contract is not JSON"),
        (lambda run: (run / "contract.json").write_text("{}"), "contract version None"),
        (
            lambda run: (run / "contract.json").write_text(
                a_contract(input=InputSpec(dtype="int8")).to_json()
            ),
            "describes a network of int8 pictures",
        ),
    ],
)
def test_a_folder_that_is_no_finished_run(run, spoil, said):
    spoil(run)
    with pytest.raises(ModelError, match=said) as caught:
        open_run(run)
    assert caught.value.exit_code == EXIT_CONFIG


def test_something_else(run, tmp_path):
    with pytest.raises(ModelError, match="does not exist"):
        open_run(tmp_path / "nothing")
    with pytest.raises(ModelError, match=r"is no \.keras and no \.h5 file"):
        open_run(run / "contract.json")


def read_archive(path):
    with np.load(path) as archive:
        return dict(archive)


def test_pictures_that_are_compared_on_are_refused_for_calibration(run, tmp_path):
    pictures = toy_pictures(400, seed=9)
    held_out = read_archive(run / "samples" / "heldout.npz")
    pictures["pictures"][:3] = held_out["pictures"][:3]
    np.savez(tmp_path / "mine.npz", **pictures)
    with pytest.raises(DataError, match=r"held out for the comparison, pixel by pixel") as caught:
        open_run(run).read_pictures(tmp_path / "mine.npz", seed=0)
    assert "training part" in str(caught.value)


def test_copies_within_the_run_itself_are_left_out_and_counted(run):
    own = read_archive(run / "samples" / "representative.npz")
    own["pictures"][5] = read_archive(run / "samples" / "heldout.npz")["pictures"][7]
    np.savez(run / "samples" / "representative.npz", **own)
    pictures = open_run(run).read_pictures(None, seed=0)
    assert (len(pictures.pool), pictures.copies) == (419, 1)
    assert own["names"][5] not in pictures.pool.names


def test_an_archive_of_the_wrong_shape(run, tmp_path):
    np.savez(tmp_path / "mine.npz", **toy_pictures(400, seed=9, side=32))
    with pytest.raises(DataError, match=r"uint8\[400, 32, 32\].*uint8\[N, 48, 48\]"):
        open_run(run).read_pictures(tmp_path / "mine.npz", seed=0)


def test_an_older_network_gets_its_contract_from_its_labels(tmp_path):
    (tmp_path / "weights.h5").write_bytes(b"not read here")
    architecture = tmp_path / "architecture.json"
    first = {"class_name": "Conv2D", "config": {"batch_input_shape": [None, 40, 40, 1]}}
    last = {"class_name": "Dense", "config": {"units": 7}}
    architecture.write_text(json.dumps({"config": {"layers": [first, last]}}))
    labels = ("Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise", "Neutral")
    opened = open_run(
        tmp_path / "weights.h5", architecture=architecture, labels=labels, pixels="0..1"
    )
    contract = opened.contract
    assert contract.labels == SEVEN
    assert (contract.input.height, contract.input.width) == (40, 40)
    assert (contract.task, contract.licence) == ("multiclass", "NOASSERTION")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, r"contract\.json cannot be read.*--labels"),
        ({"labels": ("happy", "suprise")}, r"--labels: .*'suprise' is nearly 'surprise'"),
        ({"labels": ("happy", "a/b")}, r"--labels: .*'a/b' has '/'"),
        ({"labels": ("happy", "joy")}, "--labels: "),
    ],
)
def test_nothing_about_an_older_network_is_guessed(tmp_path, given, said):
    (tmp_path / "weights.h5").write_bytes(b"not read here")
    with pytest.raises(ModelError, match=said):
        open_run(tmp_path / "weights.h5", **given)


def described(path, network):
    """Write a file that describes a network and has no weights."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", network)
        archive.writestr("metadata.json", '{"keras_version": "3.12.0"}')
    return path


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ('{"class_name": "Mine", "config": {}}', "holds no layers, but Mine, a class of its auth"),
        ('{"class_name": "Sequential", "config": {"layers": [3]}}', "does not describe a network"),
        ('{"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense", "config": '
         '{"units": []}}]}}', "does not describe a network"),
        ("[" * 100_000, "does not describe a network"),
        ('{"class_name": "Sequential", "config": {"layers": []}}' + " " * 70_000_000,
         "is 70 MB large, unpacked"),
    ],
    ids=["own class", "no layer", "no number", "nested", "bomb"],
)  # fmt: skip
def test_odd_descriptions_are_no_defect(tmp_path, network, said):
    with pytest.raises(ModelError, match=said) as caught:
        open_run(described(tmp_path / "odd.keras", network), labels=SEVEN)
    assert caught.value.exit_code == EXIT_CONFIG


def test_a_layer_that_reads_itself_ends_nothing_in_a_circle(tmp_path):
    layer = {
        "class_name": "Flatten", "name": "a", "config": {"name": "a"},
        "inbound_nodes": [[["a", 0, 0, {}]]],
    }  # fmt: skip
    config = {"layers": [layer], "input_layers": [["a", 0, 0]], "output_layers": [["a", 0, 0]]}
    text = json.dumps({"class_name": "Functional", "config": config})
    with pytest.raises(ModelError):
        open_run(described(tmp_path / "odd.keras", text), labels=SEVEN)


def test_a_folder_is_no_architecture(tmp_path):
    weights = described(tmp_path / "net.keras", "{}")
    with pytest.raises(ModelError, match=r"cannot be read .*folder"):
        open_run(weights, architecture=tmp_path, labels=SEVEN)


def test_labels_and_a_contract_contradict(run):
    with pytest.raises(ModelError, match="both --labels and --contract"):
        open_run(run, labels=("happy", "sad"), contract=run / "contract.json")


def test_a_head_of_a_run_is_a_run_and_must_be_named(run, tmp_path):
    headed = tmp_path / "headed"
    (headed / "heads").mkdir(parents=True)
    run.rename(headed / "heads" / "people")
    assert open_run(headed, head="people") == open_run(headed / "heads" / "people")
    with pytest.raises(ModelError, match=r"the head people, and none is named.*--head people"):
        open_run(headed)
    with pytest.raises(ModelError, match="none is called 'dogs'"):
        open_run(headed, head="dogs")
    with pytest.raises(ModelError, match="has no heads"):
        open_run(headed / "heads" / "people", head="people")
