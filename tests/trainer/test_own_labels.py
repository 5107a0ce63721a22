"""Labels of one's own, merged and dropped ones, and colour: from a recipe to pictures in memory."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fer_edge.shared.errors import DataError, FerError, LabelError, SettingsError
from fer_edge.shared.opencv import cv2
from fer_trainer.cli import cli
from fer_trainer.data.loading import load_data, settle_labels
from fer_trainer.data.reading import read_for_evaluation
from fer_trainer.inspection.inspecting import inspect_data
from fer_trainer.jobs.recipes import format_network
from fer_trainer.recipe.files import dump_recipe, load_recipe
from fer_trainer.recipe.settings import Recipe

SMILE = ("smile", "no smile")


def a_recipe(*overrides: str) -> Recipe:
    return load_recipe("edge-nano", overrides=overrides)


def written(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def write_classes(folder: Path, *names: str, each: int = 6, colour: bool = False) -> Path:
    """Write class folders of noise, no two pictures alike; in colour they are red."""
    rng = np.random.default_rng(0)
    for name in names:
        (folder / name).mkdir(parents=True)
        for number in range(each):
            picture = rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
            if colour:
                picture[..., :2] //= 8  # blue and green, as OpenCV writes them
            assert cv2.imwrite(str(folder / name / f"{number}.png"), picture)
    return folder


@pytest.mark.parametrize(
    ("lines", "labels"),
    [
        ('labels = "ferplus"', "neutral happy surprise sad angry disgust fear contempt"),
        ('labels = ["b", "a"]', "b a"),
        ('labels.names = "happy-sad"\nlabels.merge = {glad = ["joy"]}', "sad glad"),
        (
            'labels.names = "fer2013"\nlabels.merge = {bad = ["angry", "disgust", "fear", "sad"]}',
            "bad happy surprise neutral",
        ),
        ('[labels]\nnames = ["bad", "happy"]\n[labels.merge]\nbad = ["angry", "sad"]', "bad happy"),
    ],
)  # fmt: skip
def test_labels_are_those_that_the_recipe_names(tmp_path: Path, lines: str, labels: str) -> None:
    network = 'layers = ["rescale 0..1", "gap", "softmax"]'
    text = f'name = "mine"\nnetwork = {{{network}}}\n{lines}\n'
    recipe = load_recipe(written(tmp_path / "mine.toml", text))
    assert recipe.label_names == tuple(labels.split())
    again = load_recipe(written(tmp_path / "again.toml", dump_recipe(recipe)))
    assert again == recipe


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        (['labels=["smile", "no/smile"]'], "label 'no/smile' has '/'"),
        (['labels=["smile"]'], "1 label; expected 2 to 64"),
        (["labels=fer2014"], 'unknown label set.*labels = \\["smile", "no smile"\\]'),
        (['labels.merge={bad=["angy"]}'], "labels.merge.bad names 'angy', which is no label"),
        (['labels.drop=["happy"]', 'labels.merge={good=["joy"]}'], "merged or dropped already"),
        (["labels.merge={good=[]}"], "labels.merge.good is empty"),
        (['labels.merge={good=["glad"]}'], "labels.merge.good takes the place of no label"),
        (["labels.drop=" + json.dumps([f"person {n}" for n in range(257)])], "name 257 classes"),
        (['labels.drop=["' + 81 * "x" + '"]'], "one of them 'x{40}', 81 characters long"),
        (['labels.merge={bad=["angry", "' + 81 * "x" + '"]}'], "81 characters long"),
        (["labels.merg={}"], "did you mean 'labels.merge'"),
        (["input.size=7"], "input.height = 7"),
        (["input.colour=rgb", "input.equalise=true"], "equalise with colour 'rgb'"),
        (['labels=["smile", "no smile"]', "data.doubts=x.csv"], "data.doubts with labels"),
    ],
)
def test_what_can_be_no_labels_or_input_is_said(overrides: list[str], why: str) -> None:
    with pytest.raises(FerError, match=why):
        a_recipe(*overrides)


def test_a_mistake_leads_to_its_line(tmp_path: Path) -> None:
    network = 'layers = ["rescale 0..1", "gap", "softmax"]'
    text = f'name = "mine"\nnetwork = {{{network}}}\nlabels.names = "fer2013"\n'
    path = written(tmp_path / "mine.toml", text + 'labels.drop = ["angy"]\n')
    with pytest.raises(SettingsError, match=r"mine\.toml:4: labels\.drop names 'angy'"):
        load_recipe(path)


def test_one_size_is_both_sides() -> None:
    recipe = a_recipe("input={size=64, colour='rgb'}", 'labels=["smile", "no smile"]')
    assert recipe.input_spec.shape == (64, 64, 3)
    told = format_network(recipe)
    assert "rgb 64x64, 1.85 times the multiply-accumulates of grey 48x48" in told
    assert "2: smile, no smile" in told


def test_labels_that_the_data_will_name_are_described_so() -> None:
    given = ["describe", "edge-nano", "--set", "labels=folders", "--json"]
    assert json.loads(CliRunner().invoke(cli, given).stdout)["labels"] == "folders"


def test_folders_name_the_labels(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_classes(tmp_path / split, *SMILE)
    recipe = a_recipe("labels=folders")
    assert recipe.labels.title == "folders"
    with pytest.raises(ValueError, match="settle_labels"):
        load_data(recipe, tmp_path)
    settled = settle_labels(recipe, tmp_path)
    assert settled.label_names == ("no smile", "smile")
    assert load_data(settled, tmp_path).train.counts(settled.label_names) == {
        "no smile": 5, "smile": 5,
    }  # fmt: skip


def test_folders_that_can_be_no_labels_are_said(tmp_path: Path) -> None:
    write_classes(tmp_path, "a", "b#c")
    with pytest.raises(LabelError, match=r"label 'b#c' has '#'.*name the labels in the recipe"):
        settle_labels(a_recipe("labels=folders"), tmp_path)


def test_a_recipe_that_does_not_fit_the_folders_is_refused(tmp_path: Path) -> None:
    write_classes(tmp_path, "a", "b", "c")
    recipe = load_recipe("happy-sad-simple", overrides=["labels=folders", "outputs.words=[]"])
    with pytest.raises(SettingsError, match="a sigmoid output with 3 labels"):
        settle_labels(recipe, tmp_path)


def test_merged_folders_are_one_class_and_dropped_ones_none(tmp_path: Path) -> None:
    write_classes(tmp_path, "anger", "Disgust", "happy", "blurred")
    recipe = a_recipe(
        'labels.names=["negative", "happy"]',
        'labels.merge={negative=["angry", "disgust"]}',
        'labels.drop=["blurred"]',
    )
    split = load_data(recipe, tmp_path)
    counts = split.train.counts(recipe.label_names), split.val.counts(recipe.label_names)
    assert counts == ({"negative": 11, "happy": 5}, {"negative": 1, "happy": 1})
    assert len(split.origin.skipped["left out as labels.drop says"]) == 6


def test_a_folder_that_is_none_of_the_labels_is_said(tmp_path: Path) -> None:
    write_classes(tmp_path, "smile", "no smlie")
    with pytest.raises(LabelError, match=r"did you mean 'no smile'.*labels\.drop"):
        load_data(a_recipe('labels=["smile", "no smile"]'), tmp_path)


def test_rows_of_a_csv_are_merged_dropped_or_words(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = ["emotion,pixels"]
    rows += [
        f"{emotion},{' '.join(map(str, rng.integers(0, 256, 2304)))}"
        for emotion in (0, 1, 3, 4, 6, "smile", "anger") * 4
    ]
    path = Path(written(tmp_path / "faces.csv", "\n".join(rows) + "\n"))
    recipe = a_recipe(
        'labels.names=["bad", "smile"]',
        'labels.merge={bad=["angry", "disgust", "sad"]}',
        'labels.drop=["neutral"]',
    )
    data = load_data(recipe, path)
    both = {name: data.train.counts(("bad", "smile"))[name]
            + data.val.counts(("bad", "smile"))[name] for name in ("bad", "smile")}  # fmt: skip
    assert both == {"bad": 16, "smile": 8}
    assert "4 rows" in data.origin.skipped["left out as labels.drop says"]
    assert settle_labels(a_recipe("labels=folders"), path).label_names == (
        "angry", "disgust", "happy", "neutral", "sad",
    )  # fmt: skip


def test_colour_is_red_green_blue_and_grey_where_it_is_not_asked_for(tmp_path: Path) -> None:
    write_classes(tmp_path, *SMILE, colour=True)
    recipe = a_recipe('labels=["smile", "no smile"]', "input={size=32, colour='rgb'}")
    pictures = load_data(recipe, tmp_path).train.pictures
    assert pictures.shape == (10, 32, 32, 3)
    red, green, _ = pictures.mean(axis=(0, 1, 2))
    assert red > 100
    assert green < 20
    grey = a_recipe('labels=["smile", "no smile"]')
    assert load_data(grey, tmp_path).train.pictures.shape == (10, 48, 48)


@pytest.mark.parametrize(
    "overrides",
    [
        ['labels={names="folders", merge={all=["smile", "bogus"]}}'],
        ['labels={names="folders", drop=["bogus"]}'],
        ['labels={names=["smile", "no smile"], drop=["bogus"]}'],
    ],
)
def test_what_neither_recipe_nor_data_knows_is_not_merged(overrides, tmp_path: Path) -> None:
    write_classes(tmp_path, *SMILE)
    with pytest.raises(LabelError, match=r"names 'bogus', and no class of .*no smile, smile"):
        settle_labels(a_recipe(*overrides), tmp_path)


def test_data_without_classes_is_said_to_have_none(tmp_path: Path) -> None:
    (tmp_path / "smile").mkdir()
    with pytest.raises(DataError, match="no class folder with pictures"):
        settle_labels(a_recipe("labels=folders"), tmp_path)


def test_evaluating_reads_merged_names(tmp_path: Path) -> None:
    write_classes(tmp_path, "angry", "sad", "happy")
    labels = a_recipe('labels.names=["bad", "happy"]', 'labels.merge={bad=["angry", "sad"]}').labels
    samples = read_for_evaluation(
        tmp_path, labels=labels.all, spec=a_recipe().input_spec, vocabulary=labels.vocabulary
    )
    assert samples.counts(labels.all) == {"bad": 12, "happy": 6}


def test_data_is_inspected_by_labels_of_ones_own(tmp_path: Path) -> None:
    write_classes(tmp_path, *SMILE)
    own = inspect_data(tmp_path, tell=lambda _line: None, labels="folders")
    assert (own.labels, own.problems()) == (["no smile", "smile"], [])
    named = inspect_data(tmp_path, tell=lambda _line: None, labels="smile, no smile")
    assert named.labels == own.labels
    assert inspect_data(tmp_path, tell=lambda _line: None).problems()
    with pytest.raises(LabelError, match="unknown label set 'smile'"):
        inspect_data(tmp_path, tell=lambda _line: None, labels="smile")


def test_folders_that_can_be_no_labels_are_listed_and_the_rest_inspected(tmp_path: Path) -> None:
    write_classes(tmp_path, *SMILE, "b#c", "ein " * 11)
    found = inspect_data(tmp_path, tell=lambda _line: None, labels="folders")
    assert len(found.labels) == 4
    assert [problem.partition(":")[0] for problem in found.problems()] == [
        "folder b#c", "folder " + " ".join(["ein"] * 11),
    ]  # fmt: skip
    write_classes(tmp_path / "alone", "smile")
    alone = inspect_data(tmp_path / "alone", tell=lambda _line: None, labels="folders")
    assert alone.problems() == ["there is one class only, smile"]


def test_pictures_without_any_of_the_labels_are_said(tmp_path: Path) -> None:
    write_classes(tmp_path, "smile")
    with pytest.raises(DataError, match=r"has no pictures of no smile.*labels\.drop"):
        load_data(a_recipe('labels=["smile", "no smile"]'), tmp_path)
