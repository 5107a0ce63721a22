"""All that a report shows, collected from a run and from what its network answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.data.samples import Samples, read_samples
from fer_edge.shared.errors import DataError, ModelError
from fer_edge.shared.model.contract import ModelContract
from fer_trainer.network.cost import NetworkCost, network_cost
from fer_trainer.report.graph import NetworkGraph, network_graph
from fer_trainer.report.judgement import Judgement, judge
from fer_trainer.run import folder as run_folder
from fer_trainer.run.history import read_history
from fer_trainer.run.metrics import read_metrics
from fer_trainer.scores.calibration import complete, fit_temperature
from fer_trainer.scores.evaluation import scores_from_json
from fer_trainer.training.loop import predict
from fer_trainer.training.measurement import calibrate

Answers = Mapping[str, NDArray[np.float32]]

_AGAIN: Final = "copy the run again, or train again"


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """What stands in a report.

    Attributes:
        contract: Of the run.
        metrics: `metrics.json`; what an old run lacks of the calibration is computed anew.
        recipe: `recipe.toml` as text.
        history: The columns of `history.csv`; only numbers.
        cost: Of the network.
        graph: Of the network.
        judgement: Of the test part, or of validation where there is no test.
        missing: What this run has not recorded, a sentence each.
    """

    contract: ModelContract
    metrics: Mapping[str, Any]
    recipe: str
    history: Mapping[str, list[float]]
    cost: NetworkCost
    graph: NetworkGraph
    judgement: Judgement
    missing: tuple[str, ...]


def collect(
    run: Path, contract: ModelContract, network: Any, *, answers: Answers | None = None
) -> Contents:
    """Collect a finished run's report; the data set itself is not needed.

    Args:
        run: Its folder.
        contract: Its contract.
        network: Its network.
        answers: The network's outputs for validation and, where there is one, test; predicted
            anew where not given.

    Raises:
        ModelError: A file of the run is damaged.
    """
    metrics = read_metrics(run / run_folder.METRICS)
    judged = "validation" if metrics["test"] is None else "test"
    names = {"validation": "validation", "test": "heldout"}
    parts = {
        part: _read_samples(run / run_folder.SAMPLES / f"{names[part]}.npz", contract)
        for part in dict.fromkeys(("validation", judged))
    }
    if answers is None:
        answers = {part: predict(network, samples.pictures) for part, samples in parts.items()}
    metrics, missing = _complete_metrics(metrics, contract, answers, parts)
    judgement = judge(
        parts[judged],
        answers[judged],
        contract,
        part=judged,
        temperature=metrics["calibration"]["temperature"],
    )
    # What the run wrote down is what counts; predicted again, a picture on the edge may flip.
    judgement = dataclasses.replace(
        judgement,
        scores=scores_from_json(metrics[judged]),
        calibration=metrics["calibration"][judged],
    )
    return Contents(
        contract,
        metrics,
        (run / run_folder.RECIPE).read_text(encoding="utf-8", errors="replace"),
        read_history(run / run_folder.HISTORY),
        network_cost(network),
        network_graph(network),
        judgement,
        missing,
    )


def _read_samples(path: Path, contract: ModelContract) -> Samples:
    try:
        return read_samples(path, contract, fix=_AGAIN)
    except DataError as error:
        raise ModelError(error.found, expected=error.expected, fix=error.fix) from error


_LACKS_CALIBRATION: Final = (
    "This run's contract carries no fitted temperature: the one shown was fitted for this report, "
    "on the run's validation pictures, and its model does not use it."
)
_LACKS_COUNTS: Final = "This run has not recorded how many train pictures each label has."


def _complete_metrics(
    metrics: Mapping[str, Any], contract: ModelContract, answers: Answers,
    parts: Mapping[str, Samples],
) -> tuple[dict[str, Any], tuple[str, ...]]:  # fmt: skip
    """Add what runs of earlier versions lack, and say so."""
    whole, missing = dict(metrics), []
    if "calibration" not in metrics:
        temperature = fit_temperature(complete(answers["validation"]), parts["validation"].labels)
        whole["calibration"] = calibrate(answers, parts, temperature)
        missing.append(_LACKS_CALIBRATION)
    if "data" not in metrics:
        data = contract.provenance.get("data", {})
        counts = {
            {"validation": "val"}.get(part, part): samples.counts(contract.labels)
            for part, samples in parts.items()
        }
        whole["data"] = {**data, "counts": counts}
        missing.append(_LACKS_COUNTS)
    return whole, tuple(missing)
