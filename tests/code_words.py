"""What of a report only programmers read: values as Python writes them, names of the code."""

import re
from collections.abc import Collection
from xml.etree import ElementTree as ET

_PYTHON = re.compile(r"[{\[(]['\"]|['\"]: |\b(?:None|True|False|nan)\b|<[\w.]+ object")
_NAME = re.compile(r"(?<![\w./'-])[a-z]+(?:_[a-z0-9]+)+\b(?!\.)")


def code_words(words: str, *, known: Collection[str] = ()) -> list[str]:
    """Return them, in their order.

    Args:
        words: Of a report, for people.
        known: Names with an underscore that people have given, such as those of layers and files.
    """
    names = [name for name in _NAME.findall(words) if name not in known]
    return _PYTHON.findall(words) + names


def words_of_page(page: str) -> str:
    """Return a page's words, but for the files that it quotes."""
    root = ET.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in {"pre", "style", "script"}:
                parent.remove(child)
    return " ".join(" ".join(root.itertext()).split())
