"""Is a converted network what it was asked to be? Checked by tensor and by operator."""

import math
from collections.abc import Iterable, Mapping
from typing import Final

from fer_convert.file.flatbuffer import Graph, Operator, Tensor
from fer_convert.targets import Target
from fer_edge.shared.errors import ModelError
from fer_edge.shared.model.contract import ModelContract

INT8_TENSORS: Final = frozenset({"INT8", "INT32"})
"""INT32 holds biases and shapes; both are exact."""

INT16X8_TENSORS: Final = INT8_TENSORS | {"INT16", "INT64"}
"""Biases of 16-bit activations are INT64."""

_BRIDGES: Final = frozenset({"QUANTIZE", "DEQUANTIZE"})
_VARIABLES: Final = frozenset({"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"})
_PIXELS: Final = {Target.INT8: (1.0, -128), Target.INT16X8: (255 / 32767, 0)}
"""Scale and zero point of the input where a network takes pixels of 0 to 255."""

_LAST: Final = {"softmax": "SOFTMAX", "sigmoid": "LOGISTIC"}


def check_purity(
    graphs: Iterable[Graph],
    target: Target,
    contract: ModelContract,
    *,
    layers: Mapping[str, str],
    where: str,
) -> None:
    """Check a converted network.

    Args:
        graphs: Its subgraphs, the main one first.
        target: What it was asked to be.
        contract: Of the network.
        layers: Class by name of the Keras layers, for messages.
        where: Its file, for messages.

    Raises:
        ModelError: A tensor or operator is not of the kind asked for; the message names it and
            its layer.
    """
    main, *others = graphs
    for operator in (operator for graph in (main, *others) for operator in graph.operators):
        fault = _fault_of(operator, target)
        if fault is not None:
            raise _impure(operator, fault, layers, where)
    if target.is_integer:
        for tensor in (tensor for graph in (main, *others) for tensor in graph.tensors):
            _check_tensor(tensor, target, where)
        _check_pixels(main, _PIXELS[target], where)
    _check_answer(main, contract, where)


def _fault_of(operator: Operator, target: Target) -> str | None:
    if operator.name in _VARIABLES:
        return "keeps its weights outside the file"
    if operator.name == "SHAPE":
        return "computes a shape at run time, which splits the network for the device's delegate"
    if operator.name.startswith("CUSTOM"):
        return "is not built into TFLite"
    if target.is_integer and operator.name in _BRIDGES:
        return f"leaves {target} on the way"
    return None


def _impure(operator: Operator, fault: str, layers: Mapping[str, str], where: str) -> ModelError:
    return ModelError(
        f"{where}: operator {operator.describe(layers)} {fault}",
        expected="built-in operators only, weights as constants, and for int8 neither QUANTIZE "
        "nor DEQUANTIZE",
        fix="replace the layer in the recipe and train again",
    )


def _check_tensor(tensor: Tensor, target: Target, where: str) -> None:
    allowed = INT8_TENSORS if target is Target.INT8 else INT16X8_TENSORS
    if tensor.dtype not in allowed:
        raise ModelError(
            f"{where}: tensor {tensor} is not {target}",
            expected="tensors of " + " and ".join(sorted(allowed)) + " only",
            fix="replace the layer that it comes from in the recipe and train again",
        )


def _check_pixels(graph: Graph, expected: tuple[float, int], where: str) -> None:
    """Check that the device may feed raw pixels: `pixel ^ 0x80` for int8."""
    scale, zero_point = expected
    for tensor in graph.inputs:
        exact = len(tensor.scales) == 1 and math.isclose(tensor.scales[0], scale, rel_tol=1e-6)
        if not exact or tensor.zero_points != (zero_point,):
            raise ModelError(
                f"{where}: input {tensor} has scale {_format(tensor.scales)} and zero point "
                f"{_format(tensor.zero_points)}",
                expected=f"scale {scale:g} and zero point {zero_point}, so that raw pixels are fed",
                fix="begin the network with a Rescaling layer that takes pixels of 0 to 255",
            )


def _check_answer(graph: Graph, contract: ModelContract, where: str) -> None:
    """Check that the network ends in probabilities, and in those that the contract names."""
    expected = _LAST[contract.output.kind]
    for tensor in graph.outputs:
        writer = graph.writer_of(tensor)
        if writer is None or writer.name != expected:
            raise ModelError(
                f"{where}: the network ends with {f'operator {writer}' if writer else tensor}",
                expected=f"{expected}, because its contract says {contract.output.kind}",
                fix=f"end the network with a layer of activation {contract.output.kind!r}",
            )


def _format(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values) or "none"
