"""Read a data set into memory, at the size of the network's input.

Everything a run needs is decoded once: all of FER2013 is 74 MB as uint8. A picture that cannot be
decoded is left out, counted and named; more than one in a hundred of them is an error, because then
something is wrong with the copy and not with a picture.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from fer_edge.contract import InputSpec
from fer_edge.errors import DataError, PictureError
from fer_edge.labelled import LabelledPicture, LabelledPictures, Split
from fer_edge.pictures import decode_grey
from fer_edge.preprocess import prepare_crop
from fer_edge.records import GreyImage
from fer_trainer.data.samples import Samples

MAX_UNREADABLE: Final = 0.01

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where samples come from.

    Attributes:
        name: File or folder name, without its path.
        content_sha256: Of every picture's name and bytes; the same for a folder and a ZIP of it.
        unreadable: Names of pictures that could not be read, and so were left out.
        other_labels: Number of pictures left out because their label is not asked for, by label.
    """

    name: str
    content_sha256: str
    unreadable: tuple[str, ...] = ()
    other_labels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """A data set as it lies on disk.

    Attributes:
        origin: Where it comes from.
        splits: Samples by the split that a folder names; the key is None where none does.
    """

    origin: Origin
    splits: Mapping[Split | None, Samples]


def read_data(path: Path, *, labels: Sequence[str], spec: InputSpec) -> DataSet:
    """Read every picture of a data set that carries one of `labels`.

    Args:
        path: Class folders, split folders, or a ZIP of either.
        labels: Canonical names in the network's order.
        spec: Size and treatment of the pictures.

    Raises:
        DataError: No such data, an unknown layout, no picture with these labels, or more than
            one picture in a hundred cannot be decoded.
        LabelError: A class folder's name is unknown.
    """
    with LabelledPictures(path) as source:
        return _read(source, source.pictures, path, labels=labels, spec=spec)


def read_for_evaluation(path: Path, *, labels: Sequence[str], spec: InputSpec) -> Samples:
    """Read the test split where there are splits, else everything.

    Raises:
        DataError: As `read_data` says, or there are splits but no test pictures.
        LabelError: A class folder's name is unknown.
    """
    with LabelledPictures(path) as source:
        data = _read(source, source.for_evaluation(), path, labels=labels, spec=spec)
    return next(iter(data.splits.values()))


def _read(
    source: LabelledPictures,
    pictures: Sequence[LabelledPicture],
    path: Path,
    *,
    labels: Sequence[str],
    spec: InputSpec,
) -> DataSet:
    wanted = [picture for picture in pictures if picture.label in labels]
    left_out = Counter(picture.label for picture in pictures if picture.label not in labels)
    if not wanted:
        raise DataError(
            f"{path} holds only {', '.join(sorted(left_out))}",
            expected="class folders named " + ", ".join(labels),
            fix="choose a recipe with these labels, or other data",
        )
    content = hashlib.sha256()
    decoded: list[tuple[LabelledPicture, GreyImage]] = []
    unreadable: list[str] = []
    for picture in wanted:
        try:
            data = source.read(picture)
            grey = decode_grey(data, where=picture.name)
        except (PictureError, DataError) as error:
            _log.debug("left out: %s", error.found)
            unreadable.append(picture.name)
            continue
        content.update(picture.name.encode() + b"\0" + hashlib.sha256(data).digest())
        decoded.append((picture, prepare_crop(grey, spec)))
    _check_readable(unreadable, len(wanted), path)
    _warn_left_out(left_out, labels)
    splits = {
        split: _stack([item for item in decoded if item[0].split == split], labels)
        for split in sorted({picture.split for picture, _ in decoded}, key=str)
    }
    origin = Origin(path.name, content.hexdigest(), tuple(unreadable), left_out)
    return DataSet(origin, splits)


def _check_readable(unreadable: Sequence[str], total: int, path: Path) -> None:
    if not unreadable:
        return
    first = ", ".join(unreadable[:5]) + (", ..." if len(unreadable) > 5 else "")
    found = f"{path}: {len(unreadable):,} of {total:,} pictures cannot be read ({first})"
    if len(unreadable) > MAX_UNREADABLE * total:
        raise DataError(
            found,
            expected=f"at most {MAX_UNREADABLE:.0%}",
            fix="copy the data set again, or remove these files",
        )
    _log.warning("%s; left out", found)


def _warn_left_out(left_out: Mapping[str, int], labels: Sequence[str]) -> None:
    if left_out:
        counts = ", ".join(f"{label} {n:,}" for label, n in sorted(left_out.items()))
        _log.warning("left out, not among %s: %s", "/".join(labels), counts)


def _stack(items: Sequence[tuple[LabelledPicture, GreyImage]], labels: Sequence[str]) -> Samples:
    return Samples(
        np.stack([pixels for _, pixels in items]),
        np.array([labels.index(picture.label) for picture, _ in items], dtype=np.int64),
        tuple(picture.name for picture, _ in items),
    )
