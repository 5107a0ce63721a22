"""The smoother's settings that are tried against one another."""

import dataclasses
from typing import Final

from fer_edge.settings import SmoothingSettings

LEAST: Final = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
ALONE: Final[dict[str, tuple[float, ...]]] = {
    "memory_seconds": (0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6),
    "least_probability": LEAST,
    "margin": (0.0, 0.05, 0.1, 0.15, 0.2, 0.3),
    "settle_seconds": (0.0, 0.1, 0.2, 0.3, 0.5),
}
MEMORIES: Final = (0.2, 0.25, 0.3, 0.4)
MARGINS: Final = (0.1, 0.15, 0.2)


def swept(settings: SmoothingSettings) -> list[SmoothingSettings]:
    """Return settings to try: each one changed alone, and memory and margin together."""
    found = [settings]
    for name, values in ALONE.items():
        found += [dataclasses.replace(settings, **{name: value}) for value in values]
    found += [
        dataclasses.replace(settings, memory_seconds=memory, margin=margin)
        for memory in MEMORIES
        for margin in MARGINS
    ]
    return list(dict.fromkeys(found))
