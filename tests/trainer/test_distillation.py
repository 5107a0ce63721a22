"""Networks that learn from networks that are trained already."""

import json
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from fer_edge.shared.errors import ModelError, SettingsError
from fer_edge.shared.model.contract import ModelContract
from fer_trainer.backend import keras
from fer_trainer.data.loading import load_data
from fer_trainer.jobs.finished import load_run
from fer_trainer.jobs.fit import fit
from fer_trainer.jobs.teach import teach
from fer_trainer.jobs.teachers import load_teaching
from fer_trainer.recipe.files import load_recipe
from fer_trainer.run.folder import RunFolder
from fer_trainer.training.checkpoint import Checkpoint
from fer_trainer.training.distribution import Devices
from fer_trainer.training.fusing import for_answers_only
from fer_trainer.training.loop import _teachers_precision, new_network, predict
from fer_trainer.training.precision import network_in
from fer_trainer.training.teaching import Teaching

array = keras.ops.convert_to_numpy


def taught(small_recipe: Path, *teachers: Path, **overrides: object) -> object:
    names = json.dumps([str(teacher) for teacher in teachers])
    settings = [f"{key}={value}" for key, value in overrides.items()]
    return load_recipe(
        str(small_recipe),
        overrides=[f"distillation.teachers={names}", "training.epochs=2", *settings],
    )


def says(*probabilities: float) -> object:
    return lambda pictures, training: np.tile(probabilities, (len(pictures), 1))


def test_what_teachers_say_takes_its_share_of_the_target() -> None:
    teaching = Teaching(
        (says(0.6, 0.4), says(0.0, 1.0)), ((0, 1), (1, 0)), weight=0.5, temperature=1.0
    )
    targets = array(teaching.mix(np.array([[0.0, 1.0]], np.float32), np.zeros((1, 4, 4, 1))))
    assert targets == pytest.approx(np.array([[0.5 * 0.8, 0.5 + 0.5 * 0.2]]), abs=1e-5)


def test_a_high_temperature_makes_teachers_less_sure() -> None:
    def mixed(temperature: float) -> float:
        teaching = Teaching((says(0.9, 0.1),), ((0, 1),), weight=1.0, temperature=temperature)
        return float(array(teaching.mix(np.array([[1.0, 0.0]]), np.zeros((1, 4, 4, 1))))[0, 0])

    assert mixed(1.0) == pytest.approx(0.9, abs=1e-5)
    assert mixed(2.0) == pytest.approx(0.75, abs=1e-5)


