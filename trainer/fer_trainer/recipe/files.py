"""Find, read, change and write recipes."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from fer_edge.shared.errors import FerError, SettingsError
from fer_edge.shared.typed_tables import Given, resolve, settings_of, to_toml
from fer_trainer.recipe.consistency import check_recipe
from fer_trainer.recipe.extending import (
    CHANGES,
    EXTENDS,
    LAYERS,
    MAX_CHAIN,
    Extension,
    Line,
    changed_lines,
    own_lines,
    take_extension,
)
from fer_trainer.recipe.lines import RecipeText
from fer_trainer.recipe.settings import HeadSettings, Recipe
from fer_trainer.recipe.written import SET, Texts, WrittenRecipe

_FOLDER: Final = files("fer_trainer.recipe").joinpath("shipped")
CARD: Final = frozenset({"card.intended_use", "card.limits"})
_SAME_PICTURES: Final = ("fer2013", "ferplus")
"""Label sets of which a card can speak alike."""
_ABOVE: Final = frozenset({"name", "labels", EXTENDS})
"""Keys that belong to no section; whoever writes one below a section's head puts it there."""


@dataclass(frozen=True, slots=True)
class _Source:
    """One file of a recipe.

    Attributes:
        name: As messages call it.
        text: As it was written.
        table: As it was read, without what concerns another recipe.
        extension: That.
        place: Its path as it was named; of one that ships its name.
    """

    name: str
    text: RecipeText
    table: Mapping[str, Any]
    extension: Extension
    place: Path | str


