"""Read a data set into memory, at the size of the network's input.

Everything a run needs is decoded once: all of FER2013 is 74 MB as uint8. A picture that cannot be
decoded is left out, counted and named; more than one in a hundred of them is an error, because then
something is wrong with the copy and not with a picture.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from fer_edge.shared.data.containers import SingleFile, Skipped
from fer_edge.shared.data.ferplus import EXPRESSIONS
from fer_edge.shared.data.files import DataFiles, by_reason
from fer_edge.shared.data.layout import PublicTest, Split, class_folders
from fer_edge.shared.data.samples import Samples
from fer_edge.shared.errors import DataError, FerError, PictureError
from fer_edge.shared.labels import KNOWN_EXPRESSIONS, Vocabulary
from fer_edge.shared.model.contract import InputSpec
from fer_edge.shared.model.preprocess import prepare_crop
from fer_edge.shared.records import Image
from fer_trainer.data.csv_files import CsvEntries
from fer_trainer.data.entries import Entries, Entry, FolderEntries
from fer_trainer.data.origin import DataSet, Origin, VotesOrigin
from fer_trainer.data.votes import NO_VOTES, SoftLabel, Votes
from fer_trainer.recipe.settings import DataSettings

MAX_UNREADABLE: Final = 0.01

_log = logging.getLogger(__name__)


def open_entries(
    path: Path,
    *,
    public_test: PublicTest = "val",
    problems: list[FerError] | None = None,
    vocabulary: Vocabulary = KNOWN_EXPRESSIONS,
    colour: bool = False,
) -> Entries:
    """Open a data set, whatever its shape, told by what it holds.

    Args:
        path: Class folders, split folders, an archive of either, FER2013's CSV, or the folder or
            archive it is in.
        public_test: What rows and folders of the name PublicTest are used for.
        problems: Where given, what is not understood is added here instead of raised, and left
            out.
        vocabulary: What the names of classes mean.
        colour: Whether pictures are read in colour; those of a CSV file are grey.

    Raises:
        DataError: No such data, or an unknown layout.
        LabelError: A class folder's name is unknown.
    """
    files = DataFiles(path)
    try:
        if isinstance(files.container, SingleFile) and not files.pictures:
            files.tables = files.container.names  # what it lacks is said by line and column
        if files.tables:
            return CsvEntries(
                files, public_test=public_test, problems=problems, vocabulary=vocabulary
            )
        return FolderEntries(
            files,
            public_test=public_test,
            problems=problems,
            vocabulary=vocabulary,
            colour=colour,
        )
    except BaseException:
        files.close()
        raise


def names_of_classes(path: Path) -> list[str]:
    """Return what a data set calls its classes, in no certain order; nothing is decoded.

    Raises:
        DataError: No such data, or an unknown layout.
    """
    with DataFiles(path) as files:
        if isinstance(files.container, SingleFile) and not files.pictures:
            files.tables = files.container.names
        if not files.tables:
            return class_folders(files.pictures)
        return [*CsvEntries(files, public_test="val", problems=[]).names()]


def read_data(
    path: Path,
    *,
    labels: Sequence[str],
    spec: InputSpec,
    settings: DataSettings | None = None,
    vocabulary: Vocabulary | None = None,
) -> DataSet:
    """Read every picture of a data set that carries one of `labels`.

    Args:
        path: Class folders, split folders, a ZIP of either, or FER2013's CSV.
        labels: In the network's order.
        spec: Size, colours and treatment of the pictures.
        settings: What a CSV's PublicTest is, whose votes are the labels, whether pictures of
            other labels may be left out (they always may be for two labels); the defaults where
            not given.
        vocabulary: Which label a name means; if not given, those spelled like it, and aliases.

    Raises:
        DataError: No such data, an unknown layout, no picture with these labels, pictures of
            other labels, or more than one picture in a hundred cannot be decoded.
        LabelError: A class folder's name is unknown.
    """
    settings = settings or DataSettings()
    with _opened(path, labels, spec, settings, vocabulary) as entries:
        reader = _Reader(path, labels, spec, _votes(settings, labels), _doubts(settings))
        reader.read(entries)
    data = reader.data_set()
    if reader.other_labels and len(labels) > 2 and not settings.subset:
        raise DataError(
            f"{path} also holds {_listed(reader.other_labels)}",
            expected="only pictures of " + ", ".join(labels),
            fix="name these labels, too; or leave the pictures out with --set data.subset=true, or "
            "by labels.drop",
        )
    return data


def read_for_evaluation(
    path: Path,
    *,
    labels: Sequence[str],
    spec: InputSpec,
    settings: DataSettings | None = None,
    vocabulary: Vocabulary | None = None,
) -> Samples:
    """Read the test split where there are splits, else everything.

    Args:
        path: As for `read_data`.
        labels: In the network's order.
        spec: Size, colours and treatment of the pictures.
        settings: As for `read_data`, but pictures of other labels are always left out.
        vocabulary: As for `read_data`.

    Raises:
        DataError: As `read_data` says, or there are splits but no test pictures.
        LabelError: A class folder's name is unknown.
    """
    settings = settings or DataSettings()
    with _opened(path, labels, spec, settings, vocabulary) as entries:
        reader = _Reader(path, labels, spec, _votes(settings, labels))
        reader.read(entries, only_test=True)
    if reader.passed_over and not reader.met:
        raise DataError(
            f"{path} has no test pictures (only {_listed(reader.passed_over)})",
            expected="a test split, or no splits at all",
            fix=entries.advise(),
        )
    return next(iter(reader.data_set().splits.values()))


def _opened(
    path: Path,
    labels: Sequence[str],
    spec: InputSpec,
    settings: DataSettings,
    vocabulary: Vocabulary | None,
) -> Entries:
    return open_entries(
        path,
        public_test=settings.public_test,
        vocabulary=vocabulary or Vocabulary(labels),
        colour=spec.is_colour,
    )


def _votes(settings: DataSettings, labels: Sequence[str]) -> Votes | None:
    return Votes(Path(settings.votes), labels=labels) if settings.votes else None


def _doubts(settings: DataSettings) -> Votes | None:
    return Votes(Path(settings.doubts), labels=EXPRESSIONS) if settings.doubts else None


@dataclass(slots=True)
class _Reader:
    """Goes through a data set once and keeps what is wanted of it."""

    path: Path
    labels: Sequence[str]
    spec: InputSpec
    votes: Votes | None
    doubts: Votes | None = None
    doubted: set[str] = field(default_factory=set)
    doubtable: Counter[bool] = field(default_factory=Counter)
    decoded: list[_Decoded] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    other_labels: Counter[str] = field(default_factory=Counter)
    without_majority: Counter[str] = field(default_factory=Counter)
    passed_over: Counter[str] = field(default_factory=Counter)
    skipped: Sequence[Skipped] = ()
    content: hashlib._Hash = field(default_factory=hashlib.sha256)

    def read(self, entries: Entries, *, only_test: bool = False) -> None:
        """Decode every entry that has a label asked for; where splits are named, only test's."""
        for entry in entries:
            if only_test and entry.split not in {None, "test"}:
                self.passed_over[str(entry.split)] += 1
                continue
            label, soft = entry.label, None
            if self.doubts is not None and label is not None:
                self._doubt(self.doubts, entry)
            if self.votes is not None and label is not None:
                judged = self.votes.judge(entry)
                if isinstance(judged, str):
                    self.without_majority[judged] += 1
                    continue
                label, soft = judged
            if label is not None and label not in self.labels:
                self.other_labels[label] += 1
                continue
            self._decode(entry, label, soft)
        self.skipped = entries.skipped

    def _doubt(self, doubts: Votes, entry: Entry) -> None:
        if entry.split in {None, "train"}:  # doubts are about nothing else
            self.doubtable[doubts.knows(entry)] += 1
        if doubts.doubts(entry):
            self.doubted.add(entry.name)

    def _decode(self, entry: Entry, label: str | None, soft: SoftLabel | None) -> None:
        try:
            data, seen = entry.read()
        except (PictureError, DataError) as error:
            self.unreadable.append((entry.name, error.found))
            return
        assert label is not None, entry.name  # noqa: S101 - `read` raises where there is none
        self.content.update(entry.name.encode() + b"\0" + hashlib.sha256(data).digest())
        pixels = prepare_crop(seen, self.spec)
        index = self.labels.index(label)
        self.decoded.append(_Decoded(entry.name, entry.split, pixels, index, soft))

    @property
    def met(self) -> bool:
        """Whether there was any picture to decode, be it in vain."""
        return bool(self.decoded or self.unreadable or self.without_majority or self.other_labels)

    def data_set(self) -> DataSet:
        """Return what was kept, once it is known to be sound."""
        self._check_votes()
        total = len(self.decoded) + len(self.unreadable)
        if not total:
            left_out = self.other_labels + self.without_majority
            raise DataError(
                f"{self.path} holds only {_listed(left_out) or 'a header'}",
                expected="pictures of " + ", ".join(self.labels),
                fix="name the labels that the data has, or other data",
            )
        check_readable(self.unreadable, total, self.path)
        if self.other_labels:
            others = _listed(self.other_labels)
            _log.warning("left out, not among %s: %s", "/".join(self.labels), others)
        splits = {
            split: _stack([item for item in self.decoded if item.split == split])
            for split in sorted({item.split for item in self.decoded}, key=str)
        }
        votes = None
        if self.votes is not None:
            votes = VotesOrigin(self.votes.name, self.votes.sha256, dict(self.without_majority))
        unreadable = tuple(name for name, _ in self.unreadable)
        return DataSet(
            Origin(
                self.path.name,
                self.content.hexdigest(),
                unreadable,
                dict(self.other_labels),
                votes,
                by_reason(self.skipped),
            ),
            splits,
            frozenset(self.doubted),
        )

    def _check_votes(self) -> None:
        if self.doubts is not None:
            _check_known(self.doubts, self.doubtable[False], self.doubtable.total())
        if self.votes is None:
            return
        total = len(self.decoded) + self.without_majority.total()
        _check_known(self.votes, self.without_majority[NO_VOTES], total)
        if self.without_majority:
            left_out = _listed(self.without_majority)
            _log.warning("left out by the votes of %s: %s", self.votes.name, left_out)


