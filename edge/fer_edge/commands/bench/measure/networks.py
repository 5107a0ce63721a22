"""Models side by side: the network alone, and with preprocessing."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from fer_edge.assemble.parts import make_classifier, make_detector
from fer_edge.commands.bench.measure.plan import Bench
from fer_edge.commands.bench.measure.sampling import Samples, measure
from fer_edge.commands.bench.measure.scenes import make_scene
from fer_edge.models import open_model
from fer_edge.settings import DetectorSettings
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.model.model_file import ModelFile
from fer_edge.shared.model.preprocess import whole_picture
from fer_edge.shared.model.selftest import read_golden, run_selftest
from fer_edge.shared.records import Face, GreyImage
from fer_edge.sources.capture import to_colour


@dataclass(slots=True)
class MeasuredModel:
    """One model and what it took.

    Attributes:
        model: The file.
        threads: Of its interpreter.
        golden_match: Whether its golden vectors gave the recorded outputs here.
        accelerated: Whether XNNPACK runs it; None where the runtime does not tell.
        network: Of `invoke` alone; None if not measured.
        with_preprocessing: From grey frame and box to prediction; None if not measured.
    """

    model: ModelFile
    threads: int
    golden_match: bool
    accelerated: bool | None
    network: Samples | None = None
    with_preprocessing: Samples | None = None

    def to_json(self) -> dict[str, Any]:
        """Return its place in `models` of the report."""
        return {
            **describe(self.model),
            "threads": self.threads,
            "golden_match": self.golden_match,
            "xnnpack": self.accelerated,
            "network": self.network and self.network.to_json(),
            "network_with_preprocessing": self.with_preprocessing
            and self.with_preprocessing.to_json(),
        }


def describe(model: ModelFile) -> dict[str, Any]:
    """Return what identifies a model."""
    contract = model.contract
    return {
        "name": contract.name,
        "file": model.path.rpartition("/")[2],
        "precision": precision(model),
        "sha256": model.sha256,
        "network_sha256": contract.flatbuffer_sha256,
        "bytes": len(model.flatbuffer),
        "input": list(contract.input.picture_shape),
        "labels": list(contract.labels),
    }


def precision(model: ModelFile) -> str:
    """Return "int8", "dynamic", "float32", ... as the conversion noted it, or by the input."""
    conversion = model.contract.provenance.get("conversion", {})
    target = conversion.get("target") if isinstance(conversion, dict) else None
    return str(target or model.contract.input.dtype)


def measure_models(bench: Bench) -> list[MeasuredModel]:
    """Measure the plan's models in turns on this machine.

    Raises:
        ModelError: One cannot be loaded, or has no golden vectors to feed it.
        DependencyError: There is no usable TFLite runtime.
    """
    picture = make_scene("one face")[0]
    face = _face(picture, bench.plan.settings.detector)
    measured: list[MeasuredModel] = []
    networks: dict[str, Callable[[], object]] = {}
    whole: dict[str, Callable[[], object]] = {}
    for index, chosen in enumerate(bench.plan.models):
        model = open_model(chosen.path)
        classifier = make_classifier(chosen)
        passed = run_selftest(model, threads=chosen.threads).passed
        measured.append(MeasuredModel(model, chosen.threads, passed, classifier.accelerated))
        networks[f"network {index + 1}"] = network_alone(model, threads=chosen.threads)
        shown = to_colour(picture) if classifier.contract.input.is_colour else picture
        whole[f"with preprocessing {index + 1}"] = partial(classifier.classify, shown, [face])
    samples = measure(
        {**networks, **whole}, bench.plan.seconds, stop=bench.stop, progress=bench.progress
    )
    for mine, network, name in zip(measured, networks, whole, strict=True):
        mine.network, mine.with_preprocessing = samples.get(network), samples.get(name)
    return measured


def network_alone(model: ModelFile, *, threads: int) -> Callable[[], None]:
    """Return the interpreter's `invoke`, with a golden vector in its input tensor.

    The classifier is made as the pipeline makes it and then asked for one answer, which writes
    the input; what is returned repeats the inference and nothing else.
    """
    classifier = LitertClassifier(model, threads=threads)
    classifier.raw_output(read_golden(model).inputs[0])
    return classifier.invoke


def _face(picture: GreyImage, settings: DetectorSettings) -> Face:
    faces = make_detector(settings).detect(picture)
    return faces[0] if faces else Face(whole_picture(picture), 0.0)
