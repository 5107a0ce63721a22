"""Nested tables, as TOML and JSON have them, into frozen dataclasses, strictly, and to TOML."""

import contextlib
import dataclasses
import functools
import json
import math
import types
import typing
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar

from fer_edge.shared.errors import SettingsError
from fer_edge.shared.written_values import as_written

_T = TypeVar("_T")

_SWITCHES: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_LONGEST_KEY: Final = 100
_LONGEST_VALUE: Final = 80
_NAMES: Final = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}


def setting(
    default: Any,
    text: str = "",
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: tuple[str | int, ...] = (),
) -> Any:
    """Return a field of a settings dataclass, with what it does and what it may be.

    Args:
        default: Of the type that the field is annotated with.
        text: What it does, in a few words.
        low: The least it may be.
        high: The most it may be.
        above: What it must be above.
        below: What it must be below.
        choices: All that it may be, if that is a list.
    """
    bounds = {"low": low, "high": high, "above": above, "below": below}
    return dataclasses.field(default=default, metadata={"help": text, "choices": choices, **bounds})


class Part(NamedTuple):
    """One field of a dataclass.

    Attributes:
        hint: Its type.
        default: What it is where nothing is given; `dataclasses.MISSING` where it must be.
        meta: What `setting` says of it; empty where the field was made otherwise.
    """

    hint: Any
    default: Any
    meta: Mapping[str, Any]

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is dataclasses.MISSING


class Given(NamedTuple):
    """One value, or a table of them, from one source of settings.

    Attributes:
        key: Dotted, such as `training.epochs`; that of a section where `value` is a table.
        value: As it came.
        origin: The source's name, for people.
    """

    key: str
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Resolved(Generic[_T]):
    """Settings, and the origin of each value by dotted key."""

    settings: _T
    origins: Mapping[str, str]


class TableError(ValueError):
    """A table does not fit a dataclass; the text says which of its fields, and why."""


def resolve(
    record: type[_T], given: Iterable[Given], *, where: str = "settings", from_text: bool = False
) -> Resolved[_T]:
    """Merge every source of settings; pure.

    Args:
        record: A dataclass of settings, and of sections that are such dataclasses.
        given: The weakest first. A table takes the place of all that its section was given before.
        where: What lacks a setting that must be given, for messages.
        from_text: Whether numbers and switches may come as text, as flags and variables do.

    Raises:
        SettingsError: A key is unknown (the nearest is named) or missing, or a value is of the
            wrong type or out of range.
    """
    known = settings_of(record)
    values: dict[str, Any] = {}
    origins = dict.fromkeys(known, "default")
    for whole in given:
        if isinstance(whole.value, Mapping):
            for key in [key for key in values if key.startswith(f"{whole.key}.")]:
                del values[key]
                origins[key] = "default"
        for each in _spread(whole, known):
            if each.key not in known:
                raise _unknown(each, known)
            values[each.key] = _fit(known[each.key], each, from_text=from_text)
            origins[each.key] = each.origin
    for key, part in known.items():
        if part.required and key not in values:
            raise SettingsError(
                f"{where}: setting {key} is missing", expected=_may_be(part), fix="add it"
            )
    return Resolved(from_table(record, nest(values)), origins)


def settings_of(record: Any) -> dict[str, Part]:
    """Return every setting of a dataclass and its sections, by dotted key, in order."""
    found = {}
    for name, part in _parts(record).items():
        inside = settings_of(part.hint) if dataclasses.is_dataclass(part.hint) else None
        if inside is None:
            found[name] = part
        else:
            found |= {f"{name}.{key}": setting for key, setting in inside.items()}
    return found


