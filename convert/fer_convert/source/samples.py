"""Labelled pictures of the network's own size: from a run folder's archives, or from a data set."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.arrays import read_arrays
from fer_edge.shared.data.labelled import LabelledPicture, LabelledPictures
from fer_edge.shared.data.pictures import decode_grey
from fer_edge.shared.errors import DataError
from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.model.preprocess import prepare_crop

HELD_OUT_FRACTION: Final = 0.2
"""Of a data set without splits; what is compared on must not have been calibrated on."""

_ARRAYS: Final = frozenset({"pictures", "labels", "names"})
_TRAIN_AGAIN: Final = "run `fer-train fit` again, or give --calibration-data FOLDER_OR_ZIP"


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Labelled pictures, as the network is fed them.

    Attributes:
        pictures: uint8, shape (N, height, width) of the contract.
        labels: int64, shape (N,); indices into the contract's labels.
        names: Of the pictures in their data set.
        source: Where they come from, without the machine's own folders.
    """

    pictures: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    source: str

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def sha256(self) -> str:
        """Of the pixels and labels, in their order."""
        digest = hashlib.sha256(str(self.pictures.shape).encode())
        digest.update(np.ascontiguousarray(self.pictures).data)
        digest.update(self.labels.astype("<i8").tobytes())
        return digest.hexdigest()

    def counts(self, labels: Sequence[str]) -> dict[str, int]:
        """Return the number of pictures by label."""
        counts = np.bincount(self.labels, minlength=len(labels)).tolist()
        return dict(zip(labels, counts, strict=True))

    def take(self, indices: Iterable[int]) -> "Samples":
        """Return the samples at `indices`, in their original order."""
        chosen = np.array(sorted(indices), dtype=np.int64)
        names = tuple(self.names[index] for index in chosen)
        return Samples(self.pictures[chosen], self.labels[chosen], names, self.source)


def find_copies(samples: Samples, others: Samples) -> list[int]:
    """Return the indices of samples whose pixels are identical to one of the others'."""
    known = {picture.tobytes() for picture in others.pictures}
    return [i for i, picture in enumerate(samples.pictures) if picture.tobytes() in known]


def draw(samples: Samples, count: int, *, seed: int) -> Samples:
    """Return `count` samples with classes in their own proportion; all where there are fewer."""
    if count >= len(samples):
        return samples
    # Places in the unit interval, each class spread evenly over it: any cut keeps proportions.
    places = {
        index: (rank + 0.5) / len(indices)
        for indices in shuffled_classes(samples, seed=seed)
        for rank, index in enumerate(indices)
    }
    return samples.take(sorted(places, key=lambda index: (places[index], index))[:count])


def shuffled_classes(samples: Samples, *, seed: int) -> list[list[int]]:
    """Return the indices of each class present, in an order that only `seed` decides."""
    return [
        np.random.default_rng([seed, label])
        .permutation(np.flatnonzero(samples.labels == label))
        .tolist()
        for label in np.unique(samples.labels).tolist()
    ]


def hold_out(samples: Samples, *, seed: int) -> tuple[Samples, Samples]:
    """Split samples into a part to calibrate on and a part to compare on, class by class."""
    held_out = [
        index
        for indices in shuffled_classes(samples, seed=seed)
        for index in indices[: round(len(indices) * HELD_OUT_FRACTION)]
    ]
    rest = set(range(len(samples))).difference(held_out)
    return samples.take(rest), samples.take(held_out)


