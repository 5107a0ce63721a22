"""A model's own test: before a model that does not ship is loaded, it must survive, and be right.

What has passed here before is not tried again.
"""

import contextlib
import threading
from pathlib import Path

from fer_edge.models import open_model, require_trusted
from fer_edge.models.card import ships
from fer_edge.models.tried import TriedModels, trial_key
from fer_edge.shared.errors import FerError
from fer_edge.shared.model.model_file import ModelFile, read_model
from fer_edge.shared.model.survival import Outcome, failed_trial, survive

_passed: set[str] = set()
"""Trials that were passed while this process ran, for where none can be written down."""


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
        raise failed_trial(name or model.path, outcome.mismatch)
    _passed.add(key)


def require_survival(model: ModelFile) -> None:
    """Let a model be tried that neither ships nor has passed, whatever its golden vectors say.

    Raises:
        ModelError: As `survive` says.
        DependencyError: Likewise.
    """
    if not has_passed(model):
        survive(model)
