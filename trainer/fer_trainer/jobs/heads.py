"""Deliver a network with several heads: in the run's `heads/` a whole run folder for each of them.

So everything that takes a run takes a head: `fer-train evaluate RUN/heads/NAME`, and the converter.
Each head's network is of stock layers only and stands alone.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from fer_edge.shared.data.samples import Samples
from fer_edge.shared.model.contract import ModelContract
from fer_trainer.data.splitting import SplitData
from fer_trainer.network.builder import head_layer, head_network, scope_name
from fer_trainer.recipe.files import dump_recipe
from fer_trainer.recipe.settings import HeadSettings, Recipe
from fer_trainer.report.files import write_report
from fer_trainer.report.heads import render_heads
from fer_trainer.run import folder as run_folder
from fer_trainer.run.folder import RunFolder, replace_file
from fer_trainer.training.blending import blended
from fer_trainer.training.measurement import Measured, measure

Promise: TypeAlias = Callable[[Recipe, SplitData, Measured, dict[str, Any]], ModelContract]
"""Makes the contract of one answer from its recipe, data, figures and all of `metrics.json`."""


def deliver_heads(
    network: Any,
    recipe: Recipe,
    split: SplitData,
    run: RunFolder,
    *,
    trained: Mapping[str, Any],
    promise: Promise,
    write_samples: Callable[[RunFolder, Recipe, SplitData], None],
) -> dict[str, Any]:
    """Measure every head and write what a run promises, for each of them.

    Args:
        network: All heads on their body, trained.
        recipe: With heads.
        split: With each head's own parts.
        run: The whole run's folder.
        trained: What `metrics.json` says of the training.
        promise: Makes a head's contract.
        write_samples: Writes the pictures that the converter needs.

    Returns:
        What the run's own `metrics.json` holds: every head's figures, and the training's.

    Raises:
        OutputError: Something cannot be written.
    """
    figures: dict[str, Any] = {}
    pages: dict[str, tuple[ModelContract, Mapping[str, Any]]] = {}
    for head in recipe.heads:
        own, data = recipe.of_head(head), split.heads[head.name]
        answering = head_network(network, head.name, name=own.name)
        told: dict[str, Any] = {}
        if head.blend:
            answering, told["blend"] = _blended(network, recipe, head, data.val, name=own.name)
        measured = measure(answering, own, data)
        metrics = {**measured.metrics, **trained, **told}
        contract = promise(own, data, measured, metrics)
        folder = RunFolder(run.path / run_folder.HEADS / head.name)
        folder.prepare()
        write_samples(folder, own, data)
        folder.write_text(run_folder.RECIPE, dump_recipe(own))
        # The body has learnt from all of the run's pictures, whichever of them this head knows.
        folder.write_text(
            run_folder.SPLIT, (run.path / run_folder.SPLIT).read_text(encoding="utf-8")
        )
        folder.write_text(run_folder.HISTORY, head_history(run.path, head.name))
        folder.write_text(run_folder.ARCHITECTURE, answering.to_json(indent=2) + "\n")
        replace_file(folder.path / run_folder.MODEL, answering.save)
        folder.write_text(run_folder.CONTRACT, contract.to_json())
        folder.write_json(run_folder.METRICS, metrics)
        write_report(folder.path, contract, answering, answers=measured.answers)
        figures[head.name] = metrics
        pages[head.name] = contract, metrics
    replace_file(run.path / run_folder.MODEL, network.save)
    run.write_text(run_folder.REPORT, render_heads(recipe.name, pages))
    whole = {"heads": figures, **trained}
    run.write_json(run_folder.METRICS, whole)
    return whole


def _blended(
    network: Any, recipe: Recipe, head: HeadSettings, validation: Samples, *, name: str
) -> tuple[Any, dict[str, Any]]:
    """Mix another head's answer into one; return its network, and what metrics say of it."""
    (other,) = (each for each in recipe.heads if each.name == head.blend)
    answering, share = blended(
        network,
        (head_layer(network, head.name), head_layer(network, other.name)),
        (recipe.of_head(head).label_names, recipe.of_head(other).label_names),
        validation,
        name=scope_name(name),
    )
    return answering, {"with": other.name, "share": share}


def head_history(run: Path, head: str) -> str:
    """Return a run's `history.csv` with the accuracies of one head; the losses are of all heads."""
    out = io.StringIO(newline="")
    with (run / run_folder.HISTORY).open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        columns = [c for c in rows.fieldnames or () if "accuracy_" not in c]
        writer = csv.DictWriter(out, columns, extrasaction="ignore")
        writer.writeheader()
        for row in rows:
            own = {c: row[f"{c}_{head}"] for c in columns if c.endswith("accuracy")}
            writer.writerow({**row, **own})
    return out.getvalue()
