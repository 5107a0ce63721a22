"""Accuracy beside speed: measured here, or what the model's card or contract says of it."""

from pathlib import Path
from typing import Any

from fer_edge.assemble.baselines import balance_of, make_weighing
from fer_edge.assemble.parts import make_classifier
from fer_edge.commands.bench.measure.plan import Bench
from fer_edge.commands.evaluate import evaluate
from fer_edge.models.card import YARDSTICK, card_figures, conversion_figures
from fer_edge.settings import ExpressionSettings, ModelSettings, Settings
from fer_edge.shared.data.labelled import LabelledPictures
from fer_edge.shared.model.model_file import ModelFile


class _Stopped(Exception):  # noqa: N818 - a way out, no error
    """The user has had enough."""


def model_accuracy(
    bench: Bench, settings: ModelSettings, model: ModelFile
) -> dict[str, Any] | None:
    """Return n, accuracy and macro recall with their source: "measured", "card" or "contract".

    None where there are neither pictures nor figures in card or contract, or the user stopped it.

    Raises:
        DataError: The data set is not one, or has other labels.
    """
    if bench.plan.data is None:
        return accuracy_of_card(model) or accuracy_of_contract(model)
    try:
        return _measured(bench, settings, bench.plan.data)
    except _Stopped:
        return None


def accuracy_of_card(model: ModelFile) -> dict[str, Any] | None:
    """Return what the card of a shipped model says, with its yardstick; None for other models."""
    card = card_figures(model)
    if card is None:
        return None
    names = ("yardstick", "n", "accuracy", "macro_recall")
    told = {name: getattr(card, name) for name in names}
    return {"source": "card", **told, "judged_on": YARDSTICK}


def accuracy_of_contract(model: ModelFile) -> dict[str, Any] | None:
    """Return what the converter measured on held-out pictures, as the contract records it."""
    figures = conversion_figures(model)
    if "accuracy" not in figures:
        return None
    kept = {name: figures[name] for name in ("n", "accuracy", "macro_recall") if name in figures}
    return {"source": "contract", **kept, "judged_on": YARDSTICK}


def _measured(bench: Bench, settings: ModelSettings, data: Path) -> dict[str, Any]:
    def progress(done: int, total: int) -> None:
        if bench.stop.is_set():
            raise _Stopped
        bench.progress.count("accuracy", done, total)

    classifier, expression = make_classifier(settings), ExpressionSettings()
    with LabelledPictures(data, vocabulary=classifier.contract.vocabulary) as pictures:
        result = evaluate(
            pictures,
            classifier,
            weighing=make_weighing(Settings(expression=expression), classifier.contract),
            balance=balance_of(expression, classifier.contract),
            progress=progress,
        )
    return {
        "source": "measured",
        "data": data.name,
        "n": result.n,
        "accuracy": round(result.accuracy, 6),
        "macro_recall": round(result.macro_recall, 6),
        "judged_on": YARDSTICK,
        "balance": result.balance,
    }
