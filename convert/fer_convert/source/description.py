"""What a network's file says of it before anything loads it: its layers, input and output."""

import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h5py

from fer_convert.source.modernisation import Layer, is_older, modernise
from fer_edge.shared.errors import ModelError
from fer_edge.shared.named_files import read_named

HDF5_SUFFIXES: Final = (".h5", ".hdf5")
_CHANNELS: Final = (1, 3)
_MOST_BYTES: Final = 64 * 2**20  # of a description; that of the largest networks has a few
_DESCRIBING: Final = ("config.json", "metadata.json")  # in a .keras file
_HDF5_SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"

Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Description:
    """A network as its file describes it.

    Attributes:
        network: Its configuration, as Keras 3 takes it.
        is_older: Whether Keras 1 or 2 has written it.
    """

    network: Layer
    is_older: bool = False

    @property
    def text(self) -> str:
        """The JSON that Keras 3 makes the network of."""
        return json.dumps(self.network)

    @property
    def input_shapes(self) -> tuple[Shape, ...]:
        """Of every input, the batch left out; none where the description does not say."""
        return tuple(_input_shapes(self.network))

    @property
    def units(self) -> int | None:
        """Numbers in the answer; None where the description does not say."""
        return _units(self.network)

    @property
    def layers(self) -> Iterator[Layer]:
        """Every layer, those of nested networks included."""
        return _walk(self.network)


def is_hdf5(path: Path) -> bool:
    """Whether a file is HDF5, whatever it is called: Keras 2 wrote that into `.keras`, too."""
    if path.suffix in HDF5_SUFFIXES:
        return True
    with path.open("rb") as file:
        return file.read(len(_HDF5_SIGNATURE)) == _HDF5_SIGNATURE


def read_description(model: Path, architecture: Path | None = None) -> Description | None:
    """Return what the files say of a network; None where they hold weights alone.

    Args:
        model: `.keras`, or HDF5 with the network or only its weights.
        architecture: The network's JSON, where `model` holds only weights.

    Raises:
        ModelError: Damaged, or a description that is none of a network.
    """
    if architecture is not None:
        return _described(architecture, _read_text(architecture), None)
    if is_hdf5(model):
        return _read_hdf5(model)
    return _read_keras(model)


def check_description(description: Description, *, where: Path) -> None:
    """Refuse what no conversion can make a classifier of one grey picture.

    Raises:
        ModelError: Code of its author's in a layer, several inputs, colour, or no fixed size.
    """
    for layer in description.layers:
        _check_layer(layer, where)
    outputs = description.network["config"].get("output_layers")
    if outputs is not None and len(_names(outputs)) > 1:
        raise ModelError(
            f"{where}: the network gives {len(_names(outputs))} answers "
            f"({', '.join(_names(outputs))})",
            expected="one answer: a number for each label",
            fix="save a network that ends in the expressions alone",
        )
    shapes = description.input_shapes
    if len(shapes) > 1:
        raise ModelError(
            f"{where}: the network takes {len(shapes)} inputs ({_format(shapes)})",
            expected="one input: a picture",
            fix="save a network that takes pictures alone",
        )
    for shape in shapes:
        check_shape(shape, where=where)


def _check_layer(layer: Layer, where: Path) -> None:
    kind, name = layer["class_name"], layer["config"].get("name")
    if kind == "Lambda":
        raise ModelError(
            f"{where}: layer {name!r} is a Lambda: Python code of its author's, which is not run",
            expected="layers of Keras, such as Rescaling in place of a Lambda that rescales",
            fix="put such a layer in its place where the network was made, and save it again",
        )
    if layer["config"].get("data_format") == "channels_first":
        raise ModelError(
            f"{where}: layer {name!r} ({kind}) takes its channels first",
            expected="channels last, as TFLite computes: [N, height, width, channels]",
            fix="build the network with data_format='channels_last', move its weights there, and "
            "save it again",
        )


def check_shape(shape: Shape, *, where: Path) -> None:
    """Refuse an input that is no grey picture.

    Raises:
        ModelError: It is none.
    """
    given = f"{where}: the network takes {_format([shape])}"
    if len(shape) != 3:
        raise ModelError(
            given,
            expected="a picture: [N, height, width, 1]",
            fix="put a Reshape layer in front, which makes of a picture what the network takes",
        )
    if shape[2] not in _CHANNELS:
        kind = "transparency" if shape[2] == 4 else f"{shape[2]} channels"
        raise ModelError(
            f"{given}: {kind}, which is not supported",
            expected="[N, height, width, 1] of grey pictures, or 3 of red, green and blue",
            fix="train it on such pictures (color_mode='grayscale' or 'rgb')",
        )


def _format(shapes: Sequence[Shape]) -> str:
    return " and ".join(
        "[" + ", ".join("N" if size is None else str(size) for size in (None, *shape)) + "]"
        for shape in shapes
    )


def _read_hdf5(path: Path) -> Description | None:
    try:
        with h5py.File(path, "r") as file:
            texts = [file.attrs.get(name) for name in ("model_config", "keras_version")]
    except OSError as error:
        raise ModelError(
            f"{path} is no HDF5 file, or damaged ({error})",
            expected="HDF5 as Keras writes it",
            fix="copy the file again",
        ) from error
    # h5py of some versions gives bytes.
    text, version = (raw.decode() if isinstance(raw, bytes) else raw for raw in texts)
    return None if text is None else _described(path, text, version)


