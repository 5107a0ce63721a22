"""What a model file says about itself."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fer_edge.models.card import YARDSTICK, card_figures, conversion_figures, ships
from fer_edge.models.trial import require_tried
from fer_edge.models.worth import find_remarks
from fer_edge.shared.errors import DependencyError, ModelError
from fer_edge.shared.model.model_file import ModelFile
from fer_edge.shared.terminal.command_line import printable
from fer_edge.shared.terminal.tables import format_fields, format_table

_TEST_HALF: Final = "FER2013's PublicTest half, int8, one crop"
_SHIPPED: Final = "this package"
_UNKNOWN: Final = (
    "unknown: hashes prove that the file is whole, not who made it; model.trust pins one file"
)
_LONG: Final = ("conversion.metrics.", "float_metrics.")
"""Figures of the converter and the trainer by class, which `--json` prints in full."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """A model file that was looked at.

    Attributes:
        model: The file.
        problem: Why it may not be used here; None where nothing speaks against that.
        trial: What its trial came to, in a few words.
    """

    model: ModelFile
    problem: ModelError | None
    trial: str

    def to_json(self) -> dict[str, Any]:
        """Return contract, sizes, members and trial, as `inspect --json` prints them."""
        return {
            **describe_model(self.model),
            "sha256": self.model.sha256,
            "ships": ships(self.model),
            "passed": self.problem is None,
            "trial": self.trial,
        }

    def to_text(self, *, whole: bool = False) -> str:
        """Return the same for people; `whole` adds all of its origin."""
        return format_model(self.model, trial=self.trial, whole=whole)

    def require(self) -> None:
        """Do nothing where the model may be used.

        Raises:
            ModelError: It may not.
        """
        if self.problem is not None:
            raise self.problem


def inspect_model(model: ModelFile) -> Inspected:
    """Look at a model, and let one that does not ship be tried by a process of its own."""
    if ships(model):
        return Inspected(model, None, "not needed: it ships with fer-edge")
    try:
        require_tried(model)
    except DependencyError as error:
        return Inspected(model, None, f"not tried: {error.found}")
    except ModelError as error:
        return Inspected(model, error, error.found.removeprefix(f"{model.path}: "))
    return Inspected(model, None, "passes its own test on this device")


def describe_model(model: ModelFile) -> dict[str, Any]:
    """Return contract, sizes and members."""
    return {
        "path": model.path,
        "flatbuffer_bytes": len(model.flatbuffer),
        "members": {name: len(data) for name, data in model.members.items()},
        "contract": model.contract.to_table(),
    }


def format_model(model: ModelFile, *, trial: str, whole: bool = False) -> str:
    """Return the same for people, with one accuracy and what it was measured by.

    Args:
        model: What to tell of.
        trial: What its trial came to.
        whole: Whether to tell all of its origin, which fills several screens.
    """
    contract = model.contract
    given, answer = contract.input, contract.output
    fields = [
        ("model", contract.name),
        ("file", f"{model.path} ({len(model.flatbuffer):,} bytes of network)"),
        ("identity", f"sha256:{model.sha256}"),
        ("from", _SHIPPED if ships(model) else _UNKNOWN),
        ("trial", trial),
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
        ("accuracy", _accuracy(model)),
        *(("remark", remark) for remark in find_remarks(model, None)),
        ("uncertain", f"below a probability of {contract.least_probability:g}"),
        ("licence", contract.licence),
        ("intended use", contract.intended_use),
        ("limits", contract.limits),
    ]
    origin = _flatten(contract.provenance)
    if whole:
        fields += [(f"  {name}", text) for name, text in origin if not name.startswith(_LONG)]
        return format_fields(fields)
    rest = f"{len(origin)} lines on data, training and conversion; `--all` shows them"
    return format_fields([*fields, ("origin", rest)])


def summarise_model(name: str, model: ModelFile) -> dict[str, Any]:
    """Return what tells one model from another, as `models --json` lists it.

    The figures are those of the model's card, else those of the conversion; None where the file
    has none either.

    Args:
        name: To give as `--model`.
        model: The file of that name.
    """
    contract, card = model.contract, card_figures(model)
    data = contract.provenance.get("data", {})
    figures = dataclasses.asdict(card) if card else conversion_figures(model)
    keys = ("n", "accuracy", "accuracy_interval", "macro_recall", "calibration_error")
    return {
        "name": name,
        "labels": list(contract.labels),
        "network_bytes": len(model.flatbuffer),
        "model_sha256": model.sha256,
        **{key: figures.get(key) for key in keys},
        "labels_from": (data.get("votes") or data).get("name"),
        "yardstick": f"{YARDSTICK}; true is {card.yardstick}" if card else YARDSTICK,
    }


def format_models(models: Mapping[str, ModelFile], *, default: str) -> str:
    """Return a table of models, and below it labels and yardstick of each; 80 columns wide."""
    summaries = [summarise_model(name, model) for name, model in models.items()]

    def share(value: float | None) -> str:
        return "-" if value is None else f"{value:.1%}"

    rows = [
        [
            one["name"],
            f"{one['network_bytes'] / 1024:.0f}",
            share(one["accuracy"]),
            "-"
            if not one["accuracy_interval"]
            else "{:.1%} to {:.1%}".format(*one["accuracy_interval"]),
            share(one["macro_recall"]),
            "-" if one["n"] is None else f"{one['n']:,}",
        ]
        for one in summaries
    ]
    header = ["model", "KiB", "accuracy", "95 % interval", "macro recall", "pictures"]
    details = []
    for one, card in zip(summaries, map(card_figures, models.values()), strict=True):
        judged = card or f"{share(one['accuracy'])} of {one['labels_from'] or '-'}"
        details += [
            one["name"],
            f"  {', '.join(one['labels'])}",
            f"  {judged}; calibration error {share(one['calibration_error'])}",
        ]
    return (
        f"{format_table(header, rows)}\n\nThe default is {default}.\n"
        f"Judged on {_TEST_HALF}: {YARDSTICK}.\n"
        f"Whole photographs are another matter: `fer-edge evaluate DATA --people FILE`.\n\n"
        + "\n".join(map(printable, details))
    )


def _accuracy(model: ModelFile) -> str:
    """Return the one accuracy that is shown of a model."""
    if card := card_figures(model):
        return f"{card}, on {card.n:,} pictures of {_TEST_HALF}"
    figures = conversion_figures(model)
    if "accuracy" not in figures:
        return "not measured"
    count = f" on {figures['n']:,} held-out pictures" if "n" in figures else ""
    return f"{figures['accuracy']:.1%}{count}, says the converter in the file, unproven"


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
