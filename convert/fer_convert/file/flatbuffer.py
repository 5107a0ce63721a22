"""A TFLite flatbuffer, read without an interpreter: its tensors and operators.

An interpreter shows a graph as its delegates have rewritten it, and aborts the process on some
broken ones. The file's own words are what is checked and described here.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ai_edge_litert import schema_py_generated as schema

from fer_convert.file.scopes import find_layer


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


_TYPES: Final = _names(schema.TensorType)
_OPERATORS: Final = _names(schema.BuiltinOperator)


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor.

    Attributes:
        name: As the converter called it; begins with the scope of its Keras layer.
        dtype: TFLite's name of it: "INT8", "FLOAT32", ...
        shape: With the batch; empty for a scalar.
        scales: One for the tensor, or one for each channel; empty where not quantised.
        zero_points: As many.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} ({self.dtype}{list(self.shape)})"


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator.

    Attributes:
        name: TFLite's name of it: "CONV_2D", ...; a custom one has its own after a colon.
        inputs: The tensors it reads.
        outputs: The tensors it writes.
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def __str__(self) -> str:
        return f"{self.name} that writes {', '.join(map(str, self.outputs))}"

    def describe(self, layers: Mapping[str, str]) -> str:
        """Return the operator and the layer that it comes from, where that is known.

        Args:
            layers: Class by name of the network's Keras layers.
        """
        layer = find_layer([tensor.name for tensor in (*self.inputs, *self.outputs)], layers)
        return f"{self} (from {layer})" if layer else str(self)


@dataclass(frozen=True, slots=True)
class Graph:
    """One subgraph; a network without loops and branches has only one.

    Attributes:
        tensors: All of them.
        operators: In the order of execution.
        inputs: The tensors that are fed.
        outputs: The tensors that are the answer.
    """

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def operator_counts(self) -> dict[str, int]:
        """Return how often each operator occurs, by name."""
        return dict(sorted(Counter(operator.name for operator in self.operators).items()))

    def writer_of(self, tensor: Tensor) -> Operator | None:
        """Return the operator that writes a tensor."""
        return next((o for o in self.operators if any(t is tensor for t in o.outputs)), None)


@dataclass(frozen=True, slots=True)
class Leftover:
    """An operator that scales or shifts whole channels, and so could be part of another.

    Attributes:
        operator: TFLite's name of it.
        tensor: What it writes.
        elements: How many numbers it computes.
    """

    operator: str
    tensor: str
    elements: int


def find_leftovers(graph: Graph) -> tuple[Leftover, ...]:
    """Return what folding has left: arithmetic with constants, and 1x1 depthwise convolutions."""
    written = {id(tensor) for operator in graph.operators for tensor in operator.outputs}
    written.update(id(tensor) for tensor in graph.inputs)

    def is_loose(operator: Operator) -> bool:
        if operator.name in ("MUL", "ADD", "SUB", "DIV"):
            return any(id(tensor) not in written for tensor in operator.inputs)
        return operator.name == "DEPTHWISE_CONV_2D" and operator.inputs[1].shape[1:3] == (1, 1)

    return tuple(
        Leftover(operator.name, tensor.name, math.prod(tensor.shape))
        for operator in graph.operators
        if is_loose(operator)
        for tensor in operator.outputs
    )


def read_graphs(flatbuffer: bytes) -> tuple[Graph, ...]:
    """Read every subgraph of a model; the first is the main one."""
    model = schema.ModelT.InitFromPackedBuf(flatbuffer)
    codes = [_operator_name(code) for code in model.operatorCodes]
    return tuple(_graph(subgraph, codes) for subgraph in model.subgraphs)


def _graph(subgraph: Any, codes: Sequence[str]) -> Graph:
    tensors = tuple(_tensor(tensor) for tensor in subgraph.tensors)

    def pick(indices: Any) -> tuple[Tensor, ...]:
        # An optional input that is left out has the index -1.
        return tuple(tensors[i] for i in indices if i >= 0) if indices is not None else ()

    operators = tuple(
        Operator(codes[operator.opcodeIndex], pick(operator.inputs), pick(operator.outputs))
        for operator in subgraph.operators
    )
    return Graph(tensors, operators, pick(subgraph.inputs), pick(subgraph.outputs))


def _tensor(tensor: Any) -> Tensor:
    quantisation = tensor.quantization
    scales = _values(quantisation.scale) if quantisation is not None else ()
    zero_points = _values(quantisation.zeroPoint) if quantisation is not None else ()
    return Tensor(
        name=tensor.name.decode(errors="replace"),
        dtype=_TYPES.get(tensor.type, str(tensor.type)),
        shape=tuple(int(n) for n in _values(tensor.shape)),
        scales=tuple(float(scale) for scale in scales),
        zero_points=tuple(int(zero) for zero in zero_points),
    )


def _values(array: Any) -> tuple[Any, ...]:
    return () if array is None else tuple(array)


def _operator_name(code: Any) -> str:
    # Operators beyond number 127 do not fit the older of the two fields.
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    name = _OPERATORS.get(number, str(number))
    return f"CUSTOM:{code.customCode.decode(errors='replace')}" if name == "CUSTOM" else name
