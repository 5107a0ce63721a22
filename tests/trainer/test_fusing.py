"""Fused layers and optimisers give what Keras' own give; nothing of them is delivered."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from fer_trainer.backend import keras
from fer_trainer.recipe.files import load_recipe
from fer_trainer.training.fusing import (
    FusedBatchNormalization,
    adam,
    with_fused_layers,
)
from fer_trainer.training.loop import new_network
from fer_trainer.training.precision import network_in

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow has fused operations"
)


def small_network() -> Any:
    # No bias before a batch norm: its gradient is rounding alone, which Adam makes large.
    keras.utils.set_random_seed(3)
    layers = keras.layers
    return keras.Sequential([
        keras.Input((12, 12, 1)),
        layers.Conv2D(8, 3, use_bias=False),
        layers.BatchNormalization(momentum=0.8, epsilon=0.01),
        layers.ReLU(),
        layers.Conv2D(4, 3, strides=2, use_bias=False),
        layers.BatchNormalization(center=False, scale=False),
        layers.Flatten(),
        layers.Dense(6, use_bias=False),
        layers.BatchNormalization(),
        layers.Dense(3, activation="softmax"),
    ])  # fmt: skip


def batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    pictures = rng.normal(3.0, 2.0, (16, 12, 12, 1)).astype(np.float32)
    return pictures, np.eye(3, dtype=np.float32)[np.arange(16) % 3]


def fitted(network: Any, optimiser: Any, *, steps: int) -> list[np.ndarray]:
    network.compile(optimiser, "categorical_crossentropy", jit_compile=False)
    pictures, answers = batch()
    for _ in range(steps):
        network.train_on_batch(pictures, answers)
    return [np.asarray(weights) for weights in network.get_weights()]


def test_training_goes_as_with_stock_layers_and_the_stock_optimiser() -> None:
    stock = small_network()
    fused = with_fused_layers(stock)
    fused.set_weights(stock.get_weights())
    kinds = [type(layer) for layer in fused.layers]
    assert kinds.count(FusedBatchNormalization) == 3
    assert keras.layers.BatchNormalization not in kinds
    before = [np.asarray(weights) for weights in stock.get_weights()]
    options = {"learning_rate": 0.01, "weight_decay": 0.001}
    ours = fitted(fused, adam(**options), steps=5)
    theirs = fitted(stock, keras.optimizers.Adam(**options), steps=5)
    for one, two, start in zip(ours, theirs, before, strict=True):
        assert one == pytest.approx(two, rel=1e-3, abs=1e-4)
        assert not np.array_equal(one, start)


def test_the_fused_optimiser_follows_a_schedule_and_keeps_an_average() -> None:
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.1, 0.0])
    network = small_network()
    optimiser = adam(learning_rate=schedule, use_ema=True, ema_momentum=0.5)
    after_two = fitted(network, optimiser, steps=2)
    after_four = fitted(network, optimiser, steps=2)  # at a rate of 0
    kernel = 0
    assert after_four[kernel] == pytest.approx(after_two[kernel])
    optimiser.finalize_variable_values(network.trainable_variables)
    averaged = np.asarray(network.get_weights()[kernel])
    assert not np.allclose(averaged, after_four[kernel])


def test_in_half_precision_statistics_stay_in_single() -> None:
    recipe = load_recipe("seven-gap")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        fused = with_fused_layers(small_network())
    finally:
        keras.config.set_dtype_policy(before)
    weights = fitted(fused, adam(learning_rate=0.01), steps=3)
    assert {array.dtype for array in weights} == {np.dtype("float32")}
    assert all(np.isfinite(array).all() for array in weights)
    assert fused.layers[1].compute_dtype == "bfloat16"
    stock = new_network(recipe)
    assert {type(layer).__module__.split(".")[0] for layer in stock.layers} == {"keras"}


def test_a_frozen_layer_keeps_its_statistics() -> None:
    fused = with_fused_layers(small_network())
    fused.layers[1].trainable = False
    before = np.asarray(fused.layers[1].moving_mean)
    fitted(fused, adam(learning_rate=0.01), steps=2)
    assert np.array_equal(np.asarray(fused.layers[1].moving_mean), before)


PAST = (
    "rescale 0..1", "conv 8 relu", "maxpool", "shortcut", "conv 8 3x3 relu", "maxpool", "add",
    "excite 2", "separable 8", "depthwise nobias", "bn", "gap", "softmax",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("happy-sad-simple", []),
        ("seven-gap", []),
        ("seven-gap", [f"network.layers={list(PAST)}"]),
    ],
)
def test_pooling_before_the_relu_changes_neither_answers_nor_gradients(
    name: str, changes: list[str]
) -> None:
    recipe = load_recipe(name, overrides=changes)
    stock, cheaper = new_network(recipe), network_in("float32", recipe)
    names = [type(layer).__name__ for layer in cheaper.layers]
    assert names.index("MaxPooling2D") < names.index("ReLU")
    cheaper.set_weights(stock.get_weights())
    rng = np.random.default_rng(0)
    pictures = rng.uniform(0, 255, (4, 48, 48, 1)).astype(np.float32)
    answers = np.eye(stock.output_shape[-1], dtype=np.float32)[[0] * 4]
    first, second = (keras.ops.convert_to_numpy(network(pictures)) for network in (stock, cheaper))
    assert second == pytest.approx(first, abs=1e-6)
    gradients = []
    for network in (stock, cheaper):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((network(pictures, training=False) - answers) ** 2)
        gradients.append(tape.gradient(loss, [w.value for w in network.trainable_variables]))
    for one, two in zip(*gradients, strict=True):
        assert np.asarray(two) == pytest.approx(np.asarray(one), rel=1e-3, abs=1e-6)


def test_what_is_delivered_loads_without_this_package(finished_run: Path) -> None:
    loaded = keras.models.load_model(finished_run / "model.keras", compile=False, safe_mode=True)
    assert not any(isinstance(layer, FusedBatchNormalization) for layer in loaded.layers)
