"""From a layer's name to the line of the recipe."""

import pytest

from fer_convert.source.recipe_lines import find_line, point_to_recipe
from fer_edge.shared.errors import ModelError

RECIPE = """# layers = [ "bn" ] is not it
name = "bn"

[network]
layers = [
    "rescale 0..1",
    "bn",
    "conv 8 3x3",  # "bn" follows
    "bn", "relu",
    "softmax",
]
"""


@pytest.mark.parametrize(("position", "line"), [(1, 6), (2, 7), (3, 8), (5, 9), (6, 10)])
def test_each_layer_has_its_line(position, line):
    found = find_line(RECIPE, position)
    assert found is not None
    assert found.number == line


def test_there_is_no_such_layer():
    assert find_line(RECIPE, 7) is None
    assert find_line("[network]", 1) is None
    assert find_line("not TOML [", 1) is None


def test_an_error_leads_to_the_line(tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    error = ModelError("layer '03_conv' (Conv2D) is odd", expected="even", fix="replace it")
    said = str(point_to_recipe(error, tmp_path))
    assert 'recipe.toml line 8, "conv 8 3x3"' in said
    assert "replace it" in said


def test_an_error_without_a_layer_or_a_recipe_stays_as_it_is(tmp_path):
    error = ModelError("layer '03_conv' (Conv2D) is odd", expected="even", fix="replace it")
    assert point_to_recipe(error, tmp_path) is error
    (tmp_path / "recipe.toml").write_text(RECIPE)
    other = ModelError("all is odd", expected="even", fix="replace it")
    assert point_to_recipe(other, tmp_path) is other
