"""Try one step after another until the gate is met."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from fer_convert.conversion import Conversion, pure_graph
from fer_convert.file.artefact import draft_model, finish
from fer_convert.judgement.comparison import measure, measure_drift
from fer_convert.judgement.gate import judge
from fer_convert.judgement.layer_error import measure_layers
from fer_convert.judgement.measurement import ask_all
from fer_convert.rescue.attempt import Attempt, Candidate, Rescue, Result
from fer_convert.rescue.steps import (
    Material,
    clip,
    fine_tune,
    other_sizes,
    split_pool,
    wide_activations,
)
from fer_convert.targets import Target
from fer_edge.shared.errors import DataError, ModelError
from fer_edge.shared.terminal.progress import SILENT, ProgressLine

STEPS: Final[Mapping[str, Callable[[Material], Iterator[Candidate]]]] = {
    "calibration-size": other_sizes,
    "clipping": clip,
    "int16x8": wide_activations,
    "fine-tuning": fine_tune,
}
"""In the order in which they are tried: the cheap first, what changes the network last."""


def rescue(
    conversion: Conversion,
    progress: ProgressLine = SILENT,
    *,
    stop_at_success: bool = True,
) -> Rescue:
    """Try every step until one meets the gate.

    Settings within a step are chosen on the validation part; the held-out pictures give each step
    one verdict.

    Args:
        conversion: Whose int8 does not meet it.
        progress: Told what is being tried.
        stop_at_success: Or try all, to compare them.

    Raises:
        DataError: The pictures cannot be read again.
    """
    progress("rescue: parting the pictures")
    material = split_pool(conversion)
    attempts: list[Attempt] = []
    for name, step in STEPS.items():
        attempt = _attempt(name, step, conversion, material, progress)
        attempts.append(attempt)
        if attempt.passed and stop_at_success:
            break
        if name == "clipping" and attempt.result is not None:
            material = replace(material, start=attempt.result.candidate.settings["percentile"])
    parts = {"tuning": len(material.tuning), "validation": len(material.validation)}
    return Rescue(tuple(attempts), parts)


def with_rescue(conversion: Conversion, outcome: Rescue) -> Conversion:
    """Return a conversion that tells of its rescue and delivers what met the gate.

    The file that met it takes int8's place. Where it has 16-bit activations it keeps that name.
    """
    told = replace(conversion, rescue=outcome.to_json())
    if outcome.delivered is None or outcome.delivered.result is None:
        return told
    result = outcome.delivered.result
    target = result.candidate.target
    provenance = {
        **{key: value for key, value in conversion.provenance.items() if key != "int8_ranges"},
        "calibration": dict(result.candidate.calibration),
        **({"int8_ranges": dict(given)} if (given := result.candidate.ranges) else {}),
        "rescue": {
            "parts": dict(outcome.parts),
            "attempts": [attempt.record() for attempt in outcome.attempts],
        },
    }
    provenance["metrics"] = {
        **provenance["metrics"],
        target.value: result.measurement.to_json(),
    }
    artefact = finish(result.model, result.graph, target, result.verdict.word, provenance)
    errors = measure_layers(
        (conversion.drafts[Target.FLOAT32], conversion.graphs[Target.FLOAT32]),
        (result.model, result.graph),
        conversion.held_out,
        conversion.network.kinds,
    )
    kept = tuple(old for old in conversion.artefacts if old.target not in (Target.INT8, target))
    return replace(
        told,
        drafts={**conversion.drafts, target: result.model},
        graphs={**conversion.graphs, target: result.graph},
        answers={**conversion.answers, target: result.answers},
        measurements={**conversion.measurements, target: result.measurement},
        layer_errors={**conversion.layer_errors, target: errors},
        provenance=provenance,
        artefacts=(artefact, *kept),
    )


def _attempt(
    name: str,
    step: Callable[[Material], Iterator[Candidate]],
    conversion: Conversion,
    material: Material,
    progress: ProgressLine,
) -> Attempt:
    started = time.monotonic()
    progress(f"rescue by {name}")
    tried: list[dict[str, Any]] = []
    chosen: Candidate | None = None
    try:
        chosen = _choose(step(material), conversion, material, tried, progress)
        result = _measure(chosen, conversion, progress)
    except (ModelError, DataError) as error:
        return Attempt(name, tuple(tried), None, error.found, time.monotonic() - started)
    return Attempt(name, tuple(tried), result, "", time.monotonic() - started)


def _choose(
    candidates: Iterator[Candidate],
    conversion: Conversion,
    material: Material,
    tried: list[dict[str, Any]],
    progress: ProgressLine,
) -> Candidate:
    """Return the candidate whose probabilities are nearest to float32's on the validation part.

    Not the one that agrees most often: of a few hundred pictures that counts a handful.
    """
    validation = material.validation
    reference = ask_all({Target.FLOAT32: conversion.drafts[Target.FLOAT32]}, validation, progress)[
        Target.FLOAT32
    ]
    standings: list[tuple[float, Candidate]] = []
    for candidate in candidates:
        try:
            model, _ = _draft(candidate, conversion)
            answers = ask_all({candidate.target: model}, validation, progress)
        except ModelError as error:
            tried.append({**candidate.settings, "problem": error.found})
            continue
        drift = measure_drift(answers[candidate.target], reference)
        tried.append({**candidate.settings, **drift.to_json()})
        standings.append((drift.mean_shift, candidate))
    if not standings:
        raise ModelError(
            f"none of the settings can be run: {tried[-1]['problem']}",
            expected="a model that the TFLite runtime takes",
            fix="look at the other steps of the rescue",
        )
    return min(standings, key=lambda standing: standing[0])[1]


def _measure(candidate: Candidate, conversion: Conversion, progress: ProgressLine) -> Result:
    model, graph = _draft(candidate, conversion)
    target, held_out = candidate.target, conversion.held_out
    reference = conversion.answers[Target.FLOAT32]
    answers = ask_all({target: model}, held_out, progress)[target]
    measurement = measure(answers, held_out, reference)
    verdict = judge(reference, answers, held_out)
    return Result(candidate, model, graph, answers, measurement, verdict)


def _draft(candidate: Candidate, conversion: Conversion) -> tuple[Any, Any]:
    run = conversion.run
    graph = pure_graph(candidate.flatbuffer, candidate.target, run, conversion.network)
    return draft_model(candidate.flatbuffer, graph, run.contract, candidate.target), graph
