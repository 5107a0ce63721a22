"""Between plain nested tables (TOML) and frozen dataclasses, both ways, strictly."""

import dataclasses
import json
import math
import typing
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from fer_edge.shared.errors import SettingsError

_T = TypeVar("_T")


def bounded(
    default: Any,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> Any:
    """Declare a number field with its range; `above` and `below` themselves are outside it."""
    bounds = {"least": least, "most": most, "above": above, "below": below}
    given = {word: number for word, number in bounds.items() if math.isfinite(number)}
    return dataclasses.field(default=default, metadata={"bounds": given})


def from_table(cls: type[_T], table: Mapping[str, Any], *, where: str) -> _T:
    """Build a dataclass from a table; nested dataclasses from nested tables.

    Args:
        cls: A dataclass of bool, int, float, str, Literal, tuple[str, ...] and dataclass fields.
        table: As `tomllib` reads it.
        where: For messages, for instance the file's name.

    Raises:
        SettingsError: A key is unknown (the nearest is named) or missing, or a value is of the
            wrong type or out of range.
    """
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    for key in table:
        if key not in fields:
            refuse_key(key, fields, where=where)
    missing = [
        name
        for name, f in fields.items()
        if name not in table
        and f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise SettingsError(
            f"{where}: {missing[0]} is missing",
            expected=f"a value of type {_type_name(hints[missing[0]])}",
            fix="add it",
        )
    values = {key: _value(hints[key], value, f"{where}: {key}") for key, value in table.items()}
    for key, value in values.items():
        _check_bounds(value, fields[key].metadata.get("bounds", {}), f"{where}: {key}")
    return cls(**values)


def _check_bounds(value: float, bounds: Mapping[str, float], where: str) -> None:
    holds = {
        "least": lambda bound: value >= bound,
        "most": lambda bound: value <= bound,
        "above": lambda bound: value > bound,
        "below": lambda bound: value < bound,
    }
    if not all(holds[word](bound) for word, bound in bounds.items()):
        words = {"least": "at least", "most": "at most", "above": "above", "below": "below"}
        raise SettingsError(
            f"{where} is {value}",
            expected=" and ".join(f"{words[word]} {bound:g}" for word, bound in bounds.items()),
            fix="correct the value",
        )


def refuse_key(key: str, known: typing.Iterable[str], *, where: str) -> typing.NoReturn:
    """Raise the error for an unknown key, naming the nearest known one."""
    known = list(known)
    near = get_close_matches(key, known, n=1, cutoff=0.5)
    raise SettingsError(
        f"{where}: unknown key {key!r}",
        expected="one of " + ", ".join(known),
        fix=f"did you mean {near[0]!r}?" if near else "remove it",
    )


def to_toml(table: Mapping[str, Any]) -> str:
    """Write a table of plain values, and of tables and lists of tables of them, as TOML."""
    plain = {key: value for key, value in table.items() if not _tables(value)}
    lines = [f"{key} = {_toml(value)}" for key, value in plain.items()]
    for key, value in table.items():
        head = f"[{key}]" if isinstance(value, Mapping) else f"[[{key}]]"
        for inner in _tables(value):
            lines += ["", head, *(f"{k} = {_toml(v)}" for k, v in inner.items())]
    return "\n".join(lines) + "\n"


def _tables(value: Any) -> list[Mapping[str, Any]]:
    """Return the tables that a value is or lists; none where it is plain."""
    listed = value if isinstance(value, list | tuple) else [value]
    return [each for each in listed if isinstance(each, Mapping)]


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[\n" + "".join(f"    {_toml(item)},\n" for item in value) + "]" if value else "[]"
    # JSON's true, numbers and escaped strings are TOML's too, but for the escaped DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return from_table(typing.cast("type[Any]", hint), value, where=where)
    if typing.get_origin(hint) is typing.Literal and value in typing.get_args(hint):
        return value
    if hint is float and type(value) in {int, float} and math.isfinite(value):
        return float(value)
    if hint in {bool, int, str} and type(value) is hint:
        return value
    if typing.get_origin(hint) is tuple and isinstance(value, list | tuple):
        return tuple(_value(typing.get_args(hint)[0], item, where) for item in value)
    raise SettingsError(f"{where} is {value!r}", expected=_type_name(hint), fix="correct the value")


def _type_name(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        return f"a list of {_type_name(typing.get_args(hint)[0])}"
    if dataclasses.is_dataclass(hint):
        return "a table"
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}
    return names.get(hint, str(hint))
