"""A training run at the end of an epoch, in one file: all that the next epoch depends on.

Weights, batch norm statistics, every random seed's state, the optimiser with its step and weight
average, what callbacks remember (best weights, patience, history) and the number of epochs. The
order of the pictures follows from the seed and the epoch, so it needs no keeping.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.arrays import read_arrays
from fer_edge.shared.errors import ModelError
from fer_trainer.backend import keras
from fer_trainer.run.folder import replace_file

_VERSION: Final = 1
_FACTS: Final = "facts"

_REMEMBERED: Final = (
    "wait", "stopped_epoch", "best", "best_epoch", "best_weights", "cooldown_counter",
)  # fmt: skip
"""What Keras' own callbacks (early stopping, best checkpoint, plateau) carry between epochs."""


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Where a run stands.

    Attributes:
        epoch: Epochs done.
        stopped: A callback has ended the training early.
        seconds: Time spent on these epochs.
        surroundings: What the numbers depend on besides recipe and data: backend, precision, and
            hashes of teachers or their answers.
        variables: Of the model, in its order; seeds' states are among them.
        optimiser: Its variables, in its order; step and weight average are among them.
        memories: What each callback remembers, by its class's name.
    """

    epoch: int
    stopped: bool
    seconds: float
    surroundings: Mapping[str, str]
    variables: tuple[NDArray[Any], ...]
    optimiser: tuple[NDArray[Any], ...]
    memories: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Replace the file at `path` in one step, so that a torn one is never found there.

        Raises:
            OutputError: It cannot be written; the one before is kept.
        """
        arrays: dict[str, NDArray[Any]] = {}
        for kind, values in (("model", self.variables), ("optimiser", self.optimiser)):
            arrays.update({f"{kind}/{number:04d}": value for number, value in enumerate(values)})
        memories: dict[str, dict[str, Any]] = {}
        for name, memory in self.memories.items():
            memories[name] = {}
            for key, value in memory.items():
                if isinstance(value, list):
                    memories[name][key] = {"arrays": len(value)}
                    prefix = f"memory/{name}/{key}"
                    arrays.update({f"{prefix}/{n:04d}": item for n, item in enumerate(value)})
                else:
                    memories[name][key] = value
        facts = {
            "version": _VERSION,
            "epoch": self.epoch,
            "stopped": self.stopped,
            "seconds": self.seconds,
            "surroundings": dict(self.surroundings),
            "memories": memories,
        }
        arrays[_FACTS] = np.frombuffer(json.dumps(facts).encode(), dtype=np.uint8)
        replace_file(path, lambda temporary: np.savez(temporary, **arrays))  # type: ignore[arg-type]

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read a checkpoint.

        Raises:
            ModelError: The file is damaged, or another version of this program wrote it.
        """
        try:
            arrays = read_arrays(path)
            facts = _facts(arrays.pop(_FACTS))
            memories = {
                name: {key: _memory(name, key, value, arrays) for key, value in memory.items()}
                for name, memory in facts["memories"].items()
            }
            return cls(
                int(facts["epoch"]),
                bool(facts["stopped"]),
                float(facts["seconds"]),
                facts["surroundings"],
                _numbered("model", arrays),
                _numbered("optimiser", arrays),
                memories,
            )
        except (
            OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError,
        ) as error:  # fmt: skip
            raise ModelError(
                f"{path} is no checkpoint ({' '.join(str(error).split())[:120]})",
                expected=f"a checkpoint of version {_VERSION}, as `fer-train fit` writes it",
                fix="train again with --force instead of --resume",
            ) from error


def capture(
    model: Any,
    callbacks: Iterable[Any],
    *,
    epoch: int,
    seconds: float,
    surroundings: Mapping[str, str],
) -> Checkpoint:
    """Copy the state of a model in training.

    Args:
        model: Compiled, its optimiser built.
        callbacks: Those whose memory matters: Keras' own, and any with `state()`.
        epoch: Epochs done.
        seconds: Time spent on them.
        surroundings: See `Checkpoint`.
    """
    return Checkpoint(
        epoch,
        bool(getattr(model, "stop_training", False)),
        seconds,
        surroundings,
        _values(model.variables),
        _values(model.optimizer.variables),
        {type(callback).__name__: _state(callback) for callback in callbacks},
    )


def restore(checkpoint: Checkpoint, model: Any) -> None:
    """Bring a freshly compiled model to where the checkpoint stood.

    Raises:
        ModelError: The checkpoint is of another network or optimiser.
    """
    model.optimizer.build(model.trainable_variables)
    for kind, variables, values in (
        ("network", model.variables, checkpoint.variables),
        ("optimiser", model.optimizer.variables, checkpoint.optimiser),
    ):
        wanted = [tuple(variable.shape) for variable in variables]
        found = [value.shape for value in values]
        if wanted != found:
            raise ModelError(
                f"the checkpoint's {kind} has {len(found)} variables of other shapes",
                expected=f"the {len(wanted)} variables that this recipe's {kind} has",
                fix="resume with the version of fer-trainer that began the run, or train again "
                "with --force",
            )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def remind(checkpoint: Checkpoint, callbacks: Iterable[Any]) -> None:
    """Give callbacks back what they remembered; call it after their `on_train_begin`."""
    for callback in callbacks:
        memory = checkpoint.memories.get(type(callback).__name__)
        if memory is None:
            continue
        if hasattr(callback, "remember"):
            callback.remember(memory)
            continue
        for key, value in memory.items():
            setattr(callback, key, value)


def _state(callback: Any) -> dict[str, Any]:
    if hasattr(callback, "state"):
        return dict(callback.state())
    kept = {key: getattr(callback, key) for key in _REMEMBERED if key in vars(callback)}
    return {key: _plain(value) for key, value in kept.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [np.asarray(item) for item in value]
    return value.item() if hasattr(value, "item") else value


def _values(variables: Iterable[Any]) -> tuple[NDArray[Any], ...]:
    # A copy: what a backend hands out may be a view of memory that the next step changes.
    return tuple(np.array(keras.ops.convert_to_numpy(variable)) for variable in variables)


def _facts(text: NDArray[Any]) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(text.tobytes())
    if facts["version"] != _VERSION:
        raise ValueError(f"version {facts['version']}")
    return facts


def _numbered(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], ...]:
    return tuple(arrays[name] for name in sorted(arrays) if name.startswith(f"{prefix}/"))


def _memory(name: str, key: str, value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if isinstance(value, dict):
        found = list(_numbered(f"memory/{name}/{key}", arrays))
        if len(found) != value["arrays"]:
            raise ValueError(f"{len(found)} arrays in {name}.{key}")
        return found
    return value
