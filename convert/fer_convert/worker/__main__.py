"""Load a Keras network and translate it: `python -m fer_convert.worker FOLDER`."""

import os
import sys
from pathlib import Path

from fer_convert.worker.job import Job, NetworkSummary, write_error
from fer_edge.errors import DependencyError, FerError

# Before TensorFlow is imported, which reads them once. No accelerator is used: the converter does
# not need one, and the same run is to give the same bytes everywhere.
os.environ.update(
    KERAS_BACKEND="tensorflow",
    TF_CPP_MIN_LOG_LEVEL="3",
    CUDA_VISIBLE_DEVICES="-1",
    TF_NUM_INTRAOP_THREADS="2",
    TF_NUM_INTEROP_THREADS="2",
)


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
        from fer_convert.worker import network, translate  # noqa: PLC0415 - after the variables
    except ImportError as error:
        raise DependencyError(
            f"TensorFlow cannot be loaded ({error})",
            expected="tensorflow 2.21 or later with Keras 3",
            fix="run `pip install fer-convert` in an environment with Python 3.11 to 3.13",
        ) from error
    job = Job.read(folder)
    loaded = network.load_network(job.model)
    network.check_network(loaded, job.contract, where=job.model)
    summary = NetworkSummary(network.describe_layers(loaded), translate.versions())
    summary.write(folder)
    for target in job.targets:
        flatbuffer = translate.to_flatbuffer(loaded, target, job.pictures, where=job.model)
        (folder / target.file_name).write_bytes(flatbuffer)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
