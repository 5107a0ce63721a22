"""What the cards of the shipped models say of their accuracy: one figure a model, one yardstick.

A model's contract holds the converter's figures, of FER+ models also on pictures about which
people disagree. The card judges by the yardstick that a reader knows; every command shows that.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from fer_edge.shared.model.model_file import ModelFile

FIGURES: Final = Path(__file__).with_name("figures.json")
YARDSTICK: Final = "face crops, person unknown"
"""What the figures of a card, of a contract and of `fer-edge evaluate DATA` are for."""
_MOST: Final = {"n": 10**9, "accuracy": 1, "macro_recall": 1, "calibration_error": 1}


@dataclass(frozen=True, slots=True)
class CardFigures:
    """How good a shipped model is.

    Attributes:
        n: Pictures judged.
        accuracy: Share of them that were read rightly.
        accuracy_interval: Its 95 % interval.
        macro_recall: Mean over the classes.
        calibration_error: How far confidence is from accuracy.
        yardstick: Who says what is true, in a few words.
    """

    n: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    macro_recall: float
    calibration_error: float
    yardstick: str

    def __str__(self) -> str:
        """Return the accuracy with its yardstick."""
        return f"{self.accuracy:.1%} of {self.yardstick}"


def card_figures(model: ModelFile) -> CardFigures | None:
    """Return what a model's card says; None for a model that does not ship.

    Cards are found by the file's hash: a copy of a shipped model has its figures, too, and one
    whose labels were changed has not.
    """
    return _cards().get(model.sha256)


def ships(model: ModelFile) -> bool:
    """Tell whether a model is one of those in the package, or a copy of one."""
    return model.sha256 in _cards()


def conversion_figures(model: ModelFile) -> Mapping[str, Any]:
    """Return what the converter measured on held-out pictures; empty where it measured nothing.

    The contract's reader knows nothing of provenance, so anything may stand there: only numbers
    under the names that are known, and within their range, are returned.
    """
    conversion = model.contract.provenance.get("conversion")
    metrics = conversion.get("metrics") if isinstance(conversion, Mapping) else None
    if not isinstance(conversion, Mapping) or not isinstance(metrics, Mapping):
        return {}
    found = metrics.get(str(conversion.get("target")), metrics.get(model.contract.input.dtype))
    if not isinstance(found, Mapping):
        return {}
    return {
        name: found[name]
        for name, most in _MOST.items()
        if type(found.get(name)) in {int, float} and 0 <= found[name] <= most
    }


@cache
def _cards() -> dict[str, CardFigures]:
    told = json.loads(FIGURES.read_text(encoding="utf-8"))
    return {
        sha256: CardFigures(**{**one, "accuracy_interval": tuple(one["accuracy_interval"])})
        for sha256, one in told.items()
    }
