"""Batches out of memory, in an order that depends on the seed and the epoch alone."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.data.samples import Pictures
from fer_trainer.backend import keras


class Lessons(Protocol):
    """Targets that are others in each epoch, and views that the pictures are to be seen in."""

    def of_epoch(self, epoch: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return targets, shape (N, outputs), and views, shape (N, columns).

        Args:
            epoch: Counted from 0.
        """


class ShuffledBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Whole batches in a new order each epoch.

    What does not fill a last batch is left for another epoch: every batch has one shape, and
    batch norm never sees a handful of pictures.

    Args:
        pictures: uint8, shape (N, H, W) or (N, H, W, 3).
        targets: float32, shape (N, outputs).
        batch_size: Pictures a batch; fewer where there are fewer.
        seed: Of the order.
        epoch: To begin with, counted from 0; the order is the same as if all before had run.
        share: (index, number) of the processes that share each batch; this one's part is given.
        beside: How many of the pictures, the last ones, are no part of the passes that are epochs,
            and what share of each batch is of them: one at least, and never all of it.
        lessons: Says the targets of each epoch instead of `targets`, and each picture's view.

    Attributes:
        pictures: All of them.
        targets: Theirs.
        order: The places of this epoch's pictures: shape (batches, pictures in one).
        views: Of this epoch; None without lessons.
    """

    def __init__(  # noqa: PLR0913 - what there is, and whose share
        self,
        pictures: Pictures,
        targets: NDArray[np.float32],
        *,
        batch_size: int,
        seed: int,
        epoch: int = 0,
        share: tuple[int, int] = (0, 1),
        beside: tuple[int, float] = (0, 0.0),
        lessons: Lessons | None = None,
    ) -> None:
        super().__init__()
        self.pictures, self.targets = pictures, targets
        self.views: NDArray[np.float32] | None = None
        self._others, self._beside = beside[0], beside
        self._passed = len(pictures) - self._others
        self._lessons = lessons
        self._batch_size = min(batch_size, self._passed)
        self._of_others = 0
        if self._others:
            # Some of either kind, however small the batch.
            wanted = max(1, round(self._batch_size * beside[1]))
            self._of_others = min(wanted, self._batch_size - 1)
        self._seed, self._epoch = seed, epoch
        index, number = share
        part = self._batch_size // number
        self._part = slice(index * part, (index + 1) * part)
        self._shuffle()

    @property
    def batch_size(self) -> int:
        """Pictures in a batch, over all processes."""
        return self._batch_size

    def __len__(self) -> int:
        return self._passed // (self._batch_size - self._of_others)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        chosen = self.order[index]
        if self.views is None:
            return self.pictures[chosen], self.targets[chosen]
        return (self.pictures[chosen], self.views[chosen]), self.targets[chosen]

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
            beside=self._beside,
            lessons=self._lessons,
        )

    def on_epoch_end(self) -> None:
        """Draw the next epoch's order; Keras calls this."""
        self._epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        if self._lessons is not None:
            self.targets, self.views = self._lessons.of_epoch(self._epoch)
        own = self._batch_size - self._of_others
        places = np.random.default_rng([self._seed, self._epoch]).permutation(self._passed)
        whole = places[: len(self) * own].reshape(len(self), own)
        if self._of_others:
            whole = np.hstack([whole, self._draw_others()])
            # One order for all: each batch is mixed, and so is each process' part of it.
            whole = whole[:, np.random.default_rng(self._seed).permutation(self._batch_size)]
        self.order = whole[:, self._part]

    def _draw_others(self) -> NDArray[np.int64]:
        """Draw those that are beside the passes; all once before any of them a second time."""
        wanted = len(self) * self._of_others
        rng = np.random.default_rng([self._seed, self._epoch, 1])
        rounds = [rng.permutation(self._others) for _ in range(-(-wanted // self._others))]
        drawn = np.concatenate(rounds)[:wanted] + self._passed
        return drawn.reshape(len(self), self._of_others)


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
            self._lessons = [
                tf.Variable(values, trainable=False)
                for values in (batches.targets, batches.views)
                if batches.views is not None
            ]

        def picked(index: Any) -> tuple[Any, Any]:
            chosen = self._order[index]
            if not self._lessons:
                return tf.gather(pictures, chosen), tf.gather(targets, chosen)
            wanted, views = (tf.gather(values, chosen) for values in self._lessons)
            return (tf.gather(pictures, chosen), views), wanted

        options = tf.data.Options()
        # Nothing here is worth tuning, and what tunes would run beside the training.
        options.autotune.enabled = False
        options.threading.private_threadpool_size = 1
        steps = tf.data.Dataset.range(len(batches))
        self.dataset = steps.map(picked).prefetch(2).with_options(options)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Take the order; Keras asks for the epoch's batches only now."""
        self._order.assign(self._batches.order)
        for variable, values in zip(
            self._lessons, (self._batches.targets, self._batches.views), strict=False
        ):
            variable.assign(values)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Draw the next one."""
        self._batches.on_epoch_end()
