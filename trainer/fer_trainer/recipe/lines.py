"""Where in a recipe's text a setting stands, so that an error leads to the line to change."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from fer_edge.shared.errors import FerError
from fer_edge.shared.typed_tables import Given

_HEAD: Final = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY: Final = re.compile(r"\s*([\w\"'.\s-]+?)\s*=")
_LONG: Final = re.compile(r"\"{3}(?:\\.|[^\\])*?\"{3}|'{3}.*?'{3}", re.DOTALL)
_SHORT: Final = re.compile(r"\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*'")
_COMMENT: Final = re.compile(r"#[^\n]*")
_WHOLE: Final = frozenset({"labels.merge"})
"""Settings that are tables by themselves, of any names."""
_LAYER: Final = re.compile(r"layer (\d+) '")


class RecipeText:
    """A recipe as it was written.

    Args:
        text: TOML that `tomllib` has read.
        name: Of the recipe, for messages.
        overridden: Dotted keys that are not as the text says.
    """

    def __init__(self, text: str, *, name: str, overridden: Collection[str] = ()) -> None:
        self.name = name
        self._overridden = frozenset(overridden)
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

    def where(self, key: str) -> str:
        """Return the recipe's name and the line of a setting or section, as far as known.

        Where the setting, or one of the section's, is not the text's own, no line is named.
        """
        while key:
            if any(f"{other}.".startswith(f"{key}.") for other in self._overridden):
                return self.name
            if line := self._lines.get(key):
                return f"{self.name}:{line}"
            key = key.rpartition(".")[0]
        return self.name

    def point(self, error: FerError, *, network: tuple[str, ...]) -> FerError:
        """Return an error that says where the setting that it names stands.

        Args:
            error: Of a recipe whose settings are each possible; its message begins with the
                recipe's name and the section, or with the layer.
            network: The network's lines, as read.
        """
        found = error.found
        if layer := _LAYER.match(found):
            where = self._layer(int(layer[1]), network)
            found = f"{where}: {found}"
        elif found.startswith(f"{self.name}: "):
            rest = found.removeprefix(f"{self.name}: ")
            words = re.findall(r"[a-z_]+(?:\.[a-z_]+)?", rest)[:2]
            keys = [".".join(words), words[0]] if words else []
            where = next((self.where(key) for key in keys if key in self._lines), self.name)
            found = f"{where}: {rest}"
        elif found.startswith("the network "):
            found = f"{self.where('network.layers')}: {found}"
        else:
            named = re.match(r"labels\.\w+", found)
            found = f"{self.where(named[0] if named else 'labels.names')}: {found}"
        return type(error)(found, expected=error.expected, fix=error.fix)

    def _layer(self, number: int, network: tuple[str, ...]) -> str:
        """Return where a layer stands: equal ones stand in the order of the list."""
        first = self._lines.get("network.layers")
        if first is None or "network.layers" in self._overridden:
            return self.name
        at = sum(len(line) + 1 for line in self._text.split("\n")[: first - 1])
        for text in network[:number]:
            quoted = re.compile(rf"(['\"]){re.escape(text)}\1")
            if (found := quoted.search(self._text, at)) is None:
                return self.where("network.layers")
            at = found.end()
        return f"{self.name}:{self._text.count(chr(10), 0, at) + 1}"


def _lines_of(text: str) -> dict[str, int]:
    """Return the line, from 1, of every section and every setting by dotted key."""
    found: dict[str, int] = {}
    section, depth = "", 0
    for number, line in enumerate(_blank(text).split("\n"), start=1):
        if depth == 0 and (head := _HEAD.match(line)):
            section = _plain(head[1])
            found.setdefault(section, number)
            section += "."
            continue
        if depth == 0 and (key := _KEY.match(line)):
            found.setdefault(section + _plain(key[1]), number)
        depth = max(0, depth + sum(line.count(c) for c in "[{") - sum(line.count(c) for c in "]}"))
    return found


def _blank(text: str) -> str:
    """Return the text without its strings and comments; the lines stay where they are."""

    def gap(match: re.Match[str]) -> str:
        return "\n" * match[0].count("\n")

    whole = re.compile(f"{_LONG.pattern}|{_SHORT.pattern}|{_COMMENT.pattern}", re.DOTALL)
    return whole.sub(gap, text)


def _plain(key: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in key.split("."))
