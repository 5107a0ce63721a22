"""Where each setting's value comes from.

Precedence: flag, then environment `FER_EDGE_SECTION_KEY`, then TOML file, then default.
"""

import contextlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from fer_edge.settings.reporting import (
    DaemonSettings,
    EventSettings,
    MqttSettings,
    OutputSettings,
    WebSettings,
)
from fer_edge.settings.seeing import (
    BaselineSettings,
    DetectorSettings,
    ExpressionSettings,
    ModelSettings,
    SmoothingSettings,
    SourceSettings,
    TrackerSettings,
)
from fer_edge.shared import typed_tables
from fer_edge.shared.errors import SettingsError
from fer_edge.shared.named_files import read_named
from fer_edge.shared.typed_tables import Given, Resolved, flatten, settings_of

ENVIRONMENT_PREFIX: Final = "FER_EDGE_"
_NOT_SETTINGS: Final = frozenset({"FER_EDGE_CONFIG"})
_SECRETS: Final = "FER_EDGE_SECRET_"
_MOST_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, by section."""

    source: SourceSettings = field(default_factory=SourceSettings)
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    expression: ExpressionSettings = field(default_factory=ExpressionSettings)
    baseline: BaselineSettings = field(default_factory=BaselineSettings)
    smoothing: SmoothingSettings = field(default_factory=SmoothingSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    events: EventSettings = field(default_factory=EventSettings)
    mqtt: MqttSettings = field(default_factory=MqttSettings)
    daemon: DaemonSettings = field(default_factory=DaemonSettings)
    web: WebSettings = field(default_factory=WebSettings)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as people see it."""

    key: str
    value: str | int | float
    origin: str
    help: str


class ResolvedSettings(Resolved[Settings]):
    """Settings and the origin of each value, by `section.key`."""

    __slots__ = ()

    def rows(self) -> list[Setting]:
        """Return every setting in order."""
        values = flatten(asdict(self.settings))
        return [
            Setting(key, values[key], self.origins[key], part.meta["help"])
            for key, part in settings_of(Settings).items()
        ]


def resolve(
    *,
    flags: Mapping[str, str],
    environment: Mapping[str, str],
    file: Mapping[str, Any],
    file_name: str = "file",
    flags_name: str = "flag",
) -> ResolvedSettings:
    """Merge every source of settings; pure.

    Args:
        flags: Text by `section.key`.
        environment: The process's; only `FER_EDGE_...` is looked at.
        file: A parsed TOML file: a table for each section.
        file_name: Its name, for origins and messages.
        flags_name: What the flags are called there.

    Raises:
        SettingsError: A key is unknown (the nearest is named), or a value is of the wrong type
            or out of range, or holds the character NUL.
    """
    given = [
        *(Given(section, table, file_name) for section, table in file.items()),
        *_from_environment(environment),
        *(Given(key, value, flags_name) for key, value in flags.items()),
    ]
    known = settings_of(Settings)
    given = [
        each if each.key in known else each._replace(value=_table_of(each.value)) for each in given
    ]
    resolved = typed_tables.resolve(Settings, given, from_text=True)
    found = ResolvedSettings(resolved.settings, resolved.origins)
    for row in found.rows():
        if isinstance(row.value, str) and "\0" in row.value:
            raise SettingsError(
                f"setting {row.key} = {row.value!r} (from {row.origin})",
                expected="a string without the character NUL, which no name or address has",
                fix="correct it",
            )
    return found


def read_settings_file(path: Path) -> dict[str, Any]:
    """Parse a TOML settings file.

    Raises:
        SettingsError: Missing, unreadable, no file, or not TOML.
    """
    try:
        return tomllib.loads(read_named(path, most_bytes=_MOST_BYTES).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        # ValueError is TOML's own, that of a text that is none, and that of too many digits.
        why = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(
            f"{path} cannot be read as settings ({why})",
            expected="a TOML file with sections such as [source]",
            fix="`fer-edge config show` prints one to start from",
        ) from error


def _table_of(value: Any) -> Any:
    """Return the table that a text such as {happy = 0.5} writes; what is none as it is."""
    if isinstance(value, str) and value.startswith("{"):
        with contextlib.suppress(ValueError, RecursionError):
            return tomllib.loads(f"value = {value}")["value"]
    return value


def _from_environment(environment: Mapping[str, str]) -> Iterator[Given]:
    names = {
        ENVIRONMENT_PREFIX + key.replace(".", "_").upper(): key for key in settings_of(Settings)
    }
    for name, value in environment.items():
        if name in _NOT_SETTINGS or name.startswith(_SECRETS):
            continue
        if name.startswith(ENVIRONMENT_PREFIX):
            guess = name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("_", ".", 1)
            yield Given(names.get(name, guess), value, f"environment {name}")
