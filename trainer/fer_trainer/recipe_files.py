"""Find, read, change and write recipes."""

import tomllib
from collections.abc import Iterable
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from fer_edge.errors import SettingsError
from fer_edge.labels import label_set
from fer_trainer.recipe import Recipe
from fer_trainer.tables import from_table, refuse_key, to_toml


def shipped_recipes() -> tuple[str, ...]:
    """Return the names of the recipes that ship, sorted."""
    names = (entry.name for entry in files("fer_trainer").joinpath("recipes").iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def load_recipe(name: str, *, overrides: Iterable[str] = ()) -> Recipe:
    """Read a shipped recipe or a TOML file.

    Args:
        name: Of a shipped recipe, or the path of a file.
        overrides: Each `key=value`, the key dotted, the value as TOML (a bare word is a string).

    Raises:
        SettingsError: There is no such recipe, a key is unknown, or a value cannot be.
    """
    table = _parse(_read(name), where=name)
    for override in overrides:
        _apply(table, override)
    recipe = from_table(Recipe, table, where=name)
    _check(recipe, where=name)
    return recipe


def dump_recipe(recipe: Recipe) -> str:
    """Return the recipe as TOML with every setting written out; `load_recipe` reads it."""
    return to_toml(asdict(recipe))


def _read(name: str) -> str:
    if name in shipped_recipes():
        return files("fer_trainer").joinpath("recipes", f"{name}.toml").read_text(encoding="utf-8")
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


def _check(recipe: Recipe, *, where: str) -> None:
    """Refuse values that cannot be; types are right already.

    Raises:
        SettingsError: A value is out of range, or the network or the labels are not understood.
        LabelError: There is no such label set.
    """
    label_set(recipe.labels)
    recipe.layers  # noqa: B018 - reads the network's lines
    training, change = recipe.training, recipe.augmentation
    rules = (
        ("training.epochs", training.epochs, training.epochs >= 1, "1 or more"),
        ("training.batch_size", training.batch_size, training.batch_size >= 2, "2 or more"),
        ("training.seed", training.seed, training.seed >= 0, "0 or more"),
        ("data.seed", recipe.data.seed, recipe.data.seed >= 0, "0 or more"),
        (
            "training.label_smoothing",
            training.label_smoothing,
            0 <= training.label_smoothing < 1,
            "from 0 to below 1",
        ),
        (
            "data.validation_fraction",
            recipe.data.validation_fraction,
            0 < recipe.data.validation_fraction < 1,
            "between 0 and 1",
        ),
        (
            "optimiser.learning_rate",
            recipe.optimiser.learning_rate,
            recipe.optimiser.learning_rate > 0,
            "above 0",
        ),
        (
            "averaging.momentum",
            recipe.averaging.momentum,
            0 <= recipe.averaging.momentum < 1,
            "from 0 to below 1",
        ),
        ("augmentation.scale", change.scale, 0 <= change.scale < 1, "from 0 to below 1"),
        ("input.height", recipe.input.height, 8 <= recipe.input.height <= 512, "8 to 512"),
        ("input.width", recipe.input.width, 8 <= recipe.input.width <= 512, "8 to 512"),
    )
    for key, value, holds, expected in rules:
        if not holds:
            raise SettingsError(
                f"{where}: {key} is {value}", expected=expected, fix="correct the value"
            )
