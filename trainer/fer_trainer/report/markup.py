"""Pieces of HTML, escaped; the page is well-formed XML too, so that anything can read it."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence

from fer_edge.shared.data.samples import Pictures
from fer_edge.shared.opencv import cv2
from fer_trainer.report.colours import in_the_dark


def text(value: object) -> str:
    """Escape anything, control characters and broken file names included."""
    shown = "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in str(value))
    return html.escape(shown)


def section(title: str, *parts: str, anchor: str) -> str:
    """Return a section with its heading."""
    return f'<section id="{anchor}">\n<h2>{text(title)}</h2>\n' + "\n".join(parts) + "\n</section>"


def paragraph(words: str) -> str:
    """Return a paragraph of plain text."""
    return f"<p>{text(words)}</p>"


def note(words: str) -> str:
    """Return a paragraph that says what is missing or wants care."""
    return f'<p class="note">{text(words)}</p>'


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> str:
    """Return a table: the first columns are words, the others numbers, aligned to the right.

    Args:
        header: One title a column.
        rows: One text a column.
        words: How many columns are words.
    """

    def cells(tag: str, row: Sequence[str]) -> str:
        kinds = ("" if i < words else ' class="number"' for i in range(len(row)))
        return "".join(
            f"<{tag}{kind}>{text(cell)}</{tag}>" for kind, cell in zip(kinds, row, strict=True)
        )

    body = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return (
        f'<div class="wide"><table>\n<thead><tr>{cells("th", header)}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names and values."""
    rows = "\n".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in pairs)
    return f"<dl>\n{rows}\n</dl>"


def preformatted(words: str) -> str:
    """Return text as it stands."""
    return f"<pre>{text(words)}</pre>"


def drawing(svg: str, *, alt: str) -> str:
    """Return an SVG as a picture of the page, with light ink where the page is dark.

    Paper is never dark.
    """
    dark, light = (_data_uri("image/svg+xml", s.encode()) for s in (in_the_dark(svg), svg))
    return (
        f'<figure><picture><source media="screen and (prefers-color-scheme: dark)" '
        f'srcset="{dark}"/><img src="{light}" alt="{text(alt)}"/></picture></figure>'
    )


def thumbnail(picture: Pictures, *, alt: str) -> str:
    """Return a small picture.

    Args:
        picture: uint8, shape (height, width).
        alt: What it shows.
    """
    encoded = cv2.imencode(".png", picture)[1].tobytes()
    return f'<img class="face" src="{_data_uri("image/png", encoded)}" alt="{text(alt)}"/>'


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
