"""What a model costs its target, on graphs small enough to count by hand."""

from fer_convert.cost.layers import cost_table, lifetimes, plan_memory, planned_bytes
from fer_convert.file.flatbuffer import Graph, Operator, Tensor
from fer_convert.targets import Target


def a_tensor(name, *shape, dtype="INT8"):
    return Tensor(name, dtype, shape, (0.5,) if dtype != "FLOAT32" else (), (0,))


def a_graph() -> Graph:
    """A convolution, and a shortcut past a second one: x, a = conv(x), b = conv(a), a + b."""
    x, a, b, c = (a_tensor(name, 1, 4, 4, n) for name, n in zip("xabc", (1, 8, 8, 8), strict=True))
    first = (a_tensor("w1", 8, 3, 3, 1), a_tensor("b1", 8, dtype="INT32"))
    second = (a_tensor("w2", 1, 3, 3, 8), a_tensor("b2", 8, dtype="INT32"))
    operators = (
        Operator("CONV_2D", (x, *first), (a,)),
        Operator("DEPTHWISE_CONV_2D", (a, *second), (b,)),
        Operator("ADD", (a, b), (c,)),
    )
    return Graph((x, a, b, c, *first, *second), operators, (x,), (c,))


def test_counts_by_hand():
    table = cost_table(a_graph())
    assert [layer.multiply_accumulates for layer in table.layers] == [4 * 4 * 8 * 9] * 2 + [0]
    assert [layer.parameters for layer in table.layers] == [80, 80, 0]
    assert [layer.weight_bytes for layer in table.layers] == [72 + 32, 72 + 32, 0]
    assert [layer.live_bytes for layer in table.layers] == [16 + 128, 256, 384]
    assert table.multiply_accumulates == 2304
    assert (table.parameters, table.weight_bytes) == (160, 208)
    assert table.peak_activation_bytes == table.planned_activation_bytes == 384


def test_shared_weights_count_once_and_shapes_never():
    weights = a_tensor("w", 4, 4)
    axes = Tensor("axes", "INT32", (2,), (), ())
    x, a, b, c = (a_tensor(name, 1, 4) for name in "xabc")
    operators = (
        Operator("FULLY_CONNECTED", (x, weights), (a,)),
        Operator("FULLY_CONNECTED", (a, weights), (b,)),
        Operator("RESHAPE", (b, axes), (c,)),
    )
    table = cost_table(Graph((x, a, b, c, weights, axes), operators, (x,), (c,)))
    assert (table.multiply_accumulates, table.parameters) == (32, 16)


def test_a_plan_keeps_apart_what_lives_at_one_time(converted):
    for graph in (a_graph(), *converted.graphs.values()):
        plan = plan_memory(lifetimes(graph))
        for place in plan:
            assert place.offset % 16 == 0
            for other in plan:
                apart = place.end <= other.offset or other.end <= place.offset
                assert place is other or apart or not place.lifetime.overlaps(other.lifetime)
        assert planned_bytes(plan) >= cost_table(graph).peak_activation_bytes


def test_targets_differ_in_bytes_but_not_in_arithmetic(converted):
    tables = {target: cost_table(graph) for target, graph in converted.graphs.items()}
    int8, float32, float16 = (tables[t] for t in (Target.INT8, Target.FLOAT32, Target.FLOAT16))
    assert len({table.multiply_accumulates for table in tables.values()}) == 1
    assert float32.weight_bytes == 4 * float32.parameters
    assert float16.weight_bytes == 2 * float16.parameters
    assert int8.parameters == float32.parameters == float16.parameters
    assert float32.peak_activation_bytes == 4 * int8.peak_activation_bytes
    assert float16.peak_activation_bytes == float32.peak_activation_bytes


def test_layers_are_called_as_in_the_recipe(converted):
    table = cost_table(converted.graphs[Target.INT8], converted.network.kinds)
    assert table.layers[0].layer.startswith("layer '")
