"""The whole way from a training run to model files; one step a module."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from fer_convert.artefact import Artefact, draft_model, finish
from fer_convert.comparison import Answers, Drift, Scores, ask, measure_drift, score
from fer_convert.flatbuffer import Graph, read_graphs
from fer_convert.purity import check_purity
from fer_convert.representative import (
    DEFAULT_PICTURES,
    RepresentativeSet,
    choose_representative,
)
from fer_convert.run import TrainingRun
from fer_convert.samples import Samples
from fer_convert.targets import Target
from fer_convert.translation import Translation, translate
from fer_convert.worker.job import Job
from fer_edge.model_file import ModelFile

REPORT_SCHEMA: Final = 1
REPORT_NAME: Final = "report.json"

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is wanted of a conversion.

    Attributes:
        targets: To convert to.
        calibration_data: Labelled crops instead of the run's own pictures.
        calibration_count: Pictures to calibrate on.
        seed: Of every choice among pictures.
    """

    targets: tuple[Target, ...] = (Target.INT8,)
    calibration_data: Path | None = None
    calibration_count: int = DEFAULT_PICTURES
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Measurement:
    """One target, measured on the held-out pictures.

    Attributes:
        scores: How right it is.
        drift: How far from float32 it is; None for float32 itself.
    """

    scores: Scores
    drift: Drift | None

    def to_json(self) -> dict[str, Any]:
        """Return the measurement."""
        drift = {} if self.drift is None else {"against_float32": self.drift.to_json()}
        return {**self.scores.to_json(), **drift}


@dataclass(frozen=True, slots=True)
class Conversion:
    """What came out.

    Attributes:
        name: Of the network.
        artefacts: The model files asked for.
        measurements: By target; float32 always, because it is what others are compared with.
        operators: How often each operator occurs, by target.
        provenance: What every contract says of this conversion.
    """

    name: str
    artefacts: tuple[Artefact, ...]
    measurements: Mapping[Target, Measurement]
    operators: Mapping[Target, Mapping[str, int]]
    provenance: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return the report."""
        files = {
            artefact.target.value: {
                "file": artefact.file_name,
                "bytes": len(artefact.data),
                "model_sha256": artefact.model.contract.flatbuffer_sha256,
            }
            for artefact in self.artefacts
        }
        targets = {
            target.value: {
                **measurement.to_json(),
                "operators": self.operators[target],
                **files.get(target.value, {}),
            }
            for target, measurement in self.measurements.items()
        }
        return {
            "schema": REPORT_SCHEMA,
            "name": self.name,
            "versions": self.provenance["versions"],
            "calibration": self.provenance["calibration"],
            "held_out": self.provenance["held_out"],
            "targets": targets,
        }


def convert(run: TrainingRun, plan: Plan, progress: Progress = lambda _: None) -> Conversion:
    """Convert a training run and measure what that changed.

    Args:
        run: The training run.
        plan: What is wanted.
        progress: Told in a few words what is being done.

    Raises:
        ModelError: The network cannot be converted to what was asked for.
        DataError: The pictures to calibrate on or to compare on are missing or unfit.
        DependencyError: TensorFlow or the TFLite runtime cannot be loaded.
    """
    progress("reading pictures")
    pool, held_out = run.read_pictures(plan.calibration_data, seed=plan.seed)
    representative = choose_representative(
        pool, run.contract, count=plan.calibration_count, seed=plan.seed
    )
    wanted = tuple(dict.fromkeys((Target.FLOAT32, *plan.targets)))
    progress(f"converting to {', '.join(wanted)} on {len(representative.samples)} pictures")
    translation = translate(Job(run.model, run.contract, wanted, representative.pictures))
    graphs = {target: _pure_graph(translation, target, run) for target in wanted}
    drafts = {
        target: draft_model(translation.flatbuffers[target], graph, run.contract, target)
        for target, graph in graphs.items()
    }
    operators = {target: graph.operator_counts() for target, graph in graphs.items()}
    measurements = _measure(drafts, held_out, progress)
    provenance = _provenance(
        run, representative, held_out, translation.network.versions, measurements
    )
    artefacts = tuple(
        finish(
            drafts[target],
            target,
            {"target": target.value, "operators": operators[target], **provenance},
        )
        for target in plan.targets
    )
    return Conversion(run.contract.name, artefacts, measurements, operators, provenance)


def _pure_graph(translation: Translation, target: Target, run: TrainingRun) -> Graph:
    graphs = read_graphs(translation.flatbuffers[target])
    check_purity(
        graphs,
        target,
        run.contract,
        layers=translation.network.kinds,
        where=f"{run.model} as {target}",
    )
    return graphs[0]


def _measure(
    drafts: Mapping[Target, ModelFile], held_out: Samples, progress: Progress
) -> dict[Target, Measurement]:
    answers: dict[Target, Answers] = {}
    for target, draft in drafts.items():

        def count(done: int, target: Target = target) -> None:
            progress(f"comparing {target}: {done} of {len(held_out)} pictures")

        answers[target] = ask(draft, held_out, count)
    reference = answers[Target.FLOAT32]
    return {
        target: Measurement(
            score(given, held_out), None if given is reference else measure_drift(given, reference)
        )
        for target, given in answers.items()
    }


def _provenance(
    run: TrainingRun,
    representative: RepresentativeSet,
    held_out: Samples,
    versions: Mapping[str, str],
    measurements: Mapping[Target, Measurement],
) -> dict[str, Any]:
    """Return what a contract records: no time, no machine, so that bytes can be reproduced."""
    return {
        "versions": {
            "fer-convert": version("fer-convert"),
            "ai-edge-litert": version("ai-edge-litert"),
            **versions,
        },
        "network_sha256": run.model_sha256,
        "calibration": representative.to_json(),
        "held_out": {
            "n": len(held_out),
            "source": held_out.source,
            "sha256": held_out.sha256,
        },
        "metrics": {
            target.value: measurement.to_json() for target, measurement in measurements.items()
        },
    }
