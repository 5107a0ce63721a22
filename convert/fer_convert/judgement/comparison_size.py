"""How many held-out pictures to compare on: all of them, unless that takes minutes."""

from collections.abc import Iterable
from typing import Final

from fer_convert.cost.layers import cost_table
from fer_convert.file.flatbuffer import Graph
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
    return max(LEAST, int(work // max(1, cost_table(graph).multiply_accumulates)))
