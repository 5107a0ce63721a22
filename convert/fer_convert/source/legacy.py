"""What older programs leave: HDF5 files that say nothing of labels and of pixels' range."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from fer_edge.shared.errors import LabelError, ModelError
from fer_edge.shared.labels import canonical_labels
from fer_edge.shared.model.contract import InputSpec, ModelContract, OutputSpec

HDF5_SUFFIXES: Final = (".h5", ".hdf5")

Pixels = Literal["0..255", "0..1", "-1..1"]
PIXELS: Final[tuple[Pixels, ...]] = ("0..255", "0..1", "-1..1")
"""What a network takes, where it leaves it to the caller to rescale raw pixels."""

UNKNOWN_LICENCE: Final = "NOASSERTION"
"""SPDX for: nobody has said."""


def contract_of_labels(
    name: str, labels: Sequence[str], architecture: Path | None
) -> ModelContract:
    """Return the contract of a network of which only the labels are known.

    Two labels mean one sigmoid, P(second label), unless the architecture ends in two numbers.

    Args:
        name: Of the network.
        labels: In the order of its output; any usual names.
        architecture: Its JSON, which says how large its input and output are.

    Raises:
        ModelError: Unknown or repeated labels, or a JSON that is no network's.
    """
    try:
        names = canonical_labels(labels)
    except LabelError as error:
        raise ModelError(f"--labels: {error.found}", expected=error.expected, fix=error.fix) from (
            error
        )
    layers = _layers(architecture) if architecture else []
    binary = len(names) == 2 and _units(layers) in (None, 1)
    return ModelContract(
        name=name,
        labels=names,
        input=_input(layers),
        output=OutputSpec(kind="sigmoid" if binary else "softmax"),
        task="binary" if binary else "multiclass",
        provenance={"source": "a network of another program, described by its user"},
        licence=UNKNOWN_LICENCE,
    )


def modernise(architecture: str) -> str:
    """Return an architecture's JSON as Keras 3 takes it.

    Keras 1 and 2 gave the first layer of a Sequential the input's shape; it becomes a layer of its
    own. They wrote a batch norm's axis as a list.
    """
    network = json.loads(architecture)
    config = network["config"]
    if isinstance(config, list):
        network["config"] = config = {"name": "network", "layers": config}
    for layer in config["layers"]:
        if isinstance(layer["config"].get("axis"), list):
            (layer["config"]["axis"],) = layer["config"]["axis"]
    if network.get("class_name") == "Sequential":
        shape = config["layers"][0]["config"].get("batch_input_shape")
        if shape is not None and config["layers"][0]["class_name"] != "InputLayer":
            del config["layers"][0]["config"]["batch_input_shape"]
            given = {"batch_shape": shape, "dtype": "float32", "name": "pixels"}
            config["layers"].insert(0, {"class_name": "InputLayer", "config": given})
    return json.dumps(network)


def _layers(architecture: Path) -> list[dict[str, Any]]:
    """Return the layers' settings; Keras 1 has the list where later versions have an object."""
    try:
        config = json.loads(architecture.read_text(encoding="utf-8"))["config"]
        layers = config["layers"] if isinstance(config, dict) else config
        return [dict(layer["config"]) for layer in layers]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{architecture} does not describe a network ({type(error).__name__}: {error})",
            expected="the JSON that Keras' to_json() writes",
            fix="name the architecture's own file with --architecture",
        ) from error


def _input(layers: Sequence[dict[str, Any]]) -> InputSpec:
    for layer in layers[:1]:
        shape = layer.get("batch_shape") or layer.get("batch_input_shape")
        if isinstance(shape, list) and len(shape) == 4:
            return InputSpec(height=int(shape[1]), width=int(shape[2]))
    return InputSpec()


def _units(layers: Sequence[dict[str, Any]]) -> int | None:
    sizes = [layer["units"] for layer in layers if "units" in layer]
    return int(sizes[-1]) if sizes else None
