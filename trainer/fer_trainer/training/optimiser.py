"""The optimiser and its learning rate, from a recipe."""

import math
from typing import Any

from fer_trainer.backend import keras
from fer_trainer.recipe.settings import Recipe
from fer_trainer.training.fusing import adam

ops = keras.ops


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Up from a twenty-fifth of the peak and down to nothing, along half cosines.

    Source: Smith and Topin, Super-Convergence, 2017, with cosines for lines.
    """

    def __init__(self, peak: float, *, steps: int, warm_up: float) -> None:
        self.peak, self.steps, self.warm_up = peak, steps, warm_up

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at `step`, counted from 0."""
        done = ops.minimum(ops.cast(step, "float32") / max(1, self.steps), 1.0)
        start = self.peak / 25
        up = start + (self.peak - start) * _rise(done / max(self.warm_up, 1e-6))
        down = self.peak * (1.0 - _rise((done - self.warm_up) / max(1 - self.warm_up, 1e-6)))
        return ops.where(done < self.warm_up, up, down)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {"peak": self.peak, "steps": self.steps, "warm_up": self.warm_up}


def _rise(share: Any) -> Any:
    """From 0 to 1 along half a cosine while `share` goes from 0 to 1."""
    return 0.5 - 0.5 * ops.cos(math.pi * ops.clip(share, 0.0, 1.0))


def build_optimiser(recipe: Recipe, *, steps_per_epoch: int) -> Any:
    """Build the recipe's optimiser with its schedule, decay and averaging."""
    given = recipe.optimiser
    steps = steps_per_epoch * recipe.training.epochs
    options = {
        "learning_rate": learning_rate(recipe, steps_per_epoch=steps_per_epoch),
        "weight_decay": given.weight_decay or None,
        "use_ema": recipe.averaging.momentum > 0,
        "ema_momentum": recipe.averaging.effective(steps),
    }
    if given.name == "sgd":
        optimiser = keras.optimizers.SGD(momentum=given.momentum, nesterov=True, **options)
    else:
        optimiser = adam(**options)
    if given.weight_decay:
        optimiser.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimiser


def learning_rate(recipe: Recipe, *, steps_per_epoch: int) -> Any:
    """Return the recipe's learning rate: a number, or a schedule over steps."""
    peak, schedule = recipe.optimiser.learning_rate, recipe.schedule
    if schedule.kind == "one-cycle":
        steps = steps_per_epoch * recipe.training.epochs
        return OneCycle(peak, steps=steps, warm_up=schedule.warm_up)
    if schedule.kind == "steps":
        # Keras keeps the old rate up to and including a boundary, and counts steps from 0.
        last_steps = [epochs * steps_per_epoch - 1 for epochs in schedule.after_epochs]
        return keras.optimizers.schedules.PiecewiseConstantDecay(
            last_steps, [peak, *schedule.rates]
        )
    return peak
