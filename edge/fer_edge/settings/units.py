"""The unit of a setting's value: the one in its name, or the one named here."""

from collections.abc import Mapping
from typing import Final

SUFFIXES: Final[Mapping[str, str]] = {
    "_ms_per_second": "ms/s", "_mb_per_day": "MB/day", "_per_second": "1/s", "_seconds": "s",
    "_px": "px", "_mb": "MB", "_days": "days", "_frames": "frames", "_faces": "faces",
    "_degrees": "degrees",
}  # fmt: skip
NO_UNIT: Final = "-"
"""Of numbers that count or compare nothing that has a name."""
UNITS: Final[Mapping[str, str]] = {
    "source.width": "px",
    "source.height": "px",
    "source.rotation": "degrees",
    "detector.yunet_least_score": NO_UNIT,
    "detector.scale_factor": NO_UNIT,
    "detector.min_neighbours": "hits",
    "smoothing.least_probability": NO_UNIT,
    "smoothing.margin": NO_UNIT,
    "model.threads": "threads",
    "expression.balance": NO_UNIT,
    "baseline.strength": NO_UNIT,
    "mqtt.port": NO_UNIT,
    "mqtt.in_flight": "events",
    "web.port": NO_UNIT,
    "web.view_fps": "1/s",
    "web.viewers": "viewers",
}
_SHARES: Final = "expression.prior."


def unit_of(key: str) -> str:
    """Return the unit of a setting, `NO_UNIT` for a bare number, "" where none is known."""
    by_name = (unit for suffix, unit in SUFFIXES.items() if key.endswith(suffix))
    return UNITS.get(key) or next(by_name, "") or (NO_UNIT if key.startswith(_SHARES) else "")
