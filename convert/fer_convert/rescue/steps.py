"""The steps of a rescue, and the pictures that they work on."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fer_convert.conversion import Conversion
from fer_convert.rescue.attempt import Candidate
from fer_convert.source.partition import hold_out
from fer_convert.source.representative import RepresentativeSet, choose_representative
from fer_convert.source.run import TrainingRun
from fer_convert.targets import Target
from fer_convert.translation import run_worker, translate
from fer_edge.shared.data.samples import Samples

SIZES: Final = (300, 1000, 2000)
"""Pictures to calibrate on; those of which there are not enough are tried once, with all."""

PERCENTILES: Final = (100.0, 99.999, 99.99, 99.9, 99.5)
"""Values of a tensor that its range keeps, in percent; the rest is clipped."""

_OF_RANGES: Final = ("percentile", "largest_correction", "largest_correction_at")

TRAINING: Final[Mapping[str, Any]] = {"epochs": 6, "rate": 1e-4, "batch": 32}


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What every step works on. No held-out picture is among it.

    Attributes:
        run: The network.
        tuning: To calibrate and to train on.
        validation: To choose among settings; a seeded fifth of each class of the pool.
        count: Pictures to calibrate on, unless a step says otherwise.
        seed: Of every choice.
        range_percentile: Of the values that int8's ranges hold, in the conversion to be rescued.
        start: The clipping that the later steps begin with, in percent of values kept.
    """

    run: TrainingRun
    tuning: Samples
    validation: Samples
    count: int
    seed: int
    range_percentile: float
    start: float

    def calibration(self, count: int | None = None) -> RepresentativeSet:
        """Choose calibration pictures from the tuning part.

        Raises:
            DataError: There are too few.
        """
        return choose_representative(
            self.tuning, self.run.contract, count=count or self.count, seed=self.seed
        )

    def all(self) -> RepresentativeSet:
        """Return the whole tuning part."""
        counts = self.tuning.counts(self.run.contract.labels)
        untrimmed: Mapping[str, Any] = {"rule": "none", "left_out": {}}
        return RepresentativeSet(self.tuning, counts, self.seed, untrimmed)


def split_pool(conversion: Conversion) -> Material:
    """Read a conversion's pool again and part it."""
    plan = conversion.plan
    pictures = conversion.run.read_pictures(plan.calibration_data, seed=plan.seed)
    tuning, validation = hold_out(pictures.pool, seed=plan.seed)
    kept = plan.range_percentile
    count, seed = plan.calibration_count, plan.seed
    return Material(conversion.run, tuning, validation, count, seed, kept, kept)


def other_sizes(material: Material) -> Iterator[Candidate]:
    """Translate to int8 with other numbers of calibration pictures."""
    seen: set[int] = set()
    for representative in map(material.calibration, SIZES):
        if (count := len(representative.samples)) not in seen:
            seen.add(count)
            yield _translated(material, representative, Target.INT8)


def wide_activations(material: Material) -> Iterator[Candidate]:
    """Translate to int8 weights with 16-bit activations."""
    yield _translated(material, material.calibration(), Target.INT16X8)


def clip(material: Material) -> Iterator[Candidate]:
    """Cut the rarest activations off, at several percentiles; the worker does it."""
    yield from _requantise(material, material.calibration(), "clipping", PERCENTILES)


def fine_tune(material: Material) -> Iterator[Candidate]:
    """Train weights and ranges on with rounding in place; the worker does it."""
    options = {**TRAINING, "seed": material.seed}
    yield from _requantise(material, material.all(), "finetune", (material.start,), options)


def _translated(material: Material, representative: RepresentativeSet, target: Target) -> Candidate:
    """Return what TensorFlow's own calibration makes of some pictures."""
    options = {"percentile": material.range_percentile}
    job = material.run.job((target,), representative.pictures, options=options)
    settings = {"pictures": len(representative.samples)}
    done = translate(job)
    return Candidate(
        settings, target, done.flatbuffers[target], representative.to_json(), done.ranges
    )


def _requantise(
    material: Material,
    representative: RepresentativeSet,
    step: str,
    percentiles: Sequence[float],
    options: Mapping[str, Any] | None = None,
) -> Iterator[Candidate]:
    job = material.run.job(
        (Target.INT8,),
        representative.pictures,
        kind="requantise",
        options={"step": step, "percentiles": list(percentiles), **(options or {})},
        arrays={"validation": material.validation.pictures},
    )

    def read(folder: Path) -> list[Candidate]:
        variants = json.loads((folder / "variants.json").read_text(encoding="utf-8"))
        return [
            Candidate(
                {"pictures": len(representative.samples), **variant, **(options or {})},
                Target.INT8,
                (folder / f"{number}.tflite").read_bytes(),
                representative.to_json(),
                {key: variant[key] for key in _OF_RANGES if key in variant},
            )
            for number, variant in enumerate(variants)
        ]

    candidates, _ = run_worker(job, read)
    yield from candidates
