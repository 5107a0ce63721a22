"""Which operators TensorFlow Lite Micro computes in int8, and the call that registers each.

Source: `PythonOpsResolver` of github.com/tensorflow/tflite-micro, revision 85e19ddd4581
(python/tflite_micro/python_ops_resolver.cc), which calls every registration of
`MicroMutableOpResolver`. Left out: operators whose kernels take floats alone, those that keep
variables or call another subgraph, and the custom ones of signal processing.
"""

from collections.abc import Mapping
from typing import Final

from fer_convert.file.flatbuffer import Graph
from fer_convert.file.scopes import find_layer
from fer_edge.shared.errors import ModelError

REGISTRATIONS: Final[Mapping[str, str]] = {
    "ABS": "AddAbs",
    "ADD": "AddAdd",
    "ADD_N": "AddAddN",
    "ARG_MAX": "AddArgMax",
    "ARG_MIN": "AddArgMin",
    "AVERAGE_POOL_2D": "AddAveragePool2D",
    "BATCH_MATMUL": "AddBatchMatMul",
    "BATCH_TO_SPACE_ND": "AddBatchToSpaceNd",
    "CONCATENATION": "AddConcatenation",
    "CONV_2D": "AddConv2D",
    "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
    "DEPTH_TO_SPACE": "AddDepthToSpace",
    "ELU": "AddElu",
    "EXPAND_DIMS": "AddExpandDims",
    "FULLY_CONNECTED": "AddFullyConnected",
    "GATHER": "AddGather",
    "HARD_SWISH": "AddHardSwish",
    "L2_NORMALIZATION": "AddL2Normalization",
    "LEAKY_RELU": "AddLeakyRelu",
    "LOGISTIC": "AddLogistic",
    "LOG_SOFTMAX": "AddLogSoftmax",
    "MAXIMUM": "AddMaximum",
    "MAX_POOL_2D": "AddMaxPool2D",
    "MEAN": "AddMean",
    "MINIMUM": "AddMinimum",
    "MIRROR_PAD": "AddMirrorPad",
    "MUL": "AddMul",
    "PACK": "AddPack",
    "PAD": "AddPad",
    "PADV2": "AddPadV2",
    "PRELU": "AddPrelu",
    "REDUCE_MAX": "AddReduceMax",
    "RELU": "AddRelu",
    "RELU6": "AddRelu6",
    "RESHAPE": "AddReshape",
    "RESIZE_BILINEAR": "AddResizeBilinear",
    "RESIZE_NEAREST_NEIGHBOR": "AddResizeNearestNeighbor",
    "RSQRT": "AddRsqrt",
    "SLICE": "AddSlice",
    "SOFTMAX": "AddSoftmax",
    "SPACE_TO_BATCH_ND": "AddSpaceToBatchNd",
    "SPACE_TO_DEPTH": "AddSpaceToDepth",
    "SPLIT": "AddSplit",
    "SPLIT_V": "AddSplitV",
    "SQUARED_DIFFERENCE": "AddSquaredDifference",
    "SQUEEZE": "AddSqueeze",
    "STRIDED_SLICE": "AddStridedSlice",
    "SUB": "AddSub",
    "SUM": "AddSum",
    "TANH": "AddTanh",
    "TRANSPOSE": "AddTranspose",
    "TRANSPOSE_CONV": "AddTransposeConv",
    "UNPACK": "AddUnpack",
}


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
        if operator.name not in REGISTRATIONS:
            names = [tensor.name for tensor in (*operator.inputs, *operator.outputs)]
            layer = find_layer(names, kinds)
            origin = f" (from {layer})" if layer else ""
            raise ModelError(
                f"{where}: operator {operator}{origin} is not computed in int8 by TensorFlow "
                "Lite Micro",
                expected="operators that its resolver can register",
                fix="replace the layer in the recipe and train again, or convert without --c-array",
            )
    return tuple(sorted({REGISTRATIONS[operator.name] for operator in graph.operators}))
