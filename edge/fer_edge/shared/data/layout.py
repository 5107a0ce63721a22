"""What the folders of a data set say: the class, and above it the split.

A picture's label is what the name of the folder it lies in means, by alias too; the folder above
that may name a split. All else above the class folders must be the same for all pictures. Nothing
is guessed: a folder that is neither is a problem that names it.
"""

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import Final, Literal

from fer_edge.shared.data.containers import Skipped
from fer_edge.shared.errors import DataError, FerError, LabelError
from fer_edge.shared.labels import KNOWN_EXPRESSIONS, Vocabulary, without_number

Split = Literal["train", "val", "test"]
PublicTest = Literal["val", "test", "leave-out"]
"""What FER2013's public test half is used for."""

LAYOUT: Final = "CLASS/picture.png or SPLIT/CLASS/picture.png (SPLIT: train, val or test)"
_SPLITS: Final[dict[str, Split]] = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test", "privatetest": "test",
}  # fmt: skip
_PUBLIC: Final = "publictest"
_ENDINGS: Final = re.compile(r"(?<=.)(?:dataset|set|data|images|imgs|pictures)$")
_SHOWN: Final = 10

Parts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """One picture of a data set.

    Attributes:
        name: Path inside the data set, with "/".
        label: As the vocabulary has it.
        split: The split its folder names; None where the data set has no split folders.
    """

    name: str
    label: str
    split: Split | None


