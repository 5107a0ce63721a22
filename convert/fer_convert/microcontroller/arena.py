"""How long TensorFlow Lite Micro's arena has to be for a model."""

import math
from typing import Final

from fer_convert.cost.memory import lifetimes, plan_memory, planned_bytes, weights_of
from fer_convert.file.flatbuffer import Graph

# Sizes of TensorFlow Lite Micro's own records on a 64-bit machine; smaller with 32-bit pointers.
_TENSOR: Final = 24
_OPERATOR: Final = 64
_OPERATOR_DATA: Final = 128
_CHANNEL: Final = 8  # a multiplier and a shift for each channel of a convolution
_FIXED: Final = 2048  # interpreter, planner, input and output as full tensors


def estimate_arena(graph: Graph) -> int:
    """Return how many bytes of arena a model needs with the portable kernels.

    The block of activations as `plan_memory` lays it, and an upper bound of the records beside
    it. Optimised kernels ask for scratch memory on top, as much as they choose.
    """
    channels = sum(
        max((math.prod(tensor.shape) for tensor in weights_of(graph, operator)[1:]), default=0)
        for operator in graph.operators
        if operator.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
    )
    records = (
        _FIXED
        + _TENSOR * len(graph.tensors)
        + (_OPERATOR + _OPERATOR_DATA) * len(graph.operators)
        + _CHANNEL * channels
    )
    return planned_bytes(plan_memory(lifetimes(graph))) + records
