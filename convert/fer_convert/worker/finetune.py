"""Quantisation-aware fine-tuning: train weights and ranges on with the rounding of int8 in place.

The float network teaches: every picture's target is its answer, so that no label is needed and
what is trained for is agreement. Gradients pass the rounding straight through; ranges are learnt.
Source: Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-
Only Inference (CVPR 2018).
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fer_convert.worker.simulated import SimulatedNetwork
from fer_edge.shared.data.samples import with_channels


def fine_tune(
    simulated: SimulatedNetwork,
    pictures: NDArray[np.uint8],
    validation: NDArray[np.uint8],
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Train a simulated network; ranges must be set.

    Args:
        simulated: Changed in place: it ends as after its best epoch.
        pictures: To train on; uint8, shape (N, height, width).
        validation: To choose the epoch by; like `pictures`, none of them among these.
        options: `epochs`, `rate`, `batch` and `seed`.

    Returns:
        Mean shift of a probability on the validation pictures before and after each epoch, and
        the epoch chosen.
    """
    keras.utils.set_random_seed(options["seed"])
    simulated.activate(False)
    inputs, judged = _floats(pictures), _floats(validation)
    wanted, reference = _answers(simulated.model, inputs), _answers(simulated.model, judged)
    simulated.activate()
    steps = -(-len(inputs) // options["batch"]) * options["epochs"]
    optimiser = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(options["rate"], steps)
    )
    is_binary = wanted.shape[-1] == 1
    loss = keras.losses.BinaryCrossentropy() if is_binary else keras.losses.KLDivergence()
    weights = simulated.model.trainable_variables
    optimiser.build(weights)

    def train(batch: Any, target: Any) -> None:
        with tf.GradientTape() as tape:
            # Not in training mode: no dropout, the answers to be matched had none either.
            value = loss(target, simulated.model(batch, training=False))
        optimiser.apply_gradients(zip(tape.gradient(value, weights), weights, strict=True))

    train_step = tf.function(train)

    def shift() -> float:
        return float(np.abs(_answers(simulated.model, judged) - reference).mean())

    history = [shift()]
    best, kept = 0, simulated.model.get_weights()
    generator = np.random.default_rng(options["seed"])
    for _ in range(options["epochs"]):
        order = generator.permutation(len(inputs))
        for start in range(0, len(inputs), options["batch"]):
            part = order[start : start + options["batch"]]
            train_step(tf.constant(inputs[part]), tf.constant(wanted[part]))
        history.append(shift())
        if history[-1] < history[best]:
            best, kept = len(history) - 1, simulated.model.get_weights()
    simulated.model.set_weights(kept)
    return {"shift_by_epoch": [round(value, 6) for value in history], "epoch": best}


def _floats(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    return with_channels(pictures).astype(np.float32)


def _answers(model: Any, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    parts = [
        np.asarray(model(pictures[start : start + 128], training=False))
        for start in range(0, len(pictures), 128)
    ]
    return np.concatenate(parts)
