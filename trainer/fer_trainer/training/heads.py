"""The loss and the figures of a network with several heads, whose answers stand side by side.

A picture's target is as wide as all answers together. Where a head has no label for it, its part is
zeros, and that head learns nothing from it: a cross entropy towards nothing is nothing.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_trainer.backend import keras
from fer_trainer.recipe.settings import Recipe

ops = keras.ops


def head_places(recipe: Recipe) -> dict[str, slice]:
    """Return which outputs are whose, by the head's name; without heads all of them are ""'s."""
    sizes = recipe.answers
    if isinstance(sizes, int):
        return {"": slice(0, sizes)}
    ends = np.cumsum([*sizes.values()]).tolist()
    return {
        name: slice(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)
    }


def takes_logits(recipe: Recipe) -> bool:
    """Say whether the loss of a recipe is `HeadsLoss`, which wants logits."""
    return bool(recipe.heads or recipe.training.logit_adjustment)


def adjustment(recipe: Recipe, targets: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return what is added to the logits in training: shape (outputs,); None for nothing.

    Args:
        recipe: Says how much.
        targets: Of the labelled pictures, shape (N, outputs).

    Source: Menon et al., Long-Tail Learning via Logit Adjustment, 2021, equation 10.
    """
    if not recipe.training.logit_adjustment:
        return None
    shares = targets.sum(axis=0)
    for place in head_places(recipe).values():
        shares[place] /= shares[place].sum()
    adjusted: NDArray[np.float32] = recipe.training.logit_adjustment * np.log(shares)
    return adjusted.astype(np.float32)


def give_logits(network: Any) -> None:
    """Let a network that only trains answer before its softmax, which the loss then takes.

    Together they keep a gradient where a probability is too small for a logarithm.
    """
    for layer in network.layers:
        if getattr(layer, "activation", None) is keras.activations.softmax:
            layer.activation = keras.activations.linear


def even_targets(recipe: Recipe) -> NDArray[np.float32]:
    """Return the target of a picture that is to be read evenly as every label: shape (outputs,)."""
    places = head_places(recipe).values()
    return np.concatenate([
        np.full(place.stop - place.start, 1.0 / (place.stop - place.start), np.float32)
        for place in places
    ])  # fmt: skip


class HeadsLoss(keras.losses.Loss):  # type: ignore[misc]
    """The weighted sum of each head's cross entropy.

    Args:
        recipe: Names the heads with their weights, and the smoothing of their labels.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(name="heads")
        self._smoothing = recipe.training.label_smoothing
        weights = [head.weight for head in recipe.heads] or [1.0]
        self._parts = [*zip(head_places(recipe).values(), weights, strict=True)]

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each picture: shape (N,).

        Args:
            y_true: Targets, shape (N, outputs); zeros where a head has no label.
            y_pred: Logits, shape (N, outputs).
        """
        losses = []
        for place, weight in self._parts:
            target, logits = y_true[:, place], y_pred[:, place]
            if self._smoothing:
                known = ops.sum(target, axis=-1, keepdims=True)
                even = self._smoothing / target.shape[-1]
                target = (1.0 - self._smoothing) * target + even * known
            losses.append(-weight * ops.sum(target * ops.log_softmax(logits, axis=-1), axis=-1))
        return sum(losses[1:], start=losses[0])


class LabelledAccuracy(keras.metrics.Mean):  # type: ignore[misc]
    """The share of right answers among the pictures that have a label, of one head or of several.

    Args:
        places: Whose outputs count.
        name: Of the figure.
    """

    def __init__(self, places: list[slice], *, name: str) -> None:
        super().__init__(name=name)
        self._places = places

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # noqa: ARG002
        """Count a batch."""
        right, known = [], []
        for place in self._places:
            target, said = y_true[:, place], y_pred[:, place]
            same = ops.equal(ops.argmax(target, axis=-1), ops.argmax(said, axis=-1))
            right.append(ops.cast(same, "float32"))
            known.append(ops.cast(ops.sum(target, axis=-1) > 0.0, "float32"))
        super().update_state(ops.concatenate(right), ops.concatenate(known))


def accuracies(recipe: Recipe) -> Iterator[Any]:
    """Yield the metrics of a training: the accuracy of all heads together, then each one's."""
    places = head_places(recipe)
    yield LabelledAccuracy([*places.values()], name="accuracy")
    if recipe.heads:
        for name, place in places.items():
            yield LabelledAccuracy([place], name=f"accuracy_{name}")
