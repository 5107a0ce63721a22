"""Load a Keras network and do a job with it: `python -m fer_convert.worker FOLDER PARENT`."""

import ctypes
import importlib
import os
import signal
import sys
from pathlib import Path
from typing import Final

from fer_convert.source.job import Job, NetworkSummary, write_error
from fer_edge.shared.errors import DependencyError, FerError

# Before TensorFlow is imported, which reads them once. No accelerator is used: the converter does
# not need one, and the same run is to give the same bytes everywhere.
os.environ.update(
    KERAS_BACKEND="tensorflow",
    TF_CPP_MIN_LOG_LEVEL="3",
    CUDA_VISIBLE_DEVICES="-1",
    TF_NUM_INTRAOP_THREADS="2",
    TF_NUM_INTEROP_THREADS="2",
)

# Keras imports it for pictures that no job draws: a second of five that TensorFlow's start takes.
sys.modules["matplotlib"] = None  # type: ignore[assignment]

_PR_SET_PDEATHSIG: Final = 1
KINDS: Final = ("translate", "requantise")
"""The modules of this package that do a job, each with `perform(network, job, folder)`."""


def main(folder: Path) -> int:
    """Do the job in `folder` and return an exit code; errors go into the folder, too."""
    try:
        _work(folder)
    except FerError as error:
        write_error(error, folder)
        return error.exit_code
    return 0


def _work(folder: Path) -> None:
    try:
        # After the variables are set.
        from fer_convert.worker import network, reading, translate  # noqa: PLC0415
    except ImportError as error:
        raise DependencyError(
            f"TensorFlow cannot be loaded ({error})",
            expected="tensorflow 2.21 or later with Keras 3",
            fix="run `pip install fer-convert` in an environment with Python 3.11 to 3.13",
        ) from error
    job = Job.read(folder)
    if job.kind not in KINDS:
        raise RuntimeError(f"the worker knows the jobs {KINDS}, not {job.kind!r}")
    loaded = network.load_network(job.model, job.architecture, shape=job.contract.input.shape)
    network.check_network(loaded, job.contract, where=job.model)
    summary = NetworkSummary(network.describe_layers(loaded), translate.versions())
    summary.write(folder)
    read = reading.read_network(loaded, job)
    if job.kind == "translate":
        reading.write_probes(loaded, job, folder)
    importlib.import_module(f"fer_convert.worker.{job.kind}").perform(read, job, folder)


def die_with_parent(parent: int) -> None:
    """Ask Linux to kill this process when its parent dies; elsewhere, do nothing.

    Args:
        parent: Its process id, to notice a parent that is already gone.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[2]))
    sys.exit(main(Path(sys.argv[1])))
