"""Model files with right hashes that crash the runtime, fill the memory, or never end."""

import dataclasses
import io
import json
import zipfile
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from tiny_model import tiny_contract, tiny_flatbuffer, tiny_model

from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.model.model_file import CONTRACT_NAME, parse_model, sha256_hex, write_model

_BUILTIN = schema.BuiltinOperator
_OF_INT8 = {_BUILTIN.MEAN, _BUILTIN.FILL, _BUILTIN.TILE, _BUILTIN.SLICE}
_DTYPES = {"int8": schema.TensorType.INT8, "int32": schema.TensorType.INT32}


def hostile_model(kind: str) -> bytes:
    """Return a whole model file: golden vectors of an honest network, and another network.

    Args:
        kind: A key of `KINDS`.
    """
    contract = tiny_contract()
    model = schema.ModelT.InitFromPackedBuf(tiny_flatbuffer(contract), 0)
    for buffer in model.buffers:
        buffer.data = None if buffer.data is None else np.asarray(buffer.data, np.uint8)
    KINDS[kind](model)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    honest = parse_model(tiny_model(contract), where="honest")
    golden = {name: data for name, data in honest.members.items() if name.startswith("golden/")}
    return write_model(bytes(builder.Output()), contract, golden)


def _null_input(model: Any) -> None:
    """An operator whose input is missing: the runtime follows a null pointer."""
    axis = _constant(model, np.array([1], np.int32))
    result = _tensor(model, (1,), "int8")
    options = schema.ReducerOptionsT()
    _first(model, _BUILTIN.MEAN, [-1, axis], [result], "ReducerOptions", options)


def _no_operators(model: Any) -> None:
    model.subgraphs[0].operators = []


def _huge_tensor(model: Any) -> None:
    """A few numbers that ask for four gigabytes."""
    shape = _constant(model, np.array([4000, 1000, 1000], np.int32))
    value = _constant(model, np.zeros((), np.int8))
    _first(model, _BUILTIN.FILL, [shape, value], [_tensor(model, (1,), "int8")])


def _huge_arena(model: Any) -> None:
    """The same, said of a tensor that is planned before anything runs."""
    pixels = model.subgraphs[0].inputs[0]
    times = _constant(model, np.array([1000, 1000, 1, 1], np.int32))
    result = _tensor(model, (1000, 48000, 48, 1), "int8")
    _first(model, _BUILTIN.TILE, [pixels, times], [result])


def _recursion(model: Any) -> None:
    """A loop whose body is the same loop again."""
    _endless(model)
    body = model.subgraphs[2]
    body.operators = [_loop(model, body.inputs, body.outputs)]


def _index_from_pixels(model: Any) -> None:
    """A row that only some pictures ask for, and that is not there."""
    graph = model.subgraphs[0]
    pixels = graph.inputs[0]
    first = _tensor(model, (1, 1, 1, 1), "int8")
    zero = _constant(model, np.zeros(4, np.int32))
    one = _constant(model, np.ones(4, np.int32))
    number = _tensor(model, (1, 1, 1, 1), "int32")
    row = _tensor(model, (1, 1, 1, 1), "int32")
    table = _constant(model, np.zeros(4, np.int32))
    cast = schema.CastOptionsT()
    cast.inDataType, cast.outDataType = _DTYPES["int8"], _DTYPES["int32"]
    _first(model, _BUILTIN.GATHER, [table, number], [row], "GatherOptions", schema.GatherOptionsT())
    _first(model, _BUILTIN.CAST, [first], [number], "CastOptions", cast)
    _first(model, _BUILTIN.SLICE, [pixels, zero, one], [first])


def _endless(model: Any) -> None:
    """A loop whose condition always holds."""
    counter = _constant(model, np.zeros((1,), np.int32))
    loop = _loop(model, [counter], [_tensor(model, (1,), "int32")])
    model.subgraphs[0].operators.insert(0, loop)
    model.subgraphs += [_condition(model), _body(model)]


