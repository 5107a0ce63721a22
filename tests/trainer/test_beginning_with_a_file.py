"""Beginning with the weights of a model file, as the converter makes it of a run."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import fer_convert
from fer_convert.cli import convert
from fer_edge.shared.errors import SettingsError
from fer_edge.shared.labels import LABEL_SETS
from fer_edge.shared.model.model_file import read_model, write_model
from fer_trainer.backend import keras
from fer_trainer.cli import cli
from fer_trainer.data.loading import load_data
from fer_trainer.jobs.beginning import begin_from
from fer_trainer.jobs.finished import load_run
from fer_trainer.jobs.fit import fit
from fer_trainer.recipe.files import load_recipe
from fer_trainer.recipe.settings import Recipe
from fer_trainer.run.folder import RunFolder
from fer_trainer.training.loop import new_network, predict


@pytest.fixture(scope="module")
def model(
    finished_run: Path, write_faces: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The small run as int8, made by the converter itself."""
    out = tmp_path_factory.mktemp("file")
    write_faces(out / "faces", LABEL_SETS["fer2013"].labels, each=60, seed=3)
    done = fer_convert.convert(finished_run, ["int8"], out=out / "int8", data=out / "faces")
    return done.files["int8"]


def begun_with(model: Path, recipe: Path, *more: str) -> Recipe:
    begin = f"training.init_from={json.dumps(str(model))}"
    return load_recipe(str(recipe), overrides=[begin, *more])


def changed(model: Path, to: Path, provenance: Callable[[dict], dict]) -> Path:
    """Write the model with another provenance."""
    file = read_model(model)
    contract = replace(file.contract, provenance=provenance(dict(file.contract.provenance)))
    golden = {name: data for name, data in file.members.items() if name.endswith(".npy")}
    to.write_bytes(write_model(file.flatbuffer, contract, golden))
    return to


def test_the_network_answers_as_the_run_that_the_file_was_made_of(
    model: Path, finished_run: Path, headed_recipe: Path, faces: Path
) -> None:
    recipe = begun_with(model, headed_recipe)
    split, network = load_data(recipe, faces), new_network(recipe)
    told = begin_from(network, recipe, split)
    assert told["run"] == model.name
    assert told["sha256"] == read_model(model).sha256
    assert told["heads_taken"] == ["own"]
    assert told["heads_new"] == ["people"]
    theirs = predict(load_run(finished_run)[1], split.val.pictures)
    ours = predict(network, split.val.pictures)[:, : theirs.shape[1]]
    assert np.abs(ours - theirs).mean() < 0.02
    assert (ours.argmax(axis=1) == theirs.argmax(axis=1)).mean() > 0.95


def test_its_norms_are_those_of_pictures_so_that_it_trains_on(
    model: Path, small_recipe: Path, faces: Path
) -> None:
    recipe = begun_with(model, small_recipe)
    split, network = load_data(recipe, faces), new_network(recipe)
    begin_from(network, recipe, split)
    pictures = split.train.pictures[..., None].astype(np.float32)
    still = np.asarray(network(pictures, training=False))
    training = np.asarray(network(pictures, training=True))
    assert (still.argmax(axis=1) == training.argmax(axis=1)).mean() > 0.9
    first = next(each for each in network.layers if isinstance(each, keras.layers.Conv2D))
    before = keras.Model(network.input, first.output)(pictures)
    assert np.asarray(before).std(axis=(0, 1, 2)) == pytest.approx(np.ones(8), abs=0.2)


