"""The process in which a model is tried: it may crash, swell or hang without harm to anybody.

Started by `fer_edge.shared.model.survival`, which hands it a model file on standard input and reads
one line of JSON. Imports no OpenCV: the start of a program waits for this.
"""

import json
import os
import signal
import sys
import time
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.child_bounds import bound_child
from fer_edge.shared.errors import DependencyError, FerError, ModelError
from fer_edge.shared.model.contract import InputSpec
from fer_edge.shared.model.interpreter import LitertNetwork, load_runtime
from fer_edge.shared.model.model_file import GOLDEN_INPUTS_NAME, ModelFile, parse_model
from fer_edge.shared.model.selftest import run_selftest

_SLOWEST_SECONDS: Final = 1.0
"""For one face; a daemon that takes three such in a row is ended by its watchdog."""
_NOISY: Final = 4


def main() -> None:
    """Try one model, and end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever waits for us
    where, threads, memory, seconds = sys.argv[1], *map(int, sys.argv[2:5])
    data = sys.stdin.buffer.read()
    output = os.dup(1)
    told: dict[str, Any] = {}
    try:
        model = parse_model(data, where=where)
        load_runtime()
        bound_child(most_bytes=memory, seconds=seconds)
        told = _try(model, threads)
    except DependencyError as error:
        told = {"kind": "dependency", "found": error.found, "expected": error.expected}
        told["fix"] = error.fix
    except FerError as error:
        told = {"kind": "refused", "found": error.found}
    except MemoryError:
        told = {"kind": "refused", "found": "it takes too much memory"}
    os.write(output, json.dumps(told).encode())
    os._exit(0)  # whatever the runtime would do at its end


def _try(model: ModelFile, threads: int) -> dict[str, Any]:
    if GOLDEN_INPUTS_NAME not in model.members:
        LitertNetwork(model, threads=threads)  # what is wrong with the network says more
    result = run_selftest(model, threads=threads)
    network = LitertNetwork(model, threads=threads)
    fastest = min(_seconds(network, picture) for picture in _pictures(model.contract.input))
    if fastest > _SLOWEST_SECONDS:
        raise ModelError(
            f"it takes {fastest:.1f} s for one face",
            expected=f"at most {_SLOWEST_SECONDS:g} s",
            fix="use a smaller network",
        )
    try:
        result.require()
    except FerError as error:
        return {"kind": "mismatch", "found": error.found}
    return {"kind": "passed"}


def _seconds(network: LitertNetwork, picture: NDArray[np.uint8]) -> float:
    began = time.perf_counter()
    network.raw_output(picture)
    return time.perf_counter() - began


def _pictures(spec: InputSpec) -> list[NDArray[np.uint8]]:
    """Return pictures that whoever made the model did not choose."""
    shape = spec.picture_shape
    noise = np.random.default_rng(0)
    return [
        np.zeros(shape, np.uint8),
        np.full(shape, 255, np.uint8),
        np.indices(shape).sum(axis=0).astype(np.uint8),
        *(noise.integers(0, 256, shape).astype(np.uint8) for _ in range(_NOISY)),
    ]


if __name__ == "__main__":
    main()
