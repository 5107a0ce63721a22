"""Write the two pages of settings from their dataclasses; a test checks that they are current.

docs/reference/settings.md holds those of `fer-edge`, docs/reference/recipe-settings.md those of a
recipe. Key, type, range, default and sentence are the program's own. A unit is the one in the key's
name, else one that is named: a new number of `fer-edge` without either is an error here.
"""

import dataclasses
import inspect
import re
import sys
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from fer_edge.settings import Settings
from fer_edge.settings.units import NO_UNIT, unit_of
from fer_trainer.network.language import GRAMMAR
from fer_trainer.recipe.extending import Extension
from fer_trainer.recipe.settings import HeadSettings, Recipe

REFERENCE: Final = Path(__file__).parent / "reference"
SETTINGS: Final = """\
# Settings

Made by `make docs` from the program's own settings; do not edit.

Every setting of `fer-edge`, by section. A value comes from the first of these that names it:

1. a flag: `--set SECTION.KEY=VALUE`, or an option of its own such as `--source`;
2. the environment: `FER_EDGE_SECTION_KEY`, for instance `FER_EDGE_SOURCE_URI`;
3. a TOML file: `--config FILE`, or the file that `FER_EDGE_CONFIG` names;
4. the default.

`fer-edge config show` prints every setting with its value and where that came from.
`fer-edge config check FILE` says what `fer-edge run` would say to a file. It checks every value and
what they are together, reads secrets and certificates, and loads the model. With `--on-device` it
opens outputs, broker and camera, too. An unknown key or a value out of range ends the program with
[exit code 78](exit-codes.md) before it opens anything. Secrets never come
from a flag: [the service](service.md#secrets) tells where they lie.
"""
RECIPES: Final = """\
# Settings of a recipe

Made by `make docs` from the trainer's own settings; do not edit.

A recipe is a TOML file that decides everything about a training. The [recipes](recipes.md) that
ship are examples. `RUN/recipe.toml` of any run holds every setting that it used.
`--set SECTION.KEY=VALUE` changes one for a single run. An unknown key is refused, and the nearest
one named. So are settings that contradict each other. Both happen before any picture is read. A
setting that a recipe does not name has the default. A recipe may
[extend another](recipes.md#extend-a-recipe); `fer-train describe` then shows what came from where.
How to write one, step by step: [your own recipe](../guide/own-recipe.md).
"""
LANGUAGE: Final = f"""\
### The language of networks

A line of `network.layers` is a word and what belongs to it, in any order:

```text
{GRAMMAR}
```
"""
UNITS_OF_RECIPES: Final = {
    "input.height": "px",
    "input.width": "px",
    "augmentation.blur_sigma": "px",
    "augmentation.noise_sigma": "grey levels",
    "training.epochs": "epochs",
    "training.batch_size": "pictures",
    "schedule.after_epochs": "epochs",
    "selection.patience": "epochs",
}
TYPES: Final = {str: "text", bool: "true or false", int: "whole number", float: "number"}
KINDS: Final = {tuple: "list", types.UnionType: "text or list", Mapping: "table"}
HEAD: Final = "| key | type | unit | range | default | what it does |\n|---|---|---|---|---|---|"


def page() -> str:
    """Return docs/reference/settings.md."""
    return "\n".join([SETTINGS, *_sections(Settings, _told_by_field)]).rstrip() + "\n"


def recipe_page() -> str:
    """Return docs/reference/recipe-settings.md."""
    parts = [RECIPES, *_top(), *_sections(Recipe, _told_by_docstring), *_heads()]
    return "\n".join(parts).rstrip() + "\n"


def _top() -> Iterator[str]:
    told = {"extends": _attributes(Extension)["extends"], **_attributes(Recipe)}
    yield "## At the top\n\nThese keys stand before the first section.\n"
    yield "| key | type | what it does |\n|---|---|---|"
    plain = [
        f.name
        for f in dataclasses.fields(Recipe)
        if f.default_factory is dataclasses.MISSING and f.name != "heads"
    ]
    for name in ("extends", *plain):
        kind = "text or list" if name == "labels" else "text"
        yield f"| `{name}` | {kind} | {sentence(told[name])} |"
    yield ""


