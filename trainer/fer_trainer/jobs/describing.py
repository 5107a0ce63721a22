"""The whole job of `fer-train describe`: what a recipe says, where, and what its network costs."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from functools import reduce
from typing import Any, Final

from fer_edge.shared.terminal.tables import format_fields, format_table
from fer_edge.shared.typed_tables import settings_of
from fer_edge.shared.written_values import as_written
from fer_trainer.jobs.recipes import format_network
from fer_trainer.network.cost import LayerCost, NetworkCost
from fer_trainer.recipe.extending import LAYERS
from fer_trainer.recipe.promise import FOLDERS
from fer_trainer.recipe.settings import Recipe
from fer_trainer.recipe.written import DEFAULT, WrittenRecipe

_NUMBER: Final = re.compile(r"(\d+)_")
_LONGEST: Final = 60
_HEADER: Final = ("setting", "value", "from")


def described_to_json(written: WrittenRecipe, cost: NetworkCost) -> dict[str, Any]:
    """Return all that `describe` knows: settings and lines, each with its origin, and the cost."""
    recipe = written.recipe
    lines = zip(recipe.network.layers, written.layers, strict=True)
    return {
        "name": recipe.name,
        "labels": FOLDERS if recipe.labels.of_folders else recipe.label_names,
        "input": list(recipe.input_spec.picture_shape),
        "colour": recipe.input.colour,
        "extends": list(written.names[1:]),
        "settings": {
            key: {"value": value, "origin": written.origins[key]}
            for key, value in _settings(written).items()
            if key != LAYERS
        },
        "network": [{"line": line, "origin": where} for line, where in lines],
        **cost.to_json(),
    }


def format_described(written: WrittenRecipe, cost: NetworkCost) -> str:
    """Return what is not a default, and a line a layer with the sums."""
    rows = [
        (key, _short(key, value), written.origins[key])
        for key, value in _settings(written).items()
        if written.origins[key] != DEFAULT
    ]
    width = max(len(value) for _, value, _ in rows)
    fields = [(key, f"{value:<{width}}  {origin}") for key, value, origin in [_HEADER, *rows]]
    return (
        f"{written.recipe.name}: {', which extends '.join(written.names)}\n\n"
        f"{format_fields(fields)}\n"
        "All other settings have their defaults.\n\n"
        f"{format_network(written.recipe)}\n\n"
        f"{_format_layers(written, cost)}"
    )


def _settings(written: WrittenRecipe) -> Mapping[str, Any]:
    """Return every setting by dotted key, in the order of the reference."""
    recipe = written.recipe
    values = {key: reduce(getattr, key.split("."), recipe) for key in settings_of(Recipe)}
    return values | {"heads": [asdict(head) for head in recipe.heads]}


def _short(key: str, value: Any) -> str:
    """Return a value on one line, as a recipe writes it."""
    if key == LAYERS:
        return f"{len(value)} lines"
    if key == "heads":
        return ", ".join(head["name"] for head in value)
    text = as_written(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _format_layers(written: WrittenRecipe, cost: NetworkCost) -> str:
    """Return a line a layer, and their sums; where layers come from several files, from which."""
    rows = [
        [layer.name, layer.kind, "x".join(map(str, layer.shape)),
         f"{layer.parameters:,}", f"{layer.macs:,}", _origin(layer, written)]
        for layer in cost.layers
    ]  # fmt: skip
    rows.append(["total", "", "", f"{cost.parameters:,}", f"{cost.macs:,}", ""])
    header = ["layer", "kind", "output", "parameters", "MACs", "from"]
    if len(written.names) == 1:
        header, rows = header[:-1], [row[:-1] for row in rows]
    return format_table(header, rows)


def _origin(layer: LayerCost, written: WrittenRecipe) -> str:
    """Return where the line of a layer stands; nothing for what no line says."""
    number = _NUMBER.match(layer.name)
    return written.layers[int(number[1]) - 1] if number else ""
