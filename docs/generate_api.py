"""Write docs/reference/python.md from the docstrings of the public API; a test checks it."""

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import fer_convert
import fer_edge
import fer_trainer

TARGET: Final = Path(__file__).parent / "reference" / "python.md"
INTRODUCTION: Final = """\
# Python

Made by `make docs` from the docstrings; do not edit. Examples: [use it from
Python](../guide/python.md).

`import fer_edge` offers the names on this page, and no others are public. They load what they need
when they are first used. Keys of settings are those of [settings](settings.md). `fer_trainer` and
`fer_convert` stand [at the end](#train-and-convert).
"""
TRAIN_AND_CONVERT: Final = """\
## Train and convert

What `fer-train fit` and `fer-convert` do, in one call each: the commands call the same functions.
Both need the workstation's packages (`make setup`). `import fer_trainer` and `import fer_convert`
load them at the first call. A notebook that uses both:
[train, convert, read](../guide/train-convert-read.ipynb). Settings of a recipe:
[settings](recipe-settings.md).
"""
OTHERS: Final = ((fer_trainer, ("fit", "Run")), (fer_convert, ("convert", "Converted")))
"""The other packages, and their names in the order of the page."""

ORDER: Final = (
    "read", "read_all", "watch", "Reader", "Watch", "Picture", "View", "Reading", "Box", "Baseline",
    "FerError", "PictureError", "SourceUnavailableError", "VideoError", "ModelError",
    "SettingsError", "DependencyError", "CalibrationError",
)  # fmt: skip
INHERITED: Final = ("plot", "close")
"""Methods that are told of each class, wherever they are written."""
LONGEST_LINE: Final = 118
SECTIONS: Final = {"Args": "takes", "Attributes": "has", "Returns": "returns", "Raises": "raises"}


def page() -> str:
    """Return docs/reference/python.md."""
    parts = [INTRODUCTION]
    for name in _all_of(fer_edge, ORDER):
        parts += _describe(name, getattr(fer_edge, name), where="fer_edge")
    parts.append(TRAIN_AND_CONVERT)
    for package, order in OTHERS:
        for name in _all_of(package, order):
            title = f"{package.__name__}.{name}"
            parts += _describe(title, getattr(package, name), where="", level=3)
    return "\n".join(parts).rstrip() + "\n"


def _all_of(package: ModuleType, order: tuple[str, ...]) -> tuple[str, ...]:
    missing = set(package.__all__) - set(order) - {"DEFAULT_MODEL", "__version__"}
    if missing:
        raise ValueError(f"public and not in the reference: {sorted(missing)}")
    return order


def _describe(name: str, thing: Any, *, where: str, level: int = 2) -> Iterator[str]:
    """Yield what is told of a function or class.

    Args:
        name: It is headed by.
        thing: It.
        where: The package that a call begins with; nothing where the name has it already.
        level: Of its heading.
    """
    shows_call = not inspect.isclass(thing) or name == "Reader"
    yield f"{'#' * level} `{name}`\n"
    if shows_call:
        yield f"```python\n{_call(f'{where}.{name}'.removeprefix('.'), thing)}\n```\n"
    yield from _told(thing)
    if inspect.isclass(thing):
        for member, value in _members(thing):
            if isinstance(value, property):
                kind = _plain(inspect.signature(value.fget).return_annotation)
                yield _item(f"`.{member}` ({kind}): {_first(value.fget)}")
        yield ""
        for member, value in _members(thing):
            if callable(value):
                yield f"{'#' * (level + 1)} `{name}.{member}`\n"
                short = name.rpartition(".")[2].lower()
                yield f"```python\n{_call(f'{short}.{member}', value)}\n```\n"
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
        given = getattr(parameter.default, "__name__", repr(parameter.default))
        default = "" if parameter.default is parameter.empty else f"={given}"
        pieces.append(f"{parameter.name}{default}")
    call = f"{name}({', '.join(pieces)})"
    if len(call) <= LONGEST_LINE:
        return call
    indent = "    "
    inside = textwrap.fill(
        f"{', '.join(pieces)},", LONGEST_LINE, initial_indent=indent, subsequent_indent=indent
    )
    return f"{name}(\n{inside}\n)"


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
