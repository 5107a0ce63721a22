"""Batch norm statistics that belong to the averaged weights."""

from typing import Any

from fer_trainer.backend import keras


def refresh_statistics(model: Any, batches: Any) -> None:
    """Measure every batch norm's mean and variance anew, as the plain mean over `batches`.

    The weights a run delivers are an average over many steps; the moving statistics were
    gathered by the weights of each single step.

    Args:
        model: Any Keras model; its batch norm layers are changed in place.
        batches: Sequence of (inputs, targets).

    Source: Izmailov et al., Averaging Weights Leads to Wider Optima, 2018, section 3.2.
    """
    norms = [layer for layer in _flatten(model) if isinstance(layer, _BATCH_NORM)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for index in range(len(batches)):
        for norm in norms:
            norm.momentum = index / (index + 1)
        model(batches[index][0], training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


_BATCH_NORM = keras.layers.BatchNormalization


def _flatten(model: Any) -> list[Any]:
    return [
        inner
        for layer in model.layers
        for inner in (_flatten(layer) if hasattr(layer, "layers") else [layer])
    ]
