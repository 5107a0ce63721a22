"""Parts of other pictures, and rare labels that count for more: both off unless asked for."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_edge.shared.errors import SettingsError
from fer_edge.shared.model.priors import prior_shift, shifted
from fer_trainer.backend import keras
from fer_trainer.data.loading import load_data
from fer_trainer.jobs.finished import load_run
from fer_trainer.jobs.fit import fit
from fer_trainer.jobs.predict import RunPredictor
from fer_trainer.recipe.files import load_recipe
from fer_trainer.recipe.settings import AugmentationSettings
from fer_trainer.report.judgement import judge
from fer_trainer.run.folder import RunFolder
from fer_trainer.scores.calibration import complete, negative_log_likelihood, temper
from fer_trainer.training.augmentation import Augment, augmented
from fer_trainer.training.heads import HeadsLoss, adjustment
from fer_trainer.training.measurement import measure
from fer_trainer.training.teaching import Teaching

array = keras.ops.convert_to_numpy


def patched(probability: float, count: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Patch even pictures, each with a shade of its own; return shades and mixed targets."""
    shades = np.arange(count, dtype=np.uint8) * 4
    batch = np.broadcast_to(shades[:, None, None], (count, 20, 20))
    layer = Augment(AugmentationSettings(cutmix_probability=probability), seed=3)
    found = array(layer(batch, training=True))[..., 0]
    return found, array(layer.mix_targets(np.eye(count, dtype=np.float32)))


def test_a_patch_brings_the_share_of_its_label() -> None:
    found, targets = patched(1.0)
    for index, picture in enumerate(found):
        before = (index - 1) % 64
        theirs = picture == before * 4
        assert (theirs | (picture == index * 4)).all()
        assert targets[index, before] == pytest.approx(theirs.mean(), abs=1e-6)
        assert targets[index, index] == pytest.approx(1 - theirs.mean(), abs=1e-6)
        rows, columns = np.flatnonzero(theirs.any(axis=1)), np.flatnonzero(theirs.any(axis=0))
        assert len(rows) * len(columns) == theirs.sum(), "one rectangle"
    shares = 1 - np.diag(targets)
    assert 0.15 < shares.mean() < 0.5, "areas drawn evenly, less what sticks out"
    assert shares.max() > 0.6


def test_patches_are_as_frequent_as_asked_for_and_none_when_off() -> None:
    _, targets = patched(0.5)
    assert 16 < (np.diag(targets) < 1).sum() < 48
    found, targets = patched(0.0)
    assert np.array_equal(targets, np.eye(64))
    assert np.array_equal(found[5], np.full((20, 20), 20))


def test_shares_of_labels_are_taken_out_in_training_alone(small_recipe: Path) -> None:
    recipe = load_recipe(str(small_recipe), overrides=["training.logit_adjustment=0.5"])
    counts = np.array([50, 1, 9, 20, 10, 5, 5])
    added = adjustment(recipe, np.eye(7, dtype=np.float32)[np.repeat(np.arange(7), counts)])
    assert added == pytest.approx(0.5 * np.log(counts / 100), abs=1e-5)
    network = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(),
                                keras.layers.Dense(7)])  # fmt: skip
    model = augmented(network, AugmentationSettings(), seed=1)
    model.compile(loss=HeadsLoss(recipe))
    model.adjustment = added
    pictures, logits = np.zeros((7, 8, 8), np.uint8), np.zeros((7, 7), np.float32)
    wanted = np.eye(7, dtype=np.float32)
    model(pictures, training=True)
    plain = float(model.compute_loss(pictures, wanted, logits, training=False))
    assert plain == pytest.approx(np.log(7), abs=1e-5)
    share = np.sqrt(counts) / np.sqrt(counts).sum()
    assert float(model.compute_loss(pictures, wanted, logits, training=True)) == pytest.approx(
        -np.log(share).mean(), abs=1e-4
    )


