"""The whole job of `fer-train inspect-data`."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from fer_edge.shared.errors import DataError, FerError, LabelError
from fer_edge.shared.labels import (
    KNOWN_EXPRESSIONS,
    Vocabulary,
    as_label,
    complaint_about,
    spell_labels,
)
from fer_edge.shared.terminal.progress import ProgressLine
from fer_edge.shared.whole_files import make_folder, replace_file
from fer_trainer.data.entries import Entries
from fer_trainer.data.reading import names_of_classes, open_entries
from fer_trainer.inspection.duplicates import exact_groups, near_groups
from fer_trainer.inspection.findings import BLANK_SPREAD, Findings
from fer_trainer.inspection.sheets import draw_sheets
from fer_trainer.inspection.survey import survey
from fer_trainer.inspection.text import format_findings
from fer_trainer.recipe.promise import FOLDERS, LabelSettings

REPORT: Final = "report.txt"
JSON: Final = "findings.json"
_WORDS: Final = "a name that can be a label"
_USABLE: Final = "two classes or more, each in train and validation, and whole pictures"


def inspect_data(path: Path, *, tell: Callable[[str], None], labels: str | None = None) -> Findings:
    """Look at every picture of a data set, and for what is there twice.

    Args:
        path: Class folders, split folders, an archive of either, or FER2013's CSV.
        tell: Takes a line of progress.
        labels: Words with commas between them, a label set's name, or "folders"; if not given, the
            expressions that are known. Where no folder is called so, they are looked at under
            their own names, and each is a problem.

    Raises:
        DataError: No such data, an unknown layout, or no picture that can be read.
        LabelError: No class folder has one of the names given, or a word cannot be a label.
    """
    strange: list[FerError] = []
    with _opened(path, labels, strange) as entries, ProgressLine() as line:
        seen = survey(line.each("reading", entries, entries.total))
    exact = exact_groups(seen.digests)
    copies = {index for group in exact for index in group[1:]}
    distinct = [
        int(index)
        for index in np.flatnonzero(seen.spreads >= BLANK_SPREAD)
        if int(index) not in copies
    ]
    tell(f"{path.name}: {len(seen):,} pictures read, {len(distinct):,} to compare")
    with ProgressLine() as line:
        near = near_groups(seen.thumbnails, distinct, progress=partial(line.count, "comparing"))
    return Findings(path.name, seen, exact, near, entries.skipped, strange)


def _opened(path: Path, labels: str | None, strange: list[FerError]) -> Entries:
    try:
        vocabulary = _vocabulary(path, labels, strange)
        return open_entries(path, problems=strange, vocabulary=vocabulary)
    except LabelError:
        if labels is not None:
            raise
    for name in names_of_classes(path):
        try:
            KNOWN_EXPRESSIONS.find(name)
        except LabelError as error:
            strange.append(error)
    vocabulary = _vocabulary(path, FOLDERS, [])
    return open_entries(path, problems=strange, vocabulary=vocabulary)


def _vocabulary(path: Path, labels: str | None, strange: list[FerError]) -> Vocabulary:
    if labels is None:
        return KNOWN_EXPRESSIONS
    words = tuple(as_label(word) for word in labels.split(","))
    names = words[0] if len(words) == 1 else words
    if names == FOLDERS:
        own = spell_labels(names_of_classes(path))
        strange += [
            LabelError(f"folder {label}: the name {why}", expected=_WORDS, fix="rename it")
            for label in own
            if (why := complaint_about(label))
        ]
        return Vocabulary(own)
    settings = LabelSettings(names)
    settings.check()
    return settings.vocabulary


def write_findings(findings: Findings, folder: Path) -> list[str]:
    """Write report, JSON and contact sheets; files of these names are replaced.

    Returns:
        The names of the files.

    Raises:
        OutputError: They cannot be written.
    """
    written: list[str] = []

    def write(name: str, content: bytes) -> None:
        replace_file(folder / name, content)
        written.append(name)

    make_folder(folder)
    write(REPORT, (format_findings(findings) + "\n").encode())
    write(JSON, (json.dumps(findings.to_json(), indent=1) + "\n").encode())
    draw_sheets(findings, write)
    return written


def check_usable(findings: Findings) -> None:
    """Refuse data that `fer-train fit` would refuse.

    Raises:
        DataError: It cannot be trained on.
    """
    problems = findings.problems()
    strange = next(iter(findings.strange), None)
    if problems:
        raise DataError(
            f"{findings.name} cannot be trained on: {'; '.join(problems)}",
            expected=strange.expected if strange else _USABLE,
            fix=strange.fix if strange else "see the report for their names",
        )
