"""Settings as Python programs give them: by the names of the command line."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias

from fer_edge.settings import Settings, read_settings_file, resolve
from fer_edge.shared.errors import SettingsError

Value: TypeAlias = str | int | float | bool
GivenSettings: TypeAlias = "Mapping[str, Value] | str | os.PathLike[str] | Settings | None"
"""By `section.key` as --set takes them, a TOML file as --config does, or settings themselves."""

_MAIN: Final = {"model": "path", "detector": "kind", "source": "uri"}
"""By section the setting that a name alone is for."""


def choose_settings(
    settings: GivenSettings,
    *,
    model: str | os.PathLike[str] | None = None,
    detector: str | Mapping[str, Value] | None = None,
    source: str | None = None,
) -> Settings:
    """Merge what was given with environment, file and defaults, as the command line does.

    Args:
        settings: The other settings.
        model: Shipped model's name or file.
        detector: The name of a technique, or settings of section `detector`.
        source: As --source takes it.

    Raises:
        SettingsError: A key or value is wrong, or the file cannot be read.
    """
    given: dict[str, Value] = {}
    if isinstance(detector, Mapping):
        given |= {f"detector.{key}": value for key, value in detector.items()}
        detector = None
    named = {"model": model, "detector": detector, "source": source}
    given |= {
        f"{section}.{_MAIN[section]}": os.fspath(value)
        for section, value in named.items()
        if value is not None
    }
    if isinstance(settings, Settings):
        return _changed(settings, given)
    file: dict[str, object] = {}
    name = "file"
    if isinstance(settings, Mapping):
        given = dict(settings) | given
        settings = None
    if settings := settings or os.environ.get("FER_EDGE_CONFIG"):
        name = os.fspath(settings)
        file = read_settings_file(Path(name))
    flags = {key: _text(key, value) for key, value in given.items()}
    return resolve(
        flags=flags,
        environment=os.environ,
        file=file,
        file_name=name,
        flags_name="the program",
    ).settings


def _changed(settings: Settings, given: Mapping[str, Value]) -> Settings:
    for key, value in given.items():
        section, _, name = key.partition(".")
        part = dataclasses.replace(getattr(settings, section), **{name: value})
        settings = dataclasses.replace(settings, **{section: part})
    return settings


def _text(key: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    raise SettingsError(
        f"setting {key} = {value!r}",
        expected="a text, a number, True or False",
        fix="give it as --set takes it: {'tracker.max_faces': 2}",
    )
