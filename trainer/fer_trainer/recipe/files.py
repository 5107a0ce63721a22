"""Find, read, change and write recipes."""

import tomllib
from collections.abc import Iterable
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from fer_edge.shared.errors import SettingsError
from fer_edge.shared.typed_tables import Given, resolve, to_toml
from fer_trainer.recipe.consistency import check_recipe
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
    table = _parse(_read(name), where=name)
    given = [Given(key, value, name) for key, value in table.items()]
    recipe = resolve(Recipe, [*given, *map(_parse_override, overrides)], where=name).settings
    # Here, so that a mistake costs no time.
    check_recipe(recipe, where=name)
    return recipe


def dump_recipe(recipe: Recipe) -> str:
    """Return the recipe as TOML with every setting written out; `load_recipe` reads it."""
    return to_toml(asdict(recipe))


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
        raise SettingsError(
            f"{where} is no TOML ({error})", expected="a recipe in TOML", fix="correct that line"
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
