"""A run that is killed goes on as if nothing had been."""

import contextlib
import csv
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_once import made_once

from fer_edge.shared.errors import DataError, ModelError, OutputError, SettingsError
from fer_trainer.backend import keras
from fer_trainer.data.loading import load_data
from fer_trainer.jobs.fit import fit
from fer_trainer.jobs.resuming import check_same_data, split_record
from fer_trainer.recipe.files import load_recipe
from fer_trainer.run.folder import RunFolder
from fer_trainer.training.checkpoint import Checkpoint, capture, remind, restore

ALL_KINDS_OF_STATE = """
name = "stateful"
labels = "fer2013"

[network]
layers = ["rescale -1..1", "conv 8 /2 nobias", "bn", "relu", "dropout 0.1", "gap", "softmax"]

[data]
validation_fraction = 0.2
seed = 7

[augmentation]
flip = true
shift = 0.04
erase_probability = 0.3

[training]
epochs = 6
batch_size = 8
seed = 7

[optimiser]
name = "adam"
learning_rate = 0.02
weight_decay = 0.001

[schedule]
kind = "one-cycle"

[averaging]
momentum = 0.8
"""


@pytest.fixture(scope="module")
def stateful(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "stateful.toml"
    path.write_text(ALL_KINDS_OF_STATE)
    return path


def run_until(when: str, recipe: Path, data: Path, run: Path) -> str:
    """Run `killed_fit.py`; it must end as `when` says."""
    script = Path(__file__).with_name("killed_fit.py")
    done = subprocess.run(
        [sys.executable, str(script), when, str(recipe), str(data), str(run)],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    wanted = {0} if when == "never" else {-signal.SIGKILL}
    if when.startswith("moment"):
        wanted.add(0)
    assert done.returncode in wanted, done.stderr
    return done.stderr


def history_of(run: Path) -> list[dict[str, str]]:
    rows = list(csv.DictReader((run / "history.csv").read_text().splitlines()))
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def epochs_kept(run: Path) -> int:
    return Checkpoint.read(run / "checkpoints" / "last.npz").epoch


@pytest.fixture(scope="module")
def uninterrupted(stateful: Path, faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(folder: Path) -> None:
        run_until("never", stateful, faces, folder / "run")

    return made_once(tmp_path_factory, "uninterrupted", make) / "run"


def assert_same(run: Path, other: Path) -> None:
    """Compare two finished runs to the last bit of their weights."""
    assert history_of(run) == history_of(other)
    first, second = (
        keras.models.load_model(r / "model.keras", compile=False) for r in (run, other)
    )
    for one, two in zip(first.get_weights(), second.get_weights(), strict=True):
        assert np.array_equal(one, two)
    metrics = [json.loads((r / "metrics.json").read_text()) for r in (run, other)]
    for each in metrics:
        each.pop("training_seconds")
    assert metrics[0] == metrics[1]
    assert list(run.rglob(".writing-*")) == []


def test_killed_between_and_inside_writes_then_resumed(
    uninterrupted: Path, stateful: Path, faces: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run_until("write:split.json:1", stateful, faces, run)
    run_until("write:last.npz:2", stateful, faces, run)
    assert epochs_kept(run) == 1
    assert len(history_of(run)) == 2, "the history is one epoch ahead of the checkpoint"
    log = run_until("epoch:4", stateful, faces, run)
    assert "going on after epoch 1" in log
    assert epochs_kept(run) == 4
    run_until("write:model.keras:1", stateful, faces, run)
    assert epochs_kept(run) == 6
    assert not RunFolder(run).is_whole()
    run_until("never", stateful, faces, run)
    assert_same(run, uninterrupted)


def test_killed_at_random_moments_then_resumed(
    uninterrupted: Path, stateful: Path, faces: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    moments = random.Random()
    for _ in range(3):
        run_until(f"moment:{moments.uniform(0.5, 6):.3f}", stateful, faces, run)
    run_until("never", stateful, faces, run)
    assert_same(run, uninterrupted)


def copy_unfinished(finished: Path, run: Path) -> Path:
    """Make an unfinished run of a finished one."""
    (run / "checkpoints").mkdir(parents=True)
    for name in ("recipe.toml", "split.json", "history.csv", "checkpoints/last.npz"):
        (run / name).write_bytes((finished / name).read_bytes())
    return run


def resume(recipe: Path, data: Path, run: Path, *overrides: str) -> list[str]:
    """Do what `fer-train fit --resume` does, and return what it told."""
    lines: list[str] = []
    settings = load_recipe(str(recipe), overrides=overrides)
    fit(settings, load_data(settings, data), RunFolder(run), tell=lines.append, resume=True)
    return lines


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_another_recipe_is_refused_and_named(
    finished_run: Path, small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    run = copy_unfinished(finished_run, tmp_path / "run")
    before = contents(run)
    with pytest.raises(SettingsError, match=r"training\.epochs is 9 and was 5"):
        resume(small_recipe, faces, run, "training.epochs=9")
    with pytest.raises(SettingsError, match=r"augmentation\.flip is false.*and 1 more"):
        resume(small_recipe, faces, run, "augmentation.flip=false", "training.seed=1",
               "training.batch_size=4", "optimiser.learning_rate=0.5")  # fmt: skip
    assert contents(run) == before


def test_other_words_of_the_card_make_no_other_recipe(
    finished_run: Path, small_recipe: Path, faces: Path
) -> None:
    assert resume(small_recipe, faces, finished_run, "card.limits=few faces")


def test_other_data_is_refused_and_nothing_touched(
    finished_run: Path,
    small_recipe: Path,
    faces: Path,
    tmp_path: Path,
    write_faces: Callable[..., Path],
) -> None:
    run = copy_unfinished(finished_run, tmp_path / "run")
    before = contents(run)
    labels = sorted(path.name for path in (faces / "train").iterdir())
    other = write_faces(tmp_path / "other", labels, each=6, seed=9)
    with pytest.raises(DataError, match=r"other pictures.*train 35 and was 112"):
        resume(small_recipe, other, run)
    with pytest.raises(DataError, match="does not exist"):
        resume(small_recipe, tmp_path / "vanished", run)
    assert contents(run) == before


def test_files_beside_the_pictures_make_no_other_data(
    finished_run: Path, small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(faces, tmp_path / "data")
    (data / "train" / "happy" / ".DS_Store").write_bytes(b"a file manager's")
    (data / "notes.txt").write_text("mine")
    assert "nothing to resume" in resume(small_recipe, data, finished_run)[0]


@pytest.mark.parametrize(
    ("change", "told"),
    [("a note", ""), ("another face", "other pictures"), ("another seed", "another split")],
)
def test_unlabelled_faces_are_the_same_whatever_lies_beside_them(
    change: str,
    told: str,
    small_recipe: Path,
    faces: Path,
    tmp_path: Path,
    write_faces: Callable[..., Path],
) -> None:
    nameless = write_faces(tmp_path, ["nameless"], each=4, seed=9) / "nameless"
    named = [f"data.unlabelled={json.dumps(str(nameless))}", 'distillation.answers="answers"']
    settings = load_recipe(str(small_recipe), overrides=named)
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    run.write_json("split.json", split_record(load_data(settings, faces)))
    if change == "a note":
        (nameless / "notes.txt").write_text("mine")
    elif change == "another face":
        (nameless / "003.png").unlink()
    else:
        settings = replace(settings, data=replace(settings.data, seed=8))
    with pytest.raises(DataError, match=told) if told else contextlib.nullcontext():
        check_same_data(run, load_data(settings, faces))


def test_a_finished_run_is_left_as_it_is(
    finished_run: Path, small_recipe: Path, faces: Path
) -> None:
    before = contents(finished_run)
    assert resume(small_recipe, faces, finished_run) == [
        f"{finished_run} is finished: nothing to resume"
    ]
    assert contents(finished_run) == before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metrics.json", b'{"validation": '),
        ("split.json", b"[1]"),
        ("split.json", b'{"train": 5}'),
    ],
)
def test_a_damaged_record_is_named(
    name: str, content: bytes, finished_run: Path, small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    (run / name).write_bytes(content)
    with pytest.raises((ModelError, OutputError), match=re.escape(name)):
        resume(small_recipe, faces, run)


def test_a_folder_that_is_no_run_is_refused(
    small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        resume(small_recipe, faces, tmp_path)
    assert contents(tmp_path) == {str(tmp_path / "diary.txt"): b"mine"}


@pytest.mark.parametrize("damage", ["empty", "half", "bit", "stranger", "no array"])
def test_a_damaged_checkpoint_is_refused(
    damage: str, finished_run: Path, small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    run = copy_unfinished(finished_run, tmp_path / "run")
    path = run / "checkpoints" / "last.npz"
    data = bytearray(path.read_bytes())
    if damage == "bit":
        data[len(data) // 2] ^= 1
    elif damage == "stranger":
        np.savez(path, other=np.zeros(3))
        data = bytearray(path.read_bytes())
    elif damage == "no array":
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("model/9999.npy", b"text")
        data = bytearray(path.read_bytes())
    else:
        data = data[: 0 if damage == "empty" else len(data) // 2]
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"last\.npz is no checkpoint.*--force"):
        resume(small_recipe, faces, run)


def a_model(units: int = 3) -> keras.Model:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units)])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def test_early_stopping_keeps_its_patience_and_best_weights(tmp_path: Path) -> None:
    model = a_model()
    stopping = keras.callbacks.EarlyStopping("loss", patience=5, restore_best_weights=True)
    stopping.set_model(model)
    stopping.on_train_begin()
    for epoch, loss in enumerate((3.0, 1.0, 2.0)):
        stopping.on_epoch_end(epoch, {"loss": loss})
    path = tmp_path / "last.npz"
    capture(model, [stopping], epoch=3, seconds=1.5, surroundings={"backend": "any"}).write(path)

    found = Checkpoint.read(path)
    assert (found.epoch, found.seconds, found.stopped) == (3, 1.5, False)
    again = keras.callbacks.EarlyStopping("loss", patience=5, restore_best_weights=True)
    again.set_model(a_model())
    again.on_train_begin()
    remind(found, [again])
    assert (again.wait, again.best, again.best_epoch) == (stopping.wait, 1.0, 1)
    for one, two in zip(again.best_weights, stopping.best_weights, strict=True):
        assert np.array_equal(one, two)


def test_a_checkpoint_of_another_network_is_refused() -> None:
    checkpoint = capture(a_model(3), [], epoch=1, seconds=0.0, surroundings={})
    with pytest.raises(ModelError, match="network has 2 variables of other shapes"):
        restore(checkpoint, a_model(4))