@dataclass(frozen=True, slots=True)
class Layout:
    """What the folders say.

    Attributes:
        pictures: Those whose folders make sense, sorted by name.
        skipped: Pictures that the settings leave out.
        problems: What is not understood, each with what to do; the pictures it is about are in
            neither of the others.
    """

    pictures: list[LabelledPicture]
    skipped: list[Skipped]
    problems: list[FerError]


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder with pictures in it: its class (None: left out), split, and what lies above."""

    path: str
    label: str | None
    split: Split | Literal["leave-out"] | None
    above: Parts


@lru_cache(maxsize=256)  # asked for each row of a CSV file
def split_of(name: str, *, public_test: PublicTest = "val") -> Split | Literal["leave-out"] | None:
    """Return the split that a folder, file or usage stands for; None where it is none known.

    Case and separators do not matter, nor does "set" or "data" at the end: Train_set, test-data.
    FER2013's PrivateTest is test; its PublicTest is what `public_test` says.
    """
    key = re.sub(r"[\W_]+", "", name.lower())
    for known in (key, _ENDINGS.sub("", key)):
        if known == _PUBLIC:
            return public_test
        if known in _SPLITS:
            return _SPLITS[known]
    return None


def arrange(
    names: Sequence[str],
    *,
    public_test: PublicTest = "val",
    vocabulary: Vocabulary = KNOWN_EXPRESSIONS,
) -> Layout:
    """Tell label and split of pictures from the folders they lie in.

    Args:
        names: Of the pictures, sorted.
        public_test: What a folder PublicTest is used for.
        vocabulary: What the class folders' names mean.
    """
    by_folder: dict[str, list[str]] = {}
    for name in names:
        by_folder.setdefault(name.rpartition("/")[0], []).append(name)
    problems: list[FerError] = []
    folders: list[_Folder] = []
    for path, inside in by_folder.items():
        understood = _understand(path, inside, public_test, vocabulary)
        if isinstance(understood, _Folder):
            folders.append(understood)
        else:
            problems.append(understood)
    strange, more = _odd_ones(folders, by_folder)
    pictures, skipped = [], []
    for folder in folders:
        if folder.path in strange:
            continue
        if folder.split == "leave-out":
            reason = "PublicTest, left out as data.public_test says"
            skipped += [Skipped(name, reason) for name in by_folder[folder.path]]
            continue
        if folder.label is None:
            skipped += [
                Skipped(name, "left out as labels.drop says") for name in by_folder[folder.path]
            ]
            continue
        split = folder.split
        pictures += [LabelledPicture(name, folder.label, split) for name in by_folder[folder.path]]
    pictures.sort(key=lambda picture: picture.name)
    return Layout(pictures, skipped, problems + more)


def refuse_problems(problems: Sequence[FerError], *, where: str) -> None:
    """Raise what is not understood of a data set as one error; nothing where all is.

    Of many problems the first are named.

    Raises:
        DataError: Or LabelError, as the first problem is.
    """
    if problems:
        first, more = problems[0], len(problems) - _SHOWN
        said = [problem.found for problem in problems[:_SHOWN]]
        said += [f"and {more:,} more such things"] if more > 0 else []
        fixes = dict.fromkeys(problem.fix for problem in problems[:_SHOWN])
        raise type(first)(
            f"{where}: {'; '.join(said)}", expected=first.expected, fix="; ".join(fixes)
        )


def class_folders(names: Sequence[str]) -> list[str]:
    """Return the names of the folders that pictures lie in, sorted; none that names a split."""
    found = {name.split("/")[-2] for name in names if "/" in name}
    return sorted(name for name in found if split_of(name) is None)


def _understand(
    path: str, inside: Sequence[str], public_test: PublicTest, vocabulary: Vocabulary
) -> _Folder | FerError:
    parts = tuple(path.split("/")) if path else ()
    if not parts or split_of(parts[-1]) is not None:
        return DataError(
            f"{_pictures(inside)} in no class folder", expected=LAYOUT, fix="move it into one"
        )
    try:
        label = _label_of(parts[-1], vocabulary)
    except LabelError as error:
        return LabelError(f"folder {path}: {error.found}", expected=error.expected, fix=error.fix)
    split = split_of(parts[-2], public_test=public_test) if len(parts) > 1 else None
    return _Folder(path, label, split, parts[: -1 if split is None else -2])


def _label_of(folder: str, vocabulary: Vocabulary) -> str | None:
    """Return the label that a class folder names; a number before a known one is not heeded."""
    with contextlib.suppress(LabelError):
        return vocabulary.find(folder)
    try:
        return vocabulary.find(without_number(folder))
    except LabelError as error:
        if not folder.isdecimal():
            raise
        raise LabelError(
            error.found + ", a number",
            expected=error.expected,
            fix="rename it to what it stands for: data sets number the expressions differently",
        ) from None


def _odd_ones(
    folders: Sequence[_Folder], inside: dict[str, list[str]]
) -> tuple[frozenset[str], list[FerError]]:
    """Return the paths of folders that do not fit the others, and why.

    Where some folders lie in splits, those without are odd, and where splits lie in several
    places, all but those of the first place. Without splits, all that lie deeper than others are.
    """
    places = sorted({folder.above for folder in folders if folder.split}, key=lambda p: (len(p), p))
    if places:
        base = places[0]
        odd = [f for f in folders if f.split is None or f.above != base]
    else:
        base = _common([folder.above for folder in folders])
        odd = [f for f in folders if f.above != base]
    by_place: dict[tuple[Parts, bool], list[_Folder]] = {}
    for folder in odd:
        by_place.setdefault((folder.above, folder.split is not None), []).append(folder)
    return frozenset(folder.path for folder in odd), [
        _say_odd(base, above, [name for folder in group for name in inside[folder.path]], split)
        for (above, split), group in sorted(by_place.items())
    ]


def _say_odd(base: Parts, above: Parts, names: Sequence[str], split: bool) -> FerError:
    folder, first = "/".join(above) or ".", _pictures(names)
    if split:
        return DataError(
            f"folder {folder} holds splits of its own ({first} there), beside those in "
            f"{'/'.join(base) or '.'}",
            expected="one data set",
            fix="name the one to read, or move the other away",
        )
    if above == base:
        return DataError(
            f"{first} in no split, others differ",
            expected=LAYOUT + " throughout",
            fix="move the class folders to one level",
        )
    return DataError(
        f"folder {folder} lies above class folders and is no known split ({first} there)",
        expected="train, val or test, also Training, PublicTest, PrivateTest, test_set and such",
        fix="rename it, or name it alone as the data",
    )


def _common(paths: Sequence[Parts]) -> Parts:
    """Return the folders with which all paths begin."""
    first, last = min(paths, default=()), max(paths, default=())
    return tuple(
        one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    )


def _pictures(names: Sequence[str]) -> str:
    more = len(names) - 1
    return f"{names[0]} and {more:,} more pictures lie" if more else f"{names[0]} lies"
