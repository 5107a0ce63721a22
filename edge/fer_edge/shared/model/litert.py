"""Expression classification with the TFLite runtime."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.model.contract import ModelContract, OutputSpec
from fer_edge.shared.model.interpreter import LitertNetwork, Tensor, refused
from fer_edge.shared.model.preprocess import prepare
from fer_edge.shared.records import Face, Image, Prediction

_CPU_INFO: Final = Path("/proc/cpuinfo")  # without it XNNPACK does not know the processor

_log = logging.getLogger(__name__)


class LitertClassifier(LitertNetwork):
    """Reads expressions with a model file, one face at a time.

    Faces go through one by one because a batch of four costs four times one: networks this
    small leave nothing to share. XNNPACK makes int8 networks many times as fast.
    """

    def warn_where_slow(self) -> None:
        """Log a warning with the reason where the runtime does without XNNPACK."""
        if self.accelerated is False:
            _log.warning("XNNPACK is off, so the network runs many times slower: %s", _why_off())

    def classify(self, picture: Image, faces: Sequence[Face]) -> list[Prediction]:
        """Return one prediction for each face.

        Args:
            picture: uint8, shape (H, W), or (H, W, 3) in blue, green, red.
            faces: In it; those that lean are turned upright.

        Raises:
            ModelError: The runtime fails over one.
        """
        return [self._classify_one(picture, face) for face in faces]

    def predict(self, pixels: Image) -> Prediction:
        """Return the prediction for one picture of the model's own `picture_shape` (uint8)."""
        return to_prediction(self.raw_output(pixels), self.contract)

    def _classify_one(self, picture: Image, face: Face) -> Prediction:
        prepare(picture, face, self.contract.input, self._input()[0])
        try:
            self.invoke()
        except RuntimeError as error:
            raise refused(self._model, error) from error
        return to_prediction(self._output()[0], self.contract)


def to_prediction(output: Tensor, contract: ModelContract) -> Prediction:
    """Turn an output tensor into probabilities.

    Args:
        output: Shape (outputs,), in the model's dtype.
        contract: Of the model.
    """
    probabilities = dequantise(output, contract.output)
    threshold = contract.threshold if contract.task == "binary" else None
    return Prediction(contract.labels, tuple(probabilities.tolist()), threshold)


def dequantise(output: Tensor, spec: OutputSpec) -> NDArray[np.float64]:
    """Return probabilities that sum to 1, with the contract's temperature applied.

    Args:
        output: Shape (outputs,) or (N, outputs), in the model's dtype.
        spec: The contract's output.

    Returns:
        float64, the same shape with one column a label.
    """
    values = (output.astype(np.float64) - spec.zero_point) * spec.scale
    if spec.kind == "sigmoid":
        values = np.concatenate([1 - values, values], axis=-1)
    if spec.temperature != 1.0:
        with np.errstate(over="ignore"):
            values = np.maximum(values, _least_probability(spec)) ** (1 / spec.temperature)
    values = np.maximum(values, 0.0)
    total = values.sum(axis=-1, keepdims=True)
    even = np.full_like(values, 1 / values.shape[-1])
    # A float network may answer what is no number, or beyond all bounds.
    np.divide(values, total, out=even, where=(total > 0) & np.isfinite(total))
    return even


def _least_probability(spec: OutputSpec) -> float:
    """Return what a probability of 0 stands for when a temperature is applied.

    In a quantised output 0 means less than half a step, and a temperature above 1 makes much of
    how much less. A 32nd of a step gives nearly the calibration that float outputs have; see
    docs/decisions/0009-temperature.md.
    """
    return 1e-9 if spec.dtype == "float32" else spec.scale / 32


def _why_off() -> str:
    if not _CPU_INFO.exists():
        return (
            f"{_CPU_INFO} cannot be read; in a systemd unit ProcSubset=pid hides it, use "
            "ProtectProc=invisible instead"
        )
    return (
        "the runtime was built without it, or it knows no kernel for this network or processor; "
        "update ai-edge-litert and convert the model with --int8"
    )
