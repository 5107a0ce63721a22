"""Values of settings as people write them, for messages: not as Python does."""

from collections.abc import Mapping
from typing import Any


def as_written(value: Any) -> str:
    """Return a value as people write it in TOML, on one line; texts in single quotes."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key} = {as_written(each)}' for key, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_written, value))}]"
    if value is None:
        return "null"
    return repr(value) if isinstance(value, str | int | float) else str(value)
