"""Read a data set once and keep of each picture what the findings need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.data.pictures import pixel_digest
from fer_edge.shared.data.samples import Pictures
from fer_edge.shared.errors import DataError, PictureError
from fer_edge.shared.model.contract import InputSpec
from fer_edge.shared.model.preprocess import prepare_crop
from fer_edge.shared.opencv import cv2
from fer_trainer.data.entries import Entry

THUMBNAIL: Final = InputSpec(height=48, width=48)
WHOLE: Final = "all"
"""The part's name where the data set names no splits."""


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What was seen of a data set; every array has one element for each readable picture.

    Attributes:
        names: Paths inside the data set.
        labels: Canonical expression names.
        parts: Splits, or `WHOLE` where the data set names none.
        sizes: Width and height in pixels.
        digests: Hashes of size and pixels; equal exactly where these are.
        spreads: Standard deviation of the grey values.
        thumbnails: uint8, shape (N, 48, 48).
        unreadable: Name and problem of each picture that cannot be read.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    parts: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    digests: tuple[bytes, ...]
    spreads: NDArray[np.float64]
    thumbnails: Pictures
    unreadable: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.names)


def survey(entries: Iterable[Entry]) -> Survey:
    """Decode every entry.

    Raises:
        DataError: None of them can be read.
    """
    rows: list[tuple[Any, ...]] = []
    thumbnails: list[Any] = []
    unreadable: list[tuple[str, str]] = []
    for entry in entries:
        try:
            _, grey = entry.read()
        except (PictureError, DataError) as error:
            unreadable.append((entry.name, error.found))
            continue
        size, part = grey.shape[::-1], entry.split or WHOLE
        # Copies no picture, which may be a thousand times the usual size.
        spread = float(cv2.meanStdDev(grey)[1].item())
        rows.append((entry.name, entry.label, part, size, pixel_digest(grey), spread))
        thumbnails.append(prepare_crop(grey, THUMBNAIL))
    if not rows:
        raise DataError(
            f"none of {len(unreadable):,} pictures can be read"
            + (f"; the first: {unreadable[0][1]}" if unreadable else ""),
            expected="labelled pictures",
            fix="copy the data set again, or name another",
        )
    names, labels, parts, sizes, digests, spreads = zip(*rows, strict=True)
    pictures, left_out = np.stack(thumbnails), tuple(unreadable)
    return Survey(names, labels, parts, sizes, digests, np.array(spreads), pictures, left_out)
