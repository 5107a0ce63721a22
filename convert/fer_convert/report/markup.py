"""Pieces of HTML, escaped."""

import base64
import html
from collections.abc import Iterable, Sequence


def text(value: object) -> str:
    """Escape anything, control characters included."""
    shown = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in str(value))
    return html.escape(shown)


def section(anchor: str, title: str, *parts: str) -> str:
    """Return a section with its heading."""
    return f'<section id="{anchor}">\n<h2>{text(title)}</h2>\n' + "\n".join(parts) + "\n</section>"


def paragraph(words: str, *, kind: str = "") -> str:
    """Return a paragraph of plain text."""
    return f'<p class="{kind}">{text(words)}</p>' if kind else f"<p>{text(words)}</p>"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> str:
    """Return a table whose first `words` columns are text and whose others are numbers."""

    def row(tag: str, cells: Sequence[str]) -> str:
        drawn = (
            f"<{tag}>{text(cell)}</{tag}>"
            if i < words
            else f'<{tag} class="n">{text(cell)}</{tag}>'
            for i, cell in enumerate(cells)
        )
        return f"<tr>{''.join(drawn)}</tr>"

    body = "\n".join(row("td", cells) for cells in rows)
    return (
        f'<div class="wide"><table>\n<thead>{row("th", header)}</thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def tiles(cells: Iterable[tuple[str, str, str]]) -> str:
    """Return large figures: each with what it is, and a word more."""
    drawn = "".join(
        f'<div class="tile"><b>{text(figure)}</b>{text(title)}<span>{text(more)}</span></div>'
        for figure, title, more in cells
    )
    return f'<div class="tiles">{drawn}</div>'


def facts(pairs: Iterable[tuple[str, object]]) -> str:
    """Return names and values."""
    rows = "\n".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in pairs)
    return f"<dl>\n{rows}\n</dl>"


def figure(svg: str, *, alt: str) -> str:
    """Return a diagram on white, so that it can be read on dark pages, too."""
    data = base64.b64encode(svg.encode()).decode()
    return f'<figure><img src="data:image/svg+xml;base64,{data}" alt="{text(alt)}"/></figure>'
