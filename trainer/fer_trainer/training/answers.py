"""Stored answers of teachers: a folder of what they say of seeded views of every picture.

`answers.json` says of what and of whom; `pictures.npz` names the pictures, with the first bytes of
their hashes; `view-000.npz` and so on hold an array of float16 for each label set, a row a picture,
and the hash of `answers.json`, so that no view of other teachers is ever taken for one of these.
A view of 48,000 pictures in two label sets takes 1.4 MB, and one is in memory at a time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.arrays import read_arrays
from fer_edge.shared.data.samples import Pictures
from fer_edge.shared.errors import ModelError
from fer_edge.shared.strict_json import parse_json
from fer_trainer.recipe.settings import Recipe
from fer_trainer.run.folder import replace_file
from fer_trainer.training.views import view_settings

MANIFEST: Final = "answers.json"
PICTURES: Final = "pictures.npz"
_VERSION: Final = 1
_OF: Final = "of"

Said: TypeAlias = Mapping[str, NDArray[np.float16]]
"""Probabilities of one view, shape (N, labels), by the label set's name."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredAnswers:
    """A folder of answers.

    Attributes:
        folder: Where it is.
        facts: What `answers.json` holds.
    """

    folder: Path
    facts: Mapping[str, Any]

    @property
    def sha256(self) -> str:
        """Of `answers.json`, and so of data, views and teachers."""
        return hashlib.sha256((self.folder / MANIFEST).read_bytes()).hexdigest()

    def view_path(self, view: int) -> Path:
        """Return the file of a view."""
        return self.folder / f"view-{view:03d}.npz"

    def has_view(self, view: int) -> bool:
        """Say whether a view has been answered, by these teachers."""
        try:
            return bool(self.read_view(view))
        except ModelError:
            return False

    def write_view(self, view: int, said: Said) -> None:
        """Write one view, whole or not at all.

        Raises:
            OutputError: It cannot be written.
        """
        arrays: dict[str, Any] = {**said, _OF: np.array(self.sha256)}
        replace_file(self.view_path(view), lambda path: np.savez(path, **arrays))

    def read_view(self, view: int) -> Said:
        """Read one view.

        Raises:
            ModelError: It is missing, damaged, or of other teachers, views or data.
        """
        path = self.view_path(view)
        try:
            arrays = read_arrays(path)
            of = str(arrays.pop(_OF))
            shapes = {
                name: (self.facts["pictures"], len(labels))
                for name, labels in self.facts["label_sets"].items()
            }
            found = {name: array.shape for name, array in arrays.items()}
            _require(found == shapes, "arrays of other shapes")
        except (OSError, ValueError, KeyError) as error:
            _damaged(path, str(error))
        if of != self.sha256:
            _damaged(path, "of other teachers, views or data")
        return {name: array.astype(np.float16) for name, array in arrays.items()}


def open_answers(folder: Path) -> StoredAnswers:
    """Open a folder of answers.

    Raises:
        ModelError: It is none, or damaged.
    """
    path = folder / MANIFEST
    try:
        facts = dict(parse_json(path.read_bytes()))
        _require(facts["version"] == _VERSION, f"version {facts['version']}")
        _ = facts["views"], facts["seed"], facts["augmentation"], facts["input"], facts["pictures"]
        _ = dict(facts["label_sets"]), list(facts["teachers"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        _damaged(path, f"{type(error).__name__}: {error}")
    return StoredAnswers(folder, facts)


def describe_answers(
    recipe: Recipe,
    *,
    views: int,
    seed: int,
    label_sets: Mapping[str, Sequence[str]],
    teachers: Sequence[Mapping[str, str]],
    names: Sequence[str],
    pictures: Pictures,
) -> dict[str, Any]:
    """Return what `answers.json` holds."""
    return {
        "version": _VERSION,
        "views": views,
        "seed": seed,
        "augmentation": view_settings(recipe.augmentation),
        "input": asdict(recipe.input),
        "label_sets": {name: list(labels) for name, labels in label_sets.items()},
        "mean_of": "probabilities",
        "teachers": list(teachers),
        "pictures": len(names),
        "pictures_sha256": _listed(names, short_hashes(pictures)),
    }


def write_pictures(
    folder: Path, names: Sequence[str], pictures: Pictures, *, set_aside: Sequence[str]
) -> None:
    """Write which pictures the rows are of, and which no pupil may learn from.

    Raises:
        OutputError: It cannot be written.
    """
    arrays: dict[str, Any] = {
        "names": np.array(names, dtype=np.str_),
        "hashes": short_hashes(pictures),
        "set_aside": np.array(set_aside, dtype=np.str_),
    }
    replace_file(folder / PICTURES, lambda path: np.savez_compressed(path, **arrays))


def short_hashes(pictures: Pictures) -> NDArray[np.uint64]:
    """Return the first eight bytes of each picture's SHA-256."""
    digests = (hashlib.sha256(picture.tobytes()).digest()[:8] for picture in pictures)
    return np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64)


def read_pictures(answers: StoredAnswers) -> Mapping[str, NDArray[Any]]:
    """Return names, hashes and set_aside, as `write_pictures` wrote them.

    Raises:
        ModelError: They are missing, damaged, or others than `answers.json` speaks of.
    """
    path = answers.folder / PICTURES
    try:
        arrays = read_arrays(path)
        names, hashes = arrays["names"].tolist(), arrays["hashes"].astype(np.uint64)
        _require(_listed(names, hashes) == answers.facts["pictures_sha256"], "other pictures")
        _require(len(names) == len(hashes) and "set_aside" in arrays, "arrays are missing")
    except (OSError, ValueError, KeyError) as error:
        _damaged(path, str(error))
    return arrays


def _listed(names: Sequence[str], hashes: NDArray[np.uint64]) -> str:
    return hashlib.sha256("\0".join(names).encode() + hashes.tobytes()).hexdigest()


def _require(holds: bool, reason: str) -> None:
    if not holds:
        raise ValueError(reason)


def _damaged(path: Path, reason: str) -> NoReturn:
    raise ModelError(
        f"{path} cannot be used ({' '.join(reason.split())[:160]})",
        expected="a folder of answers, as `fer-train teach` writes it",
        fix="run `fer-train teach` again: it makes what is missing; --force makes all anew",
    )


def manifest_text(facts: Mapping[str, Any]) -> str:
    """Return `answers.json` as text."""
    return json.dumps(facts, indent=2) + "\n"
