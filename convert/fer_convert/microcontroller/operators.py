"""Which operators TensorFlow Lite Micro computes in int8, and the call that registers each.

Source: `PythonOpsResolver` of github.com/tensorflow/tflite-micro, revision 85e19ddd4581
(python/tflite_micro/python_ops_resolver.cc), which calls every registration of
`MicroMutableOpResolver`. Left out: operators whose kernels take floats alone, those that keep
variables or call another subgraph, and the custom ones of signal processing.
"""

from collections.abc import Mapping
from typing import Final

from fer_convert.file.flatbuffer import Graph
from fer_edge.shared.errors import ModelError

_COMPUTED: Final = frozenset({
    "ABS", "ADD", "ADD_N", "ARG_MAX", "ARG_MIN", "AVERAGE_POOL_2D", "BATCH_MATMUL",
    "BATCH_TO_SPACE_ND", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE", "ELU",
    "EXPAND_DIMS", "FULLY_CONNECTED", "GATHER", "HARD_SWISH", "L2_NORMALIZATION", "LEAKY_RELU",
    "LOGISTIC", "LOG_SOFTMAX", "MAXIMUM", "MAX_POOL_2D", "MEAN", "MINIMUM", "MIRROR_PAD", "MUL",
    "PACK", "PAD", "PADV2", "PRELU", "REDUCE_MAX", "RELU", "RELU6", "RESHAPE", "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR", "RSQRT", "SLICE", "SOFTMAX", "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH",
    "SPLIT", "SPLIT_V", "SQUARED_DIFFERENCE", "SQUEEZE", "STRIDED_SLICE", "SUB", "SUM", "TANH",
    "TRANSPOSE", "TRANSPOSE_CONV", "UNPACK",
})  # fmt: skip
_OWN_CALLS: Final = {"BATCH_MATMUL": "AddBatchMatMul", "PADV2": "AddPadV2"}
"""Of operators whose call is not named after them word by word."""


def registrations_for(graph: Graph, kinds: Mapping[str, str], *, where: str) -> tuple[str, ...]:
    """Return the calls that a resolver needs for a graph, in alphabetical order.

    Args:
        graph: Of an int8 model.
        kinds: Class by name of the network's Keras layers.
        where: What an error calls the model.

    Raises:
        ModelError: An operator that TensorFlow Lite Micro does not compute in int8.
    """
    for operator in graph.operators:
        if operator.name not in _COMPUTED:
            raise ModelError(
                f"{where}: operator {operator.describe(kinds)} is not computed in int8 by "
                "TensorFlow Lite Micro",
                expected="operators that its resolver can register",
                fix="replace the layer in the recipe and train again, or convert without --c-array",
            )
    return tuple(sorted({registration(operator.name) for operator in graph.operators}))


def registration(operator: str) -> str:
    """Return the call that registers an operator."""
    return _OWN_CALLS.get(operator, "Add" + operator.title().replace("_", ""))
