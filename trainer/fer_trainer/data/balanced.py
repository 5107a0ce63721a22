"""Class-balanced selections, for calibrating a quantised model and for showing."""

import numpy as np

from fer_edge.shared.data.samples import Indices, Samples


def balanced(samples: Samples, *, at_most: int, seed: int) -> Samples:
    """Choose pictures so that the classes are as even as their sizes allow.

    Rounds of one picture from every class that has any left, so a small class is taken whole
    and the others share what remains.

    Args:
        samples: To choose from.
        at_most: Number of pictures wanted.
        seed: Of the choice.

    Returns:
        At most `at_most` samples; classes alternate, so every head of it is balanced too.
    """
    return samples.take(draw_in_turn(samples.labels, at_most=at_most, seed=seed))


def draw_in_turn(labels: Indices, *, at_most: int, seed: int) -> list[int]:
    """Return the indices that `balanced` chooses, labels in turn."""
    rng = np.random.default_rng(seed)
    queues = [list(rng.permutation(np.flatnonzero(labels == own))) for own in np.unique(labels)]
    chosen: list[int] = []
    while any(queues) and len(chosen) < at_most:
        chosen.extend(int(queue.pop()) for queue in queues if queue)
    return chosen[:at_most]
