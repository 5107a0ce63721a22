"""A benchmark's report and a comparison, for a terminal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fer_edge.commands.bench.report.rows import (
    Table,
    format_range,
    level_table,
    machine_fields,
    model_table,
    pipeline_table,
    report_notes,
    sum_fields,
)
from fer_edge.shared.terminal.tables import format_fields, format_table

if TYPE_CHECKING:
    from fer_edge.commands.bench.compare.comparison import Comparison


def format_report(report: Mapping[str, Any]) -> str:
    """Return a report for people; a level that is missing is left out."""
    parts = [
        format_fields(machine_fields(report)),
        _aligned(level_table(report), leave_out="p99 (95 %)"),
        _aligned(model_table(report), leave_out="p50 (95 %)"),
        _aligned(pipeline_table(report)),
        format_fields(list(sum_fields(report))),
        _verdict(report),
    ]
    return "\n\n".join(part for part in parts if part)


def _aligned(table: Table, *, leave_out: str = "") -> str:
    """Align a table, without the column that a terminal has no room for."""
    header, rows = table
    kept = [place for place, name in enumerate(header) if name != leave_out]
    cells = [[row[place] for place in kept] for row in (header, *rows)]
    return format_table(cells[0], cells[1:]) if rows else ""


def _verdict(report: Mapping[str, Any]) -> str:
    notes = "".join(f"\nnote: {note}" for note in report_notes(report))
    if not report["valid"]:
        return "NOT VALID: " + "; ".join(report["invalid_because"]) + notes
    return f"valid{notes}"


def format_comparison(result: "Comparison") -> str:
    """Return a comparison for people."""
    rows = [
        [
            change.name,
            f"{change.before:.4g}",
            f"{change.after:.4g}",
            f"{change.ratio:.3f}",
            format_range(change.interval) if change.interval else "-",
            change.verdict,
        ]
        for change in result.changes
    ]
    notes = [f"note: {note}" for note in result.notes]
    header = ["figure", "A", "B", "B/A", "interval", "verdict"]
    return "\n".join([format_table(header, rows), "", *notes, result.verdict])
