"""What a recipe says of another that it extends: which one, and how its network differs."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from fer_edge.shared.errors import SettingsError
from fer_trainer.recipe.lines import RecipeText

MAX_CHAIN: Final = 8
"""Recipes, each of which extends the next."""

_NUMBERS: Final = re.compile(r"(\d+)(?:\.\.(\d+))?")


@dataclass(frozen=True, slots=True)
class Extension:
    """Another recipe to begin with. Sections are merged key by key; a list replaces a list.

    Attributes:
        extends: Name of a shipped recipe, or the path of a TOML file as seen from this file. A
            recipe that extends another has a `name` of its own.
        changes: How the network's lines differ, instead of `network.layers`: a list of texts
            `OLD -> NEW`. OLD is a line, and stands for every line that reads so. Or it is the
            number of a line, as its layer's name begins in `fer-train describe`; `4..6` are three.
            NEW is what comes in its place: lines, separated by commas, or nothing. All numbers are
            those of the recipe that is extended.
    """

    extends: str = ""
    changes: tuple[str, ...] = ()


EXTENDS: Final = "extends"
LAYERS: Final = "network.layers"
CHANGES: Final = "network.changes"


class Line(NamedTuple):
    """A line of a network, or a change to some, and where it was written."""

    text: str
    where: str


def take_extension(table: dict[str, Any], text: RecipeText) -> Extension:
    """Take what concerns another recipe out of a recipe's table.

    Raises:
        SettingsError: It is of the wrong type.
    """
    extends = table.pop(EXTENDS, "")
    if not isinstance(extends, str):
        raise _misfit(EXTENDS, "a string, the name or the path of one recipe", text)
    network = table.get("network")
    changes = network.pop("changes", ()) if isinstance(network, dict) else ()
    return Extension(extends, _texts(changes, text.where(CHANGES)))


def own_lines(table: Mapping[str, Any], text: RecipeText) -> list[Line]:
    """Return the lines of the network that a recipe has of its own."""
    network = table.get("network")
    layers = network.get("layers", ()) if isinstance(network, Mapping) else ()
    if not isinstance(layers, list) or not all(isinstance(each, str) for each in layers):
        return []  # whoever reads the setting says so
    return list(map(Line, layers, text.where_each(LAYERS, len(layers))))


def changed_lines(lines: Sequence[Line], changes: Iterable[Line], *, of: str) -> list[Line]:
    """Return a network's lines with changes made to it.

    Args:
        lines: Of the network.
        changes: In no order: each is about the lines as they were.
        of: The name of the recipe that has them.

    Raises:
        SettingsError: A change is not understood, there is no such line, or another change is
            about it, too.
    """
    by_place: dict[int, tuple[Line, list[Line]]] = {}
    for change in changes:
        old, arrow, new = change.text.partition("->")
        if not arrow or not old.strip():
            raise SettingsError(
                f"{change.where}: change {change.text!r}",
                expected="OLD -> NEW, OLD being a line of the network or its number",
                fix="write it for instance 'conv 16 nobias -> conv 24 nobias'",
            )
        written = [Line(text, change.where) for each in new.split(",") if (text := each.strip())]
        numbered = _NUMBERS.fullmatch(_plain(old)) is not None
        for number, place in enumerate(_places(_plain(old), lines, change, of=of)):
            if place in by_place:
                raise SettingsError(
                    f"{change.where}: change {change.text!r} is about layer {place + 1}, and so "
                    f"is {by_place[place][0].text!r}",
                    expected="one change of a line",
                    fix="write both as one, or name the lines by their numbers",
                )
            # Several numbers stand for one piece; a text stands for every line that reads so.
            by_place[place] = change, [] if numbered and number else written
    changed: list[Line] = []
    for place, line in enumerate(lines):
        changed += by_place[place][1] if place in by_place else [line]
    return changed


def _places(old: str, lines: Sequence[Line], change: Line, *, of: str) -> range | list[int]:
    """Return the places, from 0, of the lines that a change is about."""
    if numbers := _NUMBERS.fullmatch(old):
        first, last = int(numbers[1]), int(numbers[2] or numbers[1])
        if 1 <= first <= last <= len(lines):
            return range(first - 1, last)
        raise SettingsError(
            f"{change.where}: change {change.text!r}: the network of {of} has no layers {old}",
            expected=f"1 to {len(lines)}, the smaller number first",
            fix=f"see `fer-train describe {of}`: the name of a layer begins with its number",
        )
    texts = [_plain(line.text) for line in lines]
    if old in texts:
        return [place for place, text in enumerate(texts) if text == old]
    near = get_close_matches(old, texts, n=1, cutoff=0.4)
    raise SettingsError(
        f"{change.where}: change {change.text!r}: the network of {of} has no line {old!r}",
        expected="a line of it, word by word, or its number",
        fix=f"did you mean {near[0]!r}?" if near else f"see `fer-train describe {of}`",
    )


def _plain(text: str) -> str:
    return " ".join(text.split())


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise SettingsError(
        f"setting {CHANGES} (from {where}) is no list of texts",
        expected='for instance ["conv 16 nobias -> conv 24 nobias"]',
        fix="correct it",
    )


def _misfit(key: str, expected: str, text: RecipeText) -> SettingsError:
    return SettingsError(
        f"setting {key} (from {text.where(key)}) is of another type",
        expected=expected,
        fix="correct it",
    )
