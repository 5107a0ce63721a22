"""How many held-out pictures to compare on: all of them, unless that takes minutes."""

import math
from collections.abc import Iterable
from typing import Final

from fer_convert.flatbuffer import Graph, Operator
from fer_convert.targets import Target

WORK: Final = 4e12
"""Multiply-accumulates that one target's comparison may cost; half a minute on two cores."""

WORK_INT16X8: Final = 1e11
"""The same where the runtime has no fast kernels: int8 weights with 16-bit activations."""

LEAST: Final = 500
"""Fewer say too little of an accuracy."""


def pictures_to_compare(graph: Graph, targets: Iterable[Target]) -> int:
    """Return how many pictures fit the work allowed.

    Args:
        graph: Of any target; all compute the same.
        targets: To be compared, on the same pictures.
    """
    work = WORK_INT16X8 if Target.INT16X8 in targets else WORK
    return max(LEAST, int(work // max(1, multiply_accumulates(graph))))


def multiply_accumulates(graph: Graph) -> int:
    """Return the multiply-accumulates of one inference; convolutions and dense layers only."""
    return sum(map(_work_of, graph.operators))


def _work_of(operator: Operator) -> int:
    if operator.name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        return 0
    weights, written = operator.inputs[1].shape, operator.outputs[0].shape
    if operator.name == "FULLY_CONNECTED":
        return math.prod(weights)
    # Filters: (out, rows, columns, in), or (1, rows, columns, out) for each channel by itself.
    per_number = weights[1:] if operator.name == "CONV_2D" else weights[1:3]
    return math.prod(written) * math.prod(per_number)