def read_samples(path: Path, contract: ModelContract) -> Samples:
    """Read one of the archives that a training run leaves in `samples/`.

    Raises:
        DataError: Missing, damaged, or not of the network's size and labels.
    """
    arrays = _load(path)
    if set(arrays) != _ARRAYS:
        raise _unfit(path, f"holds the arrays {sorted(arrays)}", str(sorted(_ARRAYS)))
    pictures, labels, names = arrays["pictures"], arrays["labels"], arrays["names"]
    size = contract.input.height, contract.input.width
    if pictures.dtype != np.uint8 or pictures.shape[1:] != size or pictures.ndim != 3:
        raise _unfit(
            path,
            f"its pictures are {pictures.dtype}{list(pictures.shape)}",
            f"uint8[N, {size[0]}, {size[1]}], as the contract's input says",
        )
    if labels.dtype.kind not in "iu" or names.dtype.kind != "U":
        raise _unfit(
            path, f"its labels are {labels.dtype}, its names {names.dtype}", "int64 and unicode"
        )
    if not labels.shape == names.shape == pictures.shape[:1]:
        raise _unfit(
            path,
            f"{len(pictures)} pictures, labels {labels.shape}, names {names.shape}",
            "one label and one name for each picture",
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(contract.labels):
        raise _unfit(
            path,
            f"its labels go from {labels.min()} to {labels.max()}",
            f"0 to {len(contract.labels) - 1}, indices into {list(contract.labels)}",
        )
    where = f"{path.parent.name}/{path.name}".lstrip("/")
    return Samples(pictures, labels.astype(np.int64), tuple(names.tolist()), where)


def read_data_set(
    path: Path, contract: ModelContract, *, seed: int
) -> tuple[Samples, Samples, bool]:
    """Read labelled face crops into a part to calibrate on and a part to compare on.

    Where the data set has splits, these are train and test (or val). Otherwise every class gives
    `HELD_OUT_FRACTION` of its pictures to the comparison.

    Args:
        path: Class folders, split folders, or a ZIP of either.
        contract: Of the network; pictures of other labels are left out.
        seed: Decides which pictures are held out.

    Returns:
        Both parts, and whether the data set itself says which pictures are for training.

    Raises:
        DataError: No such data, an unknown layout, or no pictures of the network's labels.
        PictureError: A picture cannot be decoded.
        LabelError: A class folder's name is unknown.
    """
    with LabelledPictures(path) as data:
        pictures = [picture for picture in data.pictures if picture.label in contract.labels]
        if not pictures:
            raise DataError(
                f"{path} has no picture of this network's labels",
                expected="class folders named " + ", ".join(contract.labels),
                fix="check the path",
            )
        samples = _decode(data, pictures, contract, path.name)
    splits = [picture.split for picture in pictures]
    held_out = "test" if "test" in splits else "val"
    if held_out not in splits:
        return *hold_out(samples, seed=seed), False
    parts = (
        samples.take(i for i, split in enumerate(splits) if split == wanted)
        for wanted in ("train", held_out)
    )
    calibration, comparison = parts
    return calibration, comparison, True


def split_archive(
    path: Path, contract: ModelContract, *, seed: int
) -> tuple[Samples, Samples, bool]:
    """Like `read_data_set`, from an archive such as a run leaves in `samples/`.

    Raises:
        DataError: Missing, damaged, or not of the network's size and labels.
    """
    return *hold_out(read_samples(path, contract), seed=seed), False


def _decode(
    data: LabelledPictures, pictures: list[LabelledPicture], contract: ModelContract, source: str
) -> Samples:
    spec = contract.input
    pixels = np.empty((len(pictures), spec.height, spec.width), np.uint8)
    for index, picture in enumerate(pictures):
        grey = decode_grey(data.read(picture), where=f"{source}: {picture.name}")
        pixels[index] = prepare_crop(grey, spec)
    labels = np.array([contract.labels.index(p.label) for p in pictures], dtype=np.int64)
    return Samples(pixels, labels, tuple(p.name for p in pictures), source)


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        return read_arrays(path)
    except FileNotFoundError:
        raise DataError(
            f"{path} does not exist", expected="pictures kept by the training", fix=_TRAIN_AGAIN
        ) from None
    except (OSError, ValueError) as error:
        raise _unfit(path, f"cannot be read ({error})", "an .npz archive, whole") from error


def _unfit(path: Path, found: str, expected: str) -> DataError:
    return DataError(f"{path}: {found}", expected=expected, fix=_TRAIN_AGAIN)
