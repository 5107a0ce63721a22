"""When each activation lives, and where it can lie in one block of memory."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fer_convert.file.flatbuffer import Graph, Operator, Tensor

ALIGNMENT: Final = 16
"""Of a tensor in TensorFlow Lite Micro's arena, in bytes."""

_BYTES: Final = {
    "BOOL": 1, "INT8": 1, "UINT8": 1, "INT16": 2, "UINT16": 2, "FLOAT16": 2, "BFLOAT16": 2,
    "INT32": 4, "UINT32": 4, "FLOAT32": 4, "INT64": 8, "UINT64": 8, "FLOAT64": 8,
    "COMPLEX64": 8, "COMPLEX128": 16,
}  # fmt: skip


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
