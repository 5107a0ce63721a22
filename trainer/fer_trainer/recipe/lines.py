"""Where in a recipe's text a setting stands, so that an error leads to the line to change."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from fer_edge.shared.typed_tables import Given

_HEAD: Final = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY: Final = re.compile(r"\s*([\w\"'.\s-]+?)\s*=")
_LONG: Final = re.compile(r"\"{3}(?:\\.|[^\\])*?\"{3}|'{3}.*?'{3}", re.DOTALL)
_SHORT: Final = re.compile(r"\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*'")
_COMMENT: Final = re.compile(r"#[^\n]*")
_WORDS: Final = re.compile(
    f"{_LONG.pattern}|{_SHORT.pattern}|{_COMMENT.pattern}", re.DOTALL
)  # strings and comments
_WHOLE: Final = frozenset({"labels.merge"})
"""Settings that are tables by themselves, of any names."""


class RecipeText:
    """A recipe as it was written.

    Args:
        text: TOML that `tomllib` has read.
        name: Of the recipe, for messages.
    """

    def __init__(self, text: str, *, name: str) -> None:
        self.name = name
        self._lines = _lines_of(text)
        self._text = text

    def given(self, table: Mapping[str, Any], prefix: str = "") -> Iterator[Given]:
        """Yield every setting of the recipe, each from its own line.

        Args:
            table: What the text says.
            prefix: Dotted, of the section that it is.
        """
        for name, value in table.items():
            key = prefix + name
            if isinstance(value, Mapping) and value and key not in _WHOLE:
                yield from self.given(value, f"{key}.")
            else:
                yield Given(key, value, self.where(key))

    def has(self, key: str) -> bool:
        """Tell whether a setting or section stands in the text, as far as known."""
        return key in self._lines

    def where(self, key: str) -> str:
        """Return the recipe's name and the line of a setting, or of the section around it.

        What is not found has no line.
        """
        while key:
            if line := self._lines.get(key):
                return f"{self.name}:{line}"
            key = key.rpartition(".")[0]
        return self.name

    def where_each(self, key: str, count: int) -> list[str]:
        """Return where each text of a list of texts stands.

        Args:
            key: Dotted, of the list.
            count: Of its texts.
        """
        line = self._lines.get(key)
        if line is None:
            return [self.where(key)] * count
        at = sum(len(line) + 1 for line in self._text.split("\n")[: line - 1])
        if begins := _KEY.match(self._text, at):
            at = begins.end()
        texts = (each for each in _WORDS.finditer(self._text, at) if each[0][0] != "#")
        found = [
            f"{self.name}:{self._text.count(chr(10), 0, each.start()) + 1}"
            for _, each in zip(range(count), texts, strict=False)
        ]
        return found + [self.where(key)] * (count - len(found))


def _lines_of(text: str) -> dict[str, int]:
    """Return the line, from 1, of every section and every setting by dotted key.

    Tables of a list are numbered from 1: `heads.2.labels`.
    """
    found: dict[str, int] = {}
    listed: dict[str, int] = {}
    section, depth = "", 0
    for number, line in enumerate(_blank(text).split("\n"), start=1):
        if depth == 0 and (head := _HEAD.match(line)):
            section = _plain(head[2])
            found.setdefault(section, number)
            if head[1] == "[[":
                listed[section] = listed.get(section, 0) + 1
                section = f"{section}.{listed[section]}"
                found[section] = number
            section += "."
            continue
        if depth == 0 and (key := _KEY.match(line)):
            found.setdefault(section + _plain(key[1]), number)
        depth = max(0, depth + sum(line.count(c) for c in "[{") - sum(line.count(c) for c in "]}"))
    return found


def _blank(text: str) -> str:
    """Return the text without its strings and comments; the lines stay where they are."""
    return _WORDS.sub(lambda match: "\n" * match[0].count("\n"), text)


def _plain(key: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in key.split("."))
