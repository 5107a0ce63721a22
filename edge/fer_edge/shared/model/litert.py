"""Expression classification with the TFLite runtime."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.errors import DependencyError, ModelError
from fer_edge.shared.model.contract import ModelContract, OutputSpec, check_tensors
from fer_edge.shared.model.model_file import ModelFile
from fer_edge.shared.model.preprocess import prepare, quantise
from fer_edge.shared.records import Face, GreyImage, Prediction

Tensor: TypeAlias = NDArray[Any]

_CPU_INFO: Final = Path("/proc/cpuinfo")  # without it XNNPACK does not know the processor

_log = logging.getLogger(__name__)


class LitertClassifier:
    """Runs a model file with LiteRT (or tflite-runtime on 32-bit ARM), one face at a time.

    Faces go through one by one because a batch of four costs four times one: networks this
    small leave nothing to share. Pixels are written into the runtime's own input tensor, and its
    output is read where it lies.

    XNNPACK makes int8 networks many times as fast.

    Args:
        model: A model file, read and found whole.
        threads: Of the interpreter. One is fastest for networks this small.

    Raises:
        ModelError: The runtime refuses the model, or its tensors break the contract.
        DependencyError: There is no TFLite runtime, or one that does not fit numpy.

    Attributes:
        accelerated: Whether XNNPACK runs the network; None where the runtime does not tell.
        invoke: One inference of what was fed last, and nothing else; for measuring.
    """

    def __init__(self, model: ModelFile, *, threads: int = 1) -> None:
        self._model = model
        with _refusals(model):
            interpreter = load_interpreter(model.flatbuffer, threads=threads)
            inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
            self.accelerated = _has_delegate(interpreter)
        check_tensors(model.contract, inputs, outputs, where=model.path)
        self.invoke: Callable[[], None] = interpreter.invoke
        self._input: Callable[[], Tensor] = interpreter.tensor(inputs[0]["index"])
        self._output: Callable[[], Tensor] = interpreter.tensor(outputs[0]["index"])

    def warn_where_slow(self) -> None:
        """Log a warning with the reason where the runtime does without XNNPACK."""
        if self.accelerated is False:
            _log.warning("XNNPACK is off, so the network runs many times slower: %s", _why_off())

    @property
    def contract(self) -> ModelContract:
        """What the model promises."""
        return self._model.contract

    def classify(self, grey: GreyImage, faces: Sequence[Face]) -> list[Prediction]:
        """Return one prediction for each face.

        Args:
            grey: uint8, shape (H, W).
            faces: In it; those that lean are turned upright.
        """
        return [self._classify_one(grey, face) for face in faces]

    def raw_output(self, pixels: GreyImage) -> Tensor:
        """Run the network on one picture of the model's own size.

        Args:
            pixels: uint8, shape (height, width) of the contract.

        Returns:
            The output tensor without the batch axis, in the model's dtype; a copy.
        """
        quantise(pixels, self.contract.input, self._input()[0])
        self.invoke()
        output: Tensor = self._output()[0].copy()
        return output

    def predict(self, pixels: GreyImage) -> Prediction:
        """Return the prediction for one picture of the model's own size (uint8)."""
        return to_prediction(self.raw_output(pixels), self.contract)

    def _classify_one(self, grey: GreyImage, face: Face) -> Prediction:
        prepare(grey, face, self.contract.input, self._input()[0])
        self.invoke()
        return to_prediction(self._output()[0], self.contract)


def load_interpreter(flatbuffer: bytes, *, threads: int) -> Any:
    """Return the runtime's interpreter with its tensors allocated.

    Raises:
        DependencyError: There is no TFLite runtime.
        ValueError, RuntimeError: The runtime refuses the network.
    """
    interpreter = _interpreter_class()(model_content=flatbuffer, num_threads=threads)
    interpreter.allocate_tensors()
    return interpreter


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
        values = np.maximum(values, _least_probability(spec)) ** (1 / spec.temperature)
    values = np.maximum(values, 0.0)
    total = values.sum(axis=-1, keepdims=True)
    even = np.full_like(values, 1 / values.shape[-1])
    np.divide(values, total, out=even, where=total > 0)
    return even


def _least_probability(spec: OutputSpec) -> float:
    """Return what a probability of 0 stands for when a temperature is applied.

    In a quantised output 0 means less than half a step, and a temperature above 1 makes much of
    how much less. A 32nd of a step gives nearly the calibration that float outputs have; see
    docs/decisions/0009-temperature.md.
    """
    return 1e-9 if spec.dtype == "float32" else spec.scale / 32


@contextmanager
def _refusals(model: ModelFile) -> Iterator[None]:
    """Turn what the runtime raises over a model, its tensors' names included, into our error."""
    try:
        yield
    except ImportError as error:
        raise _unfit(str(error)) from error
    except (ValueError, RuntimeError) as error:
        raise ModelError(
            f"{model.path}: the TFLite runtime refuses the model ({' '.join(str(error).split())})",
            expected="a model of built-in operators that this runtime knows",
            fix="convert it again, or update ai-edge-litert",
        ) from error


def _has_delegate(interpreter: Any) -> bool | None:
    """Return whether a delegate (XNNPACK is the only default one) took over part of the graph."""
    list_operators = getattr(interpreter, "_get_ops_details", None)
    if list_operators is None:
        return None
    return any(operator["op_name"] == "DELEGATE" for operator in list_operators())


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


def _interpreter_class() -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - costs 0.2 s
    except ModuleNotFoundError:
        try:
            from tflite_runtime.interpreter import Interpreter  # noqa: PLC0415
        except ImportError as error:
            raise _unfit("neither ai_edge_litert nor tflite_runtime is installed") from error
    except ImportError as error:
        raise _unfit(str(error)) from error
    return Interpreter


def _unfit(found: str) -> DependencyError:
    return DependencyError(
        f"no usable TFLite runtime ({found})",
        expected="ai-edge-litert (64-bit), or tflite-runtime with numpy<2 (32-bit ARM)",
        fix="install fer-edge again: `pip install --force-reinstall fer-edge`",
    )
