"""What a SavedModel says of its input and output, read without TensorFlow and without running it.

Source: saved_model.proto, meta_graph.proto and tensor_shape.proto of TensorFlow; the wire format
is that of Protocol Buffers' documentation.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fer_convert.source.description import Shape
from fer_edge.shared.errors import ModelError
from fer_edge.shared.model.model_file import sha256_hex
from fer_edge.shared.named_files import read_named, require_file

GRAPH_NAME: Final = "saved_model.pb"
_VARIABLES: Final = "variables"
_MOST_BYTES: Final = 2**26
"""Of the graph; weights lie in files beside it."""

_SIGNATURES: Final = ("serving_default", "serve")
"""Keras names both; they do the same."""

_FLOAT32: Final = 1
# Numbers of fields, by message.
_META_GRAPHS, _SIGNATURE_DEF = 2, 5
_KEY, _VALUE = 1, 2
_INPUTS, _OUTPUTS = 1, 2
_DTYPE, _TENSOR_SHAPE = 2, 3
_DIM, _SIZE = 2, 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

Message = dict[int, list[int | bytes]]


@dataclass(frozen=True, slots=True)
class Signature:
    """The function of a SavedModel that answers pictures.

    Attributes:
        name: It is called by.
        shape: Of its input, the batch left out.
        units: Numbers in its answer; None where it does not say.
    """

    name: str
    shape: Shape
    units: int | None

    @property
    def input_shapes(self) -> tuple[Shape, ...]:
        """As a `Description` has them."""
        return (self.shape,)


def is_saved_model(path: Path) -> bool:
    """Whether a path is a SavedModel's folder."""
    return (path / GRAPH_NAME).exists()


def files_of(folder: Path) -> tuple[Path, ...]:
    """Return the files that hold the network: its graph and its weights.

    Raises:
        ModelError: One of them is no file.
    """
    weights = folder / _VARIABLES
    paths = (folder / GRAPH_NAME, *(sorted(weights.iterdir()) if weights.is_dir() else ()))
    for path in paths:
        try:
            require_file(path)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error
    return paths


def hash_of(folder: Path) -> str:
    """Return the SHA-256 of a network: of its graph and its weights."""
    return sha256_hex(b"".join(path.read_bytes() for path in files_of(folder)))


def read_signature(folder: Path) -> Signature:
    """Return the function of a SavedModel that answers pictures.

    Raises:
        ModelError: Damaged, without such a function, or with several inputs or outputs.
    """
    path = files_of(folder)[0]
    try:
        data = read_named(path, most_bytes=_MOST_BYTES)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    try:
        signatures = dict(_signatures(data))
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise ModelError(
            f"{path} is no SavedModel, or damaged ({error})",
            expected="what Keras' model.export() or tf.saved_model.save() writes",
            fix="copy the folder again",
        ) from error
    name = next((name for name in _SIGNATURES if name in signatures), None)
    if name is None:
        found = ", ".join(sorted(signatures)) or "none"
        raise ModelError(
            f"{folder} has no signature {_SIGNATURES[0]!r}; it has {found}",
            expected="a function that answers pictures, as model.export() writes it",
            fix="write it again with model.export(), or save a .keras file",
        )
    return _one_of_pictures(folder, name, *signatures[name])


def _one_of_pictures(
    folder: Path, name: str, inputs: list[Message], outputs: list[Message]
) -> Signature:
    if len(inputs) != 1 or len(outputs) != 1:
        raise ModelError(
            f"{folder}: signature {name!r} has {len(inputs)} inputs and {len(outputs)} outputs",
            expected="one picture in, one number for each label out",
            fix="export a network that takes pictures alone and ends in the expressions alone",
        )
    if any(tensor.get(_DTYPE, [0])[-1] != _FLOAT32 for tensor in (*inputs, *outputs)):
        raise ModelError(
            f"{folder}: signature {name!r} takes or gives other numbers than float32",
            expected="float32 pictures and float32 answers",
            fix="export the float network, with its pictures as float32",
        )
    shape, answer = _shape(inputs[0]), _shape(outputs[0])
    return Signature(name, shape, answer[-1] if answer else None)


def _signatures(data: bytes) -> Iterator[tuple[str, tuple[list[Message], list[Message]]]]:
    """Yield name, inputs and outputs of every signature."""
    for graph in _parse(data).get(_META_GRAPHS, []):
        for entry in _parse(graph).get(_SIGNATURE_DEF, []):
            pair = _parse(entry)
            signature = _parse(pair[_VALUE][-1])
            inputs, outputs = (
                [_parse(_parse(each)[_VALUE][-1]) for each in signature.get(number, [])]
                for number in (_INPUTS, _OUTPUTS)
            )
            yield _bytes(pair[_KEY][-1]).decode(), (inputs, outputs)


def _shape(tensor: Message) -> Shape:
    """Return a tensor's shape without its batch; a size that may be any is None."""
    sizes: list[int | None] = []
    for shape in tensor.get(_TENSOR_SHAPE, []):
        for dim in _parse(shape).get(_DIM, []):
            size = _parse(dim).get(_SIZE, [0])[-1]
            # A negative number is written as one of 64 bits.
            sizes.append(size if isinstance(size, int) and 0 < size < 2**31 else None)
    return tuple(sizes[1:])


def _parse(message: int | bytes) -> Message:
    """Return the fields of a message: by number, in their order, as numbers or bytes.

    Raises:
        ValueError: It is none.
    """
    data, place = _bytes(message), 0
    fields: Message = {}
    while place < len(data):
        tag, place = _varint(data, place)
        kind = tag & 7
        value: int | bytes
        if kind == _VARINT:
            value, place = _varint(data, place)
        elif kind in (_FIXED64, _BYTES, _FIXED32):
            size = {_FIXED64: 8, _FIXED32: 4}.get(kind)
            if size is None:
                size, place = _varint(data, place)
            if place + size > len(data):
                raise ValueError("it ends too early")
            value, place = data[place : place + size], place + size
        else:
            raise ValueError(f"a field of kind {kind}")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            break
        byte, place = data[place], place + 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number without an end")


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise TypeError("a number where a message should stand")
    return value


def _unreadable(path: Path, error: Exception) -> ModelError:
    return ModelError(
        f"{path} cannot be read ({getattr(error, 'strerror', None) or error})",
        expected="a SavedModel: saved_model.pb, and its weights in variables/",
        fix="copy the whole folder again",
    )
