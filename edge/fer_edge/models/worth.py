"""What a model's own contract says against letting it serve; nothing is measured for it here."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fer_edge.models.card import conversion_figures
from fer_edge.shared.model.model_file import ModelFile
from fer_edge.shared.statistics import wilson

_MOST_REMARKS: Final = 4
_LONGEST: Final = 300


def find_remarks(model: ModelFile, serving: ModelFile | None) -> tuple[str, ...]:
    """Say in words what the converter has measured against a model, and what serves does better.

    Args:
        model: That is to serve.
        serving: That serves now; None where that cannot be read.

    Returns:
        A sentence each; nothing of a model without figures. The two are compared only where the
        converter judged them by the very same pictures and labels.
    """
    return (*_recorded(model), *(_worse(model, serving) if serving else ()))


def _recorded(model: ModelFile) -> Iterator[str]:
    conversion = _conversion(model)
    found = conversion.get("remarks")
    if isinstance(found, list) and found:
        for remark in found[:_MOST_REMARKS]:
            if isinstance(remark, str):
                yield remark[:_LONGEST]
        return
    # Files of earlier versions have no remarks, but their recalls tell the plainest case.
    recalls = _figures(model).get("recall")
    if not isinstance(recalls, Mapping) or len(recalls) < 2:
        return
    said = [label for label, recall in recalls.items() if recall]
    if len(said) == 1 and recalls[said[0]] == 1:
        yield f"THE NETWORK GIVES EVERY PICTURE THE SAME LABEL: {str(said[0])[:_LONGEST]}"


def _worse(model: ModelFile, serving: ModelFile) -> Iterator[str]:
    mine, theirs = (conversion_figures(each) for each in (model, serving))
    if not _same_pictures(model, serving) or not {"n", "accuracy"} <= mine.keys() & theirs.keys():
        return
    # Below the interval of what serves, the difference is none that a few pictures make.
    n, right = int(theirs["n"]), round(theirs["accuracy"] * theirs["n"])
    if mine["accuracy"] < wilson(right, n).low:
        yield (
            f"WORSE THAN WHAT SERVES: {mine['accuracy']:.2%} of {n:,} pictures right, and "
            f"{serving.contract.name} has {theirs['accuracy']:.2%} of the same pictures"
        )


def _same_pictures(one: ModelFile, other: ModelFile) -> bool:
    hashes = []
    for model in (one, other):
        held_out = _conversion(model).get("held_out")
        hashes.append(held_out.get("sha256") if isinstance(held_out, Mapping) else None)
    same_labels = one.contract.labels == other.contract.labels
    return same_labels and isinstance(hashes[0], str) and hashes[0] == hashes[1]


def _conversion(model: ModelFile) -> Mapping[str, Any]:
    """Return what the converter recorded; anything may stand in a contract of others."""
    found = model.contract.provenance.get("conversion")
    return found if isinstance(found, Mapping) else {}


def _figures(model: ModelFile) -> Mapping[str, Any]:
    conversion = _conversion(model)
    metrics, target = conversion.get("metrics"), str(conversion.get("target"))
    found = metrics.get(target) if isinstance(metrics, Mapping) else None
    return found if isinstance(found, Mapping) else {}
