"""Arithmetic and memory of one inference, operator by operator."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from fer_convert.file.flatbuffer import Graph, Operator, Tensor
from fer_convert.file.scopes import find_layer

ALIGNMENT: Final = 16
"""Of a tensor in TensorFlow Lite Micro's arena, in bytes."""

_BYTES: Final = {
    "BOOL": 1, "INT8": 1, "UINT8": 1, "INT16": 2, "UINT16": 2, "FLOAT16": 2, "BFLOAT16": 2,
    "INT32": 4, "UINT32": 4, "FLOAT32": 4, "INT64": 8, "UINT64": 8, "FLOAT64": 8,
    "COMPLEX64": 8, "COMPLEX128": 16,
}  # fmt: skip
_WEIGHTED: Final = ("Conv2D", "Dense")
_NO_LAYER: Final = re.compile(r"(simulated|network|functional|StatefulPartitionedCall)(_\d+)?(:|$)")


def tensor_bytes(tensor: Tensor) -> int:
    """Return how many bytes a tensor's numbers take; half a byte each for INT4."""
    numbers = math.prod(tensor.shape)
    return (numbers + 1) // 2 if tensor.dtype == "INT4" else numbers * _BYTES[tensor.dtype]


@dataclass(frozen=True, slots=True)
class Lifetime:
    """An activation, and the operators between which it must not be overwritten.

    Attributes:
        tensor: The activation.
        first: Number of the operator that writes it; -1 for the network's input.
        last: Number of the last operator that reads it; one past the end for its output.
    """

    tensor: Tensor
    first: int
    last: int

    def overlaps(self, other: "Lifetime") -> bool:
        """Whether both are needed at one time."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an activation lies.

    Attributes:
        lifetime: What lies there, and when.
        offset: Its first byte.
        size: Its bytes, rounded up to the alignment.
    """

    lifetime: Lifetime
    offset: int
    size: int

    @property
    def end(self) -> int:
        """The byte behind its last."""
        return self.offset + self.size


def lifetimes(graph: Graph) -> tuple[Lifetime, ...]:
    """Return every activation of a graph, in the order of creation.

    What depends on constants alone is none: float16 weights, which are unpacked only once.
    """
    first = {id(tensor): -1 for tensor in graph.inputs}
    last: dict[int, int] = {}
    tensors = list(graph.inputs)
    for number, operator in enumerate(graph.operators):
        if not any(id(tensor) in first for tensor in operator.inputs):
            continue
        for tensor in operator.inputs:
            last[id(tensor)] = number
        for tensor in operator.outputs:
            first[id(tensor)] = number
            last[id(tensor)] = number
            tensors.append(tensor)
    last.update((id(tensor), len(graph.operators)) for tensor in graph.outputs)
    return tuple(
        Lifetime(tensor, first[id(tensor)], last.get(id(tensor), -1)) for tensor in tensors
    )


def live_bytes(alive: Sequence[Lifetime], number: int) -> int:
    """Return the bytes of all activations needed while one operator runs."""
    return sum(tensor_bytes(life.tensor) for life in alive if life.first <= number <= life.last)


def plan_memory(alive: Sequence[Lifetime]) -> tuple[Placement, ...]:
    """Lay activations into one block: the largest first, each into the first gap that fits.

    Of equal ones the last created goes first, because TensorFlow Lite Micro's planner does so;
    the block is as long as there, although another order would at times be shorter.

    Source: Pisarchyk and Lee, Efficient Memory Management for Deep Neural Net Inference, 2020,
    "greedy by size".
    """
    placed: list[Placement] = []
    for life in sorted(alive, key=lambda life: (-tensor_bytes(life.tensor), -life.first)):
        size = aligned(tensor_bytes(life.tensor))
        offset = 0
        for other in sorted(placed, key=lambda placement: placement.offset):
            if not other.lifetime.overlaps(life):
                continue
            if other.offset - offset >= size:
                break
            offset = max(offset, other.end)
        placed.append(Placement(life, offset, size))
    return tuple(placed)


def planned_bytes(plan: Sequence[Placement]) -> int:
    """Return how long the block has to be."""
    return max((placement.end for placement in plan), default=0)


