"""Colours of a network's layers, and what becomes of a picture on a dark page."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fer_edge.shared.report.colours import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    YELLOW,
)

_LIGHT_INK: Final = "#e6edf3"

LAYERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "InputLayer": GREY,
        "Rescaling": "#c8c8c8",
        "Conv2D": BLUE,
        "BatchNormalization": YELLOW,
        "ReLU": VERMILION,
        "MaxPooling2D": GREEN,
        "AveragePooling2D": GREEN,
        "GlobalAveragePooling2D": "#00694d",
        "Dropout": "#6e6e6e",
        "Flatten": SKY,
        "Dense": ORANGE,
        "Add": PURPLE,
    }
)
"""By Keras class; those of one role may share a colour."""

OTHER_LAYER: Final = "#b8a88a"


def shade(colour: str, factor: float) -> str:
    """Return a colour nearer to black (below 1) or to white (above 1, up to 2)."""
    channels = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    changed = (
        round(channel * factor if factor <= 1 else channel + (255 - channel) * (factor - 1))
        for channel in channels
    )
    return "#" + "".join(f"{channel:02x}" for channel in changed)


def in_the_dark(svg: str) -> str:
    """Return an SVG for a dark page: light ink, everything else as it is."""
    return svg.replace(INK, _LIGHT_INK)
