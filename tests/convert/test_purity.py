"""Faults in a converted network, each in a graph made for it."""

import dataclasses

import pytest
from tiny_model import tiny_contract, tiny_flatbuffer
from toy_run import a_binary_contract, a_contract

from fer_convert.file.flatbuffer import Graph, Operator, Tensor, read_graphs
from fer_convert.file.purity import check_purity
from fer_convert.targets import Target
from fer_edge.shared.errors import ModelError


def a_graph() -> Graph:
    """Return a pure int8 graph: pixels, dense, softmax."""
    return read_graphs(tiny_flatbuffer(tiny_contract()))[0]


def a_tensor(name="network_1/dense_1/MatMul", dtype="INT8") -> Tensor:
    return Tensor(name, dtype, (1, 7), (0.5,), (0,))


def with_operator(name: str, tensor: Tensor) -> Graph:
    graph = a_graph()
    extra = Operator(name, (graph.tensors[3],), (tensor,))
    return dataclasses.replace(
        graph,
        tensors=(*graph.tensors, tensor),
        operators=(graph.operators[0], extra, graph.operators[1]),
    )


def check(graph, target=Target.INT8, contract=None, others=()):
    check_purity(
        (graph, *others),
        target,
        contract or a_contract(),
        layers={"dense": "Dense"},
        where="model.keras as int8",
    )


def test_a_pure_graph_passes():
    check(a_graph())


def test_reading_shows_what_was_written():
    graph = a_graph()
    assert [tensor.name for tensor in graph.tensors] == [
        "pixels", "weights", "bias", "logits", "answer",
    ]  # fmt: skip
    assert [(t.dtype, t.shape) for t in (*graph.inputs, *graph.outputs)] == [
        ("INT8", (1, 48, 48, 1)),
        ("INT8", (1, 7)),
    ]
    assert graph.operator_counts() == {"FULLY_CONNECTED": 1, "SOFTMAX": 1}
    assert graph.inputs[0].scales == (1.0,)
    assert graph.inputs[0].zero_points == (-128,)


@pytest.mark.parametrize("name", ["QUANTIZE", "DEQUANTIZE"])
def test_bridges_between_int8_and_float(name):
    with pytest.raises(ModelError, match=rf"operator {name} .*from layer 'dense' \(Dense\)"):
        check(with_operator(name, a_tensor()))


@pytest.mark.parametrize("target", Target)
@pytest.mark.parametrize("name", ["VAR_HANDLE", "READ_VARIABLE", "CUSTOM:FlexErf"])
def test_operators_that_no_target_may_have(name, target):
    with pytest.raises(ModelError, match=f"operator {name} that writes network_1/dense_1/MatMul"):
        check(with_operator(name, a_tensor()), target)


@pytest.mark.parametrize("dtype", ["FLOAT32", "FLOAT16", "INT16", "INT64", "RESOURCE"])
def test_tensors_that_are_not_int8(dtype):
    graph = with_operator("NEG", a_tensor(dtype=dtype))
    with pytest.raises(ModelError, match=rf"tensor network_1/dense_1/MatMul \({dtype}\[1, 7\]\)"):
        check(graph)


def test_other_subgraphs_are_looked_at_too():
    hidden = dataclasses.replace(a_graph(), tensors=(a_tensor("in a loop", "FLOAT32"),))
    with pytest.raises(ModelError, match="tensor in a loop"):
        check(a_graph(), others=(hidden,))


@pytest.mark.parametrize(
    ("scales", "zero_points"), [((0.998,), (-128,)), ((1.0,), (-127,)), ((), ())]
)
def test_an_input_that_does_not_take_raw_pixels(scales, zero_points):
    graph = a_graph()
    pixels = dataclasses.replace(graph.inputs[0], scales=scales, zero_points=zero_points)
    with pytest.raises(ModelError, match="expected scale 1 and zero point -128"):
        check(dataclasses.replace(graph, inputs=(pixels,)))


def test_an_answer_that_is_no_probability():
    graph = a_graph()
    with pytest.raises(ModelError, match=r"ends with operator FULLY_CONNECTED .*expected SOFTMAX"):
        check(dataclasses.replace(graph, outputs=(graph.tensors[3],)))
    with pytest.raises(ModelError, match=r"ends with operator SOFTMAX .*expected LOGISTIC"):
        check(graph, contract=a_binary_contract())


def test_float_tensors_are_right_in_a_float_model():
    contract = tiny_contract("float32")
    check(read_graphs(tiny_flatbuffer(contract))[0], Target.FLOAT32, contract)
