"""What `fer-train fit` leaves behind, and what it does not."""

import csv
import json
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_edge.shared.errors import DataError, ModelError, OutputError
from fer_edge.shared.labels import LABEL_SETS
from fer_edge.shared.model.contract import ModelContract
from fer_trainer.backend import keras
from fer_trainer.data.loading import load_data
from fer_trainer.jobs import fit as fitting
from fer_trainer.jobs.finished import evaluate_run, load_run
from fer_trainer.jobs.fit import fit as fit_split
from fer_trainer.recipe.files import load_recipe
from fer_trainer.recipe.settings import Recipe
from fer_trainer.run.folder import WHOLE, RunFolder, replace_file
from fer_trainer.scores.calibration import complete, fit_temperature
from fer_trainer.scores.evaluation import scores_to_json
from fer_trainer.training.callbacks import DivergedError
from fer_trainer.training.loop import predict
from fer_trainer.training.tensorboard import FILE_NAME

SEVEN = LABEL_SETS["fer2013"].labels


def fit(
    recipe: Recipe,
    data: Path,
    run: Path,
    *,
    force: bool = False,
    tell: Callable[[str], None] = lambda line: None,
    callbacks: Sequence[Any] = (),
) -> dict[str, Any]:
    """Do what `fer-train fit` does."""
    folder = RunFolder(run)
    folder.check_free(force=force)
    return fit_split(recipe, load_data(recipe, data), folder, tell=tell, callbacks=callbacks)