def _heads() -> Iterator[str]:
    about = textwrap.fill(_attributes(Recipe)["heads"], 110)
    yield f"## `[[heads]]`\n\n{about}\n"
    yield HEAD
    yield from _rows(HeadSettings, "heads", _told_by_docstring)


def _sections(settings: type, told: Any) -> Iterator[str]:
    for section in dataclasses.fields(settings):
        cls = typing.get_type_hints(settings)[section.name]
        if not dataclasses.is_dataclass(cls):
            continue
        about = (inspect.getdoc(cls) or "").partition("\n\n")[0].replace("\n", " ")
        # What a docstring refers to in the code means nothing to whoever writes a recipe.
        about = re.sub(r"; see `fer_[\w.]+`", "", about)
        yield f"## `[{section.name}]`\n\n{about}\n"
        yield HEAD
        yield from _rows(cls, section.name, told)
        if section.name == "network":
            told_so = sentence(_attributes(Extension)["changes"])
            yield f"| `network.changes` | list | - | - | empty | {told_so} |\n\n{LANGUAGE.rstrip()}"
        yield ""


def _rows(cls: Any, place: str, told: Any) -> Iterator[str]:
    hints = typing.get_type_hints(cls)
    for f in dataclasses.fields(cls):
        if dataclasses.is_dataclass(hints[f.name]):
            yield from _rows(hints[f.name], f"{place}.{f.name}", told)
        else:
            yield _row(f"{place}.{f.name}", f, hints[f.name], told(cls, f))


def _told_by_field(_: type, field: Any) -> str:
    return str(field.metadata["help"])


def _told_by_docstring(cls: type, field: Any) -> str:
    return _attributes(cls).get(field.name, "")


def _attributes(cls: type) -> Mapping[str, str]:
    """Return the text of each attribute in a Google-style docstring."""
    _, _, listed = (inspect.getdoc(cls) or "").partition("Attributes:\n")
    entries = re.split(r"^ {4}(\w+): ", listed, flags=re.MULTILINE)[1:]
    texts = (" ".join(text.split()) for text in entries[1::2])
    return dict(zip(entries[::2], texts, strict=True))


def _row(key: str, field: Any, hint: Any, told: str) -> str:
    if not told:
        raise ValueError(f"{key} is not explained where it is declared")
    kind = typing.get_origin(hint)
    choices = typing.get_args(hint) if kind is typing.Literal else field.metadata.get("choices")
    default = field.default
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    cells = (
        f"`{key}`",
        KINDS.get(kind) or TYPES[hint if default is dataclasses.MISSING else type(default)],
        _unit(key, default),
        ", ".join(map(_value, choices)) if choices else _range(field.metadata),
        "must be given" if default is dataclasses.MISSING else _value(default),
        sentence(told),
    )
    return f"| {' | '.join(cells)} |"


def _unit(key: str, default: Any) -> str:
    unit = UNITS_OF_RECIPES.get(key) or unit_of(key)
    section = key.partition(".")[0]
    of_the_edge = section in {section.name for section in dataclasses.fields(Settings)}
    if not unit and of_the_edge and type(default) in {int, float}:
        raise ValueError(f"{key} has no unit: name it so, or add it to fer_edge.settings.units")
    return unit or NO_UNIT


def _range(told: Mapping[str, Any]) -> str:
    low, high = told.get("low"), told.get("high")
    if low is not None and high is not None:
        return f"{_number(low)} to {_number(high)}"
    words = {"low": "from", "above": "above", "high": "to", "below": "below"}
    given = {word: told.get(bound) for bound, word in words.items()}
    return " ".join(f"{word} {_number(b)}" for word, b in given.items() if b is not None) or "-"


def _value(value: Any) -> str:
    if value in ("", (), {}):
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    return f"`{value}`" if isinstance(value, str) else _number(value)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"


def sentence(text: str) -> str:
    """Return a fragment as a sentence."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}.".replace("|", "\\|")


if __name__ == "__main__":
    for name, text in (("settings.md", page()), ("recipe-settings.md", recipe_page())):
        (REFERENCE / name).write_text(text, encoding="utf-8")
        print(f"wrote {name}", file=sys.stderr)  # noqa: T201
