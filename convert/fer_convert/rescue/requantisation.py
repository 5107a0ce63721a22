"""Ranges set by rule, weights trained on: each done by the worker process."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from fer_convert.rescue.attempt import Candidate
from fer_convert.rescue.material import Material
from fer_convert.targets import Target
from fer_convert.translation import run_worker

PERCENTILES: Final = (100.0, 99.999, 99.99, 99.9, 99.5)
"""Values of a tensor that its range keeps, in percent; the rest is clipped."""

TRAINING: Final[Mapping[str, Any]] = {"epochs": 6, "rate": 1e-4, "batch": 32}


def clip(material: Material) -> Iterator[Candidate]:
    """Cut the rarest activations off, at several percentiles."""
    pictures = material.calibration().pictures
    yield from _requantise(material, pictures, "clipping", PERCENTILES)


def fine_tune(material: Material) -> Iterator[Candidate]:
    """Train weights and ranges on with rounding in place."""
    options = {**TRAINING, "seed": material.seed}
    yield from _requantise(
        material, material.tuning.pictures, "finetune", (material.start,), options
    )


def _requantise(
    material: Material,
    pictures: NDArray[Any],
    step: str,
    percentiles: Sequence[float],
    options: Mapping[str, Any] | None = None,
) -> Iterator[Candidate]:
    job = material.run.job(
        (Target.INT8,),
        pictures,
        kind="requantise",
        options={"step": step, "percentiles": list(percentiles), **(options or {})},
        arrays={"validation": material.validation.pictures},
    )

    def read(folder: Path) -> list[Candidate]:
        variants = json.loads((folder / "variants.json").read_text(encoding="utf-8"))
        return [
            Candidate(
                {"pictures": len(pictures), **variant, **(options or {})},
                Target.INT8,
                (folder / f"{number}.tflite").read_bytes(),
            )
            for number, variant in enumerate(variants)
        ]

    candidates, _ = run_worker(job, read)
    yield from candidates
