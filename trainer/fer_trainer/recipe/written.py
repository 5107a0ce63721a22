"""A recipe as it was written, in one file or in several of which each extends the next."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fer_edge.shared.errors import FerError, SettingsError
from fer_trainer.recipe.extending import CHANGES, LAYERS
from fer_trainer.recipe.lines import RecipeText
from fer_trainer.recipe.settings import Recipe

DEFAULT: Final = "default"
SET: Final = "--set"
"""Origins that are no line of a file; the first is `typed_tables`' own word."""

_LAYER: Final = re.compile(r"layer (\d+) '")
_KEY: Final = re.compile(r"[a-z_]+(?:\.[a-z0-9_]+)*")
_DOTTED: Final = re.compile(r"\b[a-z_]+(?:\.[a-z0-9_]+)+\b")


@dataclass(frozen=True, slots=True)
class WrittenRecipe:
    """A recipe, and where everything in it comes from.

    Attributes:
        recipe: Its settings.
        origins: By dotted key: the file and line, "--set" or "default".
        layers: The same of each line of the network.
        names: Of the recipe, and of those that it extends, the nearest first.
    """

    recipe: Recipe
    origins: Mapping[str, str]
    layers: Sequence[str]
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of a recipe, to say where a mistake stands.

    Attributes:
        texts: The recipe's own, and of those that it extends, the nearest first.
        overridden: Dotted keys that are not as any text says.
        origins: By dotted key: the file and line, "--set" or "default".
        layers: Where each line of the network stands.
    """

    texts: Sequence[RecipeText]
    overridden: frozenset[str]
    origins: Mapping[str, str]
    layers: Sequence[str]

    @property
    def name(self) -> str:
        """Of the recipe."""
        return self.texts[0].name

    def where(self, key: str) -> str:
        """Return the file and line of a setting or section, as far as known.

        Where the setting, or one of the section's, is not a text's own, no line is named.
        """
        if (origin := self.origins.get(key, DEFAULT)) not in {DEFAULT, SET}:
            return origin
        while key:
            if self._is_overridden(key):
                return self.name
            for text in self.texts:
                if text.has(key):
                    return text.where(key)
            key = key.rpartition(".")[0]
        return self.name

    def point(self, error: FerError) -> SettingsError:
        """Return an error that says where the setting that it names stands.

        Of settings that contradict each other that of the nearest text is named: what is extended
        was consistent.

        Args:
            error: Of a recipe whose settings are each possible; its message begins with the
                recipe's name and the section, or with the layer.
        """
        found = error.found
        if layer := _LAYER.match(found):
            number = int(layer[1])
            where = self.layers[number - 1] if number <= len(self.layers) else self.name
            cause = min((CHANGES, "input"), key=self._rank)
            if "does not fit" in found and self._rank(cause) < self._rank_of(where):
                where = self.where(cause)  # what is extended was consistent
            found = f"{where}: {found}"
        elif found.startswith(f"{self.name}: "):
            rest = found.removeprefix(f"{self.name}: ")
            words = _KEY.findall(rest)[:2]
            keys = [".".join(words), *words[:1], *_DOTTED.findall(error.fix)]
            known = [key for key in keys if self._rank(key) <= len(self.texts)]
            found = f"{self.where(min(known, key=self._rank)) if known else self.name}: {rest}"
        elif found.startswith("the network "):
            found = f"{self._nearest(CHANGES, LAYERS)}: {found}"
        elif found.startswith("a sigmoid "):
            found = f"{self._nearest('labels', CHANGES, LAYERS)}: {found}"
        else:
            named = re.match(r"labels\.\w+", found)
            found = f"{self.where(named[0] if named else 'labels.names')}: {found}"
        return SettingsError(found, expected=error.expected, fix=error.fix)

    def _nearest(self, *keys: str) -> str:
        """Return where that of some settings stands which the nearest text has."""
        return self.where(min(keys, key=self._rank))

    def _rank_of(self, where: str) -> int:
        """Return the number of the text in which a line stands, as `_rank` counts."""
        names = (f"{text.name}:" for text in self.texts)
        return next((n for n, name in enumerate(names, start=1) if where.startswith(name)), 0)

    def _is_overridden(self, key: str) -> bool:
        return any(f"{other}.".startswith(f"{key}.") for other in self.overridden)

    def _rank(self, key: str) -> int:
        """Return 0 for what the command line says, else the number of the first text with it."""
        if self._is_overridden(key):
            return 0
        having = (number for number, text in enumerate(self.texts, start=1) if text.has(key))
        return next(having, len(self.texts) + 1)
