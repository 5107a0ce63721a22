"""Rescue a network from the losses of int8: clip ranges, correct biases, or train on."""

import json
from pathlib import Path
from typing import Any, Final

import tensorflow as tf

from fer_convert.worker.bias import correct_biases
from fer_convert.worker.clipping import clipped_ranges
from fer_convert.worker.finetune import fine_tune
from fer_convert.worker.job import Job
from fer_convert.worker.network import for_one_picture
from fer_convert.worker.simulated import SimulatedNetwork
from fer_edge.errors import ModelError

VARIANTS: Final = "variants.json"


def perform(network: Any, job: Job, folder: Path) -> None:
    """Write one int8 flatbuffer for each variant that `job.options` names.

    Options: `step` is "clipping", "bias" or "finetune"; `percentiles` are those tried ("clipping")
    or the one started from. Training takes `epochs`, `rate`, `batch` and `seed`, and the array
    `validation`, pictures that choose the epoch.
    """
    variants = []
    for number, percentile in enumerate(job.options["percentiles"]):
        simulated = SimulatedNetwork(network, job.pictures)
        simulated.set_ranges(clipped_ranges(simulated, job.pictures, percentile=percentile))
        details: dict[str, Any] = {"percentile": percentile}
        if job.options["step"] == "bias":
            details |= correct_biases(simulated, job.pictures)
        elif job.options["step"] == "finetune":
            details |= fine_tune(simulated, job.pictures, job.arrays["validation"], job.options)
        data = _to_flatbuffer(simulated, where=job.model)
        (folder / f"{number}.tflite").write_bytes(data)
        variants.append(details)
    (folder / VARIANTS).write_text(json.dumps(variants), encoding="utf-8")


def _to_flatbuffer(simulated: SimulatedNetwork, *, where: Path) -> bytes:
    simulated.activate_for_export()
    converter = tf.lite.TFLiteConverter.from_keras_model(for_one_picture(simulated.model))
    # No calibration: the ranges in the network are all there are. Purity is checked afterwards.
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    try:
        return bytes(converter.convert())
    except Exception as error:  # TensorFlow raises many kinds, all mean this
        raise ModelError(
            f"{where} with set ranges cannot be converted ({' '.join(str(error).split())[-200:]})",
            expected="layers that TFLite has int8 operators for",
            fix="convert it without --rescue",
        ) from error
