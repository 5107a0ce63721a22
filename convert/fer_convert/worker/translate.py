"""From a Keras network to a TFLite flatbuffer."""

import re
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fer_convert.file.scopes import find_layer
from fer_convert.source.job import ONNX_NAME, Job, write_moves, write_ranges
from fer_convert.targets import Target
from fer_convert.worker.bias import correct_biases
from fer_convert.worker.clipping import to_clipped_flatbuffer
from fer_convert.worker.folding import fold_batch_norms
from fer_convert.worker.network import for_one_picture
from fer_convert.worker.onnx_export import write_onnx
from fer_convert.worker.simulated import SimulatedNetwork
from fer_edge.shared.data.samples import with_channels
from fer_edge.shared.errors import ModelError

_NO_BUILTIN: Final = re.compile(r"(?:TF Select|Custom) ops: ([\w, ]+)")
_SCOPE: Final = re.compile(r'"([\w./-]+)@__inference')
_OPS: Final = tf.lite.OpsSet
_INTEGER: Final = {
    Target.INT8: (_OPS.TFLITE_BUILTINS_INT8, tf.int8),
    Target.INT16X8: (
        _OPS.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8, tf.int16,
    ),
}  # fmt: skip
"""The operators of targets that compute in integers, and the type of input and output."""


def versions() -> dict[str, str]:
    """Return the versions of the packages that decide what comes out."""
    return {name: version(name) for name in ("tensorflow", "keras")}


def perform(network: Any, job: Job, folder: Path) -> None:
    """Translate a network to every target, each into a file of the job's folder.

    Options: `percentile`, of the values of every activation that int8's ranges hold; 100 leaves
    them, and all biases, to the converter. `onnx`, whether to write that, too.
    """
    network, moves = fold_batch_norms(network, job.pictures)
    write_moves(moves, folder)
    for target in job.targets:
        if target is Target.INT8:
            flatbuffer, ranges = _to_int8(network, job)
            write_ranges(ranges, folder)
        else:
            given = _corrected(network, job) if target is Target.INT16X8 else network
            flatbuffer = to_flatbuffer(given, target, job.pictures, where=job.model)
        (folder / target.file_name).write_bytes(flatbuffer)
    if job.options.get("onnx"):
        write_onnx(network, folder / ONNX_NAME, where=job.model)


def _to_int8(network: Any, job: Job) -> tuple[bytes, dict[str, Any]]:
    """Return int8 and how its ranges were found: set by rule wherever that can be."""
    percentile, reason = job.options.get("percentile", 100.0), ""
    if percentile < 100:
        try:
            flatbuffer, correction = to_clipped_flatbuffer(
                network, job.pictures, percentile=percentile, where=job.model
            )
        except ModelError as error:
            reason = error.found
        else:
            return flatbuffer, {"percentile": percentile, **correction}
    plain = to_flatbuffer(network, Target.INT8, job.pictures, where=job.model)
    return plain, {"percentile": 100.0, **({"because": reason} if reason else {})}


def _corrected(network: Any, job: Job) -> Any:
    """Return a network whose biases make up for rounded weights, wherever that can be."""
    if job.options.get("percentile", 100.0) == 100.0:
        return network
    try:
        simulated = SimulatedNetwork(network, job.pictures)
    except ModelError:
        return network
    correct_biases(simulated, job.pictures, activations=False)
    simulated.activate(False)
    return simulated.model


def to_flatbuffer(
    network: Any, target: Target, pictures: NDArray[np.uint8], *, where: Path
) -> bytes:
    """Translate a network.

    Args:
        network: Loaded and checked.
        target: What to translate it to.
        pictures: To calibrate on; uint8, shape (N, height, width).
        where: The network's file, for messages.

    Raises:
        ModelError: The converter refuses the network; the message names the layer.
    """
    # Not from_concrete_functions: with Keras 3 it silently leaves the weights out.
    converter = tf.lite.TFLiteConverter.from_keras_model(for_one_picture(network))
    _configure(converter, target, pictures)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bytes(converter.convert())
    except Exception as error:  # TensorFlow raises many kinds, all mean this
        raise _refusal(str(error), network, target, where) from error


def _configure(converter: Any, target: Target, pictures: NDArray[np.uint8]) -> None:
    """Ask for a target; float32 is what the converter does unasked."""
    if target is not Target.FLOAT32:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if target is Target.FLOAT16:  # stored in half the bytes, computed with as float32
        converter.target_spec.supported_types = [tf.float16]
    if target.is_integer:  # weights, activations, input and output, and nothing else
        converter.representative_dataset = lambda: (
            [picture[np.newaxis].astype(np.float32)] for picture in with_channels(pictures)
        )
        operators, dtype = _INTEGER[target]
        converter.target_spec.supported_ops = [operators]
        converter.inference_input_type = converter.inference_output_type = dtype


def _refusal(message: str, network: Any, target: Target, where: Path) -> ModelError:
    operators = _NO_BUILTIN.search(message)
    operations = getattr(network, "operations", network.layers)
    kinds = {operation.name: type(operation).__name__ for operation in operations}
    layer = find_layer(_SCOPE.findall(message), kinds) or "the network"
    reason = (
        f"no TFLite operator for {operators.group(1).strip()}"
        if operators
        else (" ".join(message.split()) or "no reason given")[-300:]
    )
    return ModelError(
        f"{where}: {layer} cannot be converted to {target} ({reason})",
        expected="layers that TFLite has built-in operators for",
        fix="replace the layer in the recipe and train again",
    )
