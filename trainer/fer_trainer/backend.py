"""Keras, imported once, quietly, on whichever backend `KERAS_BACKEND` names.

Import `keras` from here and nowhere else. Nothing in this package names a backend's own
functions: `keras.ops` and `keras.random` carry the training step on all of them.
"""

import os

from fer_edge.errors import DependencyError

# TensorFlow greets every start with notes about oneDNN and CUDA; warnings and errors stay.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

try:
    import keras
except ImportError as error:
    raise DependencyError(
        f"Keras cannot be loaded ({error})",
        expected="Keras 3 with TensorFlow, JAX or PyTorch",
        fix="run `pip install 'fer-trainer[tensorflow]'`, or set KERAS_BACKEND to what is there",
    ) from error

__all__ = ["keras"]
