"""Train a network: pictures in, trained network out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.data.samples import Pictures, Samples, with_channels
from fer_trainer.backend import keras
from fer_trainer.data.unlabelled import Unlabelled
from fer_trainer.network.builder import build_network
from fer_trainer.network.cost import network_cost
from fer_trainer.recipe.settings import Recipe
from fer_trainer.training.answers import StoredAnswers
from fer_trainer.training.augmentation import augmented
from fer_trainer.training.averaging import refresh_statistics
from fer_trainer.training.batches import ShuffledBatches
from fer_trainer.training.callbacks import History, KeepCheckpoint, Progress, StopWhenDiverged
from fer_trainer.training.checkpoint import Checkpoint, restore
from fer_trainer.training.distribution import Devices
from fer_trainer.training.heads import (
    HeadsLoss,
    accuracies,
    adjustment,
    even_targets,
    give_logits,
    takes_logits,
)
from fer_trainer.training.lessons import stored_lessons, with_unlabelled
from fer_trainer.training.optimiser import build_optimiser
from fer_trainer.training.precision import Deliver, choose_precision, network_in, scaled
from fer_trainer.training.teaching import Teaching
from fer_trainer.training.views import unmoved

EVALUATION_BATCH: Final = 256

Teach: TypeAlias = Callable[[str], Teaching | None]
"""Loads the teachers in a precision, or in "auto", if there are any."""

QUICK_MACS: Final = 20_000_000
"""Networks below this are so quick that calling the next step is a tenth of a step's time."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The files that grow while a network trains."""

    history: Path
    checkpoint: Path


@dataclass(frozen=True, slots=True)
class Trained:
    """How a training went.

    Attributes:
        epochs: Epochs done, those before a resumption too.
        seconds: Time they took.
        surroundings: What the numbers depend on besides recipe and data.
    """

    epochs: int
    seconds: float
    surroundings: Mapping[str, str]


def new_network(recipe: Recipe) -> Any:
    """Build the recipe's network with fresh weights, seeded by the recipe."""
    keras.utils.set_random_seed(recipe.training.seed)
    return build_network(
        recipe.layers,
        input_shape=recipe.input_spec.shape,
        labels=recipe.answers,
        name=recipe.name,
    )


def train(  # noqa: PLR0913 - what trains, on what, and where it stands
    network: Any,
    recipe: Recipe,
    train_part: Samples,
    val: Samples,
    *,
    files: RunFiles,
    tell: Callable[[str], None],
    begun: Checkpoint | None = None,
    callbacks: Sequence[Any] = (),
    further: Sequence[Any] = (),
    devices: Devices | None = None,
    teach: Teach = lambda _precision: None,
    unlabelled: Unlabelled | None = None,
    answers: StoredAnswers | None = None,
    taught_by: Mapping[str, str] | None = None,
) -> Trained:
    """Train `network` in place; at the end it holds the weights that the recipe delivers.

    Args:
        network: From raw float pixels to probabilities.
        recipe: How.
        train_part: What to fit.
        val: What is measured after each epoch, with the averaged weights.
        files: Where history and checkpoint go.
        tell: Takes a line of progress.
        begun: Where to go on; from the start without it.
        callbacks: The recipe's own, each of a class of its own; see `training.selection`.
        further: The caller's own; they come last, and no checkpoint remembers them.
        devices: The devices to train on; one without it.
        teach: Loads the teachers, in a precision.
        unlabelled: Further pictures to fit, by what teachers say of them.
        answers: What teachers said of all of them, instead of teachers in the loop.
        taught_by: Hashes of teachers or answers, which the checkpoint keeps.

    Raises:
        DivergedError: The loss is no longer a finite number.
        ModelError: `begun` is of another network or optimiser, or `answers` is damaged.
        OutputError: History or checkpoint cannot be written.
        SettingsError: The answers are of other views or pictures.
    """
    settings, devices = recipe.training, devices or Devices()
    epochs_done = begun.epoch if begun else 0
    started = time.monotonic()
    devices.check_batch(min(settings.batch_size, len(train_part)))
    labelled = targets(train_part, recipe)
    pictures, wanted = with_unlabelled(recipe, train_part.pictures, labelled, unlabelled)
    batches = ShuffledBatches(
        pictures,
        wanted,
        batch_size=settings.batch_size,
        seed=settings.seed,
        epoch=epochs_done,
        share=(devices.process.index, devices.process.count),
        beside=(len(pictures) - len(train_part), recipe.unlabelled.share),
        lessons=stored_lessons(recipe, train_part, unlabelled, answers, wanted),
    )
    precision = _precision(network, recipe, begun, devices, tell=tell, pictures=len(pictures))
    surroundings = {
        "backend": str(keras.backend.backend()),
        "precision": precision,
        **(taught_by or {}),
    }
    averaging = recipe.averaging.momentum > 0
    history = History(files.history, heads=[head.name for head in recipe.heads])
    kept: list[Any] = [history, *callbacks]
    with devices.together():
        keras.utils.set_random_seed(settings.seed)
        trained = network_in(precision, recipe)
        trained.set_weights(network.get_weights())
        if takes_logits(recipe):
            give_logits(trained)
        views = batches.views is not None
        model = augmented(trained, recipe.augmentation, seed=settings.seed, given_views=views)
        model.even = even_targets(recipe) if recipe.heads else None
        model.adjustment = adjustment(recipe, labelled)
        model.teaching = teach(_teachers_precision(recipe, precision, begun, devices))
        if model.teaching is not None:
            surroundings["teachers_precision"] = model.teaching.precision
        model.compile(
            optimizer=scaled(build_optimiser(recipe, steps_per_epoch=len(batches)), precision),
            loss=_loss(recipe),
            metrics=_metrics(recipe),
            steps_per_execution=steps_at_once(network),
            # XLA pays off on accelerators; on a CPU it makes a step two to six times slower.
            jit_compile="auto" if keras.backend.backend() == "jax" else False,
        )
        if begun is not None:
            restore(begun, model)
        picked, picking = batches.for_fit()
        # Devices share a batch evenly; of validation the few pictures left over are not measured.
        measured = len(val) - len(val) % devices.own_devices
        model.fit(
            picked,
            epochs=settings.epochs,
            initial_epoch=settings.epochs if begun and begun.stopped else epochs_done,
            validation_data=(
                (val.pictures[:measured], unmoved(measured)) if views else val.pictures[:measured],
                targets(val, recipe)[:measured],
            ),
            validation_batch_size=EVALUATION_BATCH * devices.own_devices,
            shuffle=False,  # the batches come in their own order
            verbose=0,
            callbacks=[
                *picking,
                *([keras.callbacks.SwapEMAWeights()] if averaging else []),
                StopWhenDiverged(),
                Deliver(trained, network),
                *kept,
                KeepCheckpoint(files.checkpoint, kept, begun=begun, surroundings=surroundings),
                Progress(tell, batch=batches.batch_size),
                *further,
            ],
        )
    if averaging:
        model = _around_delivered(network, recipe, model, given_views=views)
        refresh_statistics(model, batches.whole())
    seconds = time.monotonic() - started + (begun.seconds if begun else 0.0)
    return Trained(history.epochs, seconds, surroundings)


