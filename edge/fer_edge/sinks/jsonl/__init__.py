"""Observations as JSON lines."""
