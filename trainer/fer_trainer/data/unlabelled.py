"""Faces whose expressions nobody has named, for teachers to name."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.data.files import DataFiles, by_reason
from fer_edge.shared.data.pictures import MAX_PICTURE_BYTES, decode_picture, pixel_digest
from fer_edge.shared.data.samples import Pictures, Samples
from fer_edge.shared.errors import DataError, PictureError
from fer_edge.shared.model.preprocess import prepare_crop
from fer_edge.shared.records import Image
from fer_trainer.data.reading import check_readable
from fer_trainer.recipe.settings import Recipe, UnlabelledSettings

PREFIX = "unlabelled/"
"""Begins the names of these pictures, so that none is taken for a labelled one."""

NOT_ASKED_FOR = "not asked for"
SET_ASIDE = "also in validation or test"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Unlabelled:
    """Faces without labels, at the size of the network's input.

    Attributes:
        pictures: As `Pictures` says.
        names: One for each.
        even: bool, shape (N,): those that are to be read evenly as every label.
        source: File or folder name, without its path.
        content_sha256: Of every picture's name and bytes.
        left_out: Number of files that are not used, by the reason.
        unreadable: Names of pictures that could not be read.
        note: Licence and attribution.
    """

    pictures: Pictures
    names: tuple[str, ...]
    even: NDArray[np.bool_]
    source: str
    content_sha256: str
    left_out: Mapping[str, int]
    unreadable: tuple[str, ...]
    note: str

    def __len__(self) -> int:
        return len(self.names)

    def to_json(self) -> dict[str, Any]:
        """Return what a run writes down of them."""
        return {
            "name": self.source,
            "content_sha256": self.content_sha256,
            "pictures": len(self),
            "read_evenly": int(self.even.sum()),
            "left_out": dict(self.left_out),
            "unreadable": list(self.unreadable),
            "note": self.note,
        }


def read_unlabelled(recipe: Recipe, *, aside: Sequence[Samples]) -> Unlabelled:
    """Read the faces that a recipe names.

    Args:
        recipe: Names them, and the size of the network's input.
        aside: Pictures that nothing may be learnt from; those with the same pixels are left out.

    Raises:
        DataError: No such data, no picture left, or more than one in a hundred cannot be decoded.
    """
    path, settings = Path(recipe.data.unlabelled), recipe.unlabelled
    forbidden = {digest for samples in aside for digest in samples.digests()}
    content, left_out = hashlib.sha256(), Counter[str]()
    kept: list[tuple[str, Image]] = []
    unreadable: list[tuple[str, str]] = []
    with DataFiles(path) as files:
        files.container.check_sizes(files.pictures, limit=MAX_PICTURE_BYTES)
        left_out.update({why: len(names) for why, names in by_reason(files.skipped).items()})
        wanted = [name for name in files.pictures if _matches(name, settings.only or ("*",))]
        left_out[NOT_ASKED_FOR] = len(files.pictures) - len(wanted)
        for name in wanted:
            try:
                data = files.container.read(name)
                seen = decode_picture(data, where=name, colour=recipe.input_spec.is_colour)
                pixels = prepare_crop(_middle(seen, settings.middle), recipe.input_spec)
            except (PictureError, DataError) as error:
                unreadable.append((name, error.found))
                continue
            if pixel_digest(pixels) in forbidden:
                left_out[SET_ASIDE] += 1
                continue
            content.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
            kept.append((name, pixels))
    check_readable(unreadable, len(kept) + len(unreadable), path)
    if not kept:
        raise DataError(
            f"{path} holds no picture that unlabelled.only asks for",
            expected="pictures named like " + ", ".join(settings.only or ("*",)),
            fix="correct the patterns, or name another folder or ZIP",
        )
    found = _gathered(kept, settings, path, content.hexdigest(), +left_out, unreadable)
    reasons = "".join(
        f", left out, {reason}: {n:,}" for reason, n in sorted(found.left_out.items())
    )
    _log.warning("%s: %s faces%s", path.name, f"{len(found):,}", reasons)
    return found


def _gathered(
    kept: Sequence[tuple[str, Image]],
    settings: UnlabelledSettings,
    path: Path,
    content_sha256: str,
    left_out: Mapping[str, int],
    unreadable: Sequence[tuple[str, str]],
) -> Unlabelled:
    return Unlabelled(
        np.stack([pixels for _, pixels in kept]),
        tuple(PREFIX + name for name, _ in kept),
        np.array([_matches(name, settings.even) for name, _ in kept], dtype=np.bool_),
        path.name,
        content_sha256,
        left_out,
        tuple(name for name, _ in unreadable),
        settings.note,
    )


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _middle(picture: Image, share: float) -> Image:
    """Return the middle of a picture, `share` of each side."""
    if share == 1.0:
        return picture
    height, width = (max(1, round(share * side)) for side in picture.shape[:2])
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]
