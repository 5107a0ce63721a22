"""SavedModels of other programs: read without being run, looked through, and converted."""

import os
import shutil
from contextlib import suppress

import numpy as np
import pytest
from toy_run import SEVEN, toy_pictures

from fer_convert.conversion import Plan, convert
from fer_convert.source.run import open_run
from fer_convert.source.saved_model import read_signature
from fer_convert.targets import Target
from fer_edge.shared.errors import EXIT_CONFIG, ModelError
from fer_edge.shared.labels import label_set
from fer_edge.shared.model.litert import LitertClassifier

SHAPE = (48, 48, 1)


@pytest.fixture(scope="module")
def tensorflow():
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("SavedModels are read with TensorFlow")
    return pytest.importorskip("tensorflow")


@pytest.fixture
def exported(networks, tmp_path):
    """A copy that may be damaged, of what Keras 3 exports."""
    return shutil.copytree(networks / "exported", tmp_path / "mine")


def test_what_it_says_of_itself(exported):
    signature = read_signature(exported)
    assert (signature.name, signature.shape, signature.units) == ("serving_default", SHAPE, 7)
    for path in (exported, exported / "saved_model.pb"):
        run = open_run(path, labels=SEVEN, pixels="0..255")
        assert (run.contract.name, run.contract.labels) == ("mine", SEVEN)
        assert run.contract.input.shape == SHAPE
        assert run.model == exported
    assert len(run.model_sha256) == 64


def test_another_weight_is_another_network(exported):
    before = open_run(exported, labels=SEVEN, pixels="0..1").model_sha256
    (weights,) = (exported / "variables").glob("*.data-*")
    before_it = weights.read_bytes()
    weights.write_bytes(before_it[:-1] + bytes([before_it[-1] ^ 1]))
    assert open_run(exported, labels=SEVEN, pixels="0..1").model_sha256 != before


def test_its_pixels_have_to_be_said(exported):
    with pytest.raises(ModelError, match=r"whose layers cannot be looked up.*--pixels 0\.\.255"):
        open_run(exported, labels=SEVEN)
    with pytest.raises(ModelError, match=r"--pixels bright.*MEAN/STD"):
        open_run(exported, labels=SEVEN, pixels="bright")


def test_damaged_ones_are_refused_and_nothing_waits(exported):
    graph = exported / "saved_model.pb"
    whole = graph.read_bytes()
    for length in (*range(0, 200, 7), *range(200, len(whole), 997)):
        graph.write_bytes(whole[:length])
        with pytest.raises(ModelError):
            read_signature(exported)
    rng = np.random.default_rng(0)
    for _ in range(100):
        spoilt = bytearray(whole)
        spoilt[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        graph.write_bytes(spoilt)
        with suppress(ModelError):
            read_signature(exported)
    graph.unlink()
    os.mkfifo(graph)
    with pytest.raises(ModelError, match="it is a pipe"):
        read_signature(exported)


def test_odd_channels_and_no_fixed_size_are_refused(exported, tensorflow):
    for shape, said in (
        ((None, 48, 48, 2), "2 channels"),
        ((None, None, None, 1), "--contract"),
    ):
        spec = tensorflow.TensorSpec(shape, tensorflow.float32)

        def answer(pixels):
            return tensorflow.nn.softmax(tensorflow.reduce_mean(pixels, [1, 2]))

        _save(exported, answer, spec)
        with pytest.raises(ModelError, match=said):
            open_run(exported, labels=SEVEN, pixels="0..1")


def _save(folder, answer, spec, **parts):
    """Write a SavedModel of one function."""
    import tensorflow

    module = tensorflow.Module()
    for name, part in parts.items():
        setattr(module, name, part)
    module.answer = tensorflow.function(answer, input_signature=[spec])
    shutil.rmtree(folder, ignore_errors=True)
    tensorflow.saved_model.save(
        module, str(folder), signatures=module.answer.get_concrete_function()
    )


@pytest.fixture
def hostile(tmp_path, tensorflow):
    """Returns SavedModels that do more than arithmetic."""
    spec = tensorflow.TensorSpec((None, *SHAPE), tensorflow.float32)
    written = tmp_path / "written"

    def plain(pixels):
        return tensorflow.nn.softmax(
            tensorflow.reduce_mean(pixels, [1, 2]) * tensorflow.ones((1, 7))
        )

    def writes(pixels):
        tensorflow.io.write_file(str(written), "it ran")
        return plain(pixels)

    def reads(pixels):
        return plain(pixels) + tensorflow.cast(
            tensorflow.strings.length(tensorflow.io.read_file("/etc/hostname")), tensorflow.float32
        )

    def calls(pixels):
        return tensorflow.ensure_shape(
            tensorflow.py_function(lambda x: x, [plain(pixels)], tensorflow.float32), (None, 7)
        )

    table = tensorflow.lookup.StaticHashTable(
        tensorflow.lookup.KeyValueTensorInitializer([1], [2]), 0
    )

    def save_as_tensorflow_1(folder):
        old = tensorflow.compat.v1
        shutil.rmtree(folder, ignore_errors=True)
        with tensorflow.Graph().as_default(), old.Session() as session:
            pixels = old.placeholder(tensorflow.float32, (None, *SHAPE))
            signature = old.saved_model.predict_signature_def({"x": pixels}, {"y": plain(pixels)})
            builder = old.saved_model.Builder(str(folder))
            builder.add_meta_graph_and_variables(
                session, ["serve"], {"serving_default": signature},
                main_op=tensorflow.io.write_file(str(written), "it ran"),
            )  # fmt: skip
            builder.save()

    def save(kind):
        if kind == "runs at once":
            save_as_tensorflow_1(tmp_path / "net")
            return tmp_path / "net"
        answer = {"writes": writes, "reads": reads, "calls": calls}.get(kind, plain)
        _save(tmp_path / "net", answer, spec, **({"table": table} if kind == "table" else {}))
        return tmp_path / "net"

    yield save
    assert not written.exists()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("writes", "computes with WriteFile; it is not run"),
        ("reads", "computes with ReadFile"),
        ("calls", "computes with EagerPyFunc"),
        ("table", "holds an object of kind resource"),
        ("runs at once", "is TensorFlow 1's, which runs a graph while it loads"),
    ],
)
def test_what_does_more_than_arithmetic_is_not_run(hostile, kind, said):
    from fer_convert.worker.saved_graph import load_saved_model

    with pytest.raises(ModelError, match=said) as caught:
        load_saved_model(hostile(kind), SHAPE)
    assert caught.value.exit_code == EXIT_CONFIG


