"""Networks as Keras 1 and 2 describe them, put as Keras 3 takes them.

Only what has no part in a trained network's answers is left out, and only under the names
written here: whatever else Keras 3 does not know, it still refuses.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from fer_edge.shared.errors import ModelError

Layer = dict[str, Any]
"""One layer of a network's description: its class, its config, and what it reads."""

_OF_TRAINING: Final = ("_initializer", "_regularizer", "_constraint")
_OF_NO_PICTURE: Final = frozenset({"sparse", "ragged", "optional", "rng_type"})
_BESIDE_THE_CONFIG: Final = frozenset({
    "module", "registered_name", "build_config", "compile_config", "shared_object_id",
})  # fmt: skip

_CLASSES_OF_KERAS_1: Final = {
    "AtrousConvolution2D": "Conv2D",
    "Convolution2D": "Conv2D",
    "Deconvolution2D": "Conv2DTranspose",
    "SeparableConvolution2D": "SeparableConv2D",
}
_KEYS_OF_KERAS_1: Final = {
    "atrous_rate": "dilation_rate",
    "bias": "use_bias",
    "border_mode": "padding",
    "dim_ordering": "data_format",
    "nb_filter": "filters",
    "output_dim": "units",
    "p": "rate",
    "sigma": "stddev",
    "subsample": "strides",
}
_NONE_OF_KERAS_3: Final = frozenset({"init", "input_dim", "input_dtype", "input_length"})
_WITHOUT_GROUPS: Final = ("Conv2DTranspose", "DepthwiseConv2D", "SeparableConv2D")
_ORDERS: Final = {"tf": "channels_last", "th": "channels_first"}
_MERGES: Final = {
    "ave": "Average", "concat": "Concatenate", "max": "Maximum", "mul": "Multiply", "sum": "Add",
}  # fmt: skip

_WITH_A_NUMBER: Final[Mapping[str, Callable[[float], dict[str, float]]]] = {
    "math.truediv": lambda y: {"scale": 1.0 / y, "offset": 0.0},
    "math.multiply": lambda y: {"scale": y, "offset": 0.0},
    "math.subtract": lambda y: {"scale": 1.0, "offset": -y},
    "math.add": lambda y: {"scale": 1.0, "offset": y},
    "__operators__.add": lambda y: {"scale": 1.0, "offset": y},
}
"""What preprocess_input() of Keras' applications leaves in a network, as a Rescaling."""
_WITH_A_TENSOR: Final = {
    "math.multiply": "Multiply", "math.subtract": "Subtract", "math.add": "Add",
    "__operators__.add": "Add",
}  # fmt: skip
_ACTIVATIONS: Final = {
    "cast": "linear", "nn.relu": "relu", "nn.relu6": "relu6", "nn.silu": "silu",
    "nn.softmax": "softmax", "math.sigmoid": "sigmoid", "math.tanh": "tanh",
}  # fmt: skip


def is_older(network: Mapping[str, Any], version: str | None) -> bool:
    """Whether Keras 1 or 2 has written a description: Keras 3 names every class's module."""
    return not version.startswith("3") if version else "module" not in network


def modernise(network: Layer) -> Layer:
    """Return the description of a network of Keras 1 or 2 as Keras 3 takes it.

    Networks that are layers of it are modernised alike.

    Raises:
        ModelError: It holds an operation that has no counterpart among Keras' layers.
    """
    config = network["config"]
    if isinstance(config, list):  # a Sequential before Keras 2.2.3
        config = {"name": "network", "layers": config}
    layers = [modern for layer in config["layers"] for modern in _modern(layer)]
    if network.get("class_name") == "Sequential":
        layers = _with_one_input(layers)
    whole = {key: value for key, value in network.items() if key not in _BESIDE_THE_CONFIG}
    kept = ("name", "trainable", "input_layers", "output_layers", "build_input_shape")
    config = {key: config[key] for key in kept if key in config}
    config = {"name": "network", **config, "layers": layers}
    _count_calls_from_0(config)
    # Keras 3 gives a list to whoever reads a network whose one output stands in a list.
    for ends in ("input_layers", "output_layers"):
        if len(config.get(ends, ())) == 1:
            (config[ends],) = config[ends]
    return {**whole, "config": config}


