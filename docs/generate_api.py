"""Write docs/reference/python.md from the docstrings of the public API; a test checks it."""

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import fer_edge

TARGET: Final = Path(__file__).parent / "reference" / "python.md"
INTRODUCTION: Final = """\
# Python

Made by `make docs` from the docstrings; do not edit. Examples: [use it from
Python](../guide/python.md).

`import fer_edge` offers the names on this page, and no others are public. They load what they need
when they are first used. Keys of settings are those of [settings](settings.md).
"""
ORDER: Final = (
    "read", "read_all", "watch", "Reader", "Watch", "Picture", "View", "Reading", "Box", "Baseline",
    "FerError",
)  # fmt: skip
INHERITED: Final = ("plot", "close")
"""Methods that are told of each class, wherever they are written."""
LONGEST_LINE: Final = 118
SECTIONS: Final = {"Args": "takes", "Attributes": "has", "Returns": "returns", "Raises": "raises"}


def page() -> str:
    """Return docs/reference/python.md."""
    missing = set(fer_edge.__all__) - set(ORDER) - {"DEFAULT_MODEL", "__version__"}
    if missing:
        raise ValueError(f"public and not in the reference: {sorted(missing)}")
    parts = [INTRODUCTION]
    for name in ORDER:
        parts += _describe(name, getattr(fer_edge, name))
    return "\n".join(parts).rstrip() + "\n"


def _describe(name: str, thing: Any) -> Iterator[str]:
    shows_call = not inspect.isclass(thing) or name == "Reader"
    yield f"## `{name}`\n"
    if shows_call:
        yield f"```python\n{_call(f'fer_edge.{name}', thing)}\n```\n"
    yield from _told(thing)
    if inspect.isclass(thing):
        for member, value in _members(thing):
            if isinstance(value, property):
                kind = _plain(inspect.signature(value.fget).return_annotation)
                yield _item(f"`.{member}` ({kind}): {_first(value.fget)}")
        yield ""
        for member, value in _members(thing):
            if callable(value):
                yield f"### `{name}.{member}`\n"
                yield f"```python\n{_call(f'{name.lower()}.{member}', value)}\n```\n"
                yield from _told(value)


def _members(cls: type) -> Iterator[tuple[str, Any]]:
    own = {**{k: getattr(cls, k, None) for k in INHERITED}, **vars(cls)}
    for name, value in own.items():
        if not name.startswith("_") and (isinstance(value, property) or inspect.isfunction(value)):
            yield name, value


def _call(name: str, function: Any) -> str:
    signature = inspect.signature(function)
    shown = [p for p in signature.parameters.values() if p.name != "self"]
    pieces: list[str] = []
    for parameter in shown:
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and "*" not in pieces:
            pieces.append("*")
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        pieces.append(f"{parameter.name}{default}")
    return f"{name}({', '.join(pieces)})"


def _told(thing: Any) -> Iterator[str]:
    """Yield a docstring in Google's form as Markdown."""
    text = inspect.getdoc(thing) or ""
    pieces = re.split(rf"^({'|'.join(SECTIONS)}):\n", text, flags=re.MULTILINE)
    yield f"{pieces[0].strip()}\n"
    for title, body in zip(pieces[1::2], pieces[2::2], strict=True):
        entries = re.split(r"^    (?=\S)", body, flags=re.MULTILINE)[1:]
        for entry in entries:
            words = " ".join(entry.split())
            found = re.match(r"(\w+): (.*)", words)
            if title == "Returns" or not found:
                yield _item(f"{SECTIONS[title]}: {words}")
            else:
                said = f"{SECTIONS[title]} " if title == "Raises" else ""
                yield _item(f"{said}`{found[1]}`: {found[2]}")
        yield ""


def _item(words: str) -> str:
    return textwrap.fill(f"- {words}", LONGEST_LINE, subsequent_indent="  ", break_on_hyphens=False)


def _first(function: Any) -> str:
    """Return the first sentence of a docstring, and the rest of its first paragraph."""
    return " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split())


def _plain(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    known = {"numpy": "array", "ndarray": "array", "NDArray": "array"}
    if any(word in text for word in known):
        return "array"
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", text).replace(" | ", " or ")


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
    print(f"wrote {TARGET.name}", file=sys.stderr)  # noqa: T201
