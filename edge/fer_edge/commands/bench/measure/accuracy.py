"""Accuracy beside speed: measured here, or what the model's contract says of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_edge.assemble.parts import make_classifier
from fer_edge.commands.bench.measure.plan import Bench
from fer_edge.commands.evaluate import evaluate
from fer_edge.settings import ModelSettings
from fer_edge.shared.data.labelled import LabelledPictures
from fer_edge.shared.model.model_file import ModelFile


class _Stopped(Exception):  # noqa: N818 - a way out, no error
    """The user has had enough."""


def model_accuracy(
    bench: Bench, settings: ModelSettings, model: ModelFile
) -> dict[str, Any] | None:
    """Return n, accuracy and macro recall with their source: "measured" or "contract".

    None where there are neither pictures nor figures in the contract, or the user stopped it.

    Raises:
        DataError: The data set is not one, or has other labels.
    """
    if bench.plan.data is None:
        return accuracy_of_contract(model)
    try:
        return _measured(bench, settings, bench.plan.data)
    except _Stopped:
        return None


def accuracy_of_contract(model: ModelFile) -> dict[str, Any] | None:
    """Return what the converter measured on held-out pictures, as the contract records it."""
    conversion = model.contract.provenance.get("conversion")
    metrics = conversion.get("metrics") if isinstance(conversion, Mapping) else None
    if not isinstance(conversion, Mapping) or not isinstance(metrics, Mapping):
        return None
    found = metrics.get(str(conversion.get("target")), metrics.get(model.contract.input.dtype))
    if not isinstance(found, Mapping):
        return None
    # The contract's reader knows nothing of provenance, so anything may stand there.
    told = {name: found.get(name) for name in ("n", "accuracy", "macro_recall")}
    kept = {name: value for name, value in told.items() if type(value) in {int, float}}
    return {"source": "contract", **kept} if "accuracy" in kept else None


def _measured(bench: Bench, settings: ModelSettings, data: Path) -> dict[str, Any]:
    def progress(done: int, total: int) -> None:
        if bench.stop.is_set():
            raise _Stopped
        bench.progress.count("accuracy", done, total)

    with LabelledPictures(data) as pictures:
        result = evaluate(pictures, make_classifier(settings), progress=progress)
    return {
        "source": "measured",
        "data": data.name,
        "n": result.n,
        "accuracy": round(result.accuracy, 6),
        "macro_recall": round(result.macro_recall, 6),
    }
