"""Aligned tables for a terminal."""

from collections.abc import Sequence

from fer_edge.shared.terminal.command_line import printable


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align columns: the first to the left, the others to the right; one line a row.

    Args:
        header: One title a column; all empty leaves the header out.
        rows: One text a column.
    """
    lines = [list(header)] if any(header) else []
    lines += [[printable(text) for text in row] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if i == 0 else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def format_fields(fields: Sequence[tuple[str, str]]) -> str:
    """Align names and values, both to the left; one line a field."""
    width = max(len(name) for name, _ in fields)
    lines = (printable(f"{name.ljust(width)}  {value}") for name, value in fields)
    return "\n".join(line.rstrip() for line in lines)