def _read_text(path: Path) -> bytes:
    try:
        return read_named(path, most_bytes=_MOST_BYTES)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path} cannot be read ({getattr(error, 'strerror', None) or error})",
            expected="the JSON that Keras' to_json() writes",
            fix="name the architecture's own file with --architecture",
        ) from error


def _too_large(path: Path, size: int) -> ModelError:
    return ModelError(
        f"{path}: what describes the network is {size / 1e6:,.0f} MB large, unpacked",
        expected=f"at most {_MOST_BYTES / 1e6:,.0f} MB",
        fix="save the network again with Keras",
    )


def _read_keras(path: Path) -> Description | None:
    try:
        with zipfile.ZipFile(path) as archive:
            size = max(archive.getinfo(name).file_size for name in _DESCRIBING)
            if size > _MOST_BYTES:
                raise _too_large(path, size)
            text, metadata = map(archive.read, _DESCRIBING)
        version = json.loads(metadata).get("keras_version")
    except ModelError:
        raise
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, AttributeError):
        return None  # Keras itself says what is wrong with it
    return _described(path, text, version)


def _described(path: Path, text: bytes | str, version: str | None) -> Description:
    try:
        network = json.loads(text)
        version = version or network.get("keras_version")
        older = is_older(network, version)
        described = Description(modernise(network) if older else network, older)
        _check_form(described, path)
    except (
        ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError,
    ) as error:  # fmt: skip
        raise ModelError(
            f"{path} does not describe a network ({type(error).__name__}: {error})",
            expected="the JSON that Keras' to_json() writes",
            fix="name the architecture's own file with --architecture",
        ) from error
    return described


def _check_form(described: Description, path: Path) -> None:
    """Look at all that is asked of a description later: what is not as Keras writes it shows now.

    Raises:
        ModelError: It is of a class of its author's.
        Exception: Of the kinds that odd JSON leads to.
    """
    config = described.network["config"]
    if isinstance(config, dict) and "layers" not in config:
        raise ModelError(
            f"{path} holds no layers, but {described.network.get('class_name')}, a class of its "
            "author's, whose code is not run",
            expected="a network of Keras' own layers: Sequential, or functional",
            fix="build the same network of such layers, move its weights there, and save it",
        )
    for layer in described.layers:
        if not isinstance(layer["class_name"], str) or not isinstance(layer["config"], dict):
            raise TypeError(f"no layer: {str(layer)[:60]}")
        _name(layer)
    for places in (config.get("input_layers"), config.get("output_layers")):
        _names(places or [])
    for shape in described.input_shapes:
        if not all(size is None or isinstance(size, int) for size in shape):
            raise TypeError(f"no shape: {shape}")
    if not isinstance(described.units, int | None):
        raise TypeError(f"no number of answers: {described.units!r}")


def _name(layer: Layer) -> str:
    return str(layer.get("name") or layer["config"].get("name"))


def _walk(network: Layer) -> Iterator[Layer]:
    for layer in network["config"]["layers"]:
        if "layers" in layer["config"]:
            yield from _walk(layer)
        else:
            yield layer


def _input_shapes(network: Layer) -> Iterator[Shape]:
    """Yield what the outermost input layers say; a Sequential may leave that to its first layer."""
    layers = network["config"]["layers"]
    given = network["config"].get("input_layers")
    if given is None:
        first = next(iter(layers), None)
        if first is not None and "layers" in first["config"]:
            yield from _input_shapes(first)
            return
        wanted = layers[:1]
    else:
        names = _names(given)
        wanted = [layer for layer in layers if _name(layer) in names]
    for layer in wanted:
        shape = layer["config"].get("batch_shape", network["config"].get("build_input_shape"))
        if shape:
            yield tuple(shape[1:])


def _names(places: Any) -> list[str]:
    """Return the layers named by places like ["name", 0, 0], in whatever lists or objects."""
    if isinstance(places, dict):
        places = list(places.values())
    if len(places) == 3 and isinstance(places[0], str):
        return [places[0]]
    return [name for place in places for name in _names(place)]


def _units(network: Layer) -> int | None:
    """Return what the last layer with a size of its own says, as seen from the output."""
    layers: Sequence[Layer] = network["config"]["layers"]
    given = network["config"].get("output_layers")
    if given is not None:
        layers = list(_upwards(network, _names(given)[:1]))[::-1]
    for layer in reversed(layers):
        if "layers" in layer["config"]:
            return _units(layer)
        size = layer["config"].get("units", layer["config"].get("filters"))
        if size is not None:
            return int(size)
    return None


def _upwards(network: Layer, names: Sequence[str]) -> Iterator[Layer]:
    """Yield a layer, and then what lies before it along its first input."""
    by_name = {_name(layer): layer for layer in network["config"]["layers"]}
    while names:
        layer = by_name.pop(names[0], None)  # once: odd JSON may lead round in a circle
        if layer is None:
            return
        yield layer
        names = _sources(layer.get("inbound_nodes", []))


def _sources(nodes: Any) -> list[str]:
    """Return the names of what a layer reads, as Keras 2 or 3 writes them."""
    if isinstance(nodes, dict):
        if nodes.get("class_name") == "__keras_tensor__":
            return [str(nodes["config"]["keras_history"][0])]
        return [name for value in nodes.values() for name in _sources(value)]
    if isinstance(nodes, list):
        if len(nodes) >= 3 and isinstance(nodes[0], str):
            return [nodes[0]]
        return [name for value in nodes for name in _sources(value)]
    return []