def _modern(layer: Layer) -> Iterator[Layer]:
    """Yield what a layer becomes, and before it the input that a first layer was told of."""
    if isinstance(layer["config"], list) or "layers" in layer["config"]:
        yield modernise(layer)
        return
    layer = {key: value for key, value in layer.items() if key not in _BESIDE_THE_CONFIG}
    layer["config"] = {
        key: value
        for key, value in layer["config"].items()
        if not key.endswith(_OF_TRAINING) and key not in _OF_NO_PICTURE
    }
    _put_as_keras_2(layer)
    if layer["class_name"] == "TFOpLambda":
        _replace_operation(layer)
    config = layer["config"]
    shape = config.pop("batch_input_shape", None)
    if layer["class_name"] == "InputLayer":
        config["batch_shape"] = config.get("batch_shape") or shape
    elif shape is not None and not layer.get("inbound_nodes"):
        given = {"batch_shape": shape, "dtype": "float32", "name": "pixels"}
        yield {"class_name": "InputLayer", "config": given}
    _put_as_keras_3(layer)
    yield layer


def _with_one_input(layers: list[Layer]) -> list[Layer]:
    """Keep the first of a Sequential's input layers; since Keras 2.13 the shape stands twice."""
    inputs = [layer for layer in layers if layer["class_name"] == "InputLayer"]
    return [*inputs[:1], *(layer for layer in layers if layer not in inputs)]


def _count_calls_from_0(config: dict[str, Any]) -> None:
    """Lower the number of every call of a nested network: in Keras 2 its first one has number 1.

    Keras 3 does so itself where such a call, but not one of a Sequential, is an output.
    """
    kinds = {
        layer["config"].get("name"): layer["class_name"]
        for layer in config["layers"]
        if "layers" in layer["config"]
    }
    for layer in config["layers"]:
        for place in (place for node in layer.get("inbound_nodes", ()) for place in node):
            if place[0] in kinds:
                place[1] -= 1
    for place in config.get("output_layers", ()):
        if kinds.get(place[0]) == "Sequential":
            place[1] -= 1


def _put_as_keras_2(layer: Layer) -> None:
    kind, config = layer["class_name"], layer["config"]
    layer["class_name"] = _CLASSES_OF_KERAS_1.get(kind, kind)
    for old in _NONE_OF_KERAS_3 & config.keys():
        del config[old]
    for old in _KEYS_OF_KERAS_1.keys() & config.keys():
        config[_KEYS_OF_KERAS_1[old]] = config.pop(old)
    if "data_format" in config:
        config["data_format"] = _ORDERS.get(config["data_format"], config["data_format"])
    if "nb_row" in config:
        config["kernel_size"] = [config.pop("nb_row"), config.pop("nb_col")]
    if kind == "BatchNormalization" and config.get("mode") == 0:
        del config["mode"]
    if kind == "Merge" and config.get("mode") in _MERGES:
        layer["class_name"] = _MERGES[config["mode"]]
        axis = {"axis": config["concat_axis"]} if config["mode"] == "concat" else {}
        layer["config"] = {"name": config["name"], **axis}


def _put_as_keras_3(layer: Layer) -> None:
    kind, config = layer["class_name"], layer["config"]
    if isinstance(config.get("axis"), list) and len(config["axis"]) == 1:
        (config["axis"],) = config["axis"]
    if kind in _WITHOUT_GROUPS and config.get("groups") == 1:
        del config["groups"]
    if kind == "LeakyReLU" and "alpha" in config:
        config["negative_slope"] = config.pop("alpha")
    if kind == "ThresholdedReLU":
        layer["class_name"] = "ReLU"
        config["threshold"] = config.pop("theta")
    if kind.startswith("SpatialDropout"):
        for key in {"trainable", "noise_shape"} & config.keys():
            del config[key]


def _replace_operation(layer: Layer) -> None:
    """Put a layer in place of a bare TensorFlow operation."""
    name, function = layer["config"]["name"], layer["config"]["function"]
    (node,) = layer["inbound_nodes"]
    ((source, *place, keywords),) = node if isinstance(node[0], list) else (node,)
    other = keywords.get("y")
    if source == "_CONSTANT_VALUE" or keywords.get("dtype", "float32") != "float32":
        function = f"{function} in an unusual form"
    tensors = [[source, *place, {}]]
    config: dict[str, Any] = {"name": name}
    if function in _WITH_A_NUMBER and isinstance(other, int | float):
        kind = "Rescaling"
        config |= _WITH_A_NUMBER[function](other)
    elif function in _WITH_A_TENSOR and isinstance(other, list):
        kind = _WITH_A_TENSOR[function]
        tensors.append([*other[:3], {}])
    elif function in _ACTIVATIONS:
        kind = "Activation"
        config["activation"] = _ACTIVATIONS[function]
    else:
        raise ModelError(
            f"the network holds TensorFlow's operation {function} ({name!r}) outside of any layer",
            expected="layers of Keras",
            fix="put a layer in its place and save the network again",
        )
    layer |= {"class_name": kind, "config": config, "inbound_nodes": [tensors]}
