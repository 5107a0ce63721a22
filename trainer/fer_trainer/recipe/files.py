"""Find, read, change and write recipes."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from fer_edge.shared.errors import FerError, SettingsError
from fer_edge.shared.typed_tables import Given, resolve, to_toml
from fer_trainer.recipe.consistency import check_recipe
from fer_trainer.recipe.lines import RecipeText
from fer_trainer.recipe.settings import Recipe

_FOLDER: Final = files("fer_trainer.recipe").joinpath("shipped")


def shipped_recipes() -> tuple[str, ...]:
    """Return the names of the recipes that ship, sorted."""
    names = (entry.name for entry in _FOLDER.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def load_recipe(name: str, *, overrides: Iterable[str] = ()) -> Recipe:
    """Read a shipped recipe or a TOML file.

    Args:
        name: Of a shipped recipe, or the path of a file.
        overrides: Each `key=value`, the key dotted, the value as TOML (a bare word is a string).

    Raises:
        SettingsError: There is no such recipe, a key is unknown, a value cannot be, settings
            contradict each other, or the network's lines are not understood.
        LabelError: There is no such label set.
    """
    changed = [_parse_override(override) for override in overrides]
    source = _read(name)
    table = _parse(source, where=name)
    text = RecipeText(source, name=name, overridden=[each.key for each in changed])
    # Each from its own line; an override that came with a table stays whole.
    given = _spelled_out([*text.given(table), *changed])
    recipe = resolve(Recipe, given, where=name).settings
    # Here, so that a mistake costs no time.
    try:
        check_recipe(recipe, where=name)
    except FerError as error:
        raise text.point(error, network=recipe.network.layers) from error
    return recipe


def dump_recipe(recipe: Recipe) -> str:
    """Return the recipe as TOML with every setting written out; `load_recipe` reads it."""
    table = asdict(recipe)
    if not (recipe.labels.merge or recipe.labels.drop):
        table["labels"] = recipe.labels.names
    return to_toml(table)


def _spelled_out(given: Iterable[Given]) -> Iterator[Given]:
    """Yield settings with what a recipe says in short: its labels, and the size of a square."""
    for each in given:
        value = each.value
        if each.key == "labels" and not isinstance(value, Mapping):
            yield each._replace(key="labels.names")
        elif each.key == "input.size":
            yield from (each._replace(key=f"input.{side}") for side in ("height", "width"))
        elif each.key == "input" and isinstance(value, Mapping) and "size" in value:
            sides = {"height": value["size"], "width": value["size"]}
            rest = {key: other for key, other in value.items() if key != "size"}
            yield each._replace(value=rest | sides)
        else:
            yield each


def _read(name: str) -> str:
    if name in shipped_recipes():
        return _FOLDER.joinpath(f"{name}.toml").read_text(encoding="utf-8")
    path = Path(name)
    shipped = ", ".join(shipped_recipes())
    if path.suffix != ".toml" or not path.is_file():
        raise SettingsError(
            f"no recipe {name!r}",
            expected=f"a .toml file or one of {shipped}",
            fix="see `fer-train recipes`",
        )
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{name} cannot be read ({error})", expected="a recipe in TOML", fix="check the file"
        ) from error


def _parse(text: str, *, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
        place, why = where, str(error)
        if at is not None:
            place, why = f"{where}:{at[1]}:{at[2]}", why[: at.start()]
        raise SettingsError(
            f"{place}: no TOML ({why})", expected="a recipe in TOML", fix="correct that line"
        ) from error


def _parse_override(override: str) -> Given:
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals or not key or key.endswith("."):
        raise SettingsError(
            f"--set {override}", expected="key=value, e.g. training.epochs=10", fix="write it so"
        )
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    return Given(key, value, "--set")