def weights_of(graph: Graph, operator: Operator) -> tuple[Tensor, ...]:
    """Return the weights and biases that an operator reads; shapes and axes are neither."""
    written = {id(tensor) for other in graph.operators for tensor in other.outputs}
    written.update(id(tensor) for tensor in graph.inputs)
    return tuple(
        tensor
        for tensor in operator.inputs
        if id(tensor) not in written and (tensor.scales or "FLOAT" in tensor.dtype)
    )


def aligned(size: int) -> int:
    """Return a size rounded up to the alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One operator.

    Attributes:
        layer: The Keras layer it came from, or the name of its output where that is unknown.
        operator: TFLite's name of it.
        output: Shape of what it writes.
        multiply_accumulates: Of convolutions and dense layers; 0 for others.
        parameters: Numbers in its weights and biases.
        weight_bytes: What these take.
        live_bytes: All activations that are needed while it runs.
    """

    layer: str
    operator: str
    output: tuple[int, ...]
    multiply_accumulates: int
    parameters: int
    weight_bytes: int
    live_bytes: int


@dataclass(frozen=True, slots=True)
class CostTable:
    """One inference.

    Attributes:
        layers: In the order of execution.
        multiply_accumulates: Of all.
        parameters: Numbers in weights and biases; what two operators share counts once.
        weight_bytes: What these take.
        peak_activation_bytes: The most that has to be kept at one time.
        planned_activation_bytes: The block that holds all activations, as a greedy plan lays them.
    """

    layers: tuple[LayerCost, ...]
    multiply_accumulates: int
    parameters: int
    weight_bytes: int
    peak_activation_bytes: int
    planned_activation_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Return the table."""
        return {
            **{key: value for key, value in asdict(self).items() if key != "layers"},
            "layers": [{**asdict(layer), "output": list(layer.output)} for layer in self.layers],
        }


def cost_table(graph: Graph, kinds: Mapping[str, str] | None = None) -> CostTable:
    """Count what one inference of a graph costs.

    Args:
        graph: As read from the flatbuffer, and so as it will run.
        kinds: Class by name of the network's Keras layers.
    """
    alive = lifetimes(graph)
    weights = [weights_of(graph, operator) for operator in graph.operators]
    layers = tuple(
        LayerCost(
            layer_name(operator, kinds or {}),
            operator.name,
            operator.outputs[0].shape if operator.outputs else (),
            multiply_accumulates(operator),
            sum(math.prod(tensor.shape) for tensor in own),
            sum(map(tensor_bytes, own)),
            live_bytes(alive, number),
        )
        for number, (operator, own) in enumerate(zip(graph.operators, weights, strict=True))
    )
    distinct = {id(tensor): tensor for own in weights for tensor in own}.values()
    return CostTable(
        layers,
        sum(layer.multiply_accumulates for layer in layers),
        sum(math.prod(tensor.shape) for tensor in distinct),
        sum(map(tensor_bytes, distinct)),
        max((layer.live_bytes for layer in layers), default=0),
        planned_bytes(plan_memory(alive)),
    )


def multiply_accumulates(operator: Operator) -> int:
    """Return the multiply-accumulates of a convolution or dense layer; 0 for other operators."""
    if operator.name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        return 0
    weights, written = operator.inputs[1].shape, operator.outputs[0].shape
    if operator.name == "FULLY_CONNECTED":
        return math.prod(weights)
    # Filters: (out, rows, columns, in), or (1, rows, columns, out) for each channel by itself.
    per_number = weights[1:] if operator.name == "CONV_2D" else weights[1:3]
    return math.prod(written) * math.prod(per_number)


def layer_name(operator: Operator, kinds: Mapping[str, str]) -> str:
    """Return the Keras layer an operator came from, or its output's name where that is unknown."""
    written = [tensor.name for tensor in operator.outputs]
    if multiply_accumulates(operator):
        # A fused activation gives its name to the output, too; the one with the weights is meant.
        weights = [tensor.name for tensor in operator.inputs[1:2] if tensor.scales]
        weighted = {name: kind for name, kind in kinds.items() if kind.endswith(_WEIGHTED)}
        found = find_layer([*weights, *written], weighted)
        if found:
            return found
    return find_layer(written, kinds) or ", ".join(map(_readable, written))


def _readable(name: str) -> str:
    """Take off what TensorFlow wraps round a name."""
    scopes = name.split(";", maxsplit=1)[0].split("/")
    own = [scope for scope in scopes if not _NO_LAYER.match(scope)]
    return own[0] if own else "output"
