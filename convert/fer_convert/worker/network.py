"""A Keras network from its file, checked against its contract."""

import math
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import h5py
import keras

from fer_convert.source.description import Description, is_hdf5, read_description
from fer_convert.source.job import LayerSummary
from fer_convert.source.legacy import UNKNOWN_LICENCE
from fer_convert.worker.saved_graph import load_saved_model
from fer_edge.shared.errors import FerError, ModelError
from fer_edge.shared.model.contract import ModelContract

_EXPECTED: Final = "a whole .keras file of Keras 3 with stock layers only"
_FIX: Final = "train again, or replace the layer named"
_EXPECTED_OTHERS: Final = (
    "stock layers of Keras 2 or 3 only, and weights that belong to this very network"
)
_FIX_OTHERS: Final = "replace the layer named where the network was made, and save it again"
_FIX_WEIGHTS: Final = "give the architecture that belongs to these weights with --architecture"

_MODELS: Final = {
    # Keras 1 and 2 name no module, and Keras 3 looks only there for its own models.
    "Sequential": keras.Sequential, "Functional": keras.Model, "Model": keras.Model,
}  # fmt: skip


def load_network(
    path: Path, architecture: Path | None = None, *, shape: tuple[int, int, int] | None = None
) -> Any:
    """Load a Keras file for inference, as it is.

    Args:
        path: `.keras`, HDF5 with the network or only its weights, or a SavedModel's folder.
        architecture: The network's JSON, where `path` holds only weights.
        shape: Of a picture, for a SavedModel, which may leave that open.

    Raises:
        ModelError: Damaged, or with a layer that is not one of Keras' own.
    """
    if path.is_dir() and shape is not None:
        return load_saved_model(path, shape)
    described = read_description(path, architecture)
    others = described is not None and (described.is_older or architecture is not None)
    try:
        if described is not None and others:
            return _load_parts(path, described)
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except FerError:
        raise
    except Exception as error:  # Keras raises whatever the file provokes
        # Keras puts the cause behind the whole configuration of the network around it.
        reason = " ".join(str(error).split()).rpartition("Exception encountered: ")[2]
        fix = _FIX_OTHERS if architecture is None else _FIX_WEIGHTS
        raise ModelError(
            f"{path} cannot be loaded ({type(error).__name__}: {reason[:160]})",
            expected=_EXPECTED_OTHERS if others else _EXPECTED,
            fix=fix if others else _FIX,
        ) from error


def _load_parts(path: Path, described: Description) -> Any:
    """Make a network of its description, and load the weights that the file holds."""
    network = keras.models.model_from_json(described.text, custom_objects=_MODELS)
    with tempfile.TemporaryDirectory() as name:
        network.load_weights(_weights_of(path, Path(name)))
    return network


def _weights_of(path: Path, folder: Path) -> Path:
    """Return a file of weights whose name says of which kind it is: Keras goes by that."""
    if not is_hdf5(path):
        with zipfile.ZipFile(path) as archive:
            return Path(archive.extract("model.weights.h5", folder))
    with h5py.File(path, "r") as file:
        by_layer = "layer_names" in file.attrs or "model_weights" in file
    link = folder / ("weights.h5" if by_layer else "network.weights.h5")
    link.symlink_to(path.resolve())
    return link


def check_network(network: Any, contract: ModelContract, *, where: Path) -> None:
    """Check that a network takes and gives what its contract says.

    Raises:
        ModelError: It does not.
    """
    inputs = [tuple(tensor.shape) for tensor in getattr(network, "inputs", None) or []]
    outputs = [tuple(tensor.shape) for tensor in getattr(network, "outputs", None) or []]
    if len(inputs) != 1 or not _fits(inputs[0][1:], contract.input.shape):
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
            fix="name as many --labels as the network has outputs, in their order"
            if contract.licence == UNKNOWN_LICENCE
            else "use the contract.json of the same run",
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


def _fits(found: tuple[int | None, ...], expected: tuple[int, ...]) -> bool:
    """Whether a network takes a shape; one that takes every size has None there."""
    return len(found) == len(expected) and all(
        size in (None, wanted) for size, wanted in zip(found, expected, strict=True)
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
