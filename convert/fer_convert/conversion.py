"""The whole way from a training run to model files; one step a module."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from fer_convert.cost.emulation import Emulation
from fer_convert.cost.layers import CostTable, cost_table
from fer_convert.file.artefact import Artefact, draft_model, finish
from fer_convert.file.flatbuffer import Graph, find_leftovers, read_graphs
from fer_convert.file.onnx_file import OnnxFile, finish_onnx, onnx_versions
from fer_convert.file.purity import check_purity
from fer_convert.judgement.comparison import Answers, Measurement, pictures_to_compare
from fer_convert.judgement.gate import Verdict, find_poor, find_remarks
from fer_convert.judgement.layer_error import LayerError, measure_layers
from fer_convert.judgement.measurement import ask_all, judge_all, measure_all
from fer_convert.judgement.onnx_runtime import OnnxNetwork
from fer_convert.judgement.reading import check_answers, check_reading
from fer_convert.source.job import NetworkSummary
from fer_convert.source.partition import draw
from fer_convert.source.recipe_lines import point_to_recipe
from fer_convert.source.representative import (
    DEFAULT_PICTURES,
    RepresentativeSet,
    choose_representative,
)
from fer_convert.source.run import TrainingRun
from fer_convert.targets import ONNX, Target
from fer_convert.translation import Translation, translate
from fer_edge.shared.data.samples import Samples
from fer_edge.shared.errors import ModelError
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.model.model_file import ModelFile
from fer_edge.shared.terminal.progress import SILENT, ProgressLine

REPORT_SCHEMA: Final = 1
REPORT_NAME: Final = "report.json"

RANGE_PERCENTILE: Final = 99.999
"""Of an activation's values that int8's range holds. Chosen for edge-small on pictures held out
from its training part; see docs/reference/conversion.md."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is wanted of a conversion.

    Attributes:
        targets: To convert to.
        calibration_data: Labelled crops instead of the run's own pictures.
        calibration_count: Pictures to calibrate on.
        compare_count: Held-out pictures to compare on; None decides it by the network's size.
        seed: Of every choice among pictures.
        range_percentile: Of the values of every activation that int8's ranges hold; 100 leaves
            them to TensorFlow's converter, which keeps the extremes.
        onnx: Whether to write ONNX, too.
    """

    targets: tuple[Target, ...] = (Target.INT8,)
    calibration_data: Path | None = None
    calibration_count: int = DEFAULT_PICTURES
    compare_count: int | None = None
    seed: int = 0
    range_percentile: float = RANGE_PERCENTILE
    onnx: bool = False


@dataclass(frozen=True, slots=True)
class Conversion:
    """What came out.

    Everything by target has float32, too, because it is what others are compared with. Answers and
    measurements have ONNX, too, where that was asked for.

    Attributes:
        run: What was converted.
        plan: What was wanted.
        network: Its layers, as Keras has loaded it.
        representative: What was calibrated on.
        held_out: What was compared on.
        drafts: Models that run, by target; their contracts are not yet complete.
        graphs: What the flatbuffers hold, by target.
        answers: To the held-out pictures, by target.
        measurements: What the answers are worth, by target.
        layer_errors: Where they come from, operator by operator, by target; float32 has none.
        moves: Where batch norms went that TensorFlow's converter alone would not fold.
        provenance: What every contract says of this conversion.
        artefacts: The model files asked for.
        onnx: The network as ONNX; None where it was not asked for.
        rescue: What was tried where int8 did not meet the gate, for the report; None if nothing.
        emulation: Instructions of the int8 model, or why they were not counted.
    """

    run: TrainingRun
    plan: Plan
    network: NetworkSummary
    representative: RepresentativeSet
    held_out: Samples
    drafts: Mapping[Target, ModelFile]
    graphs: Mapping[Target, Graph]
    answers: Mapping[str, Answers]
    measurements: Mapping[str, Measurement]
    layer_errors: Mapping[Target, tuple[LayerError, ...]]
    moves: tuple[str, ...]
    provenance: Mapping[str, Any]
    artefacts: tuple[Artefact, ...]
    onnx: OnnxFile | None = None
    rescue: Mapping[str, Any] | None = None
    emulation: Emulation = field(default_factory=Emulation)

    @property
    def name(self) -> str:
        """Of the network."""
        return self.run.contract.name

    def artefact(self, target: Target) -> Artefact:
        """Return one of the model files asked for."""
        return next(artefact for artefact in self.artefacts if artefact.target is target)

    @property
    def operators(self) -> Mapping[Target, Mapping[str, int]]:
        """How often each operator occurs, by target."""
        return {target: graph.operator_counts() for target, graph in self.graphs.items()}

    @property
    def verdicts(self) -> Mapping[str, Verdict]:
        """What the gate says of each file asked for, float32 aside."""
        return judge_all(self.answers, self.held_out, list(self.sizes))

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each file asked for."""
        sizes: dict[str, int] = {each.target: len(each.data) for each in self.artefacts}
        return sizes if self.onnx is None else {**sizes, ONNX: len(self.onnx.data)}

    @property
    def poor(self) -> tuple[str, ...]:
        """What is wrong with float32 itself, which no conversion mends."""
        return find_poor(self.answers[Target.FLOAT32], self.held_out)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is wrong with float32, and what else its reader should know of its worth."""
        return find_remarks(self.answers[Target.FLOAT32], self.held_out)

    @property
    def costs(self) -> Mapping[Target, CostTable]:
        """What an inference of each target costs."""
        kinds = self.network.kinds
        return {target: cost_table(graph, kinds) for target, graph in self.graphs.items()}

    def to_json(self) -> dict[str, Any]:
        """Return the report."""
        costs = self.costs
        verdicts = self.verdicts
        errors = {target: [e.to_json() for e in own] for target, own in self.layer_errors.items()}
        files: dict[str, dict[str, Any]] = {
            artefact.target.value: {
                "file": artefact.file_name,
                "bytes": len(artefact.data),
                "model_sha256": artefact.model.sha256,
            }
            for artefact in self.artefacts
        }
        if self.onnx is not None:
            files[ONNX] = {
                "file": self.onnx.file_name,
                "bytes": len(self.onnx.data),
                "model_sha256": self.onnx.sha256,
                "operators": self.onnx.operators,
            }
        targets: dict[str, dict[str, Any]] = {
            str(target): measurement.to_json() for target, measurement in self.measurements.items()
        }
        for target in self.graphs:
            targets[target] |= {
                "operators": self.operators[target],
                "cost": costs[target].to_json(),
                **({"instructions": self.emulation.to_json()} if target is Target.INT8 else {}),
                "not_folded": [asdict(left) for left in find_leftovers(self.graphs[target])],
                **({"layer_errors": errors[target]} if target in errors else {}),
            }
        for name, verdict in verdicts.items():
            targets[name]["gate"] = verdict.to_json()
        for name, file in files.items():
            targets[name] |= file
        return {
            "schema": REPORT_SCHEMA,
            "name": self.name,
            "versions": self.provenance["versions"],
            "calibration": self.provenance["calibration"],
            "held_out": self.provenance["held_out"],
            "poor": list(self.poor),
            "remarks": list(self.remarks),
            "folded": list(self.moves),
            "int8_ranges": self.provenance.get("int8_ranges"),
            "targets": targets,
            **({} if self.rescue is None else {"rescue": self.rescue}),
        }


def convert(run: TrainingRun, plan: Plan, progress: ProgressLine = SILENT) -> Conversion:
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
    pictures = run.read_pictures(plan.calibration_data, seed=plan.seed)
    representative = choose_representative(
        pictures.pool,
        run.contract,
        count=plan.calibration_count,
        seed=plan.seed,
        copies=pictures.copies,
    )
    wanted = tuple(dict.fromkeys((Target.FLOAT32, *plan.targets)))
    progress(f"converting to {', '.join(wanted)} on {len(representative.samples)} pictures")
    graphs, drafts = {}, {}
    try:
        translation = _translate(run, wanted, representative, plan)
        for target, flatbuffer in translation.flatbuffers.items():
            graphs[target] = pure_graph(flatbuffer, target, run, translation.network)
            drafts[target] = draft_model(flatbuffer, graphs[target], run.contract, target)
        check_reading(drafts[Target.FLOAT32], translation.probes, where=str(run.model))
    except ModelError as error:
        raise point_to_recipe(error, run.model.parent) from error
    count = plan.compare_count or pictures_to_compare(graphs[Target.FLOAT32], wanted)
    held_out = draw(pictures.held_out, count, seed=plan.seed)
    answers = ask_all(drafts, held_out, progress)
    if wrong := answers[Target.FLOAT32].no_numbers:
        raise ModelError(
            f"{run.model} answers {wrong:,} of {len(held_out):,} pictures by what is no number",
            expected="a network that stays within the numbers of float32",
            fix="look at its weights: such a training has diverged; train it with a lower rate",
        )
    if plan.onnx:
        progress("comparing ONNX")
        answers[ONNX] = _ask_onnx(run, translation, held_out)
    measurements = measure_all(answers, held_out)
    progress("comparing layer by layer")
    reference = drafts[Target.FLOAT32], graphs[Target.FLOAT32]
    layer_errors: dict[Target, tuple[LayerError, ...]] = {
        target: measure_layers(
            reference, (drafts[target], graphs[target]), held_out, translation.network.kinds
        )
        for target in plan.targets
        if target is not Target.FLOAT32
    }
    verdicts = judge_all(answers, held_out, list(answers))
    gate = {target: verdict.word for target, verdict in verdicts.items()}
    provenance = _provenance(
        run, representative, held_out, translation.network.versions, measurements
    )
    provenance["held_out"]["of"] = len(pictures.held_out)
    if remarks := find_remarks(answers[Target.FLOAT32], held_out):
        provenance["remarks"] = list(remarks)
    provenance["folded"] = list(translation.moves)
    if translation.ranges:
        provenance["int8_ranges"] = dict(translation.ranges)
    artefacts = tuple(
        finish(drafts[target], graphs[target], target, gate.get(target), provenance)
        for target in plan.targets
    )
    onnx = None
    if plan.onnx:
        versions = {**provenance["versions"], **onnx_versions()}
        told = {"gate": gate[ONNX], **provenance, "versions": versions}
        onnx = finish_onnx(translation.onnx, run.contract, told, where=str(run.model))
    return Conversion(
        run,
        plan,
        translation.network,
        representative,
        held_out,
        drafts,
        graphs,
        answers,
        measurements,
        layer_errors,
        translation.moves,
        provenance,
        artefacts,
        onnx,
    )


def _ask_onnx(run: TrainingRun, translation: Translation, held_out: Samples) -> Answers:
    """Return what ONNX answers, once it is known to be the network that lies in the file."""
    # Without provenance, which says what the answers are worth.
    draft = finish_onnx(translation.onnx, run.contract, {}, where=str(run.model))
    network, probes = OnnxNetwork(draft), translation.probes
    answers = network.raw_outputs(probes.pictures)
    check_answers(answers, probes, what="ONNX", where=str(run.model))
    return network.ask(held_out)


def _translate(
    run: TrainingRun,
    targets: tuple[Target, ...],
    representative: RepresentativeSet,
    plan: Plan,
) -> Translation:
    """Translate, with the converter's own int8 ranges where the device takes no others."""

    def translate_to(targets: tuple[Target, ...], **options: Any) -> Translation:
        return translate(run.job(targets, representative.pictures, options=options))

    translation = translate_to(targets, percentile=plan.range_percentile, onnx=plan.onnx)
    if translation.ranges.get("percentile", 100.0) == 100.0:
        return translation
    flatbuffer = translation.flatbuffers[Target.INT8]
    try:
        graph = pure_graph(flatbuffer, Target.INT8, run, translation.network)
        # XNNPACK refuses a convolution whose output range is very small for its weights.
        LitertClassifier(draft_model(flatbuffer, graph, run.contract, Target.INT8))
    except ModelError as error:
        plain = translate_to((Target.INT8,), percentile=100.0)
        return replace(
            translation,
            flatbuffers={**translation.flatbuffers, **plain.flatbuffers},
            # Without the network's path, which is this machine's own.
            ranges={**plain.ranges, "because": error.found.removeprefix(f"{run.model} as int8: ")},
        )
    return translation


def pure_graph(
    flatbuffer: bytes, target: Target, run: TrainingRun, network: NetworkSummary
) -> Graph:
    """Return a flatbuffer's main graph.

    Raises:
        ModelError: It is not what it was asked to be.
    """
    graphs = read_graphs(flatbuffer)
    check_purity(
        graphs, target, run.contract, layers=network.kinds, where=f"{run.model} as {target}"
    )
    return graphs[0]


def _provenance(
    run: TrainingRun,
    representative: RepresentativeSet,
    held_out: Samples,
    versions: Mapping[str, str],
    measurements: Mapping[str, Measurement],
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
            str(target): measurement.to_json() for target, measurement in measurements.items()
        },
    }
