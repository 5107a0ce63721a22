"""Whether the runtime survives a model: asked of a child, which a crash may end.

A model file may come from anywhere. Hashes say that it is whole, not that the runtime survives it:
one whose network breaks the runtime's assumptions ends the process, or fills its memory. So what
does not ship is loaded by a child with bounded memory and time first.
"""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, Final

from fer_edge.shared.errors import DependencyError, ModelError
from fer_edge.shared.model.model_file import (
    GOLDEN_INPUTS_NAME,
    GOLDEN_OUTPUTS_NAME,
    ModelFile,
    write_model,
)

LONGEST_SECONDS: Final = 30.0
"""Two of these fit into the time that systemd gives a daemon to start."""
MEMORY_BYTES: Final = 128 * 2**20
"""What a network may take beside its file: within the unit's MemoryMax with all else."""
_STACK_BYTES: Final = 16 * 2**20  # of a thread, and what it keeps
_PROGRAM: Final = "fer_edge.shared.model.trial_child"
_GOLDEN: Final = (GOLDEN_INPUTS_NAME, GOLDEN_OUTPUTS_NAME)
_MOST_SAID: Final = 4000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trial came to that the runtime survived.

    Attributes:
        mismatch: What the golden vectors say against the model; "" where they match.
    """

    mismatch: str


def survive(model: ModelFile, *, threads: int = 1, name: str = "") -> Outcome:
    """Find out in a child that the runtime survives a model, whatever its golden vectors say.

    Args:
        model: Read and found whole.
        threads: Of the interpreter.
        name: What to call it in messages, if that is not its path.

    Raises:
        ModelError: It does not, or the model takes too much memory or time.
        DependencyError: There is no usable TFLite runtime.
    """
    name = name or model.path
    told = _ask_child(model, threads=threads, name=name)
    found = str(told.get("found", ""))[:_MOST_SAID].removeprefix(f"{model.path}: ")
    if told.get("kind") == "dependency":
        raise DependencyError(found, expected=str(told["expected"]), fix=str(told["fix"]))
    if told.get("kind") == "refused":
        raise failed_trial(name, found)
    return Outcome(found)


def _ask_child(model: ModelFile, *, threads: int, name: str) -> dict[str, Any]:
    # The very network, contract and vectors that were read: the file may change meanwhile.
    golden = {part: model.members[part] for part in _GOLDEN if part in model.members}
    data = write_model(model.flatbuffer, model.contract, golden)
    memory = MEMORY_BYTES + len(model.flatbuffer) + threads * _STACK_BYTES
    command = [
        *(sys.executable, "-P", "-m", _PROGRAM, model.path),
        *(str(threads), str(memory), f"{LONGEST_SECONDS:.0f}"),
    ]
    try:
        done = subprocess.run(
            command, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            timeout=LONGEST_SECONDS, check=False, env=_environment(),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise failed_trial(name, f"it takes longer than {LONGEST_SECONDS:.0f} s") from None
    except OSError as error:
        raise failed_trial(name, f"it cannot be started: {error.strerror}") from error
    if done.returncode in {-signal.SIGXCPU, -signal.SIGKILL}:
        raise failed_trial(name, "it takes too much time or memory")
    if done.returncode < 0:
        raise failed_trial(name, f"the TFLite runtime dies of signal {-done.returncode}")
    try:
        told: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise failed_trial(name, f"it ends with exit code {done.returncode}") from None
    return told


def _environment() -> dict[str, str]:
    """Return the environment of the child: what is imported here is there."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "OPENBLAS_NUM_THREADS": "1",
    }


def failed_trial(name: str, why: str) -> ModelError:
    """Return the error of a model that has not passed, and why not."""
    return ModelError(
        f"{name}: the model fails its own test on this device ({why})",
        expected="one that the TFLite runtime survives, and that computes what its golden vectors "
        "record",
        fix="do not use a file whose origin you do not know; convert it again, or install fer-edge "
        "and its TFLite runtime again",
    )
