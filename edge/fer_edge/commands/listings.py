"""Tables of cameras, and settings as TOML and JSON."""

from collections.abc import Sequence

from fer_edge.settings import Setting
from fer_edge.shared.terminal.tables import format_fields
from fer_edge.shared.typed_tables import toml_value
from fer_edge.sources.addresses import shown_source
from fer_edge.sources.discovery import FoundCamera


def format_cameras(cameras: Sequence[FoundCamera]) -> str:
    """Return a table of cameras."""
    lines = [("--source", "name")]
    for camera in cameras:
        formats = f" ({', '.join(camera.formats)})" if camera.formats else ""
        lines.append((camera.source, f"{camera.name or 'unnamed'}{formats}"))
    return format_fields(lines)


def format_settings(rows: Sequence[Setting]) -> str:
    """Return settings as a TOML file with comments that say what they are and where from."""
    lines: list[str] = []
    section = ""
    for row in rows:
        table, _, key = row.key.partition(".")
        if table != section:
            lines += ["", f"[{table}]"] if section else [f"[{table}]"]
            section = table
        value = toml_value(_shown(row.value))
        lines.append(f"{f'{key} = {value}':<32}  # {row.help} ({row.origin})")
    return "\n".join(lines)


def settings_to_json(rows: Sequence[Setting]) -> dict[str, dict[str, str | int | float]]:
    """Return value and origin by key, without passwords."""
    return {row.key: {"value": _shown(row.value), "origin": row.origin} for row in rows}


def _shown(value: str | float) -> str | int | float:
    """Return a value for people to read: a stream's password stays hidden."""
    return shown_source(value) if isinstance(value, str) else value
