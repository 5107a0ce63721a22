"""Turns a training run into one TFLite file that carries its own contract."""

__version__ = "0.1.0"