def shipped_recipes() -> tuple[str, ...]:
    """Return the names of the recipes that ship, sorted."""
    names = (entry.name for entry in _FOLDER.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def load_recipe(name: str, *, overrides: Iterable[str] = ()) -> Recipe:
    """Read a shipped recipe or a TOML file; see `read_recipe`."""
    return read_recipe(name, overrides=overrides).recipe


def read_recipe(name: str, *, overrides: Iterable[str] = ()) -> WrittenRecipe:
    """Read a shipped recipe or a TOML file, and those that it extends.

    Args:
        name: Of a shipped recipe, or the path of a file.
        overrides: Each `key=value`, the key dotted, the value as TOML (a bare word is a string).

    Raises:
        SettingsError: There is no such recipe, recipes extend each other in a circle, a key is
            unknown, a value cannot be, settings contradict each other, or the network's lines are
            not understood, or labels cannot be.
    """
    changed = [_parse_override(override) for override in overrides]
    chain = _chain(name)
    lines = _network(chain, changed)
    settings = [given for each in reversed(chain) for given in _given(each, chain, changed)]
    settings += [each for each in changed if each.key != CHANGES]
    if any(each.extension.changes for each in chain) or _last(changed, CHANGES):
        where = next((each.text.where(CHANGES) for each in chain if each.extension.changes), SET)
        settings.append(Given(LAYERS, [line.text for line in lines], where))
    # Each from its own line; an override that came with a table stays whole.
    resolved = resolve(Recipe, _spelled_out(settings), where=name)
    overridden = frozenset(LAYERS if each.key == CHANGES else each.key for each in changed)
    texts = Texts(
        [each.text for each in chain],
        overridden,
        resolved.origins,
        [line.where for line in lines],
    )
    # Here, so that a mistake costs no time.
    try:
        check_recipe(resolved.settings, where=name)
    except FerError as error:
        raise texts.point(error) from error
    return WrittenRecipe(
        resolved.settings, resolved.origins, texts.layers, [each.name for each in chain]
    )


def dump_recipe(recipe: Recipe) -> str:
    """Return the recipe as TOML with every setting written out; `load_recipe` reads it."""
    table = asdict(recipe)
    if not (recipe.labels.merge or recipe.labels.drop):
        table["labels"] = recipe.labels.names
    return to_toml(table)


def _spelled_out(given: Iterable[Given]) -> Iterator[Given]:
    """Yield settings with what a recipe says in short: its labels, and the size of a square."""
    for each in given:
        value = each.value
        if each.key == "labels" and not isinstance(value, Mapping):
            yield each._replace(key="labels.names")
        elif each.key == "input.size":
            yield from (each._replace(key=f"input.{side}") for side in ("height", "width"))
        elif each.key == "input" and isinstance(value, Mapping) and "size" in value:
            sides = {"height": value["size"], "width": value["size"]}
            rest = {key: other for key, other in value.items() if key != "size"}
            yield each._replace(value=rest | sides)
        else:
            yield each


def _chain(name: str) -> list[_Source]:
    """Return a recipe and those that it extends, the nearest first."""
    chain = [_source(name, _find(name, beside=Path()))]
    while wanted := chain[-1].extension.extends:
        last = chain[-1]
        beside = last.place.parent if isinstance(last.place, Path) else Path()
        try:
            place = _find(wanted, beside=beside)
        except SettingsError as error:
            found = f"{last.text.where(EXTENDS)}: {error.found}"
            raise SettingsError(found, expected=error.expected, fix=error.fix) from error
        names = [*(each.name for each in chain), str(place)]
        if any(_is_same(place, each.place) for each in chain):
            raise SettingsError(
                f"{last.text.where(EXTENDS)}: recipes extend each other in a circle: "
                + " -> ".join(names),
                expected="a recipe that extends none at the end",
                fix="take `extends` out of one of them",
            )
        if len(chain) == MAX_CHAIN:
            raise SettingsError(
                f"{last.text.where(EXTENDS)}: {' -> '.join(names)}",
                expected=f"at most {MAX_CHAIN} recipes in a chain",
                fix="write some of them as one",
            )
        chain.append(_source(str(place), place))
    return chain


def _is_same(one: Path | str, other: Path | str) -> bool:
    if isinstance(one, Path) and isinstance(other, Path):
        return one.resolve() == other.resolve()
    return one == other


def _find(name: str, *, beside: Path) -> Path | str:
    """Return the path of a recipe, as seen from a folder; of one that ships its name."""
    shipped = shipped_recipes()
    if name in shipped:
        return name
    path = beside / name
    if path.suffix != ".toml" or not path.is_file():
        near = get_close_matches(name, shipped, n=1)
        raise SettingsError(
            f"no recipe {name!r}",
            expected=f"a .toml file or one of {', '.join(shipped)}",
            fix=f"did you mean {near[0]!r}?" if near else "see `fer-train recipes`",
        )
    return path


def _source(name: str, place: Path | str) -> _Source:
    path = _FOLDER.joinpath(f"{place}.toml") if isinstance(place, str) else place
    try:
        source = path.read_text(encoding="utf-8-sig")  # as Windows' editor writes it
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{name} cannot be read ({error})", expected="a recipe in TOML", fix="check the file"
        ) from error
    table = _parse(source, where=name)
    text = RecipeText(source, name=name)
    return _Source(name, text, table, take_extension(table, text), place)


def _network(chain: Sequence[_Source], changed: Sequence[Given]) -> list[Line]:
    """Return the lines of a recipe's network, as far as they are a list of texts."""
    lines: list[Line] = []
    of = ""
    for source in reversed(chain):
        own, changes = own_lines(source.table, source.text), source.extension.changes
        if changes and (own or not lines):
            raise SettingsError(
                f"{source.text.where(CHANGES)}: network.changes "
                + ("beside network.layers" if own else "and no network to change"),
                expected="changes to the network of the recipe that is extended",
                fix="leave network.layers out" if own else f"name one with `{EXTENDS}`",
            )
        places = source.text.where_each(CHANGES, len(changes))
        lines = own or changed_lines(lines, map(Line, changes, places), of=of)
        of = source.name
    layers = _last(changed, LAYERS)
    if isinstance(layers, list) and all(isinstance(each, str) for each in layers):
        lines = [Line(each, chain[0].name) for each in layers]
    if (changes := _last(changed, CHANGES)) is not None:
        given = take_extension({"network": {"changes": changes}}, RecipeText("", name=SET))
        lines = changed_lines(lines, (Line(each, SET) for each in given.changes), of=of)
    return lines


def _last(changed: Sequence[Given], key: str) -> Any:
    return next((each.value for each in reversed(changed) if each.key == key), None)


