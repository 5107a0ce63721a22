"""Colours of every picture: safe for the colour-blind, in daylight and in the dark.

Source: Okabe and Ito, Color Universal Design, 2008.
"""

from typing import Final

INK: Final = "#1f2328"
"""Text and axes; no data has this colour, so that a dark page can exchange it."""

BLUE: Final = "#0072b2"
ORANGE: Final = "#e69f00"
GREEN: Final = "#009e73"
VERMILION: Final = "#d55e00"
SKY: Final = "#56b4e9"
PURPLE: Final = "#cc79a7"
YELLOW: Final = "#f0e442"
GREY: Final = "#999999"

SERIES: Final = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
"""For lines of which none is special."""