@pytest.mark.parametrize("batch", [1, 4])
def test_a_batch_that_is_fixed(tmp_path, tensorflow, batch):
    """Networks that were ONNX take one picture, as a rule."""
    from fer_convert.worker.saved_graph import load_saved_model

    spec = tensorflow.TensorSpec((batch, *SHAPE), tensorflow.float32)
    weights = tensorflow.constant([[1.0, -2.0, 0.5]])

    def answer(pixels):
        return tensorflow.nn.softmax(tensorflow.reduce_mean(pixels, [1, 2]) * weights)

    _save(tmp_path / "net", answer, spec)
    if batch != 1:
        with pytest.raises(ModelError, match="takes 4 pictures at a time"):
            load_saved_model(tmp_path / "net", SHAPE)
        return
    network = load_saved_model(tmp_path / "net", SHAPE)
    pictures = np.random.default_rng(0).random((5, *SHAPE), np.float32)
    wanted = np.concatenate([answer(picture[np.newaxis]) for picture in pictures])
    assert np.asarray(network(pictures)) == pytest.approx(wanted, abs=1e-6)


def test_missing_weights_are_refused(exported, tensorflow):
    from fer_convert.worker.saved_graph import load_saved_model

    for path in (exported / "variables").iterdir():
        path.unlink()
    with pytest.raises(ModelError, match=r"mine cannot be loaded \("):
        load_saved_model(exported, SHAPE)


def test_it_becomes_what_the_keras_file_becomes(networks, converted, tmp_path):
    np.savez(tmp_path / "mine.npz", **toy_pictures(420, seed=2))
    run = open_run(networks / "exported", labels=SEVEN, pixels="0..255")
    plan = Plan((Target.INT8, Target.FLOAT32), tmp_path / "mine.npz", onnx=True)
    conversion = convert(run, plan)
    own = LitertClassifier(converted.artefact(Target.FLOAT32).model)
    its = LitertClassifier(conversion.artefact(Target.FLOAT32).model)
    for picture in converted.held_out.pictures[:32]:
        assert its.raw_output(picture) == pytest.approx(own.raw_output(picture), abs=1e-5)
    ranges = conversion.to_json()["int8_ranges"]
    assert (ranges["percentile"], ranges["because"]) == (100, "a SavedModel's layers are not known")
    assert conversion.measurements["onnx"].drift.agreement == 1.0


def test_as_many_labels_as_outputs(networks, tensorflow):
    from fer_convert.worker.network import check_network, load_network

    eight = label_set("ferplus").labels
    run = open_run(networks / "exported", labels=eight, pixels="0..255")
    network = load_network(run.model, shape=SHAPE)
    with pytest.raises(ModelError, match=r"answers \[N, 7\]; expected \[N, 8\]"):
        check_network(network, run.contract, where=run.model)
