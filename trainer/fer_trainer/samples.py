"""The one record that data, training and evaluation pass around."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Pictures: TypeAlias = NDArray[np.uint8]
"""uint8, shape (N, height, width)."""
Indices: TypeAlias = NDArray[np.int64]
"""int64, shape (N,)."""

_AGREED_SHARE: Final = 0.5
_CANDIDATES: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Labelled pictures of one size.

    Attributes:
        pictures: uint8, shape (N, height, width).
        labels: int64, shape (N,); index into the recipe's labels.
        names: Path inside the data set, one for each picture.
        soft: float32, shape (N, labels), rows sum to 1: what people saw in each picture; None
            where the labels are all there is. `labels` is then its majority.
    """

    pictures: Pictures
    labels: Indices
    names: tuple[str, ...]
    soft: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def take(self, indices: Sequence[int] | NDArray[Any]) -> Samples:
        """Return the samples at `indices`, in that order; the pictures are copied."""
        chosen = np.asarray(indices, dtype=np.int64)
        return Samples(
            self.pictures[chosen],
            self.labels[chosen],
            tuple(self.names[index] for index in chosen),
            None if self.soft is None else self.soft[chosen],
        )

    def agreed(self) -> Indices:
        """Return the indices of the pictures on which people agree; of all, where none is such.

        They agree where one label has half of the votes or more, and more than any other. On the
        others no answer is right or wrong, and so none can be too sure.
        """
        if self.soft is None or self.soft.shape[1] < _CANDIDATES:
            return np.arange(len(self))
        second, most = np.partition(self.soft, -_CANDIDATES, axis=1)[:, -_CANDIDATES:].T
        agreed = np.flatnonzero((most >= _AGREED_SHARE) & (most > second))
        return agreed if agreed.size else np.arange(len(self))

    def counts(self, labels: Sequence[str]) -> dict[str, int]:
        """Return the number of pictures by label name.

        Args:
            labels: Names in the order of the label indices.
        """
        numbers = np.bincount(self.labels, minlength=len(labels))
        return {label: int(n) for label, n in zip(labels, numbers, strict=True)}

    def digests(self) -> list[bytes]:
        """Return the SHA-256 of each picture's pixels; equal exactly where the pixels are."""
        return [hashlib.sha256(picture.tobytes()).digest() for picture in self.pictures]


def one_hot(labels: Indices, *, classes: int) -> NDArray[np.float32]:
    """Return targets for a softmax.

    Args:
        labels: int64, shape (N,).
        classes: Number of labels.

    Returns:
        float32, shape (N, classes).
    """
    return np.eye(classes, dtype=np.float32)[labels]
