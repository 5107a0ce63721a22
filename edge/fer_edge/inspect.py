"""What a model file says about itself."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from fer_edge.model_file import ModelFile
from fer_edge.tables import format_fields


def describe_model(model: ModelFile) -> dict[str, Any]:
    """Return contract, sizes and members, as `inspect --json` prints them."""
    return {
        "path": model.path,
        "flatbuffer_bytes": len(model.flatbuffer),
        "members": {name: len(data) for name, data in model.members.items()},
        "contract": dataclasses.asdict(model.contract),
    }


def format_model(model: ModelFile) -> str:
    """Return the same for people."""
    contract = model.contract
    given, answer = contract.input, contract.output
    fields = [
        ("model", contract.name),
        ("file", f"{model.path} ({len(model.flatbuffer):,} bytes of network)"),
        ("identity", f"sha256 {contract.flatbuffer_sha256}"),
        ("labels", ", ".join(contract.labels)),
        ("task", contract.task),
        (
            "input",
            f"{given.colour} {given.width}x{given.height}, {given.dtype}, "
            f"scale {given.scale:g}, zero point {given.zero_point}",
        ),
        ("face crop", f"box grown by {given.crop_margin:.0%} a side, {given.resize_filter} resize"),
        (
            "output",
            f"{answer.kind}, {answer.dtype}, scale {answer.scale:g}, "
            f"zero point {answer.zero_point}, temperature {answer.temperature:g}",
        ),
        ("licence", contract.licence),
        ("intended use", contract.intended_use),
        ("limits", contract.limits),
    ]
    fields += [(f"  {name}", text) for name, text in _flatten(contract.provenance)]
    return format_fields(fields)


def _flatten(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Turn nested provenance into lines; lists and leaves as JSON."""
    lines: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            lines += _flatten(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            lines.append((f"{prefix}{name}", text))
    return lines
