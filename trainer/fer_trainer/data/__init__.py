"""Labelled pictures in memory: reading them, splitting them, choosing among them."""
