"""Pages that need nothing beside themselves: pieces of HTML, escaped, and the whole around them.

A page is well-formed XML too, so that anything can read it.
"""

import html
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import TypeAlias

Section: TypeAlias = tuple[str, str, Iterable[str]]
"""Anchor, title and pieces of HTML."""


def page(
    title: str,
    *,
    heading: str,
    lead: str,
    sections: Iterable[Section],
    above: Iterable[str] = (),
    style: str = "",
) -> str:
    """Return a whole page without any reference to the outside.

    Args:
        title: Of the window.
        heading: Of the page.
        lead: A line below the heading.
        sections: Each has a link at the top; one without any piece is left out.
        above: Pieces of HTML that stand before the links.
        style: What this page alone needs beside the style of all of them.
    """
    shown = [(anchor, name, list(parts)) for anchor, name, parts in sections]
    shown = [each for each in shown if each[2]]
    links = "".join(f'<a href="#{anchor}">{text(name)}</a>' for anchor, name, _ in shown)
    body = "\n".join(
        f'<section id="{anchor}">\n<h2>{text(name)}</h2>\n' + "\n".join(parts) + "\n</section>"
        for anchor, name, parts in shown
    )
    every = files("fer_edge.shared.report").joinpath("page.css").read_text(encoding="utf-8")
    top = "\n".join([paragraph(lead, kind="lead"), *above])
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{text(title)}</title>\n<style>\n{every}{style}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{text(heading)}</h1>\n{top}\n<nav>{links}</nav>\n</header>\n"
        f"<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def text(value: object) -> str:
    """Escape anything, control characters and broken file names included."""
    shown = "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in str(value))
    return html.escape(shown)


def heading(words: str) -> str:
    """Return a heading inside a section."""
    return f"<h3>{text(words)}</h3>"


def paragraph(words: str, *, kind: str = "") -> str:
    """Return a paragraph of plain text.

    Args:
        words: What it says.
        kind: Its class; "note" for what is missing or wants care.
    """
    return f'<p class="{kind}">{text(words)}</p>' if kind else f"<p>{text(words)}</p>"


def verdict(word: str, why: str, *, passed: bool, notes: Iterable[str] = ()) -> str:
    """Return a judgement and its reason, marked as good or bad, and what else to know of it."""
    lines = "".join(f"<br/>{text(note)}" for note in notes)
    kind = "passed" if passed else "failed"
    return f'<p class="{kind}"><b>{text(word)}</b>: {text(why)}{lines}</p>'


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> str:
    """Return a table: the first columns are words, the others numbers, aligned to the right.

    Args:
        header: One title a column.
        rows: One text a column.
        words: How many columns are words.
    """

    def row(tag: str, cells: Sequence[str]) -> str:
        kinds = ("" if i < words else ' class="number"' for i in range(len(cells)))
        drawn = (f"<{tag}{k}>{text(c)}</{tag}>" for k, c in zip(kinds, cells, strict=True))
        return f"<tr>{''.join(drawn)}</tr>"

    body = "\n".join(row("td", cells) for cells in rows)
    return (
        f'<div class="wide"><table>\n<thead>{row("th", header)}</thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
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


def preformatted(words: str) -> str:
    """Return text as it stands."""
    return f"<pre>{text(words)}</pre>"
