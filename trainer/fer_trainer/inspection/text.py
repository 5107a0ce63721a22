"""The findings as a text that reads well on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from fer_edge.shared.data.files import count_skipped, format_counts
from fer_edge.shared.terminal.tables import format_fields, format_table
from fer_trainer.inspection.findings import BLANK_SPREAD, TINY_SIDE, Findings

_SHOWN: Final = 5
_ALL: Final = 1000
_SHOWN_OF_GROUP: Final = 4


def format_findings(findings: Findings) -> str:
    """Return counts, then what was found, then some of it by name."""
    seen = findings.survey
    heading = f"{findings.name}: {len(seen):,} pictures, {len(findings.labels)} classes"
    blocks = [heading, _counts(findings), format_fields(_summary(findings))]
    blocks += [
        _named("different classes, same pixels", _groups(findings, findings.exact)),
        _named(
            "different classes, nearly the same", _groups(findings, findings.near_with_copies())
        ),
        _named("blank", [seen.names[index] for index in findings.blank]),
        _named("tiny", [_sized(findings, index) for index in findings.tiny]),
        _named("unreadable", [_unreadable(*pair) for pair in seen.unreadable]),
        _named("not read", [f"{item.name}: {item.reason}" for item in findings.skipped]),
        _named("cannot be trained on", findings.problems(), shown=_ALL),
    ]
    return "\n\n".join(block for block in blocks if block)


def _counts(findings: Findings) -> str:
    counts, parts = findings.counts(), findings.parts
    rows = [[label, *(f"{counts[part][label]:,}" for part in parts)] for label in findings.labels]
    rows.append(["total", *(f"{sum(counts[part].values()):,}" for part in parts)])
    ratios = findings.imbalance()
    rows.append(
        [
            "largest : smallest",
            *("-" if ratios[part] is None else f"{ratios[part]:.1f}" for part in parts),
        ]
    )
    return format_table(["class", *parts], rows)


def _summary(findings: Findings) -> list[tuple[str, str]]:
    exact, near = findings.exact, findings.near_with_copies()
    mirrored = sum(group.mirrored for group in findings.near)
    fields = [
        ("sizes", _sizes(findings)),
        ("same pixels", _counted(findings, exact)),
        ("nearly the same", _counted(findings, near)),
        ("mirrored", f"{mirrored:,} groups" if mirrored else "none"),
    ]
    fields += [
        (
            f"{crossing.part} pictures also in {crossing.of}",
            f"{len(crossing.exact):,} the same, {len(crossing.near):,} nearly",
        )
        for crossing in findings.crossings()
    ]
    return [
        *fields,
        ("blank", f"{len(findings.blank):,} (grey values spread below {BLANK_SPREAD:g})"),
        ("tiny", f"{len(findings.tiny):,} (a side below {TINY_SIDE} pixels)"),
        ("unreadable", f"{len(findings.survey.unreadable):,}"),
        ("not read", _not_read(findings)),
    ]


def _counted(findings: Findings, groups: Sequence[Sequence[int]]) -> str:
    if not groups:
        return "none"
    conflicts = len(findings.conflicts(groups))
    return (
        f"{sum(map(len, groups)):,} pictures in {len(groups):,} groups, "
        f"{conflicts:,} under different classes"
    )


def _sizes(findings: Findings) -> str:
    common = Counter(findings.survey.sizes).most_common()
    shown = ", ".join(f"{width}x{height} {n:,}" for (width, height), n in common[:_SHOWN])
    return shown + (f", {len(common) - _SHOWN:,} others" if len(common) > _SHOWN else "")


def _not_read(findings: Findings) -> str:
    return format_counts(count_skipped(findings.skipped)) or "none"


def _groups(findings: Findings, groups: Sequence[Sequence[int]]) -> list[str]:
    return [
        " = ".join(findings.survey.names[index] for index in group[:_SHOWN_OF_GROUP])
        + (" = ..." if len(group) > _SHOWN_OF_GROUP else "")
        for group in findings.conflicts(groups)
    ]


def _sized(findings: Findings, index: int) -> str:
    width, height = findings.survey.sizes[index]
    return f"{findings.survey.names[index]} ({width}x{height})"


def _unreadable(name: str, problem: str) -> str:
    return problem if problem.startswith(name) else f"{name}: {problem}"


def _named(title: str, lines: Sequence[str], *, shown: int = _SHOWN) -> str:
    if not lines:
        return ""
    more = [f"  and {len(lines) - shown:,} more"] if len(lines) > shown else []
    return "\n".join([f"{title}:", *(f"  {line}" for line in lines[:shown]), *more])
