"""Rescue a network from the losses of int8: clip ranges, or train on."""

import json
from pathlib import Path
from typing import Any, Final

from fer_convert.source.job import Job
from fer_convert.worker.bias import correct_biases
from fer_convert.worker.clipping import clipped_ranges, simulated_to_flatbuffer
from fer_convert.worker.finetune import fine_tune
from fer_convert.worker.simulated import SimulatedNetwork

VARIANTS: Final = "variants.json"


def perform(network: Any, job: Job, folder: Path) -> None:
    """Write one int8 flatbuffer for each variant that `job.options` names.

    Options: `step` is "clipping" or "finetune"; `percentiles` are those tried ("clipping") or the
    one started from. Training takes `epochs`, `rate`, `batch` and `seed`, and the array
    `validation`, pictures that choose the epoch.
    """
    variants = []
    for number, percentile in enumerate(job.options["percentiles"]):
        simulated = SimulatedNetwork(network, job.pictures)
        simulated.set_ranges(clipped_ranges(simulated, job.pictures, percentile=percentile))
        details: dict[str, Any] = {"percentile": percentile}
        if job.options["step"] == "clipping":
            details |= correct_biases(simulated, job.pictures)
        else:  # which moves the biases, too
            details |= fine_tune(simulated, job.pictures, job.arrays["validation"], job.options)
        data = simulated_to_flatbuffer(simulated, where=job.model)
        (folder / f"{number}.tflite").write_bytes(data)
        variants.append(details)
    (folder / VARIANTS).write_text(json.dumps(variants), encoding="utf-8")
