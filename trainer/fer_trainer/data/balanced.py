"""Class-balanced selections, for calibrating a quantised model and for showing."""

import numpy as np

from fer_edge.shared.data.samples import Samples


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
    rng = np.random.default_rng(seed)
    queues = [
        list(rng.permutation(np.flatnonzero(samples.labels == label)))
        for label in np.unique(samples.labels)
    ]
    chosen: list[int] = []
    while any(queues) and len(chosen) < at_most:
        chosen.extend(int(queue.pop()) for queue in queues if queue)
    return samples.take(chosen[:at_most])
