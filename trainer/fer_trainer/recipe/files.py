"""Find, read, change and write recipes."""

import tomllib
from collections.abc import Iterable
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from fer_edge.shared.errors import SettingsError
from fer_trainer.recipe.consistency import check_recipe
from fer_trainer.recipe.settings import Recipe
from fer_trainer.recipe.toml_tables import from_table, refuse_key, to_toml

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
    for override in overrides:
        _apply(table, override)
    recipe = from_table(Recipe, table, where=name)
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


def _apply(table: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    *sections, last = key.strip().split(".")
    if not equals or not last:
        raise SettingsError(
            f"--set {override}", expected="key=value, e.g. training.epochs=10", fix="write it so"
        )
    for section in sections:
        inner = table.setdefault(section, {})
        if not isinstance(inner, dict):
            refuse_key(key, ["training.epochs", "data.seed"], where="--set")
        table = inner
    try:
        table[last] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        table[last] = text