def from_table(
    record: type[_T],
    table: Any,
    *,
    where: str = "",
    later: bool = False,
    optional: Collection[str] | None = None,
) -> _T:
    """Build a dataclass from a table that a file holds or another process sends.

    Args:
        record: Its fields are bool, int, float, str, Literal, tuples of one type, mappings from
            names to one type, any of these or None, and dataclasses of such fields.
        table: As `tomllib` and `json` read it.
        where: The table's own dotted key, for messages.
        later: It may be of a later version: fields and choices that are not known are let be.
        optional: All fields that may be missing; if not given, those that have a default.

    Raises:
        TableError: A field is missing, unknown or of another type.
    """
    if not isinstance(table, Mapping):
        raise TableError(f"field {where!r} is {_short(table)}" if where else "it is no table")
    parts = _parts(typing.cast("Any", record))
    may_lack = {name for name, part in parts.items() if not part.required}
    missing = sorted(parts.keys() - table.keys() - (may_lack if optional is None else {*optional}))
    unknown = [] if later else sorted(table.keys() - parts.keys())
    if missing or unknown:
        place = f" of {where}" if where else ""
        near = [
            name for key in unknown[:1] for name in get_close_matches(key[:_LONGEST_KEY], parts)
        ]
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise TableError(f"fields{place} missing {missing}, unknown {unknown}{hint}")
    values = {}
    for name in parts.keys() & table.keys():
        place = f"{where}.{name}" if where else name
        values[name] = _read(parts[name].hint, table[name], place, later=later, optional=optional)
        if not _is_allowed(values[name], parts[name].meta):
            raise _no_field(place, table[name], _may_be(parts[name]))
    return record(**values)


