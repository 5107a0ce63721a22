"""An int8 model as a `.h/.cc` pair for TensorFlow Lite Micro, and how long its arena has to be."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Final

from fer_convert.cost.layers import lifetimes, plan_memory, planned_bytes, weights_of
from fer_convert.file.flatbuffer import Graph
from fer_convert.microcontroller.operators import registrations_for
from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.model.model_file import ModelFile

# Sizes of TensorFlow Lite Micro's own records on a 64-bit machine; smaller with 32-bit pointers.
_TENSOR: Final = 24
_OPERATOR: Final = 64
_OPERATOR_DATA: Final = 128
_CHANNEL: Final = 8  # a multiplier and a shift for each channel of a convolution
_FIXED: Final = 2048  # interpreter, planner, input and output as full tensors
HEADER_NAME: Final = "emotion_model.h"
SOURCE_NAME: Final = "emotion_model.cc"
FILE_NAMES: Final = (HEADER_NAME, SOURCE_NAME)

_BYTES_PER_LINE: Final = 16

_HEADER: Final = """\
// Made by fer-convert of the model {name}; the contract in the .tflite says more of it.
//
// Feed one {kind} of kInputHeight x kInputWidth pixels{order}: quantised = pixel ^ 0x80.
// {answer}
// The resolver needs, and nothing else:
//
//   tflite::MicroMutableOpResolver<{count}> resolver;
{calls}
#ifndef FER_EMOTION_MODEL_H_
#define FER_EMOTION_MODEL_H_

#include <cstddef>
#include <cstdint>

namespace emotion_model {{

// The TFLite flatbuffer, aligned to 16 bytes, and the SHA-256 of it.
extern const unsigned char kModel[];
constexpr std::size_t kModelLength = {length};
constexpr char kModelSha256[] =
    "{sha}";

constexpr int kInputHeight = {height};
constexpr int kInputWidth = {width};
constexpr int kInputChannels = {channels};
constexpr float kInputScale = {input_scale};
constexpr int kInputZeroPoint = {input_zero};

constexpr int kOutputLength = {outputs};
constexpr float kOutputScale = {output_scale};
constexpr int kOutputZeroPoint = {output_zero};

// Probabilities are raised to 1 / kTemperature and divided by their sum.
constexpr float kTemperature = {temperature};
// P(second label) from which a model of two labels says the second.
constexpr float kThreshold = {threshold};

constexpr int kLabelCount = {labels};
extern const char* const kLabels[kLabelCount];

// With the portable kernels, an upper bound; optimised kernels ask for scratch memory on top.
constexpr std::size_t kArenaBytes = {arena};

}}  // namespace emotion_model

#endif  // FER_EMOTION_MODEL_H_
"""

_SOURCE: Final = """\
// Made by fer-convert; see {header}.
#include "{header}"

namespace emotion_model {{

alignas(16) const unsigned char kModel[kModelLength] = {{
{data}
}};

const char* const kLabels[kLabelCount] = {{
{labels}
}};

}}  // namespace emotion_model
"""


def estimate_arena(graph: Graph) -> int:
    """Return how many bytes of arena a model needs with the portable kernels.

    The block of activations as `plan_memory` lays it, and an upper bound of the records beside
    it. Optimised kernels ask for scratch memory on top, as much as they choose.
    """
    channels = sum(
        max((math.prod(tensor.shape) for tensor in weights_of(graph, operator)[1:]), default=0)
        for operator in graph.operators
        if operator.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
    )
    records = (
        _FIXED
        + _TENSOR * len(graph.tensors)
        + (_OPERATOR + _OPERATOR_DATA) * len(graph.operators)
        + _CHANNEL * channels
    )
    return planned_bytes(plan_memory(lifetimes(graph))) + records


def source_files(model: ModelFile, graph: Graph, kinds: Mapping[str, str]) -> dict[str, bytes]:
    """Return the source files of an int8 model, by name.

    Args:
        model: Its contract goes into the constants, its flatbuffer into the array.
        graph: What the flatbuffer holds.
        kinds: Class by name of the network's Keras layers.

    Raises:
        ModelError: An operator that TensorFlow Lite Micro does not compute in int8.
    """
    calls = registrations_for(graph, kinds, where=str(model.path))
    contract = model.contract
    header = _HEADER.format(
        name=json.dumps(contract.name),
        kind="face crop in colour" if contract.input.is_colour else "grey face crop",
        order=", red, green, blue of each" if contract.input.is_colour else "",
        answer=_answer(contract),
        count=len(calls),
        calls="\n".join(f"//   resolver.{call}();" for call in calls),
        length=len(model.flatbuffer),
        sha=contract.flatbuffer_sha256,
        height=contract.input.height,
        width=contract.input.width,
        channels=contract.input.channels,
        input_scale=_float(contract.input.scale),
        input_zero=contract.input.zero_point,
        outputs=graph.outputs[0].shape[-1],
        output_scale=_float(contract.output.scale),
        output_zero=contract.output.zero_point,
        temperature=_float(contract.output.temperature),
        threshold=_float(contract.threshold),
        labels=len(contract.labels),
        arena=estimate_arena(graph),
    )
    source = _SOURCE.format(
        header=HEADER_NAME,
        data="\n".join(_data_lines(model.flatbuffer)),
        labels="\n".join(f"    {_quoted(label)}," for label in contract.labels),
    )
    return {HEADER_NAME: header.encode(), SOURCE_NAME: source.encode()}


def _quoted(text: str) -> str:
    """Return a text as C++ reads it, in UTF-8: JSON's escapes of other letters are not C++'s."""
    return json.dumps(text, ensure_ascii=False)


def _answer(contract: ModelContract) -> str:
    probability = "(quantised - kOutputZeroPoint) * kOutputScale"
    if contract.output.kind == "sigmoid":
        return f"P(second label) = {probability}."
    return f"P(kLabels[i]) = {probability}."


def _data_lines(data: bytes) -> Iterator[str]:
    for start in range(0, len(data), _BYTES_PER_LINE):
        line = data[start : start + _BYTES_PER_LINE]
        yield "    " + " ".join(f"0x{byte:02x}," for byte in line)


def _float(value: float) -> str:
    """Return a number that is read back exactly, as C++ writes a float."""
    text = repr(float(value))
    return f"{text}F" if "." in text or "e" in text else f"{text}.0F"