def test_a_pupil_comes_to_say_what_its_teacher_says(
    finished_run: Path, small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    """With all of the target the teacher's, the pupil's answers come nearer than the labels are."""
    recipe = taught(small_recipe, finished_run, **{"distillation.weight": 1, "training.epochs": 12})
    split = load_data(recipe, faces)
    fit(recipe, split, RunFolder(tmp_path / "run"), tell=lambda line: None)
    teacher, pupil = (
        predict(load_run(run)[1], split.train.pictures) for run in (finished_run, tmp_path / "run")
    )
    labels = np.eye(7)[split.train.labels]
    assert np.abs(pupil - teacher).mean() < 0.5 * np.abs(labels - teacher).mean()


def test_the_contract_names_the_teachers_and_the_run_resumes(
    finished_run: Path, small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    recipe = taught(small_recipe, finished_run, finished_run)
    split = load_data(recipe, faces)
    fit(recipe, split, RunFolder(tmp_path / "run"), tell=lambda line: None)
    text = (tmp_path / "run" / "contract.json").read_text()
    teachers = ModelContract.from_json(text, where="run").provenance["teachers"]
    assert [name.split(",")[0] for name in teachers] == ["small", "small"]
    (tmp_path / "run" / "metrics.json").unlink()
    checkpoint = Checkpoint.read(tmp_path / "run" / "checkpoints" / "last.npz")
    network = (finished_run / "model.keras").read_bytes()
    assert checkpoint.surroundings["teachers_sha256"].split() == [sha256(network).hexdigest()] * 2
    fit(recipe, split, RunFolder(tmp_path / "run"), tell=lambda line: None, resume=True)
    assert (tmp_path / "run" / "metrics.json").is_file()


def test_teachers_are_not_part_of_what_is_delivered(
    finished_run: Path, small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    recipe = taught(small_recipe, finished_run)
    fit(recipe, load_data(recipe, faces), RunFolder(tmp_path / "run"), tell=lambda line: None)
    alone, with_teacher = load_run(finished_run)[1], load_run(tmp_path / "run")[1]
    assert with_teacher.count_params() == alone.count_params()


def test_a_teacher_that_saw_our_validation_part_is_refused(
    finished_run: Path, small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    recipe = taught(small_recipe, finished_run, **{"data.seed": 8})
    with pytest.raises(SettingsError, match=r"trained on other data, or on \d+ of the pictures"):
        fit(recipe, load_data(recipe, faces), RunFolder(tmp_path / "run"), tell=lambda line: None)
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_a_teacher_of_other_labels_or_input_is_refused(
    finished_run: Path, small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    recipe = taught(small_recipe, finished_run, **{"input.height": 40, "input.width": 40})
    with pytest.raises(SettingsError, match=r"takes pictures of \(48, 48, 1\)"):
        fit(recipe, load_data(recipe, faces), RunFolder(tmp_path / "a"), tell=lambda line: None)
    split = load_data(taught(small_recipe, finished_run), faces)
    recipe = taught(small_recipe, finished_run, **{"input.equalise": "true"})
    with pytest.raises(SettingsError, match=r"has input\.equalise = false"):
        fit(recipe, split, RunFolder(tmp_path / "a"), tell=lambda line: None)
    with pytest.raises(SettingsError, match=r"has input\.equalise = false"):
        teach([finished_run], recipe, split, tmp_path / "answers", views=1, seed=0, force=False,
              tell=lambda line: None)  # fmt: skip
    other = shutil.copytree(finished_run, tmp_path / "other")
    contract = other / "contract.json"
    contract.write_text(contract.read_text().replace('"sad"', '"contempt"'))
    recipe = taught(small_recipe, other)
    with pytest.raises(SettingsError, match="contempt"):
        fit(recipe, load_data(recipe, faces), RunFolder(tmp_path / "b"), tell=lambda line: None)


def test_a_teacher_that_is_no_finished_run_is_refused(
    small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    recipe = taught(small_recipe, tmp_path / "nothing")
    with pytest.raises(ModelError, match="nothing"):
        fit(recipe, load_data(recipe, faces), RunFolder(tmp_path / "run"), tell=lambda line: None)


def test_without_teachers_nothing_is_taught(small_recipe: Path) -> None:
    assert load_teaching(load_recipe(str(small_recipe)), "float32") is None


@pytest.mark.parametrize("recipe", ["edge-small", "seven-gap", "seven-classic"])
def test_a_teacher_with_its_norms_in_its_convolutions_says_the_same(recipe: str) -> None:
    network = new_network(load_recipe(recipe))
    rng = np.random.default_rng(1)
    network.set_weights(
        [weight + rng.uniform(0.0, 0.2, weight.shape) for weight in network.get_weights()]
    )
    pictures = rng.uniform(0, 255, (8, *network.input_shape[1:])).astype(np.float32)
    folded = for_answers_only(network)
    assert array(folded(pictures)) == pytest.approx(array(network(pictures)), abs=1e-4)
    assert array(network(pictures)).std() > 1e-3
    if keras.backend.backend() == "tensorflow":
        # In seven-classic a ReLU comes between.
        fewer = folded.count_params() < network.count_params()
        assert fewer == (recipe != "seven-classic")
        assert not folded.trainable_variables


def test_a_teacher_whose_last_pixels_do_not_count_says_the_same() -> None:
    layers = ["rescale 0..1", "conv 4 valid", "relu", "maxpool 5x5", "flatten", "softmax"]
    recipe = load_recipe("seven-gap", overrides=[f"network.layers={json.dumps(layers)}"])
    stock, trained = new_network(recipe), network_in("float32", recipe)
    trained.set_weights(stock.get_weights())
    pictures = np.random.default_rng(1).uniform(0, 255, (4, 48, 48, 1)).astype(np.float32)
    said = array(for_answers_only(trained)(pictures))
    assert said == pytest.approx(array(stock(pictures)), abs=1e-6)


def test_teachers_answer_in_what_is_fastest_and_a_resumed_run_keeps_it(
    finished_run: Path, small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    recipe = taught(small_recipe, finished_run, **{"training.epochs": 1})
    assert load_teaching(recipe, "auto").precision in {"float32", "mixed_bfloat16"}
    assert load_teaching(recipe, "mixed_bfloat16").precision == "mixed_bfloat16"
    metrics = fit(
        recipe, load_data(recipe, faces), RunFolder(tmp_path / "run"), tell=lambda line: None
    )
    assert metrics["precision"] == "float32"
    kept = metrics["teachers_precision"]
    checkpoint = Checkpoint.read(tmp_path / "run" / "checkpoints" / "last.npz")
    assert checkpoint.surroundings["teachers_precision"] == kept
    assert _teachers_precision(recipe, "float32", checkpoint, Devices()) == kept
