"""The TFLite metadata entry: tells standard tools that files are packed behind the flatbuffer.

The contract says everything; this says only the name, and that `labels.txt` names the numbers of
the output. Written before the ZIP, because it changes the flatbuffer.

Source: metadata_schema.fbs of tensorflow/tflite-support.
"""

from typing import Any, Final

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.model.model_file import LABELS_NAME

METADATA_NAME: Final = b"TFLITE_METADATA"

_IDENTIFIER: Final = b"M001"
_PARSER_VERSION: Final = "1.0.0"
_TENSOR_AXIS_LABELS: Final = 2
_BUFFER_ALIGNMENT: Final = 16


class _AlignedBuilder(flatbuffers.Builder):  # type: ignore[misc]
    """Aligns weights as the schema asks (force_align: 16), which the Python builder forgets."""

    def CreateNumpyVector(self, x: NDArray[Any]) -> int:  # noqa: N802 - flatbuffers' own name
        self.Prep(4, x.nbytes)
        self.Prep(_BUFFER_ALIGNMENT, x.nbytes)
        return int(super().CreateNumpyVector(x))


def add_metadata(flatbuffer: bytes, contract: ModelContract) -> bytes:
    """Return a flatbuffer with a metadata entry; one that it has already is replaced.

    Args:
        flatbuffer: A TFLite model.
        contract: Its name, labels and licence are entered.
    """
    model = schema.ModelT.InitFromPackedBuf(flatbuffer)
    entries = [entry for entry in model.metadata or [] if entry.name != METADATA_NAME]
    entry, buffer = schema.MetadataT(), schema.BufferT()
    buffer.data = np.frombuffer(_describe(contract), np.uint8)
    model.buffers.append(buffer)
    entry.name, entry.buffer = METADATA_NAME, len(model.buffers) - 1
    model.metadata = [*entries, entry]
    builder = _AlignedBuilder(len(flatbuffer) + 4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _describe(contract: ModelContract) -> bytes:
    builder = flatbuffers.Builder(1024)
    labels = _table(
        builder, 5, {0: builder.CreateString(LABELS_NAME)}, numbers={2: _TENSOR_AXIS_LABELS}
    )
    # Vectors before the tables that hold them: a flatbuffer is written from its leaves.
    files = _vector(builder, [labels])
    answer = _table(builder, 8, {0: builder.CreateString("answer"), 6: files})
    picture = _table(builder, 8, {0: builder.CreateString("pixels")})
    inputs, outputs = _vector(builder, [picture]), _vector(builder, [answer])
    graph = _table(builder, 9, {2: inputs, 3: outputs})
    graphs = _vector(builder, [graph])
    texts = {
        0: builder.CreateString(contract.name),
        1: builder.CreateString(contract.intended_use),
        5: builder.CreateString(contract.licence),
        7: builder.CreateString(_PARSER_VERSION),
    }
    builder.Finish(_table(builder, 8, {**texts, 3: graphs}), _IDENTIFIER)
    return bytes(builder.Output())


def _table(
    builder: Any, size: int, offsets: dict[int, int], *, numbers: dict[int, int] | None = None
) -> int:
    builder.StartObject(size)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, number in (numbers or {}).items():
        builder.PrependInt8Slot(slot, number, 0)
    return int(builder.EndObject())


def _vector(builder: Any, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())
