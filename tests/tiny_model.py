"""Model files made by hand, without TensorFlow: one dense layer and a softmax (or a sigmoid)."""

import dataclasses
import io
import math
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from fer_edge.shared.labels import label_set
from fer_edge.shared.model.contract import DType, InputSpec, ModelContract, OutputSpec
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.model.model_file import (
    GOLDEN_INPUTS_NAME,
    GOLDEN_OUTPUTS_NAME,
    ModelFile,
    parse_model,
    sha256_hex,
    write_model,
)

SIDE = 48
_TYPES = {
    "int8": schema.TensorType.INT8,
    "int32": schema.TensorType.INT32,
    "float32": schema.TensorType.FLOAT32,
}


def tiny_contract(dtype: DType = "int8", *, labels: tuple[str, ...] = ()) -> ModelContract:
    """Return the contract of a tiny model; two labels make it binary."""
    labels = labels or label_set("fer2013").labels
    int8 = dtype == "int8"
    return ModelContract(
        name="tiny",
        labels=labels,
        task="binary" if len(labels) == 2 else "multiclass",
        input=InputSpec(dtype=dtype, scale=1.0, zero_point=-128 if int8 else 0),
        output=OutputSpec(
            kind="sigmoid" if len(labels) == 2 else "softmax",
            dtype=dtype,
            scale=1 / 256 if int8 else 1.0,
            zero_point=-128 if int8 else 0,
        ),
    )


def tiny_flatbuffer(contract: ModelContract, *, seed: int = 0) -> bytes:
    """Return a network with random weights that fits a contract: pixels, dense, probabilities."""
    rng = np.random.default_rng(seed)
    given, answer, units = contract.input, contract.output, contract.output_size
    weights = rng.integers(-127, 128, (units, math.prod(given.shape))).astype(np.int8)
    step = 1e-4
    if given.dtype == "int8":
        stored, bias = weights, np.zeros(units, np.int32)
    else:
        stored, bias = (weights * step).astype(np.float32), np.zeros(units, np.float32)
    tensors = [
        _tensor("pixels", (1, *given.shape), given.dtype, given.scale, given.zero_point),
        _tensor("weights", stored.shape, given.dtype, step, 0, buffer=1),
        _tensor("bias", bias.shape, str(bias.dtype), step * given.scale, 0, buffer=2),
        _tensor("logits", (1, units), given.dtype, 0.2, 0),
        _tensor("answer", (1, units), answer.dtype, answer.scale, answer.zero_point),
    ]
    model = schema.ModelT()
    model.version = 3
    model.buffers = [_buffer(b""), _buffer(stored.tobytes()), _buffer(bias.tobytes())]
    last = "LOGISTIC" if answer.kind == "sigmoid" else "SOFTMAX"
    model.operatorCodes = [_code("FULLY_CONNECTED"), _code(last)]
    graph = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs = tensors, [0], [4]
    graph.operators = [_dense(), _last(last)]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def tiny_model(contract: ModelContract | None = None, *, seed: int = 0, golden: int = 16) -> bytes:
    """Return a whole model file: network, contract and `golden` golden vectors."""
    contract = contract or tiny_contract()
    flatbuffer = tiny_flatbuffer(contract, seed=seed)
    contract = dataclasses.replace(contract, flatbuffer_sha256=sha256_hex(flatbuffer))
    classifier = LitertClassifier(ModelFile("tiny", flatbuffer, contract, {}))
    shape = (golden, *contract.input.picture_shape)
    inputs = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    outputs = np.stack([classifier.raw_output(pixels) for pixels in inputs])
    return write_model(flatbuffer, contract, golden_files(inputs, outputs))


def golden_files(inputs: NDArray[Any], outputs: NDArray[Any]) -> dict[str, bytes]:
    """Return golden vectors as files of a model."""
    return {GOLDEN_INPUTS_NAME: npy(inputs), GOLDEN_OUTPUTS_NAME: npy(outputs)}


def npy(array: NDArray[Any]) -> bytes:
    """Return an array as the bytes of an .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def with_golden(data: bytes, golden: dict[str, bytes]) -> ModelFile:
    """Return a model file with other golden vectors."""
    model = parse_model(data, where="tiny.tflite")
    return parse_model(write_model(model.flatbuffer, model.contract, golden), where="tiny.tflite")


def _tensor(
    name: str, shape: tuple[int, ...], dtype: str, scale: float, zero: int, *, buffer: int = 0
) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = name, list(shape), buffer
    tensor.type = _TYPES[dtype]
    if dtype != "float32":
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [zero]
    return tensor


def _buffer(data: bytes) -> Any:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8) if data else None
    return buffer


def _code(name: str) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
    code.version = 4 if name == "FULLY_CONNECTED" else 2
    return code


def _dense() -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0, 1, 2], [3]
    operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    operator.builtinOptions = schema.FullyConnectedOptionsT()
    return operator


def _last(name: str) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 1, [3], [4]
    if name == "SOFTMAX":
        operator.builtinOptionsType = schema.BuiltinOptions.SoftmaxOptions
        operator.builtinOptions = schema.SoftmaxOptionsT()
        operator.builtinOptions.beta = 1.0
    return operator
