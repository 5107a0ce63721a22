"""Targets from networks that are trained already: distillation.

Source: Hinton et al., Distilling the Knowledge in a Neural Network, 2015. The teachers see the
picture that the network in training sees, moved and lit at random, but not dimmed, blurred, noisy
or partly covered: they would be wrong about what they never learnt to see, and pass it on. What
they say takes the place of a part of the label.
"""

from dataclasses import dataclass
from typing import Any

from fer_trainer.backend import keras

ops = keras.ops


@dataclass(frozen=True, eq=False)
class Teaching:
    """Mixes what teachers say into the targets of a batch.

    Attributes:
        teachers: Networks from float (N, H, W, 1) in 0..255 to probabilities.
        orders: For each, the places of its outputs in the order of the recipe's labels.
        weight: Share of the target that is theirs.
        temperature: Above 1 their answers are made less sure.
        precision: The dtype policy in which they answer.
        alone: Whether some pictures have no label, so that the whole target is the teachers'.
    """

    teachers: tuple[Any, ...]
    orders: tuple[tuple[int, ...], ...]
    weight: float
    temperature: float
    precision: str = "float32"
    alone: bool = False

    def mix(self, targets: Any, pictures: Any) -> Any:
        """Return the targets to train towards.

        Args:
            targets: Float, shape (N, outputs).
            pictures: Those that the network sees, unspoilt: float, shape (N, H, W, 1).
        """
        said = [
            ops.take(ops.cast(teacher(pictures, training=False), "float32"), order, axis=-1)
            for teacher, order in zip(self.teachers, self.orders, strict=True)
        ]
        mean = sum(said[1:], start=said[0]) / len(said)
        softened = ops.power(ops.maximum(mean, 1e-7), 1.0 / self.temperature)
        answer = ops.stop_gradient(softened / ops.sum(softened, axis=-1, keepdims=True))
        labelled = (1.0 - self.weight) * ops.cast(targets, "float32")
        if self.alone:
            return labelled + (1.0 - ops.sum(labelled, axis=-1, keepdims=True)) * answer
        return labelled + self.weight * answer
