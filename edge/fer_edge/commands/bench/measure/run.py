"""The whole benchmark: levels apart, then together, with machine, validity and accuracy."""

import dataclasses
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, Final

from fer_edge.assemble.parts import make_detector, open_tried
from fer_edge.commands.bench.measure.accuracy import model_accuracy
from fer_edge.commands.bench.measure.footprint import measure_footprint
from fer_edge.commands.bench.measure.frames import FrameTally, warm_up
from fer_edge.commands.bench.measure.long_run import run_long
from fer_edge.commands.bench.measure.networks import describe, measure_models
from fer_edge.commands.bench.measure.pipelines import (
    fresh_pipeline,
    measure_clip,
    measure_scenes,
    sustained_frames,
)
from fer_edge.commands.bench.measure.plan import Bench
from fer_edge.commands.bench.measure.sampling import WARM_UP, Samples, measure, thin_out
from fer_edge.commands.bench.measure.scenes import make_scene, resized
from fer_edge.commands.bench.measure.sustained import run_sustained
from fer_edge.commands.bench.measure.vitals import (
    VitalsWatch,
    describe_vitals,
    energy,
    reasons_against,
)
from fer_edge.settings import DetectorSettings
from fer_edge.shared.errors import SourceUnavailableError
from fer_edge.shared.faces.choice import choose
from fer_edge.state.machine import describe_machine

SCHEMA: Final = 1
_MAIN_SCENE: Final = "one face"
_NOT_OF_THE_PIPELINE: Final = {"source", "model", "output"}


class SourceLostError(SourceUnavailableError):
    """The source stopped delivering in the middle of a benchmark.

    Args:
        error: What the source said.
        report: Of what was measured before.
    """

    def __init__(self, error: SourceUnavailableError, report: dict[str, Any]) -> None:
        super().__init__(error.found, expected=error.expected, fix=error.fix)
        self.report = report


def run_bench(bench: Bench) -> dict[str, Any]:
    """Measure all that the plan asks for and return the report, as `--json` prints it.

    Where `bench.stop` is set meanwhile, what was measured so far is returned; `interrupted` then
    names what is missing, and the report is not valid.

    Raises:
        SourceLostError: The source stopped delivering; what was measured before is in it, and
            `interrupted` as after a stop.
        FerError: A model, the source or the data cannot be loaded or read.
    """
    plan = bench.plan
    lost: SourceUnavailableError | None = None
    model, *_ = [open_tried(chosen) for chosen in plan.models]
    report: dict[str, Any] = {
        "schema": SCHEMA,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(bench.system),
        "model": describe(model),
        "face_search": _face_search(plan.settings.detector),
        "settings": _settings(bench),
        "network": None,
        "network_with_preprocessing": None,
        "detector": None,
        "stages": {},
        "pipeline": None,
        "memory": None,
        "valid": True,
        "invalid_because": [],
        "interrupted": [],
        "waiting": {},
        "samples": {},
    }
    with VitalsWatch(bench.system) as watch:
        for name, step in _steps(bench, watch, report):
            if bench.stop.is_set() or lost is not None:
                report["interrupted"].append(name)
                continue
            bench.progress(name)
            try:
                step()
            except SourceUnavailableError as error:
                lost = error
            if bench.stop.is_set() or lost is not None:
                report["interrupted"].append(f"{name} (partly)")
    report["vitals"] = describe_vitals(watch.seen)
    reasons = reasons_against(watch.seen)
    if report["interrupted"]:
        reasons.append("interrupted: " + ", ".join(report["interrupted"]))
    if lost is not None:
        reasons.append(lost.found)
    report["valid"], report["invalid_because"] = not reasons, reasons
    report["samples"] = report.pop("samples")  # last, because it is long
    if lost is not None:
        raise SourceLostError(lost, report) from lost
    return report


def _face_search(settings: DetectorSettings) -> dict[str, Any]:
    """Return by which technique faces are found, and with which weights."""
    choice = choose(settings.kind, settings.file)
    sha256 = None if choice.weights is None else choice.weights.sha256
    return {"kind": choice.kind, "why": choice.why, "weights_sha256": sha256}


def _steps(
    bench: Bench, watch: VitalsWatch, report: dict[str, Any]
) -> list[tuple[str, Callable[[], None]]]:
    """Return what is to be done, in order, with a name for people."""
    plan = bench.plan
    steps: list[tuple[str, Callable[[], None]]] = [
        ("memory", lambda: report.update(memory=measure_footprint(plan.settings))),
        ("networks", lambda: _networks(bench, watch, report)),
        ("detector", lambda: _detector(bench, watch, report)),
        ("pipeline", lambda: _pipeline(bench, watch, report)),
    ]
    if plan.minutes:
        steps.append(("sustained", lambda: _sustained(bench, watch, report)))
    if plan.single_stream_seconds:
        steps.append(("single stream", lambda: _single_stream(bench, watch, report)))
    return steps