def _given(source: _Source, chain: Sequence[_Source], changed: Sequence[Given]) -> Iterator[Given]:
    """Yield the settings of one file."""
    sections = {key.partition(".")[0] for key in settings_of(Recipe) if "." in key}
    relabelled = _is_relabelled(source, chain, changed)
    for given in source.text.given(source.table):
        if given.key == "heads" and isinstance(given.value, list):
            yield given._replace(value=[*_heads(given.value, source.text)])
        elif given.key in sections and given.value == {} and source is not chain[-1]:
            continue  # an empty section changes nothing of what is extended
        elif given.key == "name" and source is not chain[0]:
            continue
        elif given.key in CARD and relabelled:
            continue  # what it says is true of the labels that it was written for
        else:
            _check_place(given)
            yield given


def _is_relabelled(source: _Source, chain: Sequence[_Source], changed: Sequence[Given]) -> bool:
    """Say whether what comes after a file gives other labels than those it was written for."""
    at = next(place for place, each in enumerate(chain) if each is source)
    before = [_label_names(each.table.get("labels")) for each in chain[at:]]
    written_for = next((names for names in before if names), None)
    after = [_label_names(each.table.get("labels")) for each in chain[:at]]
    after += [_label_names(each.value) for each in changed if each.key == "labels"]
    after += [each.value for each in changed if each.key == "labels.names"]
    return _is_regrouped(at, chain, changed) or any(
        names != written_for and not (names in _SAME_PICTURES and written_for in _SAME_PICTURES)
        for names in after
        if names
    )


def _is_regrouped(at: int, chain: Sequence[_Source], changed: Sequence[Given]) -> bool:
    """Say whether what comes after a file merges or drops labels otherwise."""
    tables = [
        labels if isinstance(labels := source.table.get("labels"), Mapping) else {}
        for source in chain
    ]
    for key in ("merge", "drop"):
        before = next((table[key] for table in tables[at:] if key in table), None) or None
        after = [table[key] for table in tables[:at] if key in table]
        # A whole table that is given at last has what it does not say at its default: nothing.
        after += [
            each.value.get(key)
            for each in changed
            if each.key == "labels" and isinstance(each.value, Mapping)
        ]
        after += [each.value for each in changed if each.key == f"labels.{key}"]
        if any((each or None) != before for each in after):
            return True
    return any(each.key.startswith("labels.merge.") for each in changed)


def _label_names(labels: Any) -> Any:
    return labels.get("names") if isinstance(labels, Mapping) else labels


def _check_place(given: Given) -> None:
    """Refuse a key of no section that stands below the head of one."""
    section, _, key = given.key.rpartition(".")
    if section and key in _ABOVE and given.key not in settings_of(Recipe):
        raise SettingsError(
            f"unknown setting {given.key!r} (from {given.origin})",
            expected=f"{key!r} above the first [section]",
            fix="move the line up to the top",
        )


def _heads(listed: Sequence[Any], text: RecipeText) -> Iterator[Any]:
    """Yield heads, each setting read from its own line."""
    for number, head in enumerate(listed, start=1):
        if not isinstance(head, Mapping):
            yield head
            continue
        place = f"heads.{number}"
        given = [Given(key, value, text.where(f"{place}.{key}")) for key, value in head.items()]
        yield resolve(HeadSettings, given, where=text.where(place)).settings


def _parse(text: str, *, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
        place, why = where, str(error)
        if at is not None:
            place, why = f"{where}:{at[1]}:{at[2]}", why[: at.start()]
        elif why.endswith(" (at end of document)"):
            place = f"{where}:{len(text.rstrip().splitlines())}"
        raise SettingsError(
            f"{place}: no TOML ({why})", expected="a recipe in TOML", fix="correct that line"
        ) from error


def _parse_override(override: str) -> Given:
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals or not key or key.endswith("."):
        raise SettingsError(
            f"--set {override}", expected="key=value, e.g. training.epochs=10", fix="write it so"
        )
    if key == EXTENDS:
        raise SettingsError(
            f"--set {override}",
            expected=f"`{EXTENDS}` in a recipe's file",
            fix="name that recipe instead of this one, and --set what differs",
        )
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    return Given(key, value, SET)
