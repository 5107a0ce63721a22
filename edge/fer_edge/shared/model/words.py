"""The words of a contract: how long they may be, and of what letters.

They end in terminals, journals, pages and messages to others, so a file from somewhere must not be
able to write a second line, or to turn the writing around.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Final

LONGEST_NAME: Final = 64
LONGEST_TEXT: Final = 2000
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,63}")
_LICENCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .()+:-]{0,99}")
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9 ._+-]+")
_LETTERS: Final = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"}
)
"""Those of Latin script that do not come apart into a plain letter and an accent."""
_HASH: Final = re.compile(r"([0-9a-f]{64})?")
_DEEPEST: Final = 12
_LONGEST_KEY: Final = 200


def as_name(text: str) -> str:
    """Return a name that a contract may bear, as near to `text` as can be."""
    name = _NOT_IN_NAMES.sub("-", without_accents(text)).lstrip(" ._+-")[:LONGEST_NAME].rstrip()
    return name or "unnamed"


def without_accents(text: str) -> str:
    """Return a text with plain letters for those of Latin script, so that ASCII may hold it."""
    parts = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    return "".join(letter for letter in parts if not unicodedata.combining(letter))


def as_line(text: str) -> str:
    """Return a text on one line, without what cannot be printed, and cut to what is allowed."""
    line = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "?" for letter in line)[:LONGEST_TEXT]


def as_lines(value: Any) -> Any:
    """Return nested values with every text in them on one line."""
    if isinstance(value, str):
        return as_line(value)
    if isinstance(value, Mapping):
        return {as_line(str(key))[:_LONGEST_KEY]: as_lines(each) for key, each in value.items()}
    return [as_lines(each) for each in value] if isinstance(value, (list, tuple)) else value


def is_licence(text: str) -> bool:
    """Tell whether a text can be the SPDX identifier of a licence."""
    return _LICENCE.fullmatch(text) is not None


def complaints(
    *,
    name: str,
    licence: str,
    texts: Mapping[str, str],
    sha256: str,
    provenance: Mapping[str, Any],
) -> Iterator[str]:
    """Yield what is wrong with a contract's words."""
    if not _NAME.fullmatch(name):
        yield f"the name {name[:LONGEST_NAME]!r}, which is not of letters, digits and  ._+-"
    if not is_licence(licence):
        yield f"the licence {licence[:LONGEST_NAME]!r}, which is no SPDX identifier"
    if not _HASH.fullmatch(sha256):
        yield f"the hash {sha256[:LONGEST_NAME]!r}"
    for key, text in texts.items():
        if len(text) > LONGEST_TEXT or not text.isprintable():
            yield f"{key} that is longer than {LONGEST_TEXT} characters or not one line of text"
    yield from _nested(provenance, "provenance", 0)


def _nested(value: Any, where: str, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        yield f"{where[:LONGEST_NAME]}, which is nested too deeply"
    elif isinstance(value, str):
        if len(value) > LONGEST_TEXT or not value.isprintable():
            yield f"{where[:LONGEST_NAME]} that is not one line of text"
    elif isinstance(value, Mapping):
        for key, each in value.items():
            if len(key) > _LONGEST_KEY or not key.isprintable():
                yield f"a key of {where[:LONGEST_NAME]} that is not one line of text"
            else:
                yield from _nested(each, f"{where}.{key}", depth + 1)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _nested(each, where, depth + 1)
