"""Heads whose answer has another head's mixed in."""

import json
from pathlib import Path

import numpy as np
import pytest

from fer_edge.shared.data.samples import Samples
from fer_edge.shared.errors import SettingsError
from fer_trainer.backend import keras
from fer_trainer.data.loading import load_data
from fer_trainer.jobs.finished import load_network, load_run
from fer_trainer.jobs.fit import fit
from fer_trainer.recipe.files import load_recipe
from fer_trainer.run.folder import RunFolder
from fer_trainer.training.blending import SHARES, blended, mixed_heads, with_other_labels
from fer_trainer.training.loop import predict

RNG = np.random.default_rng(3)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def test_a_mixture_is_the_mean_of_log_probabilities_for_labels_that_both_know() -> None:
    labels, others = ("calm", "glad", "sly"), ("glad", "calm")
    own = RNG.normal(size=(5, 3)), RNG.normal(size=3)
    other = RNG.normal(size=(5, 2)), RNG.normal(size=2)
    features = RNG.normal(size=(20, 5))
    mine, theirs = (log_softmax(features @ head[0] + head[1]) for head in (own, other))
    there = with_other_labels(own, labels, other, others, anchor="calm")
    kernel, bias = mixed_heads(own, there, 0.3)
    mixed = log_softmax(features @ kernel + bias)
    wanted = 0.7 * mine[:, 1] + 0.3 * theirs[:, 0] - (0.7 * mine[:, 0] + 0.3 * theirs[:, 1])
    assert mixed[:, 1] - mixed[:, 0] == pytest.approx(wanted)
    # "sly" is known to one head alone, and keeps the odds that it gives it against "calm".
    assert mixed[:, 2] - mixed[:, 0] == pytest.approx(mine[:, 2] - mine[:, 0])


@pytest.fixture(scope="module")
def blended_run(headed_recipe: Path, faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blended")
    path = folder / "blended.toml"
    people = 'name = "people"\n'
    path.write_text(headed_recipe.read_text().replace(people, people + 'blend = "own"\n'))
    recipe = load_recipe(str(path), overrides=["training.epochs=4"])
    fit(recipe, load_data(recipe, faces), RunFolder(folder / "run"), tell=lambda line: None)
    return folder / "run"


def test_the_delivered_head_answers_with_the_share_that_its_contract_names(
    blended_run: Path, faces: Path
) -> None:
    contract, network = load_run(blended_run / "heads/people")
    blend = contract.provenance["blend"]
    assert blend["with"] == "own"
    assert blend["share"] in SHARES
    metrics = json.loads((blended_run / "heads/people/metrics.json").read_text())
    assert metrics["blend"] == blend
    recipe = load_recipe(str(blended_run / "recipe.toml"))
    pictures = load_data(recipe, faces).val.pictures
    whole = np.log(predict(load_network(blended_run / "model.keras"), pictures))
    own, people = load_run(blended_run / "heads/own")[0].labels, contract.labels
    said = np.log(predict(network, pictures))
    one, two = people.index("happy"), people.index("sad")
    theirs = whole[:, own.index("happy")] - whole[:, own.index("sad")]
    mine = whole[:, len(own) + one] - whole[:, len(own) + two]
    share = blend["share"]
    wanted = (1 - share) * mine + share * theirs
    assert said[:, one] - said[:, two] == pytest.approx(wanted, abs=1e-3)


def test_a_head_without_a_blend_is_left_as_it_was_trained(blended_run: Path) -> None:
    contract, network = load_run(blended_run / "heads/own")
    assert "blend" not in contract.provenance
    pictures = RNG.integers(0, 256, (4, 48, 48)).astype(np.uint8)
    whole = predict(load_network(blended_run / "model.keras"), pictures)
    assert predict(network, pictures) == pytest.approx(whole[:, :7], abs=1e-6)


@pytest.mark.parametrize(("right", "share"), [("head", 0.0), ("other", 0.3), ("both", 0.05)])
def test_validation_decides_how_much_is_mixed_in(right: str, share: float) -> None:
    """Two pixels tell one of two labels; each head may look at them the right way round, or not.

    With "both" the head is right but for one picture, which a little of the other mends.
    """
    labels = ("calm", "glad")
    truth = np.array([0, 1] * 10)
    pictures = np.zeros((20, 1, 2), np.uint8)
    pictures[np.arange(20), 0, truth] = 100
    pixels = keras.Input((1, 2, 1))
    features = keras.layers.Flatten()(pixels)
    layers = [keras.layers.Dense(2, activation="softmax") for _ in range(2)]
    network = keras.Model(pixels, keras.layers.Concatenate()([each(features) for each in layers]))
    way, wrong = np.eye(2), np.eye(2)[::-1]
    kernels = {"head": (way, wrong), "other": (0.4 * wrong, way), "both": (way, way)}[right]
    for layer, kernel in zip(layers, kernels, strict=True):
        layer.set_weights([kernel, np.zeros(2)])
    if right == "both":
        # Of the first picture the head sees next to nothing, and leans to the wrong label.
        pictures[0] = [[1, 0]]
        layers[0].set_weights([way, np.array([0.0, 1.02])])
    samples = Samples(pictures, truth, tuple(map(str, range(20))))
    answering, found = blended(network, (layers[0], layers[1]), (labels, labels), samples, name="n")
    assert found == pytest.approx(share)
    said = np.asarray(answering(pictures[..., None].astype(np.float32)))
    assert (said.argmax(axis=1) == truth).mean() == 1.0


@pytest.mark.parametrize("other", ["nobody", "people"])
def test_a_head_that_cannot_be_mixed_in_is_refused(
    headed_recipe: Path, tmp_path: Path, other: str
) -> None:
    path = tmp_path / "recipe.toml"
    people = 'name = "people"\n'
    path.write_text(headed_recipe.read_text().replace(people, people + f'blend = "{other}"\n'))
    with pytest.raises(SettingsError, match=rf"heads\.2\.blend is '{other}'.*choose one of own"):
        load_recipe(str(path))
