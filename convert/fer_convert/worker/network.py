"""A Keras network from its file, checked against its contract."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import keras

from fer_convert.source.job import LayerSummary
from fer_convert.source.legacy import HDF5_SUFFIXES, PIXELS, Pixels, modernise
from fer_edge.shared.errors import ModelError
from fer_edge.shared.model.contract import ModelContract

_EXPECTED: Final = "a whole .keras file of Keras 3 with stock layers only"
_FIX: Final = "train again, or replace the layer named"
_EXPECTED_HDF5: Final = (
    "HDF5 of Keras 2 or 3 with the whole network, or with its weights and their --architecture JSON"
)
_FIX_HDF5: Final = "give the architecture that belongs to these weights with --architecture"


def load_network(
    path: Path, architecture: Path | None = None, *, pixels: Pixels | None = None
) -> Any:
    """Load a Keras file for inference.

    Args:
        path: `.keras`, or HDF5 with the network or only its weights.
        architecture: The network's JSON, where `path` holds only weights.
        pixels: What the network takes; where it does not rescale raw pixels itself, it gets a
            layer that does.

    Raises:
        ModelError: Damaged, with a layer that is not one of Keras' own, or of unknown pixels.
    """
    try:
        network = _load(path, architecture)
    except Exception as error:  # Keras raises whatever the file provokes
        # Keras puts the cause behind the whole configuration of the network around it.
        reason = " ".join(str(error).split()).rpartition("Exception encountered: ")[2]
        raise ModelError(
            f"{path} cannot be loaded ({type(error).__name__}: {reason[:160]})",
            expected=_EXPECTED_HDF5 if path.suffix in HDF5_SUFFIXES else _EXPECTED,
            fix=_FIX_HDF5 if path.suffix in HDF5_SUFFIXES else _FIX,
        ) from error
    if path.suffix in HDF5_SUFFIXES or pixels is not None:
        return _take_raw_pixels(network, pixels, path)
    return network


def _load(path: Path, architecture: Path | None) -> Any:
    if architecture is None:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    # Keras 1 and 2 name no module, and Keras 3 looks only there for its own models.
    models = {"Sequential": keras.Sequential, "Functional": keras.Model, "Model": keras.Model}
    network = keras.models.model_from_json(
        modernise(architecture.read_text(encoding="utf-8")), custom_objects=models
    )
    network.load_weights(path)
    return network


def _take_raw_pixels(network: Any, pixels: Pixels | None, path: Path) -> Any:
    """Put a Rescaling layer in front of a network that has none."""
    first = next(iter(layer for layer in _walk(network) if type(layer).__name__ != "InputLayer"))
    rescales = type(first).__name__ == "Rescaling"
    if rescales == (pixels is not None):
        raise ModelError(
            f"{path}: the network {'rescales' if rescales else 'does not rescale'} pixels itself"
            + (f", and --pixels {pixels} is given" if rescales else ""),
            expected="--pixels for a network that leaves that to its caller, and for no other",
            fix="leave out --pixels" if rescales else f"give one of --pixels {', '.join(PIXELS)}",
        )
    if pixels in (None, "0..255"):
        return network
    low = -1.0 if pixels == "-1..1" else 0.0
    rescaling = keras.layers.Rescaling((1.0 - low) / 255.0, offset=low, name="rescale")

    def call(layer: Any, x: Any, *others: Any, **keywords: Any) -> Any:
        return layer(rescaling(x) if layer.name == first.name else x, *others, **keywords)

    flat = keras.Model(network.inputs[0], network.outputs[0])
    rescaled = keras.models.clone_model(flat, call_function=call)
    for layer in flat.layers:
        rescaled.get_layer(layer.name).set_weights(layer.get_weights())
    return rescaled


def check_network(network: Any, contract: ModelContract, *, where: Path) -> None:
    """Check that a network takes and gives what its contract says.

    Raises:
        ModelError: It does not.
    """
    inputs = [tuple(tensor.shape) for tensor in getattr(network, "inputs", None) or []]
    outputs = [tuple(tensor.shape) for tensor in getattr(network, "outputs", None) or []]
    if len(inputs) != 1 or inputs[0][1:] != contract.input.shape:
        raise ModelError(
            f"{where}: the network takes {_format_shapes(inputs)}",
            expected=f"{_format_shapes([(None, *contract.input.shape)])}, "
            "as the input of its contract says",
            fix="use the contract.json of the same run",
        )
    if len(outputs) != 1 or outputs[0][1:] != (contract.output_size,):
        raise ModelError(
            f"{where}: the network answers {_format_shapes(outputs)}",
            expected=f"{_format_shapes([(None, contract.output_size)])} ({contract.output.kind} "
            f"over the {len(contract.labels)} labels {', '.join(contract.labels)})",
            fix="use the contract.json of the same run",
        )
    broken = [
        weight.path
        for weight in network.weights
        if not math.isfinite(float(keras.ops.sum(keras.ops.cast(weight, "float32"))))
    ]
    if broken:
        raise ModelError(
            f"{where}: {broken[0]} holds numbers that are not finite",
            expected="a trained network",
            fix="train again with a lower learning rate",
        )


def describe_layers(network: Any) -> tuple[LayerSummary, ...]:
    """Return every layer, those of nested networks included."""
    return tuple(LayerSummary(layer.name, type(layer).__name__) for layer in _walk(network))


def for_one_picture(network: Any) -> Any:
    """Wrap a network so that it takes exactly one picture.

    A fixed batch keeps SHAPE, PACK and RESHAPE out of networks that flatten, so the device's
    delegate gets them in one piece.
    """
    picture = keras.Input(batch_shape=(1, *network.inputs[0].shape[1:]), name="picture")
    return keras.Model(picture, network(picture, training=False), name="network")


def _walk(network: Any) -> Iterator[Any]:
    for layer in network.layers:
        if hasattr(layer, "layers"):
            yield from _walk(layer)
        else:
            yield layer


def _format_shapes(shapes: list[tuple[int | None, ...]]) -> str:
    return " and ".join(
        "[" + ", ".join("N" if size is None else str(size) for size in shape) + "]"
        for shape in shapes
    )
