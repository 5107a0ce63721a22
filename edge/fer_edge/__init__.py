"""Facial expression recognition for low-power devices."""

from typing import Final

__version__ = "0.1.0"

DEFAULT_MODEL: Final = "edge-small-ferplus"
"""Of the shipped models the one that is right most often about natural pictures: docs/model.md."""
