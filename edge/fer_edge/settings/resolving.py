"""Where each setting's value comes from.

Precedence: flag, then environment `FER_EDGE_SECTION_KEY`, then TOML file, then default.
"""

import dataclasses
import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fer_edge.settings.sections import Settings
from fer_edge.shared.errors import SettingsError

ENVIRONMENT_PREFIX: Final = "FER_EDGE_"
_NOT_SETTINGS: Final = frozenset({"FER_EDGE_CONFIG"})
_SECRETS: Final = "FER_EDGE_SECRET_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as people see it."""

    key: str
    value: str | int | float
    origin: str
    help: str


@dataclass(frozen=True, slots=True)
class ResolvedSettings:
    """Settings and the origin of each value, by `section.key`."""

    settings: Settings
    origins: Mapping[str, str]

    def rows(self) -> list[Setting]:
        """Return every setting in order."""
        return [
            Setting(
                f"{section}.{f.name}",
                getattr(getattr(self.settings, section), f.name),
                self.origins[f"{section}.{f.name}"],
                f.metadata["help"],
            )
            for section, f in _all_fields()
        ]


def resolve(
    *,
    flags: Mapping[str, str],
    environment: Mapping[str, str],
    file: Mapping[str, Any],
    file_name: str = "file",
) -> ResolvedSettings:
    """Merge every source of settings; pure.

    Args:
        flags: Text by `section.key`.
        environment: The process's; only `FER_EDGE_...` is looked at.
        file: A parsed TOML file: a table for each section.
        file_name: Its name, for origins and messages.

    Raises:
        SettingsError: A key is unknown (the nearest is named), or a value is of the wrong type
            or out of range.
    """
    known = {f"{section}.{f.name}": f for section, f in _all_fields()}
    values = {key: f.default for key, f in known.items()}
    origins = dict.fromkeys(known, "default")
    layers = (
        _from_file(file, file_name),
        _from_environment(environment, known),
        ((key, value, "flag") for key, value in flags.items()),
    )
    for layer in layers:
        for key, value, origin in layer:
            if key not in known:
                raise _unknown(key, origin, known)
            values[key] = _convert(known[key], key, value, origin)
            origins[key] = origin
    sections = {
        section.name: section.default_factory(  # type: ignore[operator]
            **{
                key.partition(".")[2]: value
                for key, value in values.items()
                if key.startswith(f"{section.name}.")
            }
        )
        for section in dataclasses.fields(Settings)
    }
    return ResolvedSettings(Settings(**sections), origins)


def read_settings_file(path: Path) -> dict[str, Any]:
    """Parse a TOML settings file.

    Raises:
        SettingsError: Missing, unreadable, or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(
            f"{path} cannot be read as settings ({error})",
            expected="a TOML file with sections such as [source]",
            fix="`fer-edge config show` prints one to start from",
        ) from error


def _all_fields() -> Iterator[tuple[str, "dataclasses.Field[Any]"]]:
    for section in dataclasses.fields(Settings):
        for f in dataclasses.fields(section.default_factory):  # type: ignore[arg-type]
            yield section.name, f


def _from_file(file: Mapping[str, Any], name: str) -> Iterator[tuple[str, Any, str]]:
    for section, table in file.items():
        if not isinstance(table, dict):
            yield section, table, name
            continue
        for key, value in table.items():
            yield f"{section}.{key}", value, name


def _from_environment(
    environment: Mapping[str, str], known: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    names = {ENVIRONMENT_PREFIX + key.replace(".", "_").upper(): key for key in known}
    for name, value in environment.items():
        if name in _NOT_SETTINGS or name.startswith(_SECRETS):
            continue
        if name.startswith(ENVIRONMENT_PREFIX):
            guess = name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("_", ".", 1)
            yield names.get(name, guess), value, f"environment {name}"


def _unknown(key: str, origin: str, known: Mapping[str, Any]) -> SettingsError:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
    return SettingsError(
        f"unknown setting {key!r} (from {origin})",
        expected=f"a key such as {near[0]!r}" if near else "a key of `fer-edge config show`",
        fix=f"did you mean {near[0]!r}?" if near else "see `fer-edge config show`",
    )


def _convert(
    f: "dataclasses.Field[Any]", key: str, value: object, origin: str
) -> str | int | float:
    kind: Any = type(f.default)
    if kind is bool:
        return _convert_bool(key, value, origin)
    wanted = {"str": "a text", "int": "a whole number", "float": "a number"}[kind.__name__]
    try:
        if isinstance(value, bool) or (kind is str and not isinstance(value, str)):
            raise ValueError  # noqa: TRY301 - joins the conversion's own failure below
        if kind is int and isinstance(value, float):
            raise ValueError  # noqa: TRY301
        converted: str | int | float = kind(value)
    except (TypeError, ValueError):
        raise _bad(key, value, origin, wanted) from None
    low, high, choices = (f.metadata[name] for name in ("low", "high", "choices"))
    if choices and converted not in choices:
        raise _bad(key, value, origin, "one of " + ", ".join(map(str, choices)))
    # Negated, so that NaN, which compares false with everything, is refused too.
    if low is not None and not low <= converted <= high:
        raise _bad(key, value, origin, f"{wanted} from {low:g} to {high:g}")
    return converted


def _convert_bool(key: str, value: object, origin: str) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise _bad(key, value, origin, "true or false")


def _bad(key: str, value: object, origin: str, expected: str) -> SettingsError:
    return SettingsError(
        f"setting {key} = {value!r} (from {origin})", expected=expected, fix="correct it"
    )
