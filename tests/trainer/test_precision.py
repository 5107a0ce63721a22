"""The arithmetic of training: chosen, recorded, and never delivered."""

import json
from pathlib import Path

import numpy as np
import pytest

from fer_trainer.backend import keras
from fer_trainer.data.loading import load_data
from fer_trainer.jobs.finished import load_run
from fer_trainer.jobs.fit import fit
from fer_trainer.network.cost import network_cost
from fer_trainer.recipe.files import load_recipe
from fer_trainer.run.folder import RunFolder
from fer_trainer.training.checkpoint import Checkpoint
from fer_trainer.training.loop import new_network
from fer_trainer.training.precision import SMALL_MACS, choose_precision, network_in


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_a_network_trained_in_mixed_precision_is_delivered_in_float32(
    precision: str, small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    recipe = load_recipe(str(small_recipe), overrides=[f"training.precision={precision}"])
    run = RunFolder(tmp_path / "run")
    split = load_data(recipe, faces)

    def stop(line: str) -> None:
        if line.startswith("epoch 3/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(recipe, split, run, tell=stop)
    found = Checkpoint.read(run.path / "checkpoints" / "last.npz")
    assert found.surroundings["precision"] == precision
    metrics = fit(recipe, split, run, tell=lambda line: None, resume=True)
    assert metrics["precision"] == precision
    assert metrics["test"]["accuracy"] > 0.3  # chance is 0.14
    _, network = load_run(run.path)
    assert {layer.dtype_policy.name for layer in network.layers} == {"float32"}
    assert "float16" not in json.dumps(network.get_config())
    assert keras.config.dtype_policy().name == "float32"


def test_mixed_precision_computes_in_16_bits_and_answers_in_32(small_recipe: Path) -> None:
    recipe = load_recipe(str(small_recipe))
    plain, mixed = (network_in(name, recipe) for name in ("float32", "mixed_bfloat16"))
    assert mixed.get_layer("02_conv").compute_dtype == "bfloat16"
    assert {str(keras.backend.standardize_dtype(w.dtype)) for w in mixed.weights} == {"float32"}
    mixed.set_weights(plain.get_weights())
    pictures = np.random.default_rng(0).uniform(0, 255, (4, 48, 48, 1)).astype(np.float32)
    first, second = (keras.ops.convert_to_numpy(net(pictures)) for net in (plain, mixed))
    assert second.dtype == np.float32
    assert second == pytest.approx(first, abs=0.03)
    assert not np.array_equal(first, second)


def test_small_networks_are_not_worth_a_trial(small_recipe: Path) -> None:
    recipe = load_recipe(str(small_recipe))
    assert recipe.training.precision == "auto"
    precision, reason = choose_precision(recipe, new_network(recipe), pictures=28_709)
    assert precision == "float32"
    assert "million MACs" in reason


def test_a_large_network_is_tried_and_the_result_said() -> None:
    recipe = load_recipe(
        "edge-small", overrides=["training.batch_size=4", "training.precision=auto"]
    )
    network = new_network(recipe)
    before = network.get_weights()
    assert network_cost(network).macs > SMALL_MACS
    precision, reason = choose_precision(recipe, network, pictures=28_709)
    assert precision in {"float32", "mixed_bfloat16"}
    assert "times as fast here" in reason
    assert all(np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True))


def test_a_short_training_is_not_worth_a_trial() -> None:
    recipe = load_recipe("edge-small", overrides=["training.epochs=10"])
    precision, reason = choose_precision(recipe, new_network(recipe), pictures=500)
    assert precision == "float32"
    assert "too short" in reason


def test_what_the_recipe_says_is_not_questioned() -> None:
    recipe = load_recipe("edge-small", overrides=["training.precision=mixed_float16"])
    found = choose_precision(recipe, None, pictures=28_709)
    assert found == ("mixed_float16", "as the recipe says")
