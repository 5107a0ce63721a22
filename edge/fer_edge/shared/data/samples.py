"""Labelled pictures of one size: the record that data, training and conversion pass around.

A training run keeps some of them as `samples/NAME.npz`; the converter reads these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.arrays import read_arrays
from fer_edge.shared.data.pictures import pixel_digest
from fer_edge.shared.errors import DataError
from fer_edge.shared.model.contract import ModelContract

Pictures: TypeAlias = NDArray[np.uint8]
"""uint8, shape (N, height, width), or (N, height, width, 3) in red, green, blue."""
Indices: TypeAlias = NDArray[np.int64]
"""int64, shape (N,)."""

_ARRAYS: Final = ("labels", "names", "pictures")
_GREY_AXES: Final = 3
_AGREED_SHARE: Final = 0.5
_CANDIDATES: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Labelled pictures of one size.

    Attributes:
        pictures: As `Pictures` says.
        labels: int64, shape (N,); indices into the labels of recipe or contract.
        names: Path inside the data set, one for each picture.
        soft: float32, shape (N, labels), rows sum to 1: what people saw in each picture; None
            where the labels are all there is. `labels` is then its majority.
        source: Where they come from, without the machine's own folders; may be empty.
    """

    pictures: Pictures
    labels: Indices
    names: tuple[str, ...]
    soft: NDArray[np.float32] | None = None
    source: str = ""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def sha256(self) -> str:
        """Of the pixels and labels, in their order."""
        digest = hashlib.sha256(str(self.pictures.shape).encode())
        digest.update(np.ascontiguousarray(self.pictures).data)
        digest.update(self.labels.astype("<i8").tobytes())
        return digest.hexdigest()

    def take(self, indices: Iterable[int] | NDArray[Any]) -> Samples:
        """Return the samples at `indices`, in that order; the pictures are copied."""
        chosen = np.fromiter(indices, np.int64)
        return Samples(
            self.pictures[chosen],
            self.labels[chosen],
            tuple(self.names[index] for index in chosen),
            None if self.soft is None else self.soft[chosen],
            self.source,
        )

    def without(self, indices: Iterable[int]) -> Samples:
        """Return all samples but those at `indices`, in their order; the pictures are copied."""
        left_out = set(indices)
        return self.take(index for index in range(len(self)) if index not in left_out)

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
        numbers = np.bincount(self.labels, minlength=len(labels)).tolist()
        return dict(zip(labels, numbers, strict=True))

    def digests(self) -> list[bytes]:
        """Return a hash of each picture's pixels; equal exactly where the pixels are."""
        return [pixel_digest(picture) for picture in self.pictures]

    def find_in(self, others: Samples) -> list[int]:
        """Return the indices of the samples whose pixels are those of one of the others."""
        known = set(others.digests())
        return [index for index, digest in enumerate(self.digests()) if digest in known]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return what `read_samples` reads; text without pickle. Soft labels are not kept."""
        names = np.array(self.names, dtype=np.str_)
        return {"pictures": self.pictures, "labels": self.labels, "names": names}


def with_channels(pictures: Pictures) -> Pictures:
    """Return pictures as networks take them, shape (N, height, width, channels); a view."""
    return pictures[..., None] if pictures.ndim == _GREY_AXES else pictures


def read_samples(path: Path, contract: ModelContract, *, fix: str) -> Samples:
    """Read one of the archives that a training run leaves in `samples/`.

    Args:
        path: Of it.
        contract: Of the network that the pictures are for.
        fix: What to do about an archive that is of no use.

    Raises:
        DataError: Missing, damaged, or not of the network's size and labels.
    """
    try:
        arrays = read_arrays(path)
    except FileNotFoundError:
        raise DataError(
            f"{path} does not exist", expected="pictures kept by the training", fix=fix
        ) from None
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read ({error})", expected="an .npz archive, whole", fix=fix
        ) from error
    if unfit := _unfit(arrays, contract):
        raise DataError(f"{path}: {unfit[0]}", expected=unfit[1], fix=fix)
    return Samples(
        arrays["pictures"],
        arrays["labels"].astype(np.int64),
        tuple(arrays["names"].tolist()),
        source=f"{path.parent.name}/{path.name}".lstrip("/"),
    )


def _unfit(arrays: dict[str, NDArray[Any]], contract: ModelContract) -> tuple[str, str] | None:
    """Return what is wrong with arrays, and what was expected; None where they fit."""
    if sorted(arrays) != list(_ARRAYS):
        return f"holds the arrays {sorted(arrays)}", str(list(_ARRAYS))
    labels, names, pictures = (arrays[name] for name in _ARRAYS)
    size = contract.input.picture_shape
    if pictures.dtype != np.uint8 or pictures.shape[1:] != size:
        return (
            f"its pictures are {pictures.dtype}{list(pictures.shape)}",
            f"uint8[N, {', '.join(map(str, size))}], as the contract's input says",
        )
    if labels.dtype.kind not in "iu" or names.dtype.kind != "U":
        return f"its labels are {labels.dtype}, its names {names.dtype}", "int64 and unicode"
    if not labels.shape == names.shape == pictures.shape[:1]:
        return (
            f"{len(pictures)} pictures, labels {labels.shape}, names {names.shape}",
            "one label and one name for each picture",
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(contract.labels):
        return (
            f"its labels go from {labels.min()} to {labels.max()}",
            f"0 to {len(contract.labels) - 1}, indices into {list(contract.labels)}",
        )
    return None