def _check_known(votes: Votes, strangers: int, total: int) -> None:
    """Refuse votes that say nothing of more than one picture in a hundred."""
    if strangers > MAX_UNREADABLE * total:
        raise DataError(
            f"{votes.name} has no votes for {strangers:,} of {total:,} pictures",
            expected="the votes on this data set",
            fix="check that both come from the same copy: fer2013new.csv belongs to "
            "fer2013.csv, a table with paths to the folders it was made for",
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Decoded:
    name: str
    split: Split | None
    pixels: Image
    label: int
    soft: SoftLabel | None


def check_readable(unreadable: Sequence[tuple[str, str]], total: int, path: Path) -> None:
    """Say which pictures cannot be read, and refuse data of which too many cannot.

    Args:
        unreadable: Name and reason of each.
        total: Pictures that were tried.
        path: Where they are.

    Raises:
        DataError: They are more than one in a hundred.
    """
    if not unreadable:
        return
    first = ", ".join(name for name, _ in unreadable[:5]) + (", ..." if len(unreadable) > 5 else "")
    found = f"{path}: {len(unreadable):,} of {total:,} pictures cannot be read ({first})"
    if len(unreadable) > MAX_UNREADABLE * total:
        raise DataError(
            f"{found}; the first: {unreadable[0][1]}",
            expected=f"at most {MAX_UNREADABLE:.0%}",
            fix="copy the data set again, or remove these pictures",
        )
    _log.warning("%s; left out; the first: %s", found, unreadable[0][1])


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in sorted(counts.items()))


def _stack(items: Sequence[_Decoded]) -> Samples:
    soft = [item.soft for item in items if item.soft is not None]
    return Samples(
        np.stack([item.pixels for item in items]),
        np.array([item.label for item in items], dtype=np.int64),
        tuple(item.name for item in items),
        np.stack(soft) if soft else None,
    )
