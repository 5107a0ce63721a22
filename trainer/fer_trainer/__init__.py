"""Trains documented facial expression networks."""

__version__ = "0.1.0"
