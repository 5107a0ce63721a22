"""A network in the TFLite runtime, fed and asked as it is: no pictures, no labels."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.errors import DependencyError, ModelError
from fer_edge.shared.installing import MADE_ANEW
from fer_edge.shared.model.contract import ModelContract, check_tensors
from fer_edge.shared.model.model_file import ModelFile
from fer_edge.shared.model.tensors import quantise

Tensor: TypeAlias = NDArray[Any]


class LitertNetwork:
    """Runs a model file's network with LiteRT (or tflite-runtime on 32-bit ARM).

    Pixels are written into the runtime's own input tensor, and its output is read where it lies.
    Needs no OpenCV, so that a process that only tries a model starts quickly.

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
        interpreter_class = load_runtime()
        with _refusals(model):
            interpreter = interpreter_class(model_content=model.flatbuffer, num_threads=threads)
            interpreter.allocate_tensors()
            inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
            self.accelerated = _has_delegate(interpreter)
        check_tensors(model.contract, inputs, outputs, where=model.path)
        self.invoke: Callable[[], None] = interpreter.invoke
        self._input: Callable[[], Tensor] = interpreter.tensor(inputs[0]["index"])
        self._output: Callable[[], Tensor] = interpreter.tensor(outputs[0]["index"])

    @property
    def contract(self) -> ModelContract:
        """What the model promises."""
        return self._model.contract

    @property
    def model_sha256(self) -> str:
        """SHA-256 of the model's file; "" where it was never in one."""
        return self._model.sha256

    def raw_output(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Run the network on one picture of the model's own size.

        Args:
            pixels: uint8, of the contract's `picture_shape`.

        Returns:
            The output tensor without the batch axis, in the model's dtype; a copy.

        Raises:
            ModelError: The runtime fails over it.
        """
        with _refusals(self._model):
            quantise(pixels, self.contract.input, self._input()[0])
            self.invoke()
            output: Tensor = self._output()[0].copy()
        return output


@contextmanager
def _refusals(model: ModelFile) -> Iterator[None]:
    """Turn what the runtime raises over a model, its tensors' names included, into our error."""
    try:
        yield
    except ImportError as error:
        raise _unfit(str(error)) from error
    except (ValueError, RuntimeError) as error:
        raise refused(model, error) from error


def refused(model: ModelFile, error: Exception) -> ModelError:
    """Return what is wrong with a model over which the runtime raised an error."""
    why = " ".join(str(error).split()) or "without a reason; perhaps it needs more memory"
    return ModelError(
        f"{model.path}: the TFLite runtime refuses the model ({why})",
        expected="a model of built-in operators that this runtime knows",
        fix="convert it again, or update ai-edge-litert",
    )


def _has_delegate(interpreter: Any) -> bool | None:
    """Return whether a delegate (XNNPACK is the only default one) took over part of the graph."""
    list_operators = getattr(interpreter, "_get_ops_details", None)
    if list_operators is None:
        return None
    return any(operator["op_name"] == "DELEGATE" for operator in list_operators())


def load_runtime() -> Any:
    """Import the runtime; return its class of interpreters.

    Raises:
        DependencyError: There is none, or one that does not fit numpy.
    """
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
        fix=MADE_ANEW,
    )