def test_the_command_begins_with_a_file_and_says_so(
    model: Path, small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    arguments = ["fit", str(small_recipe), str(faces), "--out", str(tmp_path / "run"),
                 "--init-from", str(model), "--epochs", "1"]  # fmt: skip
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert f"begun with the weights of {model.name}" in result.stderr
    contract, _ = load_run(tmp_path / "run")
    assert contract.provenance["init_from"]["heads_taken"] == ["fer2013"]


LAYERS = '["rescale -1..1", "conv 8 /2 nobias", "bn", "relu", "residual 16 /2", "gap", "softmax"]'


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("residual 16", "residual 24", r"needs 05_residual_\w+ as CONV_2D 24x3x3x8, it has .*16"),
        ('/2", "gap', '/2", "conv 4", "gap', r"06_conv as CONV_2D 4x3x3x16, it has no further"),
        (', "residual 16 /2"', "", r"needs no further layer, it has CONV_2D 16x\dx\dx8"),
        ("-1..1", "0..1", r"probabilities are \d+% apart from the file's.* over 112 pictures"),
        ('"bn", "relu"', '"relu", "bn"', r"its 04_bn does not directly follow"),
    ],
)
def test_a_file_of_other_layers_is_refused_by_the_first_that_differs(
    model: Path, small_recipe: Path, faces: Path, before: str, after: str, message: str
) -> None:
    recipe = begun_with(model, small_recipe, f"network.layers={LAYERS.replace(before, after)}")
    with pytest.raises(SettingsError, match=message):
        begin_from(new_network(recipe), recipe, load_data(recipe, faces))


OTHER_LAYERS = (
    '["rescale -1..1", "conv 8 /2 valid", "bn", "relu", "separable 12 /2", "conv 12 nobias relu", '
    '"gap", "dense 10 nobias relu", "softmax"]'
)


@pytest.fixture(scope="module")
def others(
    small_recipe: Path, faces: Path, write_faces: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Mapping[str, Path]]:  # fmt: skip
    """A run with biases before norms, and layers with neither; and its files."""
    out = tmp_path_factory.mktemp("others")
    recipe = load_recipe(str(small_recipe), overrides=[f"network.layers={OTHER_LAYERS}"])
    fit(recipe, load_data(recipe, faces), RunFolder(out / "run"), tell=lambda line: None)
    write_faces(out / "faces", LABEL_SETS["fer2013"].labels, each=60, seed=3)
    done = fer_convert.convert(out / "run", TARGETS, out=out / "files", data=out / "faces")
    return out / "run", done.files


TARGETS = ("float32", "float16", "dynamic", "int16x8")


@pytest.mark.parametrize("target", TARGETS)
def test_files_of_other_arithmetic_give_the_weights_that_it_was_made_of(
    others: tuple[Path, Mapping[str, Path]], small_recipe: Path, faces: Path, target: str
) -> None:
    run, files = others
    recipe = begun_with(files[target], small_recipe, f"network.layers={OTHER_LAYERS}")
    split, network = load_data(recipe, faces), new_network(recipe)
    begin_from(network, recipe, split)
    theirs = predict(load_run(run)[1], split.val.pictures)
    loss = 2e-3 if target.startswith("float") else 0.03
    assert np.abs(predict(network, split.val.pictures) - theirs).max() < loss


