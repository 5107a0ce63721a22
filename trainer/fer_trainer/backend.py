"""Keras, imported once, quietly; on the backend that `KERAS_BACKEND` names, or that suits best.

Import `keras` from here and nowhere else. `keras.ops` and `keras.random` carry the training step on
all backends; what only one of them can do better stands here.
"""

import importlib.util
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from fer_edge.shared.address_space import TENSORFLOW_MB, require_address_space
from fer_edge.shared.errors import DependencyError
from fer_edge.shared.installing import pip_install

# TensorFlow greets every start with notes about oneDNN and CUDA; warnings and errors stay.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# TensorFlow takes oneDNN's convolutions by itself only where the processor has AVX-512 with VNNI or
# better; with AVX2 alone they are worth as much (docs/log/training.md).
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

_ON_CPU: Final = ("tensorflow", "torch", "jax")
"""Fastest first, as measured on the documented networks (docs/log/training.md)."""

_ON_GPU: Final = ("jax", "torch", "tensorflow")


def _importable(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def suitable_backend(*, gpu: bool, installed: Callable[[str], bool] = _importable) -> str | None:
    """Return the backend that trains fastest here; None where none is installed.

    Args:
        gpu: Whether the machine has an Nvidia GPU.
        installed: Says whether a package is there.
    """
    # JAX without its plugin is installed, but does not see the GPU.
    jax = ("jax_cuda12_plugin", "jax_cuda13_plugin") if gpu else ("jax",)
    packages = {"jax": jax, "torch": ("torch",), "tensorflow": ("tensorflow",)}
    order = _ON_GPU if gpu else _ON_CPU
    return next((name for name in order if any(map(installed, packages[name]))), None)


if "KERAS_BACKEND" not in os.environ:
    _suitable = suitable_backend(gpu=Path("/dev/nvidia0").exists())
    if _suitable:
        os.environ["KERAS_BACKEND"] = _suitable

if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
    require_address_space(TENSORFLOW_MB, of="Keras and TensorFlow")
try:
    import keras
except ImportError as error:
    raise DependencyError(
        f"Keras cannot be loaded ({error})",
        expected="Keras 3 with TensorFlow, JAX or PyTorch",
        fix="run `"
        + pip_install("'fer-trainer[tensorflow]'")
        + "`, or set KERAS_BACKEND to what is there",
    ) from error

__all__ = ["apart", "fused", "keras", "suitable_backend"]


def fused(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of tensors that is compiled into few loops, where the backend can.

    For long chains of small operations, which TensorFlow runs one by one, each through memory:
    compiled, the augmentation is more than twice as fast. Not for convolutions, which XLA makes
    two to six times slower on a CPU. JAX compiles the whole step already.

    Args:
        function: Pure, of `keras.ops` only: no variables, no random numbers.
    """
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf  # noqa: PLC0415 - one backend's own

    compiled: Callable[..., Any] = tf.function(function, autograph=False, jit_compile=True)
    return compiled


def apart(*tensors: Any) -> Sequence[Any]:
    """Return the tensors unchanged, but computed before what uses them and not woven into it.

    XLA weaves what computes an index into the loop that gathers by it, which then can no longer
    use the processor's vectors. Only inside a `fused` function.
    """
    if keras.backend.backend() != "tensorflow":
        return tensors
    from tensorflow.compiler.tf2xla.ops import gen_xla_ops  # noqa: PLC0415 - one backend's own

    kept: Sequence[Any] = gen_xla_ops.xla_optimization_barrier(list(tensors))
    return kept
