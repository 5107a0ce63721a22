"""Each documented recipe trains and leaves the files that its source promises."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer_edge.shared.errors import DataError
from fer_edge.shared.labels import LABEL_SETS
from fer_edge.shared.opencv import cv2
from fer_trainer.backend import keras
from fer_trainer.data.loading import load_data
from fer_trainer.jobs.finished import load_run
from fer_trainer.jobs.fit import fit
from fer_trainer.recipe.consistency import output_files
from fer_trainer.recipe.files import load_recipe
from fer_trainer.run.folder import WHOLE, RunFolder

SEVEN = LABEL_SETS["fer2013"].labels
DOCUMENTED = {
    "happy-sad-deep": set(),
    "seven-gap": {"architecture.json"},
    "seven-wide": {"loss.png", "accuracy.png"},
    "happy-sad-simple": {"loss.png", "accuracy.png", "sample_predictions.png"},
    "seven-classic": {
        "model_weights.h5", "EmoDetector.h5", "trainingloss.png", "trainingaccuracy.png",
        "confusionmatrix.png",
    },
}  # fmt: skip

# They look at the same runs, which take a minute to make.
pytestmark = pytest.mark.xdist_group("documented-runs")


@pytest.fixture(scope="session")
def few_faces(tmp_path_factory: pytest.TempPathFactory, write_faces: Callable[..., Path]) -> Path:
    """Three train pictures and one test picture of each class."""
    folder = tmp_path_factory.mktemp("few")
    write_faces(folder / "train", SEVEN, each=3, seed=3)
    write_faces(folder / "test", SEVEN, each=1, seed=4)
    return folder


@pytest.fixture(scope="session")
def runs(few_faces: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of two epochs of each recipe."""
    folder = tmp_path_factory.mktemp("documented")
    for name in DOCUMENTED:
        # No trial of precisions: on few pictures it takes longer than the training.
        changes = ["training.epochs=2", "training.precision=float32"]
        recipe = load_recipe(name, overrides=changes)
        split = load_data(recipe, few_faces)
        fit(recipe, split, RunFolder(folder / name), tell=lambda line: None)
    return {name: folder / name for name in DOCUMENTED}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_documented_files_are_there(runs: dict[str, Path], name: str) -> None:
    found = {path.name for path in runs[name].iterdir()}
    assert DOCUMENTED[name] | set(WHOLE) <= found
    assert set(output_files(load_recipe(name).outputs).values()) == DOCUMENTED[name] - set(WHOLE)
    for file in DOCUMENTED[name]:
        if file.endswith(".png"):
            assert min(cv2.imread(str(runs[name] / file)).shape[:2]) > 200
    assert not list(runs[name].rglob(".writing-*"))


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_metrics_say_which_epoch_is_delivered(runs: dict[str, Path], name: str) -> None:
    metrics = json.loads((runs[name] / "metrics.json").read_text())
    assert metrics["epochs"] == 2
    delivers_best = load_recipe(name).selection.deliver == "best"
    assert metrics["delivered_epoch"] in ({1, 2} if delivers_best else {2})


def test_the_wide_recipe_keeps_weights_of_every_epoch(runs: dict[str, Path]) -> None:
    names = sorted(path.name for path in (runs["seven-wide"] / "checkpoints").glob("ep*"))
    assert len(names) == 2
    for number, name in enumerate(names, start=1):
        assert re.fullmatch(rf"ep00{number}-loss\d+\.\d{{3}}-val_loss\d+\.\d{{3}}\.h5", name)
    _, network = load_run(runs["seven-wide"])
    delivered = network.get_weights()
    network.load_weights(runs["seven-wide"] / "checkpoints" / names[0])
    assert any((a != b).any() for a, b in zip(network.get_weights(), delivered, strict=True))
    network.load_weights(runs["seven-wide"] / "checkpoints" / names[1])
    for found, expected in zip(network.get_weights(), delivered, strict=True):
        assert np.array_equal(found, expected)


def test_the_classic_files_load_back(runs: dict[str, Path]) -> None:
    run = runs["seven-classic"]
    _, delivered = load_run(run)
    best = keras.models.model_from_json((run / "architecture.json").read_text())
    best.load_weights(run / "model_weights.h5")
    for found, expected in zip(best.get_weights(), delivered.get_weights(), strict=True):
        assert np.array_equal(found, expected)
    last = keras.models.load_model(run / "EmoDetector.h5", compile=False)
    same = all(
        np.array_equal(a, b)
        for a, b in zip(last.get_weights(), delivered.get_weights(), strict=True)
    )
    assert same == (json.loads((run / "metrics.json").read_text())["delivered_epoch"] == 2)


def test_another_recipe_forced_into_the_folder_leaves_no_old_files(
    few_faces: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    for name in ("happy-sad-simple", "happy-sad-deep"):
        recipe = load_recipe(name, overrides=["training.epochs=1", *SMALL])
        fit(recipe, load_data(recipe, few_faces), RunFolder(run), tell=lambda line: None)
    assert not (run / "sample_predictions.png").exists()
    assert (run / "metrics.json").exists()


SMALL = ['network.layers=["rescale 0..1", "conv 2 /4", "gap", "sigmoid"]']


def test_training_stops_early_and_resumes_to_the_same_end(few_faces: Path, tmp_path: Path) -> None:
    recipe = load_recipe(
        "happy-sad-simple",
        # The loss cannot fall below that of the first epoch: every rate that big diverges at once.
        overrides=[*SMALL, "selection.patience=2", "selection.deliver=best", "training.epochs=40",
                   "optimiser.name=sgd", "optimiser.learning_rate=30", "optimiser.momentum=0"],
    )  # fmt: skip
    split = load_data(recipe, few_faces)
    metrics = fit(recipe, split, RunFolder(tmp_path / "run"), tell=lambda line: None)
    assert metrics["epochs"] < 40
    assert metrics["delivered_epoch"] == metrics["epochs"] - 2
    # Killed behind its last epoch: nothing is trained again, the same weights are delivered.
    for name in ("model.keras", "metrics.json"):
        (tmp_path / "run" / name).unlink()
    again = fit(recipe, split, RunFolder(tmp_path / "run"), tell=lambda line: None, resume=True)
    for key in ("epochs", "delivered_epoch", "validation", "test"):
        assert again[key] == metrics[key]


def test_a_recipe_of_other_labels_than_the_data_is_refused(
    tmp_path: Path, write_faces: Callable[..., Path]
) -> None:
    data = write_faces(tmp_path / "data", ["angry", "fear"], each=3)
    with pytest.raises(DataError, match=r"(holds only|no pictures of)"):
        load_data(load_recipe("happy-sad-simple"), data)
    two = write_faces(tmp_path / "two", ["happy", "sad"], each=3)
    with pytest.raises(DataError, match="no pictures of angry"):
        load_data(load_recipe("seven-gap"), two)
