"""Pixels that no answer depends on are left out in training: nothing else changes."""

import numpy as np
import pytest

from fer_trainer.backend import keras
from fer_trainer.network.builder import build_network
from fer_trainer.network.language import parse_layers
from fer_trainer.recipe.files import load_recipe
from fer_trainer.training.fusing import pool_before_relu, with_fused_layers

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the layers of TensorFlow alone are replaced"
)

# Without what is drawn at random.
SIMPLE = [line for line in load_recipe("happy-sad-simple").layers if line.kind != "dropout"]
ODD = parse_layers([
    "rescale -1..1", "conv 4 5x5 /2 valid", "maxpool 3x3 /2", "relu", "conv 6 valid relu",
    "avgpool", "gap", "softmax",
])  # fmt: skip
PADDED = parse_layers(
    ["rescale 0..1", "conv 4 relu", "maxpool", "conv 6 valid relu", "maxpool", "flatten", "softmax"]
)
NORMED = parse_layers(
    ["rescale 0..1", "conv 4 valid", "bn", "relu", "maxpool", "conv 6", "maxpool", "gap", "softmax"]
)


def both(lines):
    def built(layers):
        labels = 2 if lines[-1].kind == "sigmoid" else 3
        return build_network(layers, input_shape=(47, 48, 1), labels=labels, name="net")

    stock, cheaper = built(lines), with_fused_layers(built(pool_before_relu(lines)))
    rng = np.random.default_rng(4)
    weights = [w + abs(rng.normal(0, 0.003, w.shape)) for w in stock.get_weights()]
    for network in (stock, cheaper):
        network.set_weights(weights)
    return stock, cheaper


def learnt(network, pictures, answers):
    """Return the weights after three steps."""
    network.compile(keras.optimizers.SGD(0.05), "mse", jit_compile=False)
    for _ in range(3):
        network.train_on_batch(pictures, answers)
    return network.get_weights()


@pytest.mark.parametrize(
    "lines", [SIMPLE, ODD, PADDED, NORMED], ids=["simple", "odd", "padded", "bn"]
)
def test_the_cheaper_network_answers_and_learns_the_same(lines):
    stock, cheaper = both(lines)
    rng = np.random.default_rng(5)
    pictures = rng.uniform(0, 255, (6, 47, 48, 1)).astype(np.float32)
    answers = rng.uniform(0, 1, (6, stock.output_shape[-1])).astype(np.float32)
    first = keras.ops.convert_to_numpy(stock(pictures, training=False))
    assert first.std() > 1e-4
    assert keras.ops.convert_to_numpy(cheaper(pictures)) == pytest.approx(first, abs=1e-6)
    before = stock.get_weights()
    for own, given, old in zip(
        learnt(cheaper, pictures, answers), learnt(stock, pictures, answers), before, strict=True
    ):
        assert own == pytest.approx(given, abs=2e-5)
        assert own.shape == old.shape


def test_pixels_that_no_window_takes_are_not_convolved():
    _, cheaper = both(SIMPLE)
    # 46 of 47 and 48: 44 after the first convolution, 22, 20, and 10 after the second pooling.
    assert cheaper.layers[1].output.shape == (None, 46, 46, 1)
    _, padded = both(PADDED)
    assert padded.layers[1].output.shape == (None, 47, 48, 1)
