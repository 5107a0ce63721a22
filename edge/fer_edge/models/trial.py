"""A model's own test, run where a crash of the runtime harms nobody."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from fer_edge.shared.errors import ModelError
from fer_edge.shared.model.model_file import ModelFile, read_model

_LONGEST_SECONDS: Final = 30.0
"""Two of these fit into the time that systemd gives a daemon to start."""
_PROGRAM: Final = "from fer_edge.cli import main; main()"


def try_model(path: Path, *, name: str = "") -> ModelFile:
    """Read a model file and run its golden vectors, in a process of their own; return the file.

    Args:
        path: Of the file.
        name: What to call it in messages, if that is not its path.

    Raises:
        ModelError: It is not whole, breaks its contract, crashes the runtime, takes half a
            minute, or computes something else here than where it was converted.
    """
    model = read_model(path)
    name = name or str(path)
    command = [sys.executable, "-P", "-c", _PROGRAM, "selftest", "--json", str(path.absolute())]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_LONGEST_SECONDS, check=False, text=True,
            errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise _failed(name, f"it takes longer than {_LONGEST_SECONDS:.0f} s") from None
    except OSError as error:
        raise _failed(name, f"it cannot be started: {error.strerror}") from error
    if done.returncode < 0:
        raise _failed(name, f"the TFLite runtime dies of signal {-done.returncode}")
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        found = said.removeprefix("error: ").removeprefix(f"{path}: ").partition("; expected ")[0]
        raise _failed(name, found)
    return model


def _failed(name: str, why: str) -> ModelError:
    return ModelError(
        f"{name}: the model fails its own test on this device ({why})",
        expected="the outputs that its golden vectors record",
        fix="convert it again, or install fer-edge and its TFLite runtime again",
    )