def samples_of(run: Path, name: str) -> dict[str, np.ndarray]:
    with np.load(run / "samples" / f"{name}.npz", allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def history_of(run: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((run / "history.csv").read_text().splitlines()))


def test_a_whole_run_has_every_file_and_no_rest_of_writing(finished_run: Path) -> None:
    found = {path.relative_to(finished_run).as_posix() for path in finished_run.rglob("*")}
    pictures = {path for path in found if path.startswith("report/")}
    assert {path.split("/")[1] for path in pictures} >= {"confusion.png", "network.svg"}
    assert found - pictures == {
        *WHOLE, "report", "report.html",
        "samples", "samples/representative.npz", "samples/heldout.npz", "samples/validation.npz",
        "checkpoints", "checkpoints/last.npz",
        "tensorboard", "tensorboard/train", "tensorboard/validation",
        f"tensorboard/train/{FILE_NAME}", f"tensorboard/validation/{FILE_NAME}",
    }  # fmt: skip


def test_the_contract_says_what_the_network_eats_and_answers(finished_run: Path) -> None:
    path = finished_run / "contract.json"
    contract = ModelContract.from_json(path.read_text(), where=str(path))
    assert contract.labels == SEVEN
    assert (contract.input.dtype, contract.input.scale, contract.input.zero_point) == (
        "float32", 1.0, 0,
    )  # fmt: skip
    assert (contract.task, contract.output.kind) == ("multiclass", "softmax")
    metrics = json.loads((finished_run / "metrics.json").read_text())
    assert 0.4 <= contract.least_probability == metrics["least_probability"] <= 0.6
    provenance = contract.provenance
    assert provenance["data"]["name"].startswith("faces")
    assert len(provenance["data"]["content_sha256"]) == 64
    assert provenance["split"] == {"seed": 7, "train": 112, "val": 28, "test": 35}
    assert provenance["versions"]["keras"] == keras.__version__
    assert str(finished_run.parent) not in path.read_text()


def test_the_network_learnt_the_made_up_faces(finished_run: Path) -> None:
    metrics = json.loads((finished_run / "metrics.json").read_text())
    assert metrics["test"]["accuracy"] > 0.5  # chance is 0.14
    assert metrics["test"]["n"] == 35
    assert metrics["test_copies_of_train"] == 2
    assert metrics["test_without_train_copies"]["n"] == 33


def test_the_saved_network_is_the_measured_one(finished_run: Path, faces: Path) -> None:
    metrics = json.loads((finished_run / "metrics.json").read_text())
    assert scores_to_json(evaluate_run(finished_run, faces)) == metrics["test"]


def test_the_saved_network_is_made_of_stock_layers(finished_run: Path) -> None:
    architecture = json.loads((finished_run / "architecture.json").read_text())
    modules = {layer["module"] for layer in architecture["config"]["layers"]}
    assert modules == {"keras.layers"}
    _, network = load_run(finished_run)
    assert network.input_shape == (None, 48, 48, 1)
    again = keras.models.model_from_json(json.dumps(architecture))
    again.set_weights(network.get_weights())
    pictures = samples_of(finished_run, "heldout")["pictures"]
    assert np.array_equal(predict(again, pictures), predict(network, pictures))


def test_samples_are_of_their_own_parts(finished_run: Path) -> None:
    split = json.loads((finished_run / "split.json").read_text())
    for name, part in (("representative", "train"), ("validation", "val"), ("heldout", "test")):
        arrays = samples_of(finished_run, name)
        assert set(arrays["names"].tolist()) <= set(split[part])
        assert arrays["pictures"].shape == (len(arrays["names"]), 48, 48)
        assert (arrays["pictures"].dtype, arrays["labels"].dtype) == (np.uint8, np.int64)
        for picture_name, label in zip(arrays["names"], arrays["labels"], strict=True):
            assert picture_name.split("/")[1] == SEVEN[label]
    assert len(samples_of(finished_run, "heldout")["names"]) == 35


def test_history_has_a_line_an_epoch(finished_run: Path) -> None:
    rows = history_of(finished_run)
    assert [row["epoch"] for row in rows] == [str(number) for number in range(1, 6)]
    assert all(float(row["loss"]) > 0 and 0 <= float(row["val_accuracy"]) <= 1 for row in rows)


def test_the_recipe_in_the_run_repeats_it(
    finished_run: Path, small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    recipe = load_recipe(str(finished_run / "recipe.toml"))
    assert recipe == load_recipe(str(small_recipe))
    assert tomllib.loads((finished_run / "recipe.toml").read_text())["training"]["epochs"] == 5
    again = tmp_path / "again"
    fit(recipe, faces, again)
    for name in ("split.json", "architecture.json", "recipe.toml"):
        assert (again / name).read_bytes() == (finished_run / name).read_bytes()
    pictures = samples_of(again, "heldout")["pictures"]
    first, second = (predict(load_run(run)[1], pictures) for run in (finished_run, again))
    assert first == pytest.approx(second, abs=1e-3)  # threads may add in another order


def test_a_binary_recipe_trains_a_sigmoid_without_test_folders(
    binary_recipe: Path, tmp_path: Path, write_faces: Callable[..., Path]
) -> None:
    data = write_faces(tmp_path / "flat", ["happiness", "sad"], each=15)
    run = tmp_path / "run"
    recipe = load_recipe(str(binary_recipe), overrides=["training.epochs=1"])
    lines: list[str] = []
    seen: list[dict[str, float]] = []
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: seen.append(dict(logs)))
    metrics = fit(recipe, data, run, tell=lines.append, callbacks=[watch])
    assert metrics["test"] is None
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= seen[0].keys()
    assert any(f"tensorboard --logdir {run}/tensorboard" in line for line in lines)
    assert "pictures/s" in next(line for line in lines if line.startswith("epoch 1/1"))
    contract, network = load_run(run)
    assert (contract.task, contract.output.kind) == ("binary", "sigmoid")
    assert contract.labels == ("sad", "happy")
    assert network.output_shape == (None, 1)
    heldout, validation = (samples_of(run, name) for name in ("heldout", "validation"))
    assert heldout["names"].tolist() == validation["names"].tolist()


def test_a_folder_with_something_in_it_is_refused_unless_forced(
    small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "diary.txt").write_text("mine")
    (run / "metrics.json").write_text("old")
    recipe = load_recipe(str(small_recipe), overrides=["training.epochs=1"])
    with pytest.raises(OutputError, match=r"not empty.*--force"):
        fit(recipe, faces, run)
    fit(recipe, faces, run, force=True)
    assert (run / "diary.txt").read_text() == "mine"
    assert json.loads((run / "metrics.json").read_text())["epochs"] == 1


def test_bad_data_leaves_no_folder_and_no_harm(
    small_recipe: Path, tmp_path: Path, write_faces: Callable[..., Path]
) -> None:
    data = write_faces(tmp_path / "data", SEVEN[:6], each=4)
    run = tmp_path / "run"
    with pytest.raises(DataError, match="no pictures of neutral"):
        fit(load_recipe(str(small_recipe)), data, run)
    assert not run.exists()
    run.mkdir()
    (run / "metrics.json").write_text("an earlier run's")
    with pytest.raises(DataError):
        fit(load_recipe(str(small_recipe)), data, run, force=True)
    assert (run / "metrics.json").read_text() == "an earlier run's"


def test_a_run_that_diverges_is_not_taken_for_a_whole_one(
    small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    recipe = load_recipe(str(small_recipe), overrides=["optimiser.learning_rate=1e30"])
    run = tmp_path / "run"
    with pytest.raises(DivergedError):
        fit(recipe, faces, run)
    assert not {"model.keras", "contract.json", "metrics.json"} & set(_names(run))
    with pytest.raises(ModelError, match=r"lacks .*metrics\.json"):
        load_run(run)


def test_an_interrupted_run_keeps_what_there_is_and_says_so(
    small_recipe: Path,
    faces: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    lines: list[str] = []

    def interrupt(line: str) -> None:
        lines.append(line)
        if line.startswith("epoch 2/"):
            raise KeyboardInterrupt

    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        fit(load_recipe(str(small_recipe)), faces, run, tell=interrupt)
    assert "unfinished; kept" in caplog.text
    assert len(history_of(run)) == 2
    assert (run / "checkpoints" / "last.npz").stat().st_size > 0
    assert not {"model.keras", "contract.json", "metrics.json"} & set(_names(run))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 but no more", None], ids=str)
def test_a_damaged_model_is_refused(
    finished_run: Path, tmp_path: Path, content: bytes | None
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in WHOLE:
        (run / name).write_bytes((finished_run / name).read_bytes())
    if content is None:  # the archive's list of contents is whole, not what it points to
        content = (run / "model.keras").read_bytes().replace(b"PK\x03\x04", b"PK\x03\x05")
    (run / "model.keras").write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.keras cannot be loaded"):
        load_run(run)


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")

    def half(path: str) -> None:
        Path(path).write_text("ha")
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left"):
        replace_file(target, half)
    assert target.read_text() == "old"
    assert _names(tmp_path) == ["file.txt"]


def test_representative_pictures_are_bounded() -> None:
    assert 300 <= fitting.REPRESENTATIVE_PICTURES <= 2000


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_temperature_is_fitted_on_validation_and_travels_in_the_contract(
    finished_run: Path,
) -> None:
    metrics = json.loads((finished_run / "metrics.json").read_text())
    contract, network = load_run(finished_run)
    arrays = samples_of(finished_run, "validation")
    fitted = fit_temperature(complete(predict(network, arrays["pictures"])), arrays["labels"])
    assert contract.output.temperature == pytest.approx(fitted, rel=1e-3)
    calibration = metrics["calibration"]
    assert calibration["temperature"] == contract.output.temperature
    assert calibration["fitted_on"] == "validation"
    assert calibration["validation"]["after"]["nll"] <= calibration["validation"]["before"]["nll"]
    assert (calibration["validation"]["n"], calibration["test"]["n"]) == (28, 35)


def test_the_data_is_summed_up(finished_run: Path) -> None:
    data = json.loads((finished_run / "metrics.json").read_text())["data"]
    assert data["counts"]["train"] == dict.fromkeys(SEVEN, 16)
    assert data["counts"]["test"] == dict.fromkeys(SEVEN, 5)
    assert (data["test_copies_of_train"], data["unreadable"]) == (2, 0)
    assert data["skipped"] == {"no picture": 1}
    split = json.loads((finished_run / "split.json").read_text())
    assert split["skipped"] == {"no picture": ["README.txt"]}