def _networks(bench: Bench, watch: VitalsWatch, report: dict[str, Any]) -> None:
    with watch.busy():
        models = measure_models(bench)
    report["models"] = [
        {**measured.to_json(), "accuracy": model_accuracy(bench, chosen, measured.model)}
        for chosen, measured in zip(bench.plan.models, models, strict=True)
    ]
    report["accuracy"] = report["models"][0]["accuracy"]
    for name in ("network", "network_with_preprocessing"):
        report[name] = report["models"][0][name]
    _keep(report, "network", models[0].network)
    _keep(report, "network_with_preprocessing", models[0].with_preprocessing)


def _keep(report: dict[str, Any], name: str, samples: Samples | None) -> None:
    if samples is not None:
        report["samples"][name] = thin_out(samples.milliseconds)
        report["waiting"][name] = round(samples.waiting_share, 4)


def _detector(bench: Bench, watch: VitalsWatch, report: dict[str, Any]) -> None:
    plan = bench.plan
    detector = make_detector(plan.settings.detector)
    scene = make_scene(_MAIN_SCENE)[:1]
    pictures = {f"{w}x{h}": resized(scene, w, h)[0] for w, h in plan.sizes}

    def search(size: str) -> Callable[[], object]:
        return lambda: detector.detect(pictures[size])

    with watch.busy():
        samples = measure(
            {size: search(size) for size in pictures},
            plan.seconds,
            stop=bench.stop,
            progress=lambda text: bench.progress(f"detector {text}"),
        )
    report["detector"] = {size: mine.to_json() for size, mine in samples.items()}
    for size, mine in samples.items():
        _keep(report, f"detector {size}", mine)


def _pipeline(bench: Bench, watch: VitalsWatch, report: dict[str, Any]) -> None:
    if bench.plan.clip:
        main = measure_clip(bench, watch)
    else:
        tallies = dict(measure_scenes(bench, watch))
        report["scenes"] = {
            name: {**tally.to_json(), "stages": tally.stages_to_json()}
            for name, tally in tallies.items()
        }
        if _MAIN_SCENE not in tallies:
            return
        main = tallies[_MAIN_SCENE]
    if main.wall_ns:
        _describe_pipeline(main, watch, report)
    if main.lost is not None:
        raise main.lost


def _describe_pipeline(main: FrameTally, watch: VitalsWatch, report: dict[str, Any]) -> None:
    report["pipeline"] = main.to_json()
    report["stages"] = main.stages_to_json()
    if main.dropped is not None:
        report["pipeline"]["frame_age_ms"] = report["stages"].get("age")
    for name, kept in (("pipeline", main.wall_ms), ("pipeline cpu", main.cpu_ms)):
        report["samples"][name] = thin_out(kept)
        report["waiting"][name] = report["pipeline"]["waiting_share"]
    begin, end = main.span
    seen = [vitals for vitals in watch.seen if begin <= vitals.seconds <= end]
    if (used := energy(seen, frames=len(main.wall_ns))) is not None:
        report["energy"] = used


def _sustained(bench: Bench, watch: VitalsWatch, report: dict[str, Any]) -> None:
    if report["pipeline"] and "dropped" in report["pipeline"]:
        return  # a camera was measured for these minutes already
    frames = sustained_frames(bench)
    with fresh_pipeline(bench) as pipeline:
        warm = warm_up(pipeline, frames, seconds=WARM_UP * bench.plan.seconds)
        before = len(watch.seen)
        found = run_sustained(pipeline, frames, watch, bench, first_index=warm)
    if found is not None:
        found["energy"] = energy(watch.seen[before:], frames=found["frames"])
        report["sustained"] = found


def _single_stream(bench: Bench, watch: VitalsWatch, report: dict[str, Any]) -> None:
    with watch.busy():
        found = run_long(bench)
    if found is not None:
        report["samples"]["single stream"] = found.pop("kept_ms")
        report["single_stream"] = found


def _settings(bench: Bench) -> dict[str, Any]:
    plan = bench.plan
    # A stream's address may hold a password, a path says more of the machine than of the run.
    source = PurePath(plan.clip).name if "://" not in plan.clip else plan.clip.partition(":")[0]
    return {
        "source": source or "made scenes",
        "frames_per_second": plan.frames_per_second or None,
        "seconds": plan.seconds,
        "threads": [model.threads for model in plan.models],
        "pipeline": {
            section: values
            for section, values in dataclasses.asdict(plan.settings).items()
            if section not in _NOT_OF_THE_PIPELINE
        },
        "nice": os.nice(0),
    }
