"""Beginning with another run's weights, ending sooner, and going on longer."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fer_edge.shared.errors import SettingsError
from fer_trainer.cli import cli
from fer_trainer.data.loading import load_data
from fer_trainer.jobs.beginning import begin_from
from fer_trainer.jobs.finished import load_run
from fer_trainer.jobs.fit import _reopen, fit
from fer_trainer.jobs.resuming import check_same_recipe
from fer_trainer.jobs.teachers import taught_by
from fer_trainer.recipe.files import load_recipe
from fer_trainer.run.folder import RunFolder
from fer_trainer.training.checkpoint import Checkpoint
from fer_trainer.training.loop import new_network

CONSTANT = ('schedule.kind="constant"', "averaging.momentum=0", "training.epochs=2")


def begun_with(run: Path, recipe: Path, *more: str) -> object:
    return load_recipe(str(recipe), overrides=[f"training.init_from={json.dumps(str(run))}", *more])


def test_a_run_begins_with_anothers_body_and_the_head_of_the_same_labels(
    finished_run: Path, headed_recipe: Path, faces: Path
) -> None:
    recipe = begun_with(finished_run, headed_recipe)
    fresh, network = new_network(recipe), new_network(recipe)
    told = begin_from(network, recipe, load_data(recipe, faces))
    assert told["heads_taken"] == ["own"]
    assert told["heads_new"] == ["people"]
    trained = load_run(finished_run)[1].get_weights()
    named = {weight.path: np.array(weight) for weight in network.weights}
    begun = {weight.path: np.array(weight) for weight in fresh.weights}
    people = [path for path in named if "people" in path]
    own = [path for path in named if path not in people]
    for path, theirs in zip(own, trained, strict=True):
        assert np.array_equal(named[path], theirs), path
    assert all(np.array_equal(named[path], begun[path]) for path in people)


def test_a_single_answer_begins_with_a_run_of_heads(
    headed_run: Path, small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    arguments = ["fit", str(small_recipe), str(faces), "--out", str(tmp_path / "run"),
                 "--init-from", str(headed_run), "--epochs", "1"]  # fmt: skip
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert "begun with the weights of headed" in result.stderr
    contract, _ = load_run(tmp_path / "run")
    assert contract.provenance["init_from"]["heads_taken"] == ["fer2013"]
    assert len(contract.provenance["init_from"]["sha256"]) == 64


def test_the_first_layer_that_does_not_fit_is_named(
    finished_run: Path, small_recipe: Path, faces: Path
) -> None:
    wider = (
        '["rescale -1..1", "conv 8 /2 nobias", "bn", "relu", "residual 24 /2", "gap", "softmax"]'
    )
    recipe = begun_with(finished_run, small_recipe, f"network.layers={wider}")
    with pytest.raises(SettingsError, match=r"05_residual_\w+ .*8, 24.*05_residual_\w+ .*8, 16"):
        begin_from(new_network(recipe), recipe, load_data(recipe, faces))
    longer = wider.replace("residual 24 /2", 'residual 16 /2", "conv 4')
    recipe = begun_with(finished_run, small_recipe, f"network.layers={longer}")
    with pytest.raises(SettingsError, match=r"06_conv .* it has no further layer"):
        begin_from(new_network(recipe), recipe, load_data(recipe, faces))


def test_a_run_that_has_learnt_from_what_is_set_aside_is_refused(
    finished_run: Path, small_recipe: Path, faces: Path
) -> None:
    recipe = begun_with(finished_run, small_recipe, "data.seed=8")
    with pytest.raises(SettingsError, match=r"was trained on \d+ of the pictures"):
        begin_from(new_network(recipe), recipe, load_data(recipe, faces))


def test_what_is_set_aside_is_known_under_other_names(
    finished_run: Path, small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    for path in (faces / "train").rglob("*.png"):
        renamed = tmp_path / path.parent.name / f"other-{path.name}"
        renamed.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, renamed)
    recipe = begun_with(finished_run, small_recipe, "data.seed=8")
    with pytest.raises(SettingsError, match=r"was trained on \d+ of the pictures"):
        begin_from(new_network(recipe), recipe, load_data(recipe, tmp_path))
    same = begun_with(finished_run, small_recipe)
    assert begin_from(new_network(same), same, load_data(same, tmp_path))


def stopped_after_one(recipe: object, faces: Path, run: Path) -> None:
    def stop(line: str) -> None:
        if line.startswith("epoch 1/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(recipe, load_data(recipe, faces), RunFolder(run), tell=stop)


def test_an_unfinished_run_is_finished_as_it_stands(
    small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    recipe, run = load_recipe(str(small_recipe)), tmp_path / "run"
    with pytest.raises(SettingsError, match="no epoch done"):
        fit(recipe, load_data(recipe, faces), RunFolder(run), tell=lambda line: None,
            resume=True, finish=True)  # fmt: skip
    stopped_after_one(recipe, faces, run)
    result = CliRunner().invoke(
        cli, ["fit", str(small_recipe), str(faces), "--out", str(run), "--finish", "--json"]
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["epochs"] == 1
    assert load_run(run)[0].provenance["epochs"] == 1
    assert (run / "report.html").is_file()
    assert len(list(csv.DictReader((run / "history.csv").read_text().splitlines()))) == 1


def test_a_run_of_constant_rate_goes_on_for_more_epochs_as_if_begun_with_them(
    small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    lines: list[str] = []

    def trained(name: str, epochs: int, *, longer: bool = False) -> list[np.ndarray]:
        recipe = load_recipe(str(small_recipe), overrides=[*CONSTANT, f"training.epochs={epochs}"])
        fit(recipe, load_data(recipe, faces), RunFolder(tmp_path / name), tell=lines.append,
            resume=longer, longer=longer)  # fmt: skip
        return load_run(tmp_path / name)[1].get_weights()

    trained("a", 2)
    further, whole = trained("a", 4, longer=True), trained("b", 4)
    for one, two in zip(further, whole, strict=True):
        assert np.array_equal(one, two)
    assert json.loads((tmp_path / "a" / "metrics.json").read_text())["epochs"] == 4
    trained("a", 4, longer=True)
    assert lines[-1].endswith("nothing to resume")
    with pytest.raises(SettingsError, match=r"--epochs 3, and 4 are done.*--finish"):
        trained("a", 3, longer=True)


def test_a_schedule_over_the_whole_run_is_not_made_longer(
    finished_run: Path, small_recipe: Path, faces: Path
) -> None:
    recipe = load_recipe(str(small_recipe), overrides=["training.epochs=9"])
    check_same_recipe(RunFolder(finished_run), recipe, longer=True)
    with pytest.raises(SettingsError, match=r"one-cycle.*--init-from"):
        fit(recipe, load_data(recipe, faces), RunFolder(finished_run), tell=lambda line: None,
            resume=True, longer=True)  # fmt: skip
    assert RunFolder(finished_run).is_whole(), "nothing is touched"
    other = load_recipe(str(small_recipe), overrides=["training.epochs=9", "training.seed=1"])
    with pytest.raises(SettingsError, match="another recipe"):
        check_same_recipe(RunFolder(finished_run), other, longer=True)


def test_a_finished_run_is_left_by_the_command_that_began_it(
    finished_run: Path, small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")

    def again(epochs: int) -> str:
        told: list[str] = []
        recipe = load_recipe(str(small_recipe), overrides=[f"training.epochs={epochs}"])
        split, before = load_data(recipe, faces), (run / "model.keras").stat()
        fit(recipe, split, RunFolder(run), tell=told.append, resume=True, longer=True)
        assert (run / "model.keras").stat() == before
        return told[-1]

    last = run / "checkpoints" / "last.npz"
    replace(Checkpoint.read(last), epoch=3, stopped=True).write(last)
    assert again(5).endswith("nothing to resume"), "it ended by its patience"
    shutil.rmtree(run / "checkpoints")
    assert again(5).endswith("nothing to resume")
    with pytest.raises(SettingsError, match=r"--epochs 9 for a finished run of 5.*no checkpoint"):
        again(9)
    assert RunFolder(run).is_whole(), "nothing is touched"


def test_what_its_patience_ended_and_is_to_be_longer_goes_on_after_a_kill(
    finished_run: Path, small_recipe: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    last = run / "checkpoints" / "last.npz"
    replace(Checkpoint.read(last), epoch=3, stopped=True).write(last)
    _reopen(RunFolder(run), load_recipe(str(small_recipe), overrides=["training.epochs=40"]))
    assert not RunFolder(run).is_whole()
    assert (Checkpoint.read(last).epoch, Checkpoint.read(last).stopped) == (3, False)


def test_a_run_that_others_taught_is_refused_before_anything_of_it_goes(
    finished_run: Path, small_recipe: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    last = run / "checkpoints" / "last.npz"
    begun = Checkpoint.read(last)
    teacher = shutil.copytree(finished_run, tmp_path / "teacher")
    taught = load_recipe(str(small_recipe), overrides=[f'distillation.teachers=["{teacher}"]'])
    (key,) = taught_by(taught)
    replace(begun, surroundings={**begun.surroundings, key: "of others"}).write(last)
    with pytest.raises(SettingsError, match="other teachers"):
        _reopen(RunFolder(run), taught)
    assert RunFolder(run).is_whole()


def test_options_that_contradict_each_other_are_refused(small_recipe: Path, faces: Path) -> None:
    for pair in (["--resume", "--finish"], ["--force", "--finish"], ["--force", "--resume"]):
        result = CliRunner().invoke(
            cli, ["fit", str(small_recipe), str(faces), "--out", "anywhere", *pair]
        )
        assert result.exit_code == 2
        assert "give one of them" in result.stderr
