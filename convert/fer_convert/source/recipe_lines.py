"""Where in a run's recipe a layer stands, so that an error leads to the line to change."""

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Final

from fer_edge.shared.errors import ModelError

RECIPE_NAME: Final = "recipe.toml"

_LAYER: Final = re.compile(r"layer '((\d+)_\w+)'|'((\d+)_\w+)' \(")
"""fer-train numbers its layers from 1: "03_bn" is the third line of the recipe's network."""


@dataclasses.dataclass(frozen=True, slots=True)
class RecipeLine:
    """One layer of a recipe: its line in the file, from 1, and its text."""

    number: int
    text: str


def point_to_recipe(error: ModelError, folder: Path) -> ModelError:
    """Return an error that also says where in `folder`'s recipe the layer that it names stands."""
    named = _LAYER.search(error.found)
    recipe = folder / RECIPE_NAME
    if named is None or not recipe.is_file():
        return error
    line = find_line(recipe.read_text(encoding="utf-8"), int(named.group(2) or named.group(4)))
    if line is None:
        return error
    where = f'{RECIPE_NAME} line {line.number}, "{line.text}"'
    return ModelError(f"{error.found}; {where}", expected=error.expected, fix=error.fix)


def find_line(recipe: str, position: int) -> RecipeLine | None:
    """Return the line of the recipe's layer at `position`, from 1; None where there is none.

    Args:
        recipe: The TOML text.
        position: In `network.layers`.
    """
    try:
        layers = tomllib.loads(recipe)["network"]["layers"]
    except (tomllib.TOMLDecodeError, KeyError, TypeError):
        return None
    if not 1 <= position <= len(layers):
        return None
    start = re.search(r"^\s*layers\s*=\s*\[", recipe, re.MULTILINE)
    if start is None:
        return None
    # Equal layers stand one after the other in the order of the list.
    at = start.end()
    for text in layers[:position]:
        found = re.compile(rf"(['\"]){re.escape(text)}\1").search(recipe, at)
        if found is None:
            return None
        at = found.end()
    return RecipeLine(recipe.count("\n", 0, at) + 1, layers[position - 1])
