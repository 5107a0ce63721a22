"""The layers of a recipe, from the trainer through the converter: int8 and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from toy_run import SEVEN, a_contract, toy_pictures, write_run

from fer_convert.conversion import Conversion, Plan, convert
from fer_convert.source.run import open_run
from fer_convert.targets import Target
from fer_edge.shared.model.litert import LitertClassifier
from fer_trainer.backend import keras
from fer_trainer.network.builder import build_network
from fer_trainer.network.counting import count_network
from fer_trainer.network.language import parse_layers

LINES = (
    "rescale 0..1",
    "conv 8 /2 nobias", "bn", "relu",
    "depthwise 5x5 relu",
    "separable 16 /2",
    "shortcut", "conv 32 1x1 nobias", "bn", "relu", "depthwise nobias", "bn", "relu", "excite 4",
    "conv 16 1x1 nobias", "bn", "add",
    "shortcut", "separable 24 /2", "add",
    "excite 2",
    "gap",
    "softmax",
)  # fmt: skip
NETWORK = parse_layers(LINES)
SHAPE = (48, 48, 1)


@pytest.fixture(scope="module")
def trained() -> object:
    """A network of every layer that is not in the documented networks, after some steps."""
    keras.utils.set_random_seed(1)
    network = build_network(NETWORK, input_shape=SHAPE, labels=len(SEVEN), name="layers")
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.8  # a quick average, for these few steps
    network.compile(
        keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", jit_compile=False
    )
    data = toy_pictures(640, seed=1)
    pictures = data["pictures"][..., None].astype(np.float32)
    losses = [
        network.train_on_batch(pictures[start : start + 32], data["labels"][start : start + 32])
        for _ in range(3)
        for start in range(0, 640, 32)
    ]
    assert losses[-1] < losses[0]
    return network


@pytest.fixture(scope="module")
def converted(trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversion]:
    folder: Path = tmp_path_factory.mktemp("layers")
    trained.save(folder / "layers.keras")
    run = write_run(folder / "run", folder / "layers.keras", a_contract())
    return convert(open_run(run), Plan((Target.INT8,)))


def test_every_layer_becomes_int8(converted: Conversion) -> None:
    graph = converted.graphs[Target.INT8]
    assert {tensor.dtype for tensor in graph.tensors} <= {"INT8", "INT32"}
    # No batch norm is left: a MUL is a gate's sixth or what it is multiplied with.
    assert graph.operator_counts() == {
        "ADD": 2, "CONV_2D": 10, "DEPTHWISE_CONV_2D": 4, "FULLY_CONNECTED": 1, "MEAN": 3,
        "MUL": 4, "SOFTMAX": 1,
    }  # fmt: skip
    ranges = converted.provenance["int8_ranges"]
    assert ranges["percentile"] < 100, ranges
    interpreter = Interpreter(model_content=converted.artefact(Target.INT8).data)
    interpreter.allocate_tensors()
    kinds = [operation["op_name"] for operation in interpreter._get_ops_details()]
    assert kinds.count("DELEGATE") == 1


def test_int8_answers_as_the_network_did(converted: Conversion, trained) -> None:
    float32, int8 = (converted.measurements[t] for t in (Target.FLOAT32, Target.INT8))
    assert float32.scores.accuracy > 0.5
    assert int8.drift.agreement > 0.9
    assert int8.drift.mean_shift < 0.03
    pictures = converted.held_out.pictures[:8]
    expected = np.asarray(trained(pictures[..., None].astype(np.float32), training=False))
    device = LitertClassifier(converted.artefact(Target.INT8).model)
    steps = np.stack([device.raw_output(pixels) for pixels in pictures])
    answers = (steps.astype(np.float32) + 128) / 256
    assert np.abs(answers - expected).max() < 0.15


def test_what_is_counted_is_what_the_device_computes(converted: Conversion) -> None:
    counted = count_network(NETWORK, input_shape=SHAPE, labels=len(SEVEN))
    assert converted.costs[Target.FLOAT32].multiply_accumulates == counted.macs
