"""Recipes: their settings, their files, and whether they are consistent."""
