"""Labelled pictures parted: some to calibrate on, others to compare on."""

from pathlib import Path
from typing import Final

import numpy as np

from fer_edge.shared.data.labelled import LabelledPictures
from fer_edge.shared.data.layout import LabelledPicture
from fer_edge.shared.data.pictures import decode_picture
from fer_edge.shared.data.samples import Samples, read_samples
from fer_edge.shared.errors import DataError
from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.model.preprocess import prepare_crop

HELD_OUT_FRACTION: Final = 0.2
"""Of a data set without splits; what is compared on must not have been calibrated on."""

OTHER_PICTURES: Final = "run `fer-train fit` again, or give --calibration-data FOLDER_OR_ZIP"


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
    chosen = sorted(places, key=lambda index: (places[index], index))[:count]
    return samples.take(sorted(chosen))


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
    return samples.without(held_out), samples.take(sorted(held_out))


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
    with LabelledPictures(path, vocabulary=contract.vocabulary) as data:
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
        DataError: As `read_samples` says.
    """
    return *hold_out(read_samples(path, contract, fix=OTHER_PICTURES), seed=seed), False


def _decode(
    data: LabelledPictures, pictures: list[LabelledPicture], contract: ModelContract, source: str
) -> Samples:
    spec = contract.input
    pixels = np.empty((len(pictures), *spec.picture_shape), np.uint8)
    for index, picture in enumerate(pictures):
        where = f"{source}: {picture.name}"
        seen = decode_picture(data.read(picture), where=where, colour=spec.is_colour)
        pixels[index] = prepare_crop(seen, spec)
    labels = np.array([contract.labels.index(p.label) for p in pictures], dtype=np.int64)
    return Samples(pixels, labels, tuple(p.name for p in pictures), source=source)
