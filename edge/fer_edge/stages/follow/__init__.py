"""Faces followed from frame to frame."""
