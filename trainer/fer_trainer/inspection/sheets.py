"""Contact sheets: what a class looks like, and what is there twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import GreyImage
from fer_edge.shared.report.drawing import drawable
from fer_trainer.inspection.findings import Findings
from fer_trainer.inspection.survey import WHOLE

CLASS_COLUMNS: Final = 14
CLASS_ROWS: Final = 8
GROUP_COLUMNS: Final = 12
MAX_GROUP_ROWS: Final = 14
_MAX_OF_GROUP: Final = 6
_SIDE: Final = 96
_GAP: Final = 10
_CAPTION: Final = 16
_BAR: Final = 40
_PAPER: Final = (250, 250, 250)
_INK: Final = (40, 40, 40)
_CONFLICT: Final = (40, 40, 210)
_ACROSS: Final = (0, 140, 240)
_COPY: Final = (190, 190, 190)

Sheet = NDArray[np.uint8]
"""uint8, shape (H, W, 3), BGR."""


def class_sheet(findings: Findings, label: str, *, seed: int = 0) -> Sheet:
    """Show pictures of one class, chosen at random."""
    seen = findings.survey
    of_class = np.flatnonzero(np.array(seen.labels) == label)
    shown = min(len(of_class), CLASS_COLUMNS * CLASS_ROWS)
    chosen = np.random.default_rng(seed).permutation(of_class)[:shown]
    rows = -(-shown // CLASS_COLUMNS)
    step = _SIDE + _GAP
    sheet = _paper(rows * step + _GAP, CLASS_COLUMNS * step + _GAP)
    _write(sheet, f"{findings.name}   {label}   {shown:,} of {len(of_class):,}")
    for position, index in enumerate(sorted(chosen)):
        row, column = divmod(position, CLASS_COLUMNS)
        _place(sheet, seen.thumbnails[index], _BAR + _GAP + row * step, _GAP + column * step)
    return sheet


def group_sheet(findings: Findings, groups: Iterable[Sequence[int]], *, title: str) -> Sheet | None:
    """Show groups of copies side by side: conflicts first, then those across parts.

    Args:
        findings: What the groups were found in.
        groups: Indices of pictures.
        title: Said above.

    Returns:
        None where there is no group.
    """
    ordered = sorted(groups, key=lambda group: _rank(findings, group))
    if not ordered:
        return None
    cards = [(_telling(findings, group), _rank(findings, group)) for group in ordered]
    rows = _fill_rows([len(members) for members, _ in cards])
    height, width = _SIDE + _CAPTION + _GAP, _SIDE + _GAP
    shown = sum(map(len, rows))
    sheet = _paper(len(rows) * (height + _GAP) + _GAP, GROUP_COLUMNS * width + 2 * _GAP)
    _write(
        sheet,
        f"{findings.name}   {title}   {shown:,} of {len(ordered):,} groups",
        [("different classes", _CONFLICT), ("in two parts", _ACROSS), ("else", _COPY)],
    )
    for row, positions in enumerate(rows):
        top, left = _BAR + _GAP + row * (height + _GAP), _GAP
        for position in positions:
            members, rank = cards[position]
            _card(sheet, findings, members, (top, left), (_CONFLICT, _ACROSS, _COPY)[rank])
            left += len(members) * width
    return sheet


def encode_png(sheet: Sheet) -> bytes:
    """Return a sheet as a PNG file."""
    return bytes(cv2.imencode(".png", sheet)[1].tobytes())


def draw_sheets(findings: Findings, write: Callable[[str, bytes], Any]) -> None:
    """Draw every sheet that has something to show.

    Args:
        findings: What to show.
        write: Takes a file name and its content.
    """
    for label in findings.labels:
        write(f"class-{label}.png", encode_png(class_sheet(findings, label)))
    for name, title, groups in (
        ("exact-copies.png", "same pixels", findings.exact),
        ("near-copies.png", "nearly the same", findings.near_with_copies()),
        ("blank.png", "blank", [(index,) for index in findings.blank]),
    ):
        sheet = group_sheet(findings, groups, title=title)
        if sheet is not None:
            write(name, encode_png(sheet))


def _rank(findings: Findings, group: Sequence[int]) -> int:
    seen = findings.survey
    if len({seen.labels[index] for index in group}) > 1:
        return 0
    return 1 if len({seen.parts[index] for index in group}) > 1 else 2


def _telling(findings: Findings, group: Sequence[int]) -> list[int]:
    """Choose what a card shows of a group: at least one picture of each label and part."""
    seen = findings.survey
    first: dict[tuple[str, str], int] = {}
    for index in group:
        first.setdefault((seen.labels[index], seen.parts[index]), index)
    others = [index for index in group if index not in first.values()]
    return sorted([*first.values(), *others][:_MAX_OF_GROUP])


def _fill_rows(lengths: Sequence[int]) -> list[list[int]]:
    """Lay cards from left to right, row by row, as far as the sheet reaches."""
    rows: list[list[int]] = [[]]
    free = GROUP_COLUMNS
    for position, length in enumerate(lengths):
        if length > free:
            if len(rows) == MAX_GROUP_ROWS:
                break
            rows.append([])
            free = GROUP_COLUMNS
        rows[-1].append(position)
        free -= length
    return rows


def _card(
    sheet: Sheet,
    findings: Findings,
    members: Sequence[int],
    corner: tuple[int, int],
    colour: tuple[int, int, int],
) -> None:
    top, left = corner
    seen, step = findings.survey, _SIDE + _GAP
    right, bottom = left + len(members) * step - 1, top + _SIDE + _CAPTION + _GAP - 1
    cv2.rectangle(sheet, (left + 2, top), (right - 2, bottom), colour, 2)
    for position, index in enumerate(members):
        x = left + position * step + _GAP // 2
        part = "" if seen.parts[index] == WHOLE else seen.parts[index] + " "
        _place(sheet, seen.thumbnails[index], top + _GAP // 2 - 1, x)
        _text(sheet, part + seen.labels[index], (x, bottom - 7), 0.36)


def _paper(height: int, width: int) -> Sheet:
    return np.full((_BAR + height, width, 3), _PAPER, dtype=np.uint8)


def _place(sheet: Sheet, picture: GreyImage, top: int, left: int) -> None:
    large = cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    sheet[top : top + _SIDE, left : left + _SIDE] = large[..., None]


def _write(
    sheet: Sheet, title: str, legend: Sequence[tuple[str, tuple[int, int, int]]] = ()
) -> None:
    _text(sheet, title, (_GAP, 26), 0.6)
    x = sheet.shape[1] - 160 * len(legend)
    for words, colour in legend:
        cv2.rectangle(sheet, (x, 14), (x + 14, 28), colour, -1)
        _text(sheet, words, (x + 20, 26), 0.42)
        x += 160


def _text(sheet: Sheet, words: str, corner: tuple[int, int], scale: float) -> None:
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(sheet, drawable(words), corner, font, scale, _INK, 1, cv2.LINE_AA)
