"""A SavedModel as one layer: its graph frozen, looked through, and only then run.

A SavedModel is a program. Nothing of it runs before every operator of its function is known to do
arithmetic on tensors and nothing else, and no object of it brings code that runs when it is loaded.
"""

from pathlib import Path
from typing import Any, Final

import keras
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from fer_convert.source.saved_model import GRAPH_NAME, files_of, read_signature
from fer_edge.shared.errors import FerError, ModelError

_OBJECTS: Final = frozenset({
    "bare_concrete_function", "constant", "function", "user_object", "variable",
})  # fmt: skip
"""Not assets, resources (tables that initialise themselves) or captured tensors."""

OPERATORS: Final = frozenset({
    "Abs", "Add", "AddN", "AddV2", "AvgPool", "BatchMatMulV2", "BatchToSpaceND", "BiasAdd", "Cast",
    "ClipByValue", "ConcatV2", "Const", "Conv2D", "DepthwiseConv2dNative", "Elu", "EnsureShape",
    "Exp", "ExpandDims", "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "GatherV2",
    "Identity", "IdentityN", "LeakyRelu", "MatMul", "Max", "MaxPool", "Maximum", "Mean", "Min",
    "Minimum", "Mul", "Neg", "NoOp", "Pack", "Pad", "PadV2", "Placeholder", "Pow", "Prod",
    "RealDiv", "Relu", "Relu6", "Reshape", "ResizeBilinear", "ResizeNearestNeighbor", "Rsqrt",
    "Selu", "Shape", "Sigmoid", "Slice", "Softmax", "Softplus", "SpaceToBatchND", "Split", "SplitV",
    "Sqrt", "Square", "SquaredDifference", "Squeeze", "StopGradient", "StridedSlice", "Sub", "Sum",
    "Tanh", "Tile", "Transpose",
})  # fmt: skip
"""What networks of pictures compute with. None reads or writes a file, or calls a program."""

_EXPECTED: Final = "a network of pictures, as Keras' model.export() writes it"


class SavedGraph(keras.layers.Layer):  # type: ignore[misc]
    """A frozen function of one picture tensor."""

    def __init__(self, function: Any, units: int, **keywords: Any) -> None:
        super().__init__(trainable=False, **keywords)
        self._function = function
        self._takes_one = function.inputs[0].shape[0] == 1  # as ONNX often has it
        self._units = units

    def call(self, pixels: Any) -> Any:
        """Return the answers; float32, shape (N, outputs)."""
        if self._takes_one and pixels.shape[0] != 1:
            return tf.map_fn(
                lambda picture: self._answer(picture[tf.newaxis])[0],
                pixels,
                fn_output_signature=tf.TensorSpec((self._units,), tf.float32),
            )
        return self._answer(pixels)

    def _answer(self, pixels: Any) -> Any:
        return tf.ensure_shape(self._function(pixels)[0], (pixels.shape[0], self._units))

    def get_config(self) -> dict[str, Any]:
        """Refuse to be taken apart or rebuilt."""
        raise ModelError(
            "a SavedModel's layers are not known",
            expected="layers of Keras",
            fix="save the network as a .keras file",
        )


def load_saved_model(folder: Path, shape: tuple[int, ...]) -> Any:
    """Load a SavedModel as a network of one layer.

    Args:
        folder: Of it.
        shape: Of a picture, as its contract says: height, width, channels.

    Raises:
        ModelError: Damaged, or a graph that does anything but arithmetic.
    """
    signature = read_signature(folder)
    try:
        _check_objects(folder)
        loaded = tf.saved_model.load(str(folder))
        frozen = convert_variables_to_constants_v2(loaded.signatures[signature.name])
        _check_function(frozen, folder)
        units = int(frozen.outputs[0].shape[-1])
        picture = keras.Input(shape, name="pixels")
        return keras.Model(picture, SavedGraph(frozen, units, name="saved_graph")(picture))
    except FerError:
        raise
    except Exception as error:  # TensorFlow raises whatever the files provoke
        reason = " ".join(str(error).split())[:160]
        raise ModelError(
            f"{folder} cannot be loaded ({type(error).__name__}: {reason})",
            expected=_EXPECTED,
            fix="copy the whole folder again, or save the network as a .keras file",
        ) from error


def _check_objects(folder: Path) -> None:
    """Refuse what runs while it is loaded: tables, assets, savers of the author's own."""
    files_of(folder)
    parsed = saved_model_pb2.SavedModel.FromString((folder / GRAPH_NAME).read_bytes())
    for graph in parsed.meta_graphs:
        # TensorFlow 1's have none: what they run while they are loaded cannot be looked through.
        if len(parsed.meta_graphs) != 1 or not graph.HasField("object_graph_def"):
            raise _refused(folder, "is TensorFlow 1's, which runs a graph while it loads")
        if graph.asset_file_def:
            raise _refused(folder, "brings files of its own (assets)")
        for node in graph.object_graph_def.nodes:
            kind = node.WhichOneof("kind")
            if kind is not None and kind not in _OBJECTS:
                raise _refused(folder, f"holds an object of kind {kind}")
            if node.registered_saver or any(
                saveable.restore_function for saveable in node.saveable_objects.values()
            ):
                raise _refused(folder, "restores its weights by a function of its own")


def _check_function(frozen: Any, folder: Path) -> None:
    graph = frozen.graph.as_graph_def()
    nodes = [*graph.node, *(node for each in graph.library.function for node in each.node_def)]
    foreign = sorted({node.op for node in nodes} - OPERATORS)
    if foreign:
        raise _refused(folder, f"computes with {', '.join(foreign[:5])}")
    count = frozen.inputs[0].shape[0]
    if count not in (None, 1):
        raise _refused(folder, f"takes {count} pictures at a time")


def _refused(folder: Path, what: str) -> ModelError:
    return ModelError(
        f"{folder}: the SavedModel {what}; it is not run",
        expected="a network of pictures: arithmetic on tensors, and nothing else",
        fix="save the network as a .keras file of stock layers",
    )
