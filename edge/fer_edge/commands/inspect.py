"""What a model file says about itself."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from fer_edge.shared.model.model_file import ModelFile
from fer_edge.shared.terminal.tables import format_fields, format_table


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
        ("uncertain", f"below a probability of {contract.least_probability:g}"),
        ("licence", contract.licence),
        ("intended use", contract.intended_use),
        ("limits", contract.limits),
    ]
    fields += [(f"  {name}", text) for name, text in _flatten(contract.provenance)]
    return format_fields(fields)


def summarise_model(name: str, model: ModelFile) -> dict[str, Any]:
    """Return what tells one model from another, as `models --json` lists it.

    The figures are those of the conversion, on pictures that neither training nor choice saw; None
    where the file has none.

    Args:
        name: To give as `--model`.
        model: The file of that name.
    """
    contract = model.contract
    conversion, data = (contract.provenance.get(key, {}) for key in ("conversion", "data"))
    figures = conversion.get("metrics", {}).get(conversion.get("target"), {})
    keys = ("n", "accuracy", "accuracy_interval", "macro_recall", "calibration_error")
    return {
        "name": name,
        "labels": list(contract.labels),
        "network_bytes": len(model.flatbuffer),
        "model_sha256": contract.flatbuffer_sha256,
        **{key: figures.get(key) for key in keys},
        "labels_from": (data.get("votes") or data).get("name"),
    }


def format_models(summaries: Sequence[Mapping[str, Any]], *, default: str) -> str:
    """Return a table of models, and below it what each of them calls a face."""

    def share(value: float | None) -> str:
        return "-" if value is None else f"{value:.1%}"

    rows = [
        [
            one["name"] + (" (default)" if one["name"] == default else ""),
            str(len(one["labels"])),
            f"{one['network_bytes'] / 1024:.0f}",
            share(one["accuracy"]),
            "-"
            if not one["accuracy_interval"]
            else "{:.1%} to {:.1%}".format(*one["accuracy_interval"]),
            share(one["macro_recall"]),
            share(one["calibration_error"]),
            "-" if one["n"] is None else f"{one['n']:,}",
            one["labels_from"] or "-",
        ]
        for one in summaries
    ]
    header = [
        "model", "labels", "network KiB", "accuracy", "95 % interval", "macro recall",
        "calibration error", "judged on", "labels from",
    ]  # fmt: skip
    table = format_table(header, rows)
    labels = format_fields([(one["name"], ", ".join(one["labels"])) for one in summaries])
    return f"{table}\n\n{labels}"


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
