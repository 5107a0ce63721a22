"""Every setting of the runtime, its default, and where its value came from.

Precedence: flag, then environment `FER_EDGE_SECTION_KEY`, then TOML file, then default.
"""

import dataclasses
import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fer_edge.errors import SettingsError

ENVIRONMENT_PREFIX: Final = "FER_EDGE_"
_NOT_SETTINGS: Final = frozenset({"FER_EDGE_CONFIG"})


def _setting(
    default: Any,
    text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str | int, ...] = (),
) -> Any:
    meta = {"help": text, "low": low, "high": high, "choices": choices}
    return field(default=default, metadata=meta)


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """Where frames come from."""

    uri: str = _setting(
        "0",
        "camera number or /dev/videoN, picamera or picamera:N, rtsp:// or http:// stream, "
        "video file, picture folder",
    )
    width: int = _setting(640, "frame width asked of a camera, pixels", low=16, high=8192)
    height: int = _setting(480, "frame height asked of a camera, pixels", low=16, high=8192)
    frames_per_second: float = _setting(30.0, "rate asked of a camera", low=0.1, high=1000)
    rotation: int = _setting(0, "degrees to turn pictures clockwise", choices=(0, 90, 180, 270))
    mirror: bool = _setting(False, "swap left and right, after the rotation")
    pace: str = _setting(
        "fast", "of a video file: as fast as possible, or its own", choices=("fast", "own")
    )
    open_timeout_seconds: float = _setting(8.0, "bound on opening", low=0.1, high=60)
    read_timeout_seconds: float = _setting(2.0, "bound on waiting for a frame", low=0.1, high=60)


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """How faces are found."""

    cascade: str = _setting("alt2", "Haar cascade", choices=("alt2", "alt", "default"))
    confirm: str = _setting(
        "alt",
        "second cascade for weak finds, or none",
        choices=("alt", "alt2", "default", ""),
    )
    scale_factor: float = _setting(1.1, "ratio between sizes searched", low=1.01, high=2)
    min_neighbours: int = _setting(2, "overlapping hits needed", low=0, high=100)
    min_face_px: int = _setting(40, "smallest face, pixels of the shrunk frame", low=20, high=4096)
    max_side_px: int = _setting(640, "frames are shrunk to this longer side", low=64, high=8192)


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """How faces are followed from frame to frame."""

    mode: str = _setting(
        "follow",
        "follow faces over time, or search every frame wholly",
        choices=("follow", "each"),
    )
    max_faces: int = _setting(8, "followed at once; further ones are left out", low=1, high=1000)
    min_face_px: int = _setting(
        20, "smallest face searched, pixels of a frame of 640", low=20, high=640
    )
    budget_ms_per_second: float = _setting(
        60.0, "CPU time the search for new faces may take", low=1, high=10000
    )
    search_seconds: float = _setting(
        0.13, "between searches while no face is known", low=0.01, high=60
    )
    known_search_seconds: float = _setting(
        0.5, "between searches while one is known", low=0.01, high=60
    )
    check_frames: int = _setting(10, "between checks of a known face", low=1, high=1000)
    coast_seconds: float = _setting(0.5, "a hidden face is still reported", low=0, high=60)
    trust_seconds: float = _setting(2.0, "until an unconfirmed face is dropped", low=0.1, high=60)
    remember_seconds: float = _setting(2.0, "a face that returns keeps its number", low=0, high=60)


@dataclass(frozen=True, slots=True)
class SmoothingSettings:
    """How labels are steadied over time."""

    memory_seconds: float = _setting(0.4, "time constant of the average", low=0.001, high=60)
    least_probability: float = _setting(0.4, "smoothed, from which a label is given", low=0, high=1)
    margin: float = _setting(0.1, "by which another label must lead", low=0, high=1)
    settle_seconds: float = _setting(0.1, "until a new face may get a label", low=0, high=60)


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which network reads the faces."""

    path: str = _setting("edge-small", "shipped model's name or .tflite file")
    threads: int = _setting(1, "threads of the interpreter", low=1, high=64)


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """Where observations go."""

    file: str = _setting("-", "JSON lines file to append to; - is stdout")


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, by section."""

    source: SourceSettings = field(default_factory=SourceSettings)
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    smoothing: SmoothingSettings = field(default_factory=SmoothingSettings)
    output: OutputSettings = field(default_factory=OutputSettings)


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
        if name.startswith(ENVIRONMENT_PREFIX) and name not in _NOT_SETTINGS:
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
