"""Batches out of memory, in an order that depends on the seed and the epoch alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.data.samples import Pictures
from fer_trainer.backend import keras


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

    Attributes:
        pictures: All of them.
        targets: Theirs.
        order: The places of this epoch's pictures: shape (batches, pictures in one).
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
        self.pictures, self.targets = pictures, targets
        self._batch_size = min(batch_size, len(pictures))
        self._seed, self._epoch = seed, epoch
        index, number = share
        part = self._batch_size // number
        self._part = slice(index * part, (index + 1) * part)
        self._shuffle()

    def __len__(self) -> int:
        return len(self.pictures) // self._batch_size

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        chosen = self.order[index]
        return self.pictures[chosen], self.targets[chosen]

    def for_fit(self) -> tuple[Any, list[Any]]:
        """Return what Keras fits on, these batches or the same by other means, and its callbacks.

        On TensorFlow, Keras asks Python for one after the other, which takes 6 to 8 % of a quick
        network's step. There the graph picks the pictures itself, from a copy of them.
        """
        if keras.backend.backend() != "tensorflow":
            return self, []
        picked = _PickedByTheGraph(self)
        return picked.dataset, [picked]

    def whole(self) -> "ShuffledBatches":
        """Return the same batches in the same order, unshared."""
        return ShuffledBatches(
            self.pictures,
            self.targets,
            batch_size=self._batch_size,
            seed=self._seed,
            epoch=self._epoch,
        )

    def on_epoch_end(self) -> None:
        """Draw the next epoch's order; Keras calls this."""
        self._epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        places = np.random.default_rng([self._seed, self._epoch]).permutation(len(self.pictures))
        whole = places[: len(self) * self._batch_size].reshape(len(self), self._batch_size)
        self.order = whole[:, self._part]


class _PickedByTheGraph(keras.callbacks.Callback):  # type: ignore[misc]
    """Batches as a dataset of TensorFlow's, of which each epoch takes the next order.

    Attributes:
        dataset: One epoch's batches.
    """

    def __init__(self, batches: ShuffledBatches) -> None:
        super().__init__()
        import tensorflow as tf  # noqa: PLC0415 - only on its own backend

        self._batches = batches
        with tf.device("CPU"):
            pictures, targets = tf.constant(batches.pictures), tf.constant(batches.targets)
            self._order = tf.Variable(batches.order, trainable=False)

        def picked(index: Any) -> tuple[Any, Any]:
            chosen = self._order[index]
            return tf.gather(pictures, chosen), tf.gather(targets, chosen)

        options = tf.data.Options()
        # Nothing here is worth tuning, and what tunes would run beside the training.
        options.autotune.enabled = False
        options.threading.private_threadpool_size = 1
        steps = tf.data.Dataset.range(len(batches))
        self.dataset = steps.map(picked).prefetch(2).with_options(options)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Take the order; Keras asks for the epoch's batches only now."""
        self._order.assign(self._batches.order)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Draw the next one."""
        self._batches.on_epoch_end()