def nest(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by dotted key as nested tables."""
    nested: dict[str, Any] = {}
    for key, value in values.items():
        *sections, last = key.split(".")
        inner = nested
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[last] = value
    return nested


def flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of nested tables by dotted key; the way back from `nest`."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        inner = isinstance(value, Mapping)
        flat |= flatten(value, f"{prefix}{key}.") if inner else {prefix + key: value}
    return flat


def to_toml(table: Mapping[str, Any]) -> str:
    """Write a table of plain values, and of tables and lists of tables of them, as TOML."""
    lines = [f"{k} = {toml_value(v)}" for k, v in table.items() if not _tables(v)]
    for key, value in table.items():
        head = f"[{key}]" if isinstance(value, Mapping) else f"[[{key}]]"
        for inner in _tables(value):
            lines += ["", head, *(f"{k} = {toml_value(v)}" for k, v in inner.items())]
    return "\n".join(lines) + "\n"


def _tables(value: Any) -> list[Mapping[str, Any]]:
    """Return the tables that a value is or lists; none where it is plain."""
    listed = value if isinstance(value, list | tuple) else [value]
    return [each for each in listed if isinstance(each, Mapping)]


def toml_value(value: Any) -> str:
    """Write a plain value, or a list of them, as TOML."""
    if isinstance(value, Mapping):
        inner = (f"{toml_value(str(key))} = {toml_value(each)}" for key, each in value.items())
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, list | tuple):
        items = "".join(f"    {toml_value(item)},\n" for item in value)
        return f"[\n{items}]" if value else "[]"
    # JSON's true, numbers and escaped strings are TOML's too, but for the escaped DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


@functools.cache
def _parts(record: Any) -> dict[str, Part]:
    hints = typing.get_type_hints(record)
    found = {}
    for f in dataclasses.fields(record):
        made = f.default_factory is not dataclasses.MISSING
        found[f.name] = Part(hints[f.name], None if made else f.default, f.metadata)
    return found


def _spread(given: Given, known: Mapping[str, Part]) -> Iterator[Given]:
    """Yield the single settings that a source gives; what is no table of them is left whole."""
    is_section = any(key.startswith(f"{given.key}.") for key in known)
    # An unknown table is opened once, so that the nearest of its keys can be named.
    is_foreign = given.key not in known and "." not in given.key
    if isinstance(given.value, Mapping) and (is_section or (given.value and is_foreign)):
        for name, value in given.value.items():
            yield from _spread(Given(f"{given.key}.{name}", value, given.origin), known)
    else:
        yield given


def _unknown(given: Given, known: Mapping[str, Part]) -> SettingsError:
    if any(key.startswith(f"{given.key}.") for key in known):
        return _misfit(given, "a table")
    given = given._replace(key=given.key[:_LONGEST_KEY])  # what is compared, and what is shown
    section = given.key.rpartition(".")[0]
    beside = [key for key in known if key.rpartition(".")[0] == section] if section else []
    named_so = [key for key in known if key.endswith(f".{given.key}")]
    near = named_so or get_close_matches(given.key, known, n=1, cutoff=0.4)
    return SettingsError(
        f"unknown setting {given.key!r} (from {given.origin})",
        expected="one of " + ", ".join(beside or {key.partition(".")[0]: 0 for key in known}),
        fix=f"did you mean {' or '.join(map(repr, near))}?" if near else "remove it",
    )


def _fit(part: Part, given: Given, *, from_text: bool) -> Any:
    """Return a setting's value as its type; a text is read where that is allowed."""
    value = given.value
    if from_text and isinstance(value, str):
        if part.hint is bool:
            value = _SWITCHES.get(value.lower(), value)
        elif part.hint in {int, float}:
            with contextlib.suppress(ValueError):
                value = part.hint(value)
    try:
        value = _read(part.hint, value, given.key)
    except TableError as error:
        why = f" ({error})" if typing.get_origin(part.hint) is tuple else ""
        raise _misfit(given, _may_be(part) + why) from None
    if not _is_allowed(value, part.meta):
        raise _misfit(given, _may_be(part))
    return value


def _misfit(given: Given, expected: str) -> SettingsError:
    return SettingsError(
        f"setting {given.key} = {_short(given.value)} (from {given.origin})",
        expected=expected,
        fix="correct it",
    )


def _is_allowed(value: Any, meta: Mapping[str, Any]) -> bool:
    low, high, above, below = (meta.get(name) for name in ("low", "high", "above", "below"))
    return (
        (not meta.get("choices") or value in meta["choices"])
        and (low is None or value >= low)
        and (high is None or value <= high)
        and (above is None or value > above)
        and (below is None or value < below)
    )


def _may_be(part: Part) -> str:
    """Return what a setting may be, in words."""
    meta, kind = part.meta, _name(part.hint)
    if meta.get("choices"):
        return "one of " + ", ".join(str(choice) or '""' for choice in meta["choices"])
    if meta.get("low") is not None and meta.get("high") is not None:
        return f"{kind} from {meta['low']:g} to {meta['high']:g}"
    words = {"low": "of at least", "above": "above", "high": "of at most", "below": "below"}
    bounds = [
        f"{text} {meta[name]:g}" for name, text in words.items() if meta.get(name) is not None
    ]
    return " ".join([kind, " and ".join(bounds)]).strip()


def _name(hint: Any) -> str:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return "one of " + ", ".join(inner)
    if origin is types.UnionType:
        return " or ".join(_name(each) for each in inner)
    if origin is tuple:
        return f"a list, each {_name(inner[0])}"
    if origin is Mapping and typing.get_origin(inner[1]) is tuple:
        return f"a table, in it {_name(inner[1])}"
    return _NAMES.get(hint, "a table")


def _read(
    hint: Any,
    value: Any,
    where: str,
    *,
    later: bool = False,
    optional: Collection[str] | None = None,
) -> Any:
    """Return a value as the type that a field is annotated with."""
    read = functools.partial(_read, later=later, optional=optional)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        kind = typing.cast("type[Any]", hint)
        if isinstance(value, kind):
            return value
        return from_table(kind, value, where=where, later=later, optional=optional)
    if origin is types.UnionType:
        if value is None and types.NoneType in inner:
            return None
        *others, last = (each for each in inner if each is not types.NoneType)
        for each in others:
            with contextlib.suppress(TableError):
                return read(each, value, where)
        return read(last, value, where)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(read(inner[0], item, where) for item in value)
    if origin is Mapping and isinstance(value, Mapping):
        return {name: read(inner[1], item, f"{where}.{name}") for name, item in value.items()}
    if hint is float and type(value) is int:
        with contextlib.suppress(OverflowError):
            value = float(value)
    if not _is(hint, value, later=later):
        raise _no_field(where, value, _name(hint))
    return value


def _no_field(where: str, value: Any, expected: str) -> TableError:
    section, _, name = where.rpartition(".")
    place = f" in {section}" if section else ""
    return TableError(f"field {name!r} is {_short(value)}{place} and not {expected}")


def _is(hint: Any, value: Any, *, later: bool) -> bool:
    """Tell whether a value is of a plain type."""
    if typing.get_origin(hint) is Literal:
        return value in typing.get_args(hint) or (later and isinstance(value, str))
    return hint is Any or (type(value) is hint and (hint is not float or math.isfinite(value)))


def _short(value: Any) -> str:
    try:
        text = as_written(value)
    except (ValueError, RecursionError):  # of too many digits, or nested too deeply
        return "too large to be shown"
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."
