"""The page of a run with several heads: a section for each, which leads to its own report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.report.page import facts, page, table, text
from fer_trainer.run.folder import HEADS, REPORT

_PARTS: Final = {
    "validation": "validation",
    "test": "test",
    "test_without_train_copies": "test, copies of train pictures left out",
}


def render_heads(name: str, heads: Mapping[str, tuple[ModelContract, Mapping[str, Any]]]) -> str:
    """Return the page as one HTML document; only its links lead outside, into the run's folder.

    Args:
        name: Of the run's recipe.
        heads: Contract and `metrics.json` of each, by its name.
    """
    title = f"{name}: one network, {len(heads)} heads"
    return page(
        title,
        heading=title,
        lead="Each head answers in labels of its own and is delivered as a run of its own.",
        sections=[(f"head-{head}", head, _head(head, *known)) for head, known in heads.items()],
    )


def _head(head: str, contract: ModelContract, metrics: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        [words, f"{figures['n']:,}", f"{100 * figures['accuracy']:.1f}",
         f"{100 * figures['macro_recall']:.1f}"]
        for part, words in _PARTS.items() if (figures := metrics[part]) is not None
    ]  # fmt: skip
    yield table(["part", "pictures", "accuracy %", "macro recall %"], rows)
    yield facts([
        ("labels", ", ".join(contract.labels)),
        ("temperature", f"{contract.output.temperature:g}"),
        ("epochs", f"{metrics['epochs']}, delivered {metrics['delivered_epoch']}"),
    ])  # fmt: skip
    folder = f"{HEADS}/{head}"
    yield f'<p><a href="{text(folder)}/{REPORT}">The whole report of {text(head)}</a></p>'
