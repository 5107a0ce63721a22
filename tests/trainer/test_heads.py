"""Several heads on one body: what one network answers in two sets of labels."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fer_edge.shared.errors import DataError, ModelError, SettingsError
from fer_edge.shared.labels import LABEL_SETS
from fer_edge.shared.model.contract import ModelContract
from fer_trainer.backend import keras
from fer_trainer.cli import cli
from fer_trainer.data.loading import load_data
from fer_trainer.jobs.compare import compare_runs
from fer_trainer.jobs.finished import load_run
from fer_trainer.jobs.fit import fit
from fer_trainer.jobs.resuming import split_record
from fer_trainer.jobs.runs import list_runs
from fer_trainer.recipe.files import dump_recipe, load_recipe
from fer_trainer.run.folder import RunFolder
from fer_trainer.training.augmentation import augmented
from fer_trainer.training.heads import HeadsLoss, accuracies, even_targets, give_logits
from fer_trainer.training.loop import new_network, predict, targets

array = keras.ops.convert_to_numpy
FERPLUS = LABEL_SETS["ferplus"].labels


def test_one_training_leaves_a_run_for_each_head_and_each_has_learnt(
    headed_run: Path, faces: Path, votes: Path
) -> None:
    own, people = (headed_run / "heads" / name for name in ("own", "people"))
    for folder, labels in ((own, LABEL_SETS["fer2013"].labels), (people, FERPLUS)):
        contract, network = load_run(folder)
        assert contract.labels == labels
        assert network.output_shape == (None, len(labels))
        metrics = json.loads((folder / "metrics.json").read_text())
        assert metrics["validation"]["accuracy"] > 0.5, "seven or eight labels, seen 8 times"
        assert "epoch" in (folder / "history.csv").read_text()
        assert (folder / "samples" / "representative.npz").is_file()
        assert (folder / "report.html").is_file()
    result = CliRunner().invoke(cli, ["evaluate", str(people), str(faces), "--votes", str(votes),
                                      "--json"])  # fmt: skip
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    promised = json.loads((people / "metrics.json").read_text())["test"]
    assert told["n"] == promised["n"] < 35, "those that people could not name are left out"
    assert told["accuracy"] == promised["accuracy"]


def test_heads_are_of_stock_layers_and_share_their_body(headed_run: Path) -> None:
    own, people = (
        keras.models.load_model(headed_run / "heads" / name / "model.keras")
        for name in ("own", "people")
    )
    both = keras.models.load_model(headed_run / "model.keras")
    pictures = np.random.default_rng(0).integers(0, 256, (3, 48, 48), np.uint8)
    assert predict(both, pictures) == pytest.approx(
        np.hstack([predict(own, pictures), predict(people, pictures)]), abs=1e-6
    )
    for one, two in zip(own.get_weights()[:-2], people.get_weights()[:-2], strict=True):
        assert np.array_equal(one, two)
    for network in (own, people):
        assert {type(layer).__module__.split(".")[0] for layer in network.layers} == {"keras"}


def test_metrics_history_and_the_page_tell_of_every_head(headed_run: Path) -> None:
    metrics = json.loads((headed_run / "metrics.json").read_text())
    assert [*metrics["heads"]] == ["own", "people"]
    rows = list(csv.DictReader((headed_run / "history.csv").read_text().splitlines()))
    assert len(rows) == 8
    last = rows[-1]
    n = [metrics["heads"][head]["validation"]["n"] for head in ("own", "people")]
    parts = [float(last[f"val_accuracy_{head}"]) for head in ("own", "people")]
    assert float(last["val_accuracy"]) == pytest.approx(np.average(parts, weights=n), abs=1e-3)
    head = list(csv.DictReader((headed_run / "heads/people/history.csv").read_text().splitlines()))
    assert head[-1]["val_accuracy"] == last["val_accuracy_people"]
    page = (headed_run / "report.html").read_text()
    assert "heads/own/report.html" in page
    assert "contempt" in page


def test_a_head_learns_from_the_runs_split_only(headed_run: Path, headed_recipe: Path,
                                                faces: Path) -> None:  # fmt: skip
    recipe = load_recipe(str(headed_recipe))
    split = load_data(recipe, faces)
    train, val = set(split.train.names), set(split.val.names)
    people = split.heads["people"]
    assert set(people.train.names) < train
    assert set(people.val.names) < val
    rows = {name: row for row, name in enumerate(split.train.names)}
    joint = targets(split.train, recipe)
    assert joint.shape == (len(train), 15)
    unknown = next(name for name in split.train.names if name not in set(people.train.names))
    assert joint[rows[unknown], :7].sum() == 1
    assert joint[rows[unknown], 7:].sum() == 0
    named = people.train.names[0]
    assert joint[rows[named], 7:].tolist() == people.train.soft[0].tolist()
    record = json.loads((headed_run / "heads/people/split.json").read_text())
    assert set(record["train"]) == train, "the body has seen them all"


def test_a_single_headed_split_is_the_same_without_heads(
    headed_recipe: Path, small_recipe: Path, faces: Path
) -> None:
    both, one = (
        load_data(recipe, faces)
        for recipe in map(load_recipe, (str(headed_recipe), str(small_recipe)))
    )
    assert both.train.names == one.train.names
    assert both.val.names == one.val.names


def test_the_sum_of_the_heads_losses_counts_weights_and_leaves_out_what_is_not_labelled(
    headed_recipe: Path,
) -> None:
    recipe = load_recipe(str(headed_recipe), overrides=["training.label_smoothing=0.1"])
    logits = np.random.default_rng(0).normal(size=(4, 15)).astype(np.float32)
    wanted = np.zeros((4, 15), np.float32)
    wanted[[0, 1, 2, 3], [0, 3, 6, 2]] = 1
    wanted[[0, 1], [7, 10]] = 1  # two pictures have no label of the second head

    def crossed(part: slice, rows: list[int]) -> float:
        loss = keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=0.1, reduction="sum"
        )
        return float(loss(wanted[rows, part], logits[rows, part]))

    expected = crossed(slice(0, 7), [0, 1, 2, 3]) + 0.5 * crossed(slice(7, 15), [0, 1])
    assert float(HeadsLoss(recipe)(wanted, logits)) == pytest.approx(expected / 4, rel=1e-5)


def test_accuracy_counts_only_what_has_a_label(headed_recipe: Path) -> None:
    recipe = load_recipe(str(headed_recipe))
    wanted, said = np.zeros((2, 15), np.float32), np.zeros((2, 15), np.float32)
    wanted[0, [1, 8]] = wanted[1, 2] = 1
    said[0, [1, 9]] = said[1, 2] = 1
    found = {}
    for metric in accuracies(recipe):
        metric.update_state(wanted, said)
        found[metric.name] = float(metric.result())
    assert found == pytest.approx({"accuracy": 2 / 3, "accuracy_own": 1.0, "accuracy_people": 0.0})


def test_logits_and_probabilities_come_of_the_same_weights(headed_recipe: Path) -> None:
    recipe = load_recipe(str(headed_recipe))
    network = new_network(recipe)
    pictures = np.random.default_rng(0).uniform(0, 255, (2, 48, 48, 1)).astype(np.float32)
    said = array(network(pictures))
    give_logits(network)
    logits = array(network(pictures))
    for part in (slice(0, 7), slice(7, 15)):
        assert array(keras.ops.softmax(logits[:, part])) == pytest.approx(said[:, part], abs=1e-6)


def test_what_shows_no_face_is_read_evenly_by_each_head(headed_recipe: Path) -> None:
    recipe = load_recipe(str(headed_recipe), overrides=["augmentation.faceless_probability=0.5"])
    model = augmented(new_network(recipe), recipe.augmentation, seed=1)
    augment = model.get_layer("augment")
    pictures = np.zeros((64, 48, 48), np.uint8)
    augment(pictures, training=True)
    wanted = np.zeros((64, 15), np.float32)
    found = array(augment.even_targets(wanted, even_targets(recipe)))
    changed = found[found.sum(axis=1) > 0]
    assert 16 < len(changed) < 48
    assert np.allclose(changed[:, :7], 1 / 7)
    assert np.allclose(changed[:, 7:], 1 / 8)


def test_a_run_of_heads_resumes_and_a_finished_one_is_left(
    headed_run: Path, headed_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    recipe = load_recipe(str(headed_recipe))
    split = load_data(recipe, faces)
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    for name in ("recipe.toml", "split.json", "history.csv", "checkpoints/last.npz"):
        (tmp_path / "run" / name).write_bytes((headed_run / name).read_bytes())
    told: list[str] = []
    metrics = fit(recipe, split, RunFolder(tmp_path / "run"), tell=told.append, resume=True)
    assert "going on after epoch 8" in told
    for head in ("own", "people"):
        first, second = (
            load_run(run / "heads" / head)[1] for run in (headed_run, tmp_path / "run")
        )
        for one, two in zip(first.get_weights(), second.get_weights(), strict=True):
            assert np.array_equal(one, two)
    again = fit(recipe, split, RunFolder(tmp_path / "run"), tell=told.append, resume=True)
    assert told[-1].endswith("is finished: nothing to resume")
    assert again["heads"].keys() == metrics["heads"].keys()


def test_a_recipe_of_heads_is_written_and_read_again(headed_recipe: Path, tmp_path: Path) -> None:
    recipe = load_recipe(str(headed_recipe))
    (tmp_path / "again.toml").write_text(dump_recipe(recipe))
    assert load_recipe(str(tmp_path / "again.toml")) == recipe
    assert recipe.of_head(recipe.heads[1]).data.votes == recipe.data.votes
    assert recipe.of_head(recipe.heads[0]).data.votes == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('heads=[{name="a/b",labels="fer2013"}]', "heads.1.name is 'a/b'"),
        ('heads=[{name="a",labels="fer2013"},{name="a",labels="ferplus"}]', "name of its own"),
        ('heads=[{name="a",labels="ferplus"}]', "the first head's are 'ferplus'"),
        ('heads=[{name="a",labels="nothing"}]', "nothing"),
        ('heads=[{name="a",label="fer2013"}]', "did you mean 'labels'"),
        ('outputs.last_model="last.h5"', "outputs.last_model"),
        ('distillation.teachers=["run"]', "distillation.answers"),
    ],
)
def test_heads_that_cannot_be_are_refused(headed_recipe: Path, change: str, message: str) -> None:
    with pytest.raises((SettingsError, DataError, ValueError), match=message):
        load_recipe(str(headed_recipe), overrides=[change])


def test_a_head_without_pictures_of_a_label_is_refused(
    headed_recipe: Path, faces: Path, tmp_path: Path, votes: Path
) -> None:
    lines = votes.read_text().splitlines()
    kept = tmp_path / "votes.csv"
    kept.write_text("\n".join(line.replace(",8,0,0,0", ",0,0,8,0") for line in lines) + "\n")
    recipe = load_recipe(str(headed_recipe), overrides=[f"data.votes={kept}"])
    with pytest.raises(DataError, match=r"head people.*no pictures of.*leave the head out$"):
        load_data(recipe, faces)
    recipe = load_recipe(str(headed_recipe), overrides=["data.votes="])
    with pytest.raises(DataError, match=r"no pictures of contempt.*--set data\.votes=FILE$"):
        load_data(recipe, faces)


def test_the_reports_of_all_heads_are_written_anew(headed_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(headed_run, tmp_path / "run")
    pages = [
        run / "report.html",
        *(run / f"heads/{head}/report.html" for head in ("own", "people")),
    ]
    page = pages[0].read_text()
    for each in pages:
        each.unlink()
    done = CliRunner().invoke(cli, ["report", str(run), "--json"], catch_exceptions=False)
    assert json.loads(done.stdout) == {"report": str(pages[0]), "pictures": None}
    assert pages[0].read_text() == page
    assert all(each.is_file() for each in pages)


def test_a_command_for_one_network_says_which_heads_there_are(headed_run: Path) -> None:
    with pytest.raises(ModelError, match=r"heads own, people.*heads/own"):
        RunFolder(headed_run).check_whole()


def test_the_command_line_tells_every_heads_figures(
    headed_run: Path, headed_recipe: Path, faces: Path
) -> None:
    arguments = ["fit", str(headed_recipe), str(faces), "--out", str(headed_run), "--resume"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert "own validation: accuracy" in result.stdout
    assert "people test: accuracy" in result.stdout


def test_the_first_heads_model_bears_the_recipes_name(headed_run: Path) -> None:
    assert load_run(headed_run / "heads/own")[0].name == "headed"


def test_a_head_is_compared_with_a_run_of_its_labels_alone(
    headed_run: Path, small_recipe: Path, faces: Path, votes: Path, tmp_path: Path
) -> None:
    changes = ["labels=ferplus", f"data.votes={json.dumps(str(votes))}"]
    recipe = load_recipe(str(small_recipe), overrides=changes)
    alone = load_data(recipe, faces)
    run = shutil.copytree(headed_run / "heads/people", tmp_path / "alone")
    (run / "split.json").write_text(json.dumps(split_record(alone)))
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["data"]["content_sha256"] == alone.origin.content_sha256
    compared = compare_runs([headed_run / "heads/people", run])
    assert not compared.untested
    assert compared.tests["alone"].n == len(alone.test)


def test_contracts_name_the_heads_own_data(headed_run: Path, votes: Path) -> None:
    contract = ModelContract.from_json(
        (headed_run / "heads/people/contract.json").read_text(), where="contract"
    )
    assert contract.name == "headed-people"
    assert contract.provenance["data"]["votes"]["name"] == votes.name
    assert contract.provenance["split"]["train"] < 112


def test_heads_are_listed_as_part_of_their_run(headed_run: Path) -> None:
    (entry,) = list_runs(headed_run)
    assert (entry.run, entry.data, entry.state) == (str(headed_run), "faces", "finished")
