"""A model's own test, run where a crash of the runtime harms nobody.

A model file may come from anywhere. Hashes say that it is whole, not that the runtime survives it:
one whose network breaks the runtime's assumptions ends the process, or fills its memory. So what
does not ship is loaded by a child with bounded memory and time first.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fer_edge.models import open_model, require_trusted
from fer_edge.models.card import ships
from fer_edge.models.tried import TriedModels, trial_key
from fer_edge.shared.errors import DependencyError, FerError, ModelError
from fer_edge.shared.model.model_file import (
    GOLDEN_INPUTS_NAME,
    GOLDEN_OUTPUTS_NAME,
    ModelFile,
    read_model,
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

_passed: set[str] = set()
"""Trials that were passed while this process ran, for where none can be written down."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trial came to that the runtime survived.

    Attributes:
        mismatch: What the golden vectors say against the model; "" where they match.
    """

    mismatch: str


class _Begun(threading.Thread):
    """A trial that goes on beside the imports of whoever needs its outcome."""

    def __init__(self, model: ModelFile) -> None:
        super().__init__(name="trial", daemon=True)
        self._model = model
        self._outcome: Outcome | None = None

    def run(self) -> None:
        """Try the model; what is wrong with it, whoever needs it finds out and says."""
        with contextlib.suppress(FerError):
            self._outcome = survive(self._model)

    def outcome(self) -> Outcome | None:
        """Wait for the end; None where it has to be found out again what is wrong."""
        self.join()
        return self._outcome


_begun: dict[str, _Begun] = {}


def begin_trial(name_or_path: str, *, trust: str) -> None:
    """Let a model be tried, if it has to be, while other things are made; never fails.

    Args:
        name_or_path: As `open_model` takes it.
        trust: As `require_trusted` takes it; another file is not even tried.
    """
    with contextlib.suppress(FerError):
        model = open_model(name_or_path)
        require_trusted(model.path, model.sha256, trust)
        if not has_passed(model):
            _begun[trial_key(model)] = begun = _Begun(model)
            begun.start()


def require_tried(model: ModelFile, *, threads: int = 1) -> None:
    """Let a model be tried that neither ships nor has passed here before.

    Args:
        model: Read and found whole; nothing has loaded it yet.
        threads: Of the interpreter.

    Raises:
        ModelError: As `require_pass` says.
        DependencyError: There is no usable TFLite runtime.
    """
    if not has_passed(model):
        require_pass(model, threads=threads)
        TriedModels.own().add(trial_key(model))


def has_passed(model: ModelFile) -> bool:
    """Tell whether a model need not be tried: it ships, or has passed here before."""
    if ships(model):
        return True
    key = trial_key(model)
    return key in _passed or TriedModels.own().holds(key)


def try_model(path: Path, *, name: str = "") -> ModelFile:
    """Read a model file and try it, whether or not that was done before; return it.

    Args:
        path: Of the file.
        name: What to call it in messages, if that is not its path.

    Raises:
        ModelError: It is not whole, or as `require_pass` says.
    """
    model = read_model(path)
    require_pass(model, name=name)
    return model


def require_pass(model: ModelFile, *, threads: int = 1, name: str = "") -> None:
    """Let a child load a model, run its golden vectors and pictures of our own.

    Args:
        model: Read and found whole.
        threads: Of the interpreter.
        name: What to call it in messages, if that is not its path.

    Raises:
        ModelError: It crashes the runtime, takes too much memory or time, or computes something
            else here than where it was converted.
        DependencyError: There is no usable TFLite runtime.
    """
    key = trial_key(model)
    begun = _begun.pop(key, None)
    outcome = begun.outcome() if begun is not None else None
    if outcome is None:
        outcome = survive(model, threads=threads, name=name)
    if outcome.mismatch:
        raise _failed(name or model.path, outcome.mismatch)
    _passed.add(key)


def require_survival(model: ModelFile) -> None:
    """Let a model be tried that neither ships nor has passed, whatever its golden vectors say.

    Raises:
        ModelError: As `survive` says.
        DependencyError: Likewise.
    """
    if not has_passed(model):
        survive(model)


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
        raise _failed(name, found)
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
        raise _failed(name, f"it takes longer than {LONGEST_SECONDS:.0f} s") from None
    except OSError as error:
        raise _failed(name, f"it cannot be started: {error.strerror}") from error
    if done.returncode in {-signal.SIGXCPU, -signal.SIGKILL}:
        raise _failed(name, "it takes too much time or memory")
    if done.returncode < 0:
        raise _failed(name, f"the TFLite runtime dies of signal {-done.returncode}")
    try:
        told: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise _failed(name, f"it ends with exit code {done.returncode}") from None
    return told


def _environment() -> dict[str, str]:
    """Return the environment of the child: what is imported here is there."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "OPENBLAS_NUM_THREADS": "1",
    }


def _failed(name: str, why: str) -> ModelError:
    return ModelError(
        f"{name}: the model fails its own test on this device ({why})",
        expected="one that the TFLite runtime survives, and that computes what its golden vectors "
        "record",
        fix="do not use a file whose origin you do not know; convert it again, or install fer-edge "
        "and its TFLite runtime again",
    )
