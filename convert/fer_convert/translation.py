"""Translate a network in the worker process and read what it left."""

import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from fer_convert.source.job import (
    ONNX_NAME,
    Job,
    NetworkSummary,
    Probes,
    read_error,
    read_moves,
    read_probes,
    read_ranges,
)
from fer_convert.targets import Target
from fer_edge.shared.address_space import TENSORFLOW_MB, require_address_space
from fer_edge.shared.errors import ModelError

_PROVEN: Final = frozenset({
    "Activation", "Add", "AveragePooling2D", "BatchNormalization", "Concatenate", "Conv2D",
    "Dense", "DepthwiseConv2D", "Dropout", "Flatten", "GlobalAveragePooling2D",
    "GlobalMaxPooling2D", "InputLayer", "MaxPooling2D", "Multiply", "ReLU", "Rescaling",
    "Reshape", "SeparableConv2D", "Softmax", "ZeroPadding2D",
})  # fmt: skip

_Result = TypeVar("_Result")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Translation:
    """A network as TFLite flatbuffers.

    Attributes:
        flatbuffers: By target.
        network: What was translated, and by which versions.
        moves: Where batch norms went that the converter alone would not fold.
        ranges: How int8's activation ranges were found; empty without int8.
        probes: What the network itself says of random pictures.
        onnx: The network as ONNX; empty where the job does not ask for it.
    """

    flatbuffers: Mapping[Target, bytes] = field(repr=False)
    network: NetworkSummary
    moves: tuple[str, ...]
    ranges: Mapping[str, Any]
    probes: Probes = field(repr=False)
    onnx: bytes = field(default=b"", repr=False)


def translate(job: Job) -> Translation:
    """Translate a network in a process of its own.

    Raises:
        FerError: As `run_worker` says.
    """

    def read(folder: Path) -> dict[str, Any]:
        onnx = folder / ONNX_NAME
        return {
            "flatbuffers": {
                target: (folder / target.file_name).read_bytes() for target in job.targets
            },
            "moves": read_moves(folder),
            "ranges": read_ranges(folder),
            "probes": read_probes(folder),
            "onnx": onnx.read_bytes() if job.options.get("onnx") else b"",
        }

    parts, network = run_worker(job, read)
    return Translation(network=network, **parts)


def run_worker(job: Job, read: Callable[[Path], _Result]) -> tuple[_Result, NetworkSummary]:
    """Do a job in a process of its own.

    Args:
        job: What is to be done.
        read: Reads what the job left in its folder, before that is removed.

    Raises:
        ModelError: The network cannot be loaded, breaks its contract, or cannot be converted.
        DependencyError: TensorFlow cannot be loaded.
        MemoryLimitError: This process may map too little for it.
        RuntimeError: The process failed for a reason of its own.
    """
    require_address_space(TENSORFLOW_MB, of="Keras and TensorFlow")
    with tempfile.TemporaryDirectory(prefix="fer-convert-") as name:
        folder = Path(name)
        job.write(folder)
        finished = subprocess.run(
            # -P: nothing in the folder where the user happens to be takes a module's place.
            [sys.executable, "-P", "-m", "fer_convert.worker", name, str(os.getpid())],
            # TensorFlow leaves its temporary files behind when it crashes.
            env={**os.environ, "TMPDIR": name},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        printed = finished.stdout.decode(errors="replace")
        for line in printed.splitlines():
            _log.debug("the worker process printed: %s", line)
        error = read_error(folder)
        if error is not None:
            raise error
        network = NetworkSummary.read(folder)
        if finished.returncode < 0:
            raise _crashed(job.model, network, -finished.returncode)
        if finished.returncode or network is None:
            lines = printed.strip().splitlines() or ["nothing printed"]
            raise RuntimeError(f"the worker ended with {finished.returncode}: {lines[-1]}")
        return read(folder), network


def _crashed(model: Path, network: NetworkSummary | None, number: int) -> ModelError:
    """Say which layers may have crashed TensorFlow; it does not live to say so itself."""
    reason = signal.Signals(number).name
    if number == signal.SIGKILL:
        reason += ": most likely too little memory"
    if network is None:
        return ModelError(
            f"{model}: TensorFlow crashed before it had loaded the network ({reason})",
            expected="a whole .keras file, and a TensorFlow that runs on this processor",
            fix="try `python -c 'import tensorflow'`, then train or copy the network again",
        )
    suspects = [
        f"{layer.name!r} ({layer.kind})" for layer in network.layers if layer.kind not in _PROVEN
    ]
    return ModelError(
        f"{model}: TensorFlow's converter crashed ({reason}); layers that are not proven to "
        f"convert: {', '.join(suspects) or 'none'}",
        expected="only layers of these kinds: " + ", ".join(sorted(_PROVEN)),
        fix="replace the layer in the recipe and train again",
    )
