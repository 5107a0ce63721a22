"""Which epoch's weights a run delivers, when it ends early, and what it leaves after each epoch."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from fer_trainer.backend import keras
from fer_trainer.network.hdf5 import write_model, write_weights
from fer_trainer.recipe.consistency import EPOCH_FIELDS
from fer_trainer.recipe.settings import Recipe, SelectionSettings
from fer_trainer.run.folder import TENSORBOARD
from fer_trainer.training.tensorboard import TensorBoardLog

_OTHER_FIELDS: Final = re.compile(r"\{(?!epoch\b)[^}]*\}")


class EpochSelection(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends a training that no longer improves, and at its end gives the network the best weights.

    As Keras' EarlyStopping: an epoch is better if its value is strictly better than every one
    before; training ends after `patience` epochs in a row that are not. Unlike it, the best weights
    are delivered also where training was not ended early.

    Args:
        network: Whose weights are kept; part of the model that trains.
        settings: What is watched, and what happens.
        keep_best: Whether the best weights are kept even though the last ones are delivered.

    Attributes:
        best_epoch: Counted from 1; 0 before the first.
        best_weights: Of that epoch, as `network.get_weights()` returns them; empty if not kept.
        delivers_best: Whether the network has the best weights once training has ended.
    """

    def __init__(self, network: Any, settings: SelectionSettings, *, keep_best: bool) -> None:
        super().__init__()
        self._network, self._settings = network, settings
        self.delivers_best = settings.deliver == "best"
        self._keeps = keep_best or self.delivers_best
        self._best = math.inf
        self._wait = 0
        self.best_epoch = 0
        self.best_weights: list[Any] = []

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Compare the epoch with the best."""
        value = float((logs or {})[self._settings.monitor])
        badness = -value if self._settings.monitor == "val_accuracy" else value
        if badness < self._best:
            self._best, self._wait, self.best_epoch = badness, 0, epoch + 1
            if self._keeps:
                # A copy: what a backend hands out may be a view that the next step changes.
                self.best_weights = [np.array(weight) for weight in self._network.get_weights()]
            return
        self._wait += 1
        if self._settings.patience and self._wait >= self._settings.patience:
            self.model.stop_training = True

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Deliver the best weights where these are asked for."""
        if self.delivers_best and self.best_weights:
            self._network.set_weights(self.best_weights)

    def state(self) -> dict[str, Any]:
        """Return what a resumed run must know."""
        return {
            "best": self._best,
            "wait": self._wait,
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
        }

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Take up what `state` returned."""
        self._best, self._wait = float(memory["best"]), int(memory["wait"])
        self.best_epoch = int(memory["best_epoch"])
        self.best_weights = list(memory["best_weights"])


class EpochWeights(keras.callbacks.Callback):  # type: ignore[misc]
    """Leaves the network's weights after every epoch in a file named after its figures.

    Args:
        network: Whose weights.
        folder: For the files.
        name: Of a file; `{epoch}` counts from 1.
    """

    def __init__(self, network: Any, folder: Path, name: str) -> None:
        super().__init__()
        self._network, self._folder, self._name = network, folder, name

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Write the epoch's file; one that a killed run left of the same epoch goes."""
        for rest in self._folder.glob(_OTHER_FIELDS.sub("*", self._name).format(epoch=epoch + 1)):
            rest.unlink(missing_ok=True)
        figures = {key: float((logs or {}).get(key, math.nan)) for key in EPOCH_FIELDS[1:]}
        write_weights(self._network, self._folder / self._name.format(epoch=epoch + 1, **figures))


class LastModel(keras.callbacks.Callback):  # type: ignore[misc]
    """Leaves the network as it is after the last epoch, before the best weights are delivered."""

    def __init__(self, network: Any, path: Path) -> None:
        super().__init__()
        self._network, self._path = network, path

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Write the file."""
        write_model(self._network, self._path)


def selection_callbacks(recipe: Recipe, network: Any, *, run: Path, checkpoints: Path) -> list[Any]:
    """Return the log for TensorBoard and what a recipe's selection and outputs ask for, in order.

    Args:
        recipe: What is asked for.
        network: The one that is delivered.
        run: Folder for the documented files.
        checkpoints: Folder for the weights of each epoch.
    """
    outputs = recipe.outputs
    callbacks: list[Any] = [TensorBoardLog(run / TENSORBOARD)]
    if outputs.epoch_weights:
        callbacks.append(EpochWeights(network, checkpoints, outputs.epoch_weights))
    if outputs.last_model:
        callbacks.append(LastModel(network, run / outputs.last_model))
    keep_best = bool(outputs.best_weights)
    if keep_best or recipe.selection.patience or recipe.selection.deliver == "best":
        callbacks.append(EpochSelection(network, recipe.selection, keep_best=keep_best))
    return callbacks
