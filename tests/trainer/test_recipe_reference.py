"""The reference of recipes names every section and key, and a recipe takes what it names."""

import dataclasses
import re
from pathlib import Path

from fer_edge.shared.typed_tables import settings_of
from fer_trainer.network.language import GRAMMAR, KINDS
from fer_trainer.recipe.extending import CHANGES, EXTENDS
from fer_trainer.recipe.settings import HeadSettings, Recipe

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/recipe-settings.md"


def documented() -> dict[str, str]:
    """Return the rows of all tables by their key."""
    rows = re.findall(r"^\| `([\w.]+)` \| (.*) \|$", PAGE.read_text("utf-8"), flags=re.M)
    return dict(rows)


def test_every_key_is_documented_and_nothing_else() -> None:
    heads = {f"heads.{field.name}" for field in dataclasses.fields(HeadSettings)}
    known = {*settings_of(Recipe), *heads, EXTENDS, CHANGES, "labels"} - {"heads"}
    assert set(documented()) == known


def test_every_section_has_its_heading() -> None:
    text = PAGE.read_text("utf-8")
    sections = {key.partition(".")[0] for key in settings_of(Recipe) if "." in key}
    assert sections | {"heads"} <= set(re.findall(r"^## `\[+(\w+)\]+`$", text, flags=re.M))


def test_every_row_says_in_words_what_the_key_does() -> None:
    for key, row in documented().items():
        words = row.rpartition(" | ")[2]
        assert len(words) > 10, key
        assert not re.search(r"`\w*Settings`", row), key


def test_every_layer_of_the_language_is_in_its_grammar() -> None:
    assert GRAMMAR in PAGE.read_text("utf-8")
    words = set(re.findall(r"\w+", GRAMMAR))
    assert set(KINDS) <= words