KINDS = {
    "null input": _null_input,
    "no operators": _no_operators,
    "huge tensor": _huge_tensor,
    "huge arena": _huge_arena,
    "recursion": _recursion,
    "index from pixels": _index_from_pixels,
    "endless": _endless,
}


def reworded(data: bytes, **changes: Any) -> bytes:
    """Return a model file with other words in its contract, its hashes right."""
    model = parse_model(data, where="whole")
    contract = json.loads(model.members[CONTRACT_NAME]) | changes
    body = io.BytesIO(model.flatbuffer)
    with zipfile.ZipFile(body, "a", zipfile.ZIP_STORED) as archive:
        for name, member in model.members.items():
            text = json.dumps(contract).encode() if name == CONTRACT_NAME else member
            if name == "labels.txt":
                text = "".join(label + "\n" for label in contract["labels"]).encode()
            archive.writestr(name, text)
        archive.comment = b"0" * 64
    whole = body.getvalue()[:-64]
    return whole + sha256_hex(whole).encode()


def with_labels(data: bytes, labels: tuple[str, ...]) -> bytes:
    """Return a model file that calls its answers otherwise."""
    model = parse_model(data, where="whole")
    contract: ModelContract = dataclasses.replace(model.contract, labels=labels)
    golden = {name: part for name, part in model.members.items() if name.startswith("golden/")}
    return write_model(model.flatbuffer, contract, golden)


def _first(
    model: Any,
    code: int,
    inputs: list[int],
    outputs: list[int],
    kind: str = "",
    options: Any = None,
) -> None:
    """Put an operator before all others of the main graph."""
    graph = model.subgraphs[0]
    graph.operators = [_operator(model, code, inputs, outputs, kind, options), *graph.operators]


def _operator(
    model: Any,
    code: int,
    inputs: list[int],
    outputs: list[int],
    kind: str = "",
    options: Any = None,
) -> Any:
    entry = schema.OperatorCodeT()
    entry.builtinCode, entry.deprecatedBuiltinCode = code, min(code, 127)
    entry.version = 2 if code in _OF_INT8 else 1
    model.operatorCodes.append(entry)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = inputs, outputs
    if options is not None:
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        operator.builtinOptions = options
    return operator


def _tensor(
    model: Any, shape: tuple[int, ...], dtype: str, *, buffer: int = 0, graph: Any = None
) -> int:
    graph = graph or model.subgraphs[0]
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = "t", list(shape), buffer
    tensor.type = _DTYPES.get(dtype, schema.TensorType.BOOL)
    if dtype == "int8":
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [1.0], [-128]
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _constant(model: Any, value: Any, *, graph: Any = None) -> int:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(value.tobytes(), np.uint8)
    model.buffers.append(buffer)
    return _tensor(model, value.shape, str(value.dtype), buffer=len(model.buffers) - 1, graph=graph)


def _loop(model: Any, inputs: list[int], outputs: list[int]) -> Any:
    options = schema.WhileOptionsT()
    options.condSubgraphIndex, options.bodySubgraphIndex = 1, 2
    return _operator(model, _BUILTIN.WHILE, inputs, outputs, "WhileOptions", options)


def _condition(model: Any) -> Any:
    graph = schema.SubGraphT()
    graph.tensors, graph.operators = [], []
    graph.inputs = [_tensor(model, (1,), "int32", graph=graph)]
    graph.outputs = [_constant(model, np.ones((1,), np.bool_), graph=graph)]
    return graph


def _body(model: Any) -> Any:
    graph = schema.SubGraphT()
    graph.tensors = []
    given = _tensor(model, (1,), "int32", graph=graph)
    one = _constant(model, np.ones((1,), np.int32), graph=graph)
    result = _tensor(model, (1,), "int32", graph=graph)
    graph.operators = [
        _operator(model, _BUILTIN.ADD, [given, one], [result], "AddOptions", schema.AddOptionsT())
    ]
    graph.inputs, graph.outputs = [given], [result]
    return graph
