"""Files that Keras 2 has written: read here, they answer what Keras 2 says they answer."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from toy_run import SEVEN, toy_pictures

from fer_convert.conversion import Plan, convert
from fer_convert.source.run import open_run
from fer_convert.source.saved_model import read_signature
from fer_convert.targets import Target
from fer_edge.shared.model.litert import LitertClassifier

keras = pytest.importorskip("keras")
if keras.backend.backend() != "tensorflow":
    pytest.skip("networks are read with TensorFlow", allow_module_level=True)
if importlib.util.find_spec("tf_keras") is None:
    pytest.skip("no tf_keras, which writes files of Keras 2", allow_module_level=True)

from fer_convert.worker.network import load_network  # noqa: E402 - it loads TensorFlow

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.xdist_group("keras-2"),
]

SHAPE = (12, 12, 1)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("keras-2")
    script = Path(__file__).parents[1] / "keras2_networks.py"
    done = subprocess.run(
        [sys.executable, str(script), str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def told(files):
    """What Keras 2 says: pictures and, by network, its answers to them."""
    with np.load(files / "answers.npz") as arrays:
        return dict(arrays)


def says_the_same(network, name, told):
    pictures = told["pictures"][..., np.newaxis].astype(np.float32) / np.float32(255)
    answers = np.asarray(network(pictures, training=False))
    assert answers == pytest.approx(told[name], abs=1e-5), name
    assert np.ptp(told[name]) > 1e-3, name


def test_every_layer_is_read_from_whole_files(files, told):
    assert len({name.rpartition("-")[0] for name in told}) > 40
    for name in told.keys() - {"pictures"}:
        says_the_same(load_network(files / f"{name}.h5"), name, told)


def test_every_layer_is_read_from_weights_and_their_json(files, told):
    for name in told.keys() - {"pictures"}:
        network = load_network(files / f"{name}-weights.h5", files / f"{name}.json")
        says_the_same(network, name, told)


@pytest.mark.parametrize("name", ["base", "shared"])
def test_the_newer_files_of_keras_2(files, told, name):
    says_the_same(load_network(files / f"{name}.keras"), name, told)
    network = load_network(files / f"{name}.weights.h5", files / f"{name}.json")
    says_the_same(network, name, told)


@pytest.mark.parametrize("name", ["base", "shared"])
def test_saved_models_of_keras_2(files, told, name):
    signature = read_signature(files / name)
    assert (signature.shape, signature.units) == (SHAPE, 7)
    says_the_same(load_network(files / name, shape=SHAPE), name, told)


def test_hdf5_that_is_called_keras(files, told, tmp_path):
    """As model.save("network.keras") wrote it before Keras 2.12."""
    (tmp_path / "old.keras").write_bytes((files / "base.h5").read_bytes())
    says_the_same(load_network(tmp_path / "old.keras"), "base", told)


@pytest.mark.parametrize("name", ["conv-nested", "preprocessing", "shared", "separable-functional"])
def test_size_and_answers_are_those_of_the_file(files, name):
    contract = open_run(files / f"{name}.h5", labels=SEVEN).contract
    assert contract.input.shape == SHAPE
    assert (contract.task, contract.output_size) == ("multiclass", 7)


def test_a_whole_file_becomes_the_model_that_keras_2_had(files, told, tmp_path):
    np.savez(tmp_path / "mine.npz", **toy_pictures(420, seed=2, side=12))
    run = open_run(files / "separable-nested.h5", labels=SEVEN, pixels="0..1")
    conversion = convert(run, Plan((Target.FLOAT32,), tmp_path / "mine.npz"))
    classifier = LitertClassifier(conversion.artefact(Target.FLOAT32).model)
    answers = np.stack([classifier.raw_output(picture) for picture in told["pictures"]])
    assert answers == pytest.approx(told["separable-nested"], abs=1e-5)
