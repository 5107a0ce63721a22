"""Recipes: what they may say, and how a mistake is named."""

import pytest

from fer_edge.shared.errors import SettingsError
from fer_trainer.recipe.files import dump_recipe, load_recipe, shipped_recipes
from fer_trainer.recipe.settings import AugmentationSettings


def test_every_shipped_recipe_loads_under_its_own_name() -> None:
    assert "edge-small" in shipped_recipes()
    for name in shipped_recipes():
        recipe = load_recipe(name)
        assert recipe.name == name
        assert recipe.source


def test_a_dumped_recipe_reads_back_the_same(tmp_path) -> None:
    recipe = load_recipe("edge-small", overrides=['card.limits="a \\"quote\\", ü and a \\\\"'])
    path = tmp_path / "copy.toml"
    path.write_text(dump_recipe(recipe), encoding="utf-8")
    assert load_recipe(str(path)) == recipe


def test_overrides_take_toml_values_and_bare_words() -> None:
    recipe = load_recipe(
        "edge-small",
        overrides=[
            "training.epochs=3",
            "optimiser.name=adam",
            "augmentation.flip=false",
            "optimiser.learning_rate=1e-4",
            'network.layers=["rescale 0..1", "gap", "softmax"]',
        ],
    )
    assert recipe.training.epochs == 3
    assert recipe.optimiser.name == "adam"
    assert not recipe.augmentation.flip
    assert recipe.optimiser.learning_rate == 1e-4
    assert [layer.kind for layer in recipe.layers] == ["rescale", "gap", "softmax"]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.epoch=3", ["'training.epoch' (from --set)", "did you mean 'training.epochs'"]),
        ("trainin.epochs=3", ["'trainin.epochs'", "did you mean 'training.epochs'"]),
        ("training.epochs=many", ["training.epochs = 'many' (from --set)", "a whole number"]),
        ("training.epochs=2.5", ["2.5", "a whole number"]),
        ("training.epochs=true", ["epochs = true (", "a whole number"]),
        ("training.epochs=0", ["epochs = 0", "at least 1"]),
        ("training.epochs={low=[1, true]}", ["training.epochs = {low = [1, true]} (from --set)"]),
        ("training=3", ["training = 3", "a table"]),
        ("name.first=3", ["unknown setting 'name.first'"]),
        ("training.epochs", ["--set training.epochs", "key=value"]),
        ("extends=edge-nano", ["--set extends=edge-nano", "name that recipe"]),
        ("optimiser.name=sdg", ["'sdg'", "one of sgd, adam"]),
        ("optimiser.learning_rate=nan", ["nan", "a number"]),
        ("augmentation.scale=1.0", ["scale = 1.0", "at least 0 and below 1"]),
        ("data.validation_fraction=0", ["validation_fraction = 0", "above 0 and below 1"]),
        ("network.layers=[3]", ["layers = [3]", "a list, each a string"]),
        ("network.layers=[]", ["begins with 'nothing'"]),
    ],
)
def test_a_wrong_setting_says_what_would_be_right(override: str, words: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load_recipe("edge-small", overrides=[override])
    for word in words:
        assert word in str(caught.value)


def test_a_wrong_setting_of_a_file_names_the_file(tmp_path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n[trainin]\nepochs = 3\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"mine\.toml.*did you mean 'training\.epochs'"):
        load_recipe(str(path))
    path.write_text('name = "mine"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"mine\.toml: setting labels\.names is missing"):
        load_recipe(str(path))


def test_a_licence_is_an_identifier() -> None:
    assert load_recipe("edge-small", overrides=["card.licence=CC-BY-4.0"]).card.licence
    with pytest.raises(SettingsError, match="an SPDX identifier"):
        load_recipe("edge-small", overrides=['card.licence="MIT\\nfree"'])


def test_a_table_given_for_a_section_takes_the_place_of_the_recipe_s() -> None:
    recipe = load_recipe(
        "edge-small", overrides=["augmentation={flip=true}", "augmentation.dim=0.5"]
    )
    assert recipe.augmentation == AugmentationSettings(flip=True, dim=0.5)


def test_an_unknown_label_set_is_named() -> None:
    with pytest.raises(SettingsError, match="fer2014"):
        load_recipe("edge-small", overrides=["labels=fer2014"])


@pytest.mark.parametrize("name", ["edge-smal", "no/such/file.toml"])
def test_an_unknown_recipe_lists_those_that_ship(name: str) -> None:
    with pytest.raises(SettingsError, match="edge-small"):
        load_recipe(name)


@pytest.mark.parametrize(
    ("content", "word"), [(b"name = ", "no TOML"), (b"\xff\xfe", "cannot be read"), (b"", "name")]
)
def test_a_broken_recipe_file_is_refused(tmp_path, content: bytes, word: str) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=word):
        load_recipe(str(path))


MINE = """\
name = "mine"  # [data]
labels = "fer2013"
[network]
layers = [
    "rescale 0..1",  # "bn" and "relu" follow
    "conv 8", "bn",
    "bn", "relu",
    "gap",
    "softmax",
]
[data]
seed = 3
[outputs]
words = [
]
"""


@pytest.mark.parametrize(
    ("wrong", "right", "words"),
    [
        ("seed = 3", "sead = 3", ["'data.sead' (from {}:12)", "did you mean 'data.seed'"]),
        ("seed = 3", "seed = 'x'", ["data.seed = 'x' (from {}:12)", "a whole number"]),
        ("seed = 3", "seed = 3\n[dato]\nseed = 4", ["'dato.seed' (from {}:14)"]),
        ("seed = 3", "seed 3", ["{}:12:6: no TOML (Expected '='"]),
        ('"bn", "relu"', '"bm", "relu"', ["{}:7: layer 4 'bm': unknown layer"]),
        ('"gap"', '"maxpool 60x2", "gap"', ["{}:8: layer 6", "does not fit", "60x2 is larger"]),
        ('    "softmax",\n', "", ["{}:4: the network ends with 'gap'"]),
        ("words = [", "words = [\n  'one', 'two',", ["{}:14: outputs: words has 2 words"]),
        ('"fer2013"', '"fer2014"', ["{}:2: ", "fer2014"]),
        ("[outputs]", "[schedule]\nkind = 'steps'\n[outputs]",
         ["{}:13: schedule: after_epochs"]),
    ],
)  # fmt: skip
def test_a_mistake_in_a_file_is_shown_by_its_line(
    wrong: str, right: str, words: list[str], tmp_path
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINE.replace(wrong, right, 1), encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_recipe(str(path))
    for word in words:
        assert word.format(path) in str(caught.value)


def test_what_is_set_on_the_command_line_stands_in_no_line(tmp_path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINE, encoding="utf-8")
    for override, words in (
        ("network.layers=['rescale 0..1', 'bm', 'softmax']", f"{path}: layer 2 'bm'"),
        ("outputs.words=['one']", f"{path}: outputs: words has 1 words"),
        ("data.seed=x", "data.seed = 'x' (from --set)"),
    ):
        with pytest.raises(SettingsError) as caught:
            load_recipe(str(path), overrides=[override])
        assert str(caught.value).startswith(words) or words in str(caught.value)