def test_what_a_strange_contract_says_of_its_data_is_no_reason_to_fail(
    model: Path, small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    odd = changed(
        model, tmp_path / "odd.tflite", lambda told: told | {"data": "theirs", "split": [1]}
    )
    recipe = begun_with(odd, small_recipe)
    assert begin_from(new_network(recipe), recipe, load_data(recipe, faces))


def test_a_file_that_is_not_there_is_named(small_recipe: Path, faces: Path) -> None:
    recipe = begun_with(Path("gone.tflite"), small_recipe)
    with pytest.raises(SettingsError, match=r"gone\.tflite does not exist.*check --init-from"):
        begin_from(new_network(recipe), recipe, load_data(recipe, faces))


def test_a_file_of_the_same_data_and_another_split_is_refused(
    model: Path, small_recipe: Path, faces: Path
) -> None:
    recipe = begun_with(model, small_recipe, "data.seed=8")
    with pytest.raises(SettingsError, match=r"set \d+ pictures aside with seed 7, where .* seed 8"):
        begin_from(new_network(recipe), recipe, load_data(recipe, faces))


def test_of_a_file_of_other_data_it_is_said_that_validation_may_say_too_much(
    model: Path, small_recipe: Path, faces: Path, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    other = changed(
        model, tmp_path / "other.tflite",
        lambda told: told | {"data": {"name": "theirs.zip", "content_sha256": "0" * 64}},
    )  # fmt: skip
    recipe = begun_with(other, small_recipe, "data.seed=8")
    assert begin_from(new_network(recipe), recipe, load_data(recipe, faces))
    assert "learnt from theirs.zip; if pictures of it are in this data" in caplog.text


def test_a_file_of_another_input_is_refused(model: Path, small_recipe: Path, faces: Path) -> None:
    recipe = begun_with(model, small_recipe, "input.height=32", "input.width=32")
    with pytest.raises(SettingsError, match=r"takes pictures of \(48, 48, 1\).*\(32, 32, 1\)"):
        begin_from(new_network(recipe), recipe, load_data(recipe, faces))


WIDE_LAYERS = (
    '["rescale -1..1", "conv 16 /2 nobias", "bn", "relu", "residual 32 /2", "gap", "softmax"]'
)


@pytest.fixture(scope="module")
def peoples(
    headed_recipe: Path, faces: Path, write_faces: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:  # fmt: skip
    """The file of another network with the same layers, which answers with the labels of FER+."""
    out = tmp_path_factory.mktemp("peoples")
    recipe = load_recipe(str(headed_recipe), overrides=["training.seed=9"])
    fit(recipe, load_data(recipe, faces), RunFolder(out / "run"), tell=lambda line: None)
    # The face that is drawn for an eighth label is nearly white, and would be left out.
    *seven, eighth = LABEL_SETS["ferplus"].labels
    write_faces(write_faces(out / "faces", seven, each=60, seed=3), [eighth], each=60, seed=4)
    done = fer_convert.convert(
        out / "run", ["float32"], head="people", out=out / "file", data=out / "faces"
    )
    return done.files["float32"]


def beside(first: Path, others: list[Path], recipe: Path, *more: str) -> Recipe:
    further = f"training.init_beside={json.dumps([*map(str, others)])}"
    return begun_with(first, recipe, further, f"network.layers={WIDE_LAYERS}", *more)


def test_files_side_by_side_make_a_wide_network_that_answers_as_each(
    model: Path, peoples: Path, headed_recipe: Path, faces: Path
) -> None:
    recipe = beside(model, [peoples], headed_recipe)
    split, network = load_data(recipe, faces), new_network(recipe)
    told = begin_from(network, recipe, split)
    assert told["heads_taken"] == ["own", "people"]
    assert told["beside"] == [{"run": peoples.name, "sha256": read_model(peoples).sha256}]
    answers = predict(network, split.val.pictures)
    own = len(read_model(model).contract.labels)
    for file, ours in ((model, answers[:, :own]), (peoples, answers[:, own:])):
        narrow = begun_with(file, headed_recipe)
        alone = new_network(narrow)
        begin_from(alone, narrow, split)
        whole = predict(alone, split.val.pictures)
        theirs = whole[:, :own] if file is model else whole[:, own:]
        assert np.abs(ours - theirs).max() < 1e-3


def test_of_files_with_the_same_labels_the_mean_of_their_logits_counts(
    model: Path, small_recipe: Path, faces: Path
) -> None:
    recipe = beside(model, [model], small_recipe)
    split, network = load_data(recipe, faces), new_network(recipe)
    begin_from(network, recipe, split)
    narrow = begun_with(model, small_recipe)
    alone = new_network(narrow)
    begin_from(alone, narrow, split)
    ours, theirs = (predict(each, split.val.pictures) for each in (network, alone))
    assert np.abs(ours - theirs).max() < 1e-3


def test_the_command_takes_several_files(
    model: Path, peoples: Path, headed_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    arguments = ["fit", str(headed_recipe), str(faces), "--out", str(tmp_path / "run"),
                 "--set", f"network.layers={WIDE_LAYERS}", "--epochs", "1",
                 "--init-from", str(model), "--init-from", str(peoples)]  # fmt: skip
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert f"begun with the weights of {model.name} beside {peoples.name}" in result.stderr
    report = (tmp_path / "run" / "heads" / "own" / "report.html").read_text(encoding="utf-8")
    assert read_model(model).sha256 in report
    assert read_model(peoples).sha256 in report


def test_files_of_unlike_layers_do_not_stand_side_by_side(
    model: Path, others: tuple[Path, Mapping[str, Path]], small_recipe: Path, faces: Path
) -> None:
    recipe = beside(model, [others[1]["float32"]], small_recipe)
    with pytest.raises(SettingsError, match="the files have not the same layers"):
        begin_from(new_network(recipe), recipe, load_data(recipe, faces))


FLAT = '["rescale -1..1", "conv 4 /2", "relu", "flatten", "dense 7 relu", "softmax"]'
DENSE = '["rescale -1..1", "conv 4 /2", "relu", "gap", "dense {width} relu", "softmax"]'


def test_files_with_hidden_layers_of_their_own_widths_stand_side_by_side(
    small_recipe: Path, faces: Path, write_faces: Callable[..., Path], tmp_path: Path
) -> None:
    write_faces(tmp_path / "faces", LABEL_SETS["fer2013"].labels, each=60, seed=3)
    files = []
    for width in (5, 9):
        layers = f"network.layers={DENSE.format(width=width)}"
        recipe = load_recipe(str(small_recipe), overrides=[layers, "training.epochs=1"])
        run = tmp_path / f"run-{width}"
        fit(recipe, load_data(recipe, faces), RunFolder(run), tell=lambda line: None)
        file = tmp_path / f"file-{width}"
        done = CliRunner().invoke(
            convert,
            [str(run), "--float32", "--out", str(file), "--data", str(tmp_path / "faces"),
             "--accept-poor"],
        )  # fmt: skip
        assert done.exit_code == 0, done.output
        files.append(file / "emotion.float32.tflite")
    further = f"training.init_beside={json.dumps([str(files[1])])}"
    wide = DENSE.format(width=14).replace("conv 4", "conv 8")
    recipe = begun_with(files[0], small_recipe, further, f"network.layers={wide}")
    network = new_network(recipe)
    assert begin_from(network, recipe, load_data(recipe, faces))


def test_files_do_not_stand_side_by_side_before_a_flatten(
    model: Path, small_recipe: Path, faces: Path
) -> None:
    further = f"training.init_beside={json.dumps([str(model)])}"
    recipe = begun_with(model, small_recipe, further, f"network.layers={FLAT}")
    with pytest.raises(SettingsError, match="after this recipe's flatten"):
        begin_from(new_network(recipe), recipe, load_data(recipe, faces))


def test_a_network_of_another_width_than_all_together_is_refused(
    model: Path, small_recipe: Path, faces: Path
) -> None:
    recipe = beside(model, [model, model], small_recipe)
    with pytest.raises(SettingsError, match=r"needs 02_conv as CONV_2D 16x3x3x1, it has .* 24x3"):
        begin_from(new_network(recipe), recipe, load_data(recipe, faces))


def test_a_run_cannot_stand_beside_a_file(
    model: Path, finished_run: Path, small_recipe: Path, faces: Path
) -> None:
    recipe = beside(model, [finished_run], small_recipe)
    with pytest.raises(SettingsError, match=r"is a run, and .* the model file that the conv"):
        begin_from(new_network(recipe), recipe, load_data(recipe, faces))


def test_what_stands_beside_nothing_is_refused(model: Path, small_recipe: Path) -> None:
    further = f"training.init_beside={json.dumps([str(model)])}"
    with pytest.raises(SettingsError, match="init_beside without init_from"):
        load_recipe(str(small_recipe), overrides=[further])
