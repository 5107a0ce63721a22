"""First and third resort: the converter's own calibration, otherwise done."""

from collections.abc import Iterator
from typing import Final

from fer_convert.rescue.attempt import Candidate
from fer_convert.rescue.material import Material
from fer_convert.targets import Target
from fer_convert.translation import translate

SIZES: Final = (300, 1000, 2000)
"""Pictures to calibrate on; those of which there are not enough are tried once, with all."""


def other_sizes(material: Material) -> Iterator[Candidate]:
    """Translate to int8 with other numbers of calibration pictures."""
    seen: set[int] = set()
    for size in SIZES:
        representative = material.calibration(size)
        count = len(representative.samples)
        if count in seen:
            continue
        seen.add(count)
        job = material.run.job(
            (Target.INT8,),
            representative.pictures,
            options={"percentile": material.range_percentile},
        )
        yield Candidate({"pictures": count}, Target.INT8, translate(job).flatbuffers[Target.INT8])


def wide_activations(material: Material) -> Iterator[Candidate]:
    """Translate to int8 weights with 16-bit activations."""
    representative = material.calibration()
    job = material.run.job(
        (Target.INT16X8,),
        representative.pictures,
        options={"percentile": material.range_percentile},
    )
    flatbuffer = translate(job).flatbuffers[Target.INT16X8]
    yield Candidate({"pictures": len(representative.samples)}, Target.INT16X8, flatbuffer)
