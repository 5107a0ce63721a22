"""Recipes that extend others: what is merged, how networks are changed, where mistakes stand."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from fer_edge.shared.errors import SettingsError
from fer_trainer.cli import cli
from fer_trainer.recipe.files import dump_recipe, load_recipe, read_recipe

BASE = """\
name = "base"
labels = "fer2013"
[network]
layers = [
    "rescale 0..1",  # "gap" stands below
    "conv 8 nobias", "bn", "relu",
    "conv 16 nobias", "bn", "relu",
    "gap",
    "softmax",
]
[augmentation]
flip = true
shift = 0.1
[schedule]
kind = "steps"
after_epochs = [3, 6]
rates = [0.1, 0.01]
"""


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    (tmp_path / "base.toml").write_text(BASE, encoding="utf-8")
    return tmp_path


def write(folder: Path, text: str, *, name: str = "mine", extends: str = "base.toml") -> str:
    path = folder / f"{name}.toml"
    path.write_text(f'extends = "{extends}"\nname = "{name}"\n{text}', encoding="utf-8")
    return str(path)


def refused(name: str, **options: list[str]) -> str:
    with pytest.raises(SettingsError) as caught:
        load_recipe(name, **options)
    return str(caught.value)


def test_sections_are_merged_and_lists_replaced(recipes: Path) -> None:
    mine = load_recipe(
        write(recipes, "[augmentation]\nshift = 0.2\n[schedule]\nafter_epochs = [5]\nrates=[0.2]")
    )
    base = load_recipe(str(recipes / "base.toml"))
    assert (mine.name, mine.labels, mine.network) == ("mine", base.labels, base.network)
    assert (mine.augmentation.flip, mine.augmentation.shift) == (True, 0.2)
    assert (mine.schedule.kind, mine.schedule.after_epochs) == ("steps", (5,))


def test_an_empty_section_changes_nothing(recipes: Path) -> None:
    mine = load_recipe(write(recipes, "[augmentation]\n"))
    assert mine.augmentation == load_recipe(str(recipes / "base.toml")).augmentation


def test_a_chain_and_a_shipped_recipe(recipes: Path) -> None:
    write(recipes, "[training]\nepochs = 20\nbatch_size = 32", name="middle", extends="edge-nano")
    (recipes / "below").mkdir()
    end = write(recipes / "below", "[training]\nepochs = 7", name="end", extends="../middle.toml")
    written = read_recipe(end)
    assert (written.recipe.training.epochs, written.recipe.training.batch_size) == (7, 32)
    assert written.recipe.network == load_recipe("edge-nano").network
    assert written.names == [end, f"{recipes}/below/../middle.toml", "edge-nano"]
    assert written.origins["training.epochs"] == f"{end}:4"
    assert written.origins["training.batch_size"].endswith("/middle.toml:5")
    assert written.origins["training.seed"].startswith("edge-nano:")
    assert written.origins["training.init_from"] == "default"


def test_what_is_dumped_needs_no_other_file(recipes: Path) -> None:
    mine = load_recipe(write(recipes, '[network]\nchanges = ["gap -> dropout 0.2, gap"]'))
    copy = recipes / "copy.toml"
    copy.write_text(dump_recipe(mine), encoding="utf-8")
    (recipes / "base.toml").unlink()
    assert load_recipe(str(copy)) == mine


@pytest.mark.parametrize(
    ("changes", "network"),
    [
        (["conv 8 nobias -> conv 12"], "rescale 0..1|conv 12|bn|relu|conv 16 nobias|bn|relu|gap"),
        (["5..7 -> separable 16"], "rescale 0..1|conv 8 nobias|bn|relu|separable 16|gap"),
        (["bn ->"], "rescale 0..1|conv 8 nobias|relu|conv 16 nobias|relu|gap"),
        (["5 ->", "6..7->"], "rescale 0..1|conv 8 nobias|bn|relu|gap"),
        (["relu -> relu, dropout 0.1"],
         "rescale 0..1|conv 8 nobias|bn|relu|dropout 0.1|conv 16 nobias|bn|relu|dropout 0.1|gap"),
        ([" gap  -> excite 4,gap", "rescale 0..1 -> rescale -1..1"],
         "rescale -1..1|conv 8 nobias|bn|relu|conv 16 nobias|bn|relu|excite 4|gap"),
    ],
)  # fmt: skip
def test_a_network_is_changed(changes: list[str], network: str, recipes: Path) -> None:
    named = write(recipes, f"[network]\nchanges = {json.dumps(changes)}")
    assert load_recipe(named).network.layers == (*network.split("|"), "softmax")
    of_the_base = load_recipe(
        str(recipes / "base.toml"), overrides=[f"network.changes={json.dumps(changes)}"]
    )
    assert of_the_base.network == load_recipe(named).network


def test_changes_of_a_chain_are_about_the_recipe_below(recipes: Path) -> None:
    write(recipes, '[network]\nchanges = ["2..4 ->"]', name="middle")
    end = write(recipes, '[network]\nchanges = ["2 -> conv 4"]', name="end", extends="middle.toml")
    assert load_recipe(end).network.layers[:3] == ("rescale 0..1", "conv 4", "bn")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[network]\nchanges = [\n  "bn -> bn",\n  "conv 9 -> conv 12",\n]',
         ["{}:6: change 'conv 9 -> conv 12'", "no line 'conv 9'", "did you mean 'conv 8 nobias'"]),
        ('[network]\nchanges = ["8..10 ->"]', ["{}:4: ", "no layers 8..10", "1 to 9"]),
        ('[network]\nchanges = ["4..2 ->"]', ["{}:4: ", "no layers 4..2"]),
        ('[network]\nchanges = ["conv 12"]', ["{}:4: change 'conv 12'", "OLD -> NEW"]),
        ('[network]\nchanges = [" -> bn"]', ["{}:4: ", "OLD -> NEW"]),
        ('[network]\nchanges = ["bn ->", "3 -> relu"]',
         ["{}:4: change '3 -> relu' is about layer 3, and so is 'bn ->'"]),
        ('[network]\nlayers = ["gap"]\nchanges = ["bn ->"]', ["{}:5: ", "beside network.layers"]),
        ('[network]\nchanges = "bn ->"', ["network.changes (from {}:4) is no list of texts"]),
        ('[network]\nchanges = [\n  "bn ->",\n  "gap -> gpa",\n]',
         ["{}:6: layer 6 'gpa': unknown layer", "did you mean 'gap'"]),
        ('[network]\nchanges = ["softmax ->"]', ["{}:4: the network ends with 'gap'"]),
        ('[network]\nchanges = ["gap ->"]', ["{}:4: layer 8 'softmax' does not fit"]),
        ('[network]\nchanges = ["softmax -> sigmoid"]', ["{}:4: a sigmoid output with 7 labels"]),
        ('[training]\nepochs = 3\nlabels = ["a1", "b1"]',
         ["'training.labels' (from {}:5)", "above the first [section]"]),
        ('lables = ["a1", "b1"]', ["expected one of name, labels, source"]),
        ('labels = {names = "fer2013", merge = {low = "sad"}}',
         ["(from {}:3)", "a table, in it a list, each a string"]),
        ('labels = ["a1"]', ["{}:3: 1 label;"]),
        ("[training]\nepoch = 3", ["'training.epoch' (from {}:4)", "did you mean"]),
        ("[schedule]\nafter_epochs = [9, 2]", ["{}:4: schedule: after_epochs [9, 2]"]),
        ('labels = "fer2014"', ["{}:3: ", "fer2014"]),
        ("[[heads]]\nname='a'\nlabels='fer2013'\n[[heads]]\nname='a'\nlabels='ferplus'",
         ["{}:7: heads.2.name is 'a'"]),
        ("[[heads]]\nname='a'\nlabels='fer2013'\n[[heads]]\nname='b'\nlabels='fer2015'",
         ["{}:8: heads.2.labels: ", "fer2015"]),
        ("[[heads]]\nname='a'\nlabels='fer2013'\n[[heads]]\nname='b'\nlabel='fer2013'",
         ["'label' (from {}:8)", "did you mean 'labels'"]),
        ("[[heads]]\nname='a'\nlabels='fer2013'\n[[heads]]\nname='b'",
         ["{}:6: setting labels is missing"]),
    ],
)  # fmt: skip
def test_a_mistake_is_shown_where_it_stands(text: str, words: list[str], recipes: Path) -> None:
    mine = write(recipes, text)
    said = refused(mine)
    for word in words:
        assert word.format(mine) in said


def test_what_is_said_of_other_labels_is_not_extended(recipes: Path) -> None:
    other = load_recipe(write(recipes, 'labels = ["a1", "b1"]', extends="edge-nano")).card
    assert (other.intended_use, other.limits) == ("", "")
    merged = 'labels.merge = {negative = ["angry", "disgust"]}'
    assert load_recipe(write(recipes, merged, extends="edge-nano")).card.limits == ""
    same = load_recipe(write(recipes, "[training]\nepochs = 3", extends="edge-nano")).card
    assert same == load_recipe("edge-nano").card


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ('labels=["smile", "no smile"]', False),
        ('labels.names=["smile", "no smile"]', False),
        ('labels={names=["smile", "no smile"]}', False),
        ("labels=folders", False),
        ("labels=happy-sad", False),
        ("labels=ferplus", True),
        ("labels=fer2013", True),
        ("training.epochs=3", True),
        ('labels.drop=["disgust"]', False),
        ("labels.drop=[]", True),
    ],
)
def test_an_override_of_labels_leaves_the_card_of_others_out(change: str, kept: bool) -> None:
    card = load_recipe("edge-nano", overrides=[change]).card
    shipped = load_recipe("edge-nano").card
    assert (card.intended_use, card.limits) == (
        (shipped.intended_use, shipped.limits) if kept else ("", "")
    )
    own = load_recipe("edge-nano", overrides=[change, "card.limits=few faces"]).card
    assert own.limits == "few faces"


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('extends = "edge-nano"\nname = "mine"\n', encoding="utf-8-sig")
    assert load_recipe(str(path)).name == "mine"


def test_a_mistake_in_what_is_extended_is_shown_there(recipes: Path) -> None:
    base = recipes / "base.toml"
    mine = write(recipes, "[data]\nseed = 3")
    base.write_text(BASE.replace("shift = 0.1", "shift = 'far'"), encoding="utf-8")
    assert f"augmentation.shift = 'far' (from {base}:13)" in refused(mine)
    base.write_text(BASE.replace('"conv 16 nobias"', '"covn 16 nobias"'), encoding="utf-8")
    assert refused(mine).startswith(f"{base}:7: layer 5 'covn 16 nobias'")
    base.write_text("name = ", encoding="utf-8")
    assert refused(mine).startswith(f"{base}:1:")


def test_of_a_contradiction_the_nearest_recipe_is_named(recipes: Path) -> None:
    mine = write(recipes, '[data]\nseed = 3\n[selection]\ndeliver = "best"', extends="edge-small")
    assert refused(mine).startswith(f"{mine}:6: averaging together with")
    # What is given with the command stands in no line of a file.
    assert refused("edge-small", overrides=["selection.deliver=best"]).startswith("edge-small: av")


@pytest.mark.parametrize(
    ("extends", "words"),
    [
        ("edge-smal", ["mine.toml:1: no recipe 'edge-smal'", "did you mean 'edge-small'"]),
        ("no.toml", ["mine.toml:1: no recipe 'no.toml'"]),
        ("mine.toml", ["mine.toml:1: ", "in a circle", "mine.toml -> "]),
        ("./mine.toml", ["in a circle"]),
    ],
)
def test_what_cannot_be_extended(extends: str, words: list[str], recipes: Path) -> None:
    said = refused(write(recipes, "", extends=extends))
    for word in words:
        assert word in said


def test_a_circle_is_named_and_a_chain_has_an_end(recipes: Path) -> None:
    for number in range(9):
        write(recipes, "", name=f"r{number}", extends=f"r{number + 1}.toml")
    write(recipes, "", name="r9", extends="r8.toml")
    assert "at most 8" in refused(str(recipes / "r0.toml"))
    said = refused(str(recipes / "r7.toml"))
    assert said.startswith(f"{recipes}/r9.toml:1: recipes extend each other in a circle: ")
    names = said.partition("circle: ")[2].partition(";")[0].split(" -> ")
    assert [Path(name).stem for name in names] == ["r7", "r8", "r9", "r8"]


def test_a_recipe_that_extends_another_has_its_own_name(recipes: Path) -> None:
    path = recipes / "mine.toml"
    path.write_text('extends = "edge-small"\n', encoding="utf-8")
    assert refused(str(path)).startswith(f"{path}: setting name is missing")
    path.write_text("extends = 3\n", encoding="utf-8")
    assert f"setting extends (from {path}:1)" in refused(str(path))


def test_changes_need_a_network(recipes: Path) -> None:
    path = recipes / "mine.toml"
    path.write_text(
        'name = "mine"\nlabels = "fer2013"\n[network]\nchanges = ["bn ->"]\n', encoding="utf-8"
    )
    assert refused(str(path)).startswith(f"{path}:4: network.changes and no network to change")


def test_describe_tells_what_came_from_where(recipes: Path) -> None:
    mine = write(recipes, '[network]\nchanges = ["5..7 -> separable 16"]\n[training]\nepochs = 3')
    told = CliRunner().invoke(cli, ["describe", mine]).output
    assert told.startswith(f"mine: {mine}, which extends {recipes}/base.toml\n")
    rows = [line.split() for line in told.splitlines()]
    assert ["training.epochs", "3", f"{mine}:6"] in rows
    assert ["augmentation.shift", "0.1", f"{recipes}/base.toml:13"] in rows
    origins = {row[0]: row[-1] for row in rows if row}
    assert origins["02_conv"] == f"{recipes}/base.toml:6"
    assert origins["05_separable_conv"] == f"{mine}:4"
    found = json.loads(CliRunner().invoke(cli, ["describe", mine, "--json"]).output)
    assert found["extends"] == [f"{recipes}/base.toml"]
    assert found["settings"]["training.epochs"] == {"value": 3, "origin": f"{mine}:6"}
    assert found["settings"]["training.seed"]["origin"] == "default"
    assert found["network"][4] == {"line": "separable 16", "origin": f"{mine}:4"}


def test_describe_takes_changes_with_the_command() -> None:
    told = CliRunner().invoke(cli, ["describe", "edge-nano", "--set", "training.epochs=3"]).output
    assert ["training.epochs", "3", "--set"] in [line.split() for line in told.splitlines()]