def test_rare_labels_are_recalled_more_often_with_it(
    small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    """Of noise that says nothing, a network answers with the shares; adjusted, evenly."""
    few = tmp_path / "few"
    rng = np.random.default_rng(0)
    for path in sorted((faces / "train").rglob("*.png")):
        if path.parent.name in {"happy", "neutral"} or int(path.stem) < 5:
            target = few / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    shown = {}
    blind = json.dumps(["rescale 0..1", "maxpool 48x48", "gap", "softmax"])
    for weight in (0.0, 1.0):
        recipe = load_recipe(
            str(small_recipe),
            overrides=[f"training.logit_adjustment={weight}", f"network.layers={blind}",
                       "training.epochs=60", "optimiser.learning_rate=0.1",
                       "optimiser.weight_decay=0"],
        )  # fmt: skip
        run = RunFolder(tmp_path / f"run{weight}")
        fit(recipe, load_data(recipe, few), run, tell=lambda line: None)
        network = keras.models.load_model(run.path / "model.keras")
        noise = rng.integers(0, 256, (8, 48, 48, 1)).astype(np.float32)
        shown[weight] = array(network(noise)).mean(axis=0)
    spread = {weight: answers.max() / answers.min() for weight, answers in shown.items()}
    assert spread[0.0] > 2.5, "16 of happy and neutral, 4 of each other"
    assert spread[1.0] < 1.6


def test_calibration_is_told_of_the_balanced_answers_that_a_device_gives(
    finished_run: Path, small_recipe: Path, faces: Path
) -> None:
    contract, network = load_run(finished_run)
    recipe = load_recipe(str(small_recipe))
    even = load_data(recipe, faces)
    common = [contract.labels[label] in {"happy", "neutral"} for label in even.train.labels]
    few = np.flatnonzero(common | (np.arange(len(common)) % 4 == 0))
    split = replace(even, train=even.train.take(few), val=even.train)
    *others, bias = network.get_weights()
    network.set_weights([*others, bias + np.isin(contract.labels, ["happy", "neutral"])])
    measured = measure(network, recipe, split)
    assert measured.balance > 0
    delivered = replace(
        contract,
        output=replace(contract.output, temperature=measured.temperature),
        class_shares=measured.class_shares,
        balance=measured.balance,
    )
    answers = measured.answers["validation"]
    tempered = temper(complete(answers), measured.temperature)
    given = shifted(tempered, prior_shift(delivered, balance=measured.balance))
    expected = round(negative_log_likelihood(given, split.val.labels), 4)
    told = measured.metrics["calibration"]["validation"]
    assert (
        told["after"]["nll"]
        == expected
        != round(negative_log_likelihood(tempered, split.val.labels), 4)
    )
    assert told["after_int8_steps"]["nll"] == pytest.approx(expected, abs=0.01)
    judged = judge(split.val, answers, delivered, part="validation")
    assert judged.calibration["after"]["nll"] == pytest.approx(expected, abs=2e-4)
    rows = {name: row for row, name in enumerate(split.val.names)}
    for shown in judged.sample:
        row = given[rows[shown.name]]
        assert shown.said == contract.labels[row.argmax()]
        assert shown.confidence == pytest.approx(row.max())
    as_trained = measured.metrics["validation"]["confusion"]
    assert judged.scores.confusion.tolist() == as_trained, "figures are of the answers as trained"
    assert (given.argmax(axis=1) != answers.argmax(axis=1)).any()


def test_predict_says_what_a_device_says(finished_run: Path, faces: Path, tmp_path: Path) -> None:
    face = str(faces / "test" / "happy" / "001.png")
    run = shutil.copytree(finished_run, tmp_path / "run")
    contract = json.loads((run / "contract.json").read_text())

    def read(balance: float, shares: dict[str, float]) -> dict[str, Any]:
        told = {"class_shares": shares, "balance": balance}
        (run / "contract.json").write_text(json.dumps({**contract, **told}))
        seen = RunPredictor(run, whole_pictures=True).read(face)
        return dict(seen.to_json()["faces"][0])

    trained = read(0.0, contract["class_shares"])
    assert "relative" not in trained
    second = sorted(trained["scores"], key=trained["scores"].get)[-2]
    rare = {label: 1e-5 if label == second else (1 - 1e-5) / 6 for label in contract["labels"]}
    balanced = read(1.0, rare)
    assert balanced["scores"] == trained["scores"]
    assert balanced["label"] == second != trained["label"]
    assert (
        balanced["confidence"] == balanced["relative"][second] == max(balanced["relative"].values())
    )
    assert balanced["text"].endswith(f" ({balanced['confidence']:.2f})")
    assert balanced["text"] != trained["text"]


def test_a_binary_network_takes_no_adjustment(binary_recipe: Path) -> None:
    with pytest.raises(SettingsError, match=r"training\.logit_adjustment on a network that ends"):
        load_recipe(str(binary_recipe), overrides=["training.logit_adjustment=1"])


def test_where_there_is_no_label_the_whole_target_is_the_teachers() -> None:
    def says(pictures: np.ndarray, training: bool) -> np.ndarray:
        return np.tile([0.8, 0.2], (len(pictures), 1))

    teaching = Teaching((says,), ((0, 1),), weight=0.5, temperature=1.0, alone=True)
    wanted = np.array([[0.0, 1.0], [0.0, 0.0]], np.float32)
    found = array(teaching.mix(wanted, np.zeros((2, 4, 4, 1))))
    assert found == pytest.approx(np.array([[0.4, 0.6], [0.8, 0.2]]), abs=1e-5)
