"""Batches out of memory, in an order that depends on the seed and the epoch alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_trainer.backend import keras
from fer_trainer.data.samples import Pictures


class ShuffledBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Whole batches in a new order each epoch.

    What does not fill a last batch is left for another epoch: every batch has one shape, and
    batch norm never sees a handful of pictures.

    Args:
        pictures: uint8, shape (N, H, W).
        targets: float32, shape (N, outputs).
        batch_size: Pictures a batch; fewer where there are fewer.
        seed: Of the order.
        epoch: To begin with, counted from 0; the order is the same as if all before had run.
        share: (index, number) of the processes that share each batch; this one's part is given.
    """

    def __init__(
        self,
        pictures: Pictures,
        targets: NDArray[np.float32],
        *,
        batch_size: int,
        seed: int,
        epoch: int = 0,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        super().__init__()
        self._pictures, self._targets = pictures, targets
        self._batch_size = min(batch_size, len(pictures))
        self._seed, self._epoch = seed, epoch
        index, number = share
        part = self._batch_size // number
        self._part = slice(index * part, (index + 1) * part)
        self._shuffle()

    def __len__(self) -> int:
        return len(self._pictures) // self._batch_size

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        batch = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        chosen = batch[self._part]
        return self._pictures[chosen], self._targets[chosen]

    def whole(self) -> "ShuffledBatches":
        """Return the same batches in the same order, unshared."""
        return ShuffledBatches(
            self._pictures,
            self._targets,
            batch_size=self._batch_size,
            seed=self._seed,
            epoch=self._epoch,
        )

    def on_epoch_end(self) -> None:
        """Draw the next epoch's order; Keras calls this."""
        self._epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        rng = np.random.default_rng([self._seed, self._epoch])
        self._order = rng.permutation(len(self._pictures))