def _around_delivered(network: Any, recipe: Recipe, model: Any, *, given_views: bool) -> Any:
    """Put the delivered network behind its augmentation, with the seeds where `model` left them."""
    around = augmented(
        network, recipe.augmentation, seed=recipe.training.seed, given_views=given_views
    )
    for variable, left in zip(around.variables, model.variables, strict=True):
        if variable.path.endswith("seed_generator_state"):
            variable.assign(keras.ops.convert_to_numpy(left))
    return around


def _precision(
    network: Any,
    recipe: Recipe,
    begun: Checkpoint | None,
    devices: Devices,
    *,
    tell: Callable[[str], None],
    pictures: int,
) -> str:
    """Choose the precision; a resumed run keeps the one it began with."""
    backend = str(keras.backend.backend())
    if begun is None:
        if devices.alone or recipe.training.precision != "auto":
            precision, reason = choose_precision(recipe, network, pictures=pictures)
        else:
            # Measured, it might come out differently on each of them.
            precision, reason = "float32", f"{devices.devices} devices, and the recipe names none"
        tell(f"training in {precision} on {backend}: {reason}")
        return precision
    if begun.surroundings.get("backend") != backend:
        _log.warning(
            "the run was begun on %s and goes on on %s: its figures will differ slightly from an "
            "uninterrupted run's", begun.surroundings.get("backend"), backend,
        )  # fmt: skip
    return begun.surroundings.get("precision", "float32")


def _teachers_precision(
    recipe: Recipe, precision: str, begun: Checkpoint | None, devices: Devices
) -> str:
    """Return what the teachers answer in: measured where nothing else says it."""
    if begun is not None:
        return begun.surroundings.get("teachers_precision", precision)
    return "auto" if devices.alone and recipe.training.precision == "auto" else precision


def steps_at_once(network: Any) -> int:
    """Return how many steps Keras is to take in one call.

    More than one for quick networks only: between calls a run can be interrupted and shows how far
    it has come.
    """
    loops = keras.backend.backend() == "tensorflow"
    return 8 if loops and network_cost(network).macs < QUICK_MACS else 1


def predict(network: Any, pictures: Pictures) -> NDArray[np.float32]:
    """Run a network over pictures.

    Args:
        network: From raw float pixels to probabilities.
        pictures: uint8, as `Pictures` says.

    Returns:
        float32, shape (N, outputs).
    """
    answers = [
        keras.ops.convert_to_numpy(
            network(with_channels(pictures[start : start + EVALUATION_BATCH]).astype(np.float32))
        )
        for start in range(0, len(pictures), EVALUATION_BATCH)
    ]
    return np.concatenate(answers).astype(np.float32)


def targets(samples: Samples, recipe: Recipe) -> NDArray[np.float32]:
    """Return what the network should answer: float32, shape (N, outputs)."""
    if recipe.binary_threshold() is not None:
        return samples.labels.astype(np.float32)[:, None]
    if samples.soft is not None:
        return samples.soft
    return np.eye(len(recipe.label_names), dtype=np.float32)[samples.labels]


def _loss(recipe: Recipe) -> Any:
    smoothing = recipe.training.label_smoothing
    if takes_logits(recipe):
        return HeadsLoss(recipe)
    if recipe.binary_threshold() is not None:
        return keras.losses.BinaryCrossentropy(label_smoothing=smoothing)
    return keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)


def _metrics(recipe: Recipe) -> list[Any]:
    if takes_logits(recipe):
        return list(accuracies(recipe))
    threshold = recipe.binary_threshold()
    if threshold is not None:
        return [keras.metrics.BinaryAccuracy(name="accuracy", threshold=threshold)]
    return [keras.metrics.CategoricalAccuracy(name="accuracy")]
