"""Facial expression recognition for low-power devices."""

__version__ = "0.1.0"
