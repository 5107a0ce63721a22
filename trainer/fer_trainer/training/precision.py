"""Which arithmetic a network trains in; what is delivered is float32 in any case.

"auto" decides by trial, because no name of a processor tells: a few steps in float32 and in
mixed_bfloat16 on the machine that is to train. Graphics cards since 2020 and CPUs with AMX win by
it, others lose. Tiny networks and short trainings are not worth the trial and stay in float32.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from fer_trainer.backend import keras
from fer_trainer.network.builder import build_network
from fer_trainer.network.cost import network_cost
from fer_trainer.recipe.settings import Recipe
from fer_trainer.training.fusing import pool_before_relu, with_fused_layers

SMALL_MACS: Final = 2_000_000
"""Networks below this train in float32 without a trial."""

SHORT_MACS: Final = 1_500_000_000_000
"""Trainings whose pictures take fewer, forwards, in all their epochs, do without a trial: about a
minute on two cores, of which it would be a tenth or more."""

WORTH: Final = 1.2
"""So many times faster must bfloat16 be."""

_STEPS: Final = 8
_SECONDS: Final = 10.0
_BATCH: Final = 32


def choose_precision(recipe: Recipe, network: Any, *, pictures: int) -> tuple[str, str]:
    """Return the dtype policy to train in, and why.

    Args:
        recipe: Says which, or "auto".
        network: The recipe's, in float32; left as it is.
        pictures: In an epoch.
    """
    asked = recipe.training.precision
    if asked != "auto":
        return asked, "as the recipe says"
    macs = network_cost(network).macs
    if macs < SMALL_MACS:
        return "float32", f"a network below {SMALL_MACS // 10**6} million MACs"
    if macs * pictures * recipe.training.epochs < SHORT_MACS:
        return "float32", "a training too short for a trial of others"
    plain, mixed = _fastest_steps(recipe, ("float32", "mixed_bfloat16"))
    reason = f"bfloat16 is {plain / mixed:.2f} times as fast here"
    return ("mixed_bfloat16" if plain / mixed >= WORTH else "float32"), reason


def fastest_answers(network: Callable[[str], Any]) -> str:
    """Return the dtype policy in which a network answers sooner.

    Args:
        network: Makes it, in a policy.
    """
    precisions = "float32", "mixed_bfloat16"
    networks = [network(precision) for precision in precisions]
    shape = _BATCH, *networks[0].input_shape[1:]
    pictures = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    plain, mixed = _fastest([partial(each.predict_on_batch, pictures) for each in networks])
    return precisions[plain / mixed >= WORTH]


def network_in(precision: str, recipe: Recipe) -> Any:
    """Build what trains in place of the recipe's network.

    Args:
        precision: A dtype policy; the weights are float32 under each.
        recipe: Says which layers; fused ones stand for some of them.
    """
    with _policy(precision):
        network = build_network(
            pool_before_relu(recipe.layers),
            input_shape=recipe.input_spec.shape,
            labels=recipe.answers,
            name=recipe.name,
        )
        return with_fused_layers(network)


def scaled(optimiser: Any, precision: str) -> Any:
    """Scale the loss where float16 would lose small gradients."""
    if precision == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimiser)
    return optimiser


class Deliver(keras.callbacks.Callback):  # type: ignore[misc]
    """Copies what a network in mixed precision has learnt into the one that is delivered.

    Comes before the callbacks that look at the delivered network.
    """

    def __init__(self, trained: Any, delivered: Any) -> None:
        super().__init__()
        self._trained, self._delivered = trained, delivered

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Copy the weights."""
        self._delivered.set_weights(self._trained.get_weights())

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        """Copy the weights, which an average may have replaced."""
        self._delivered.set_weights(self._trained.get_weights())


@contextlib.contextmanager
def _policy(name: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _fastest_steps(recipe: Recipe, precisions: Sequence[str]) -> list[float]:
    """Time training steps on noise: seconds of each precision's fastest."""
    size = min(_BATCH, recipe.training.batch_size)
    rng = np.random.default_rng(0)
    pictures = rng.uniform(0, 255, (size, *recipe.input_spec.shape)).astype(np.float32)
    networks = [_compiled(recipe, precision) for precision in precisions]
    answers = np.zeros((size, networks[0].output_shape[-1]), np.float32)
    return _fastest([partial(each.train_on_batch, pictures, answers) for each in networks])


def _fastest(doings: Sequence[Callable[[], object]]) -> list[float]:
    """Time each in turn, several times: the seconds of its fastest, which was disturbed least.

    The first of each, which compiles, does not count.
    """
    for do in doings:
        do()
    fastest = [math.inf] * len(doings)
    begun = time.perf_counter()
    for step in range(_STEPS):
        for place, do in enumerate(doings):
            started = time.perf_counter()
            do()
            fastest[place] = min(fastest[place], time.perf_counter() - started)
        if step and time.perf_counter() - begun > _SECONDS:
            break
    return fastest


def _compiled(recipe: Recipe, precision: str) -> Any:
    network = network_in(precision, recipe)
    network.compile(
        scaled(keras.optimizers.SGD(1e-6), precision),
        "mse",
        jit_compile="auto" if keras.backend.backend() == "jax" else False,
    )
    return network
