"""Facial expression recognition for low-power devices."""

from typing import Final

__version__ = "0.1.0"

DEFAULT_MODEL: Final = "edge-small-ferplus"
"""The shipped model that is right most often about natural pictures: docs/log/models.md."""
