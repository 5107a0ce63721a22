"""Arithmetic and memory of one inference, operator by operator."""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from fer_convert.cost.memory import (
    lifetimes,
    live_bytes,
    plan_memory,
    planned_bytes,
    tensor_bytes,
    weights_of,
)
from fer_convert.file.flatbuffer import Graph, Operator
from fer_convert.file.scopes import find_layer

_WEIGHTED: Final = ("Conv2D", "Dense")
_NO_LAYER: Final = re.compile(r"(simulated|network|functional|StatefulPartitionedCall)(_\d+)?(:|$)")


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One operator.

    Attributes:
        layer: The Keras layer it came from, or the name of its output where that is unknown.
        operator: TFLite's name of it.
        output: Shape of what it writes.
        multiply_accumulates: Of convolutions and dense layers; 0 for others.
        parameters: Numbers in its weights and biases.
        weight_bytes: What these take.
        live_bytes: All activations that are needed while it runs.
    """

    layer: str
    operator: str
    output: tuple[int, ...]
    multiply_accumulates: int
    parameters: int
    weight_bytes: int
    live_bytes: int


@dataclass(frozen=True, slots=True)
class CostTable:
    """One inference.

    Attributes:
        layers: In the order of execution.
        multiply_accumulates: Of all.
        parameters: Numbers in weights and biases; what two operators share counts once.
        weight_bytes: What these take.
        peak_activation_bytes: The most that has to be kept at one time.
        planned_activation_bytes: The block that holds all activations, as a greedy plan lays them.
    """

    layers: tuple[LayerCost, ...]
    multiply_accumulates: int
    parameters: int
    weight_bytes: int
    peak_activation_bytes: int
    planned_activation_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Return the table."""
        return {
            **{key: value for key, value in asdict(self).items() if key != "layers"},
            "layers": [{**asdict(layer), "output": list(layer.output)} for layer in self.layers],
        }


def cost_table(graph: Graph, kinds: Mapping[str, str] | None = None) -> CostTable:
    """Count what one inference of a graph costs.

    Args:
        graph: As read from the flatbuffer, and so as it will run.
        kinds: Class by name of the network's Keras layers.
    """
    alive = lifetimes(graph)
    weights = [weights_of(graph, operator) for operator in graph.operators]
    layers = tuple(
        LayerCost(
            layer_name(operator, kinds or {}),
            operator.name,
            operator.outputs[0].shape if operator.outputs else (),
            multiply_accumulates(operator),
            sum(math.prod(tensor.shape) for tensor in own),
            sum(map(tensor_bytes, own)),
            live_bytes(alive, number),
        )
        for number, (operator, own) in enumerate(zip(graph.operators, weights, strict=True))
    )
    distinct = {id(tensor): tensor for own in weights for tensor in own}.values()
    return CostTable(
        layers,
        sum(layer.multiply_accumulates for layer in layers),
        sum(math.prod(tensor.shape) for tensor in distinct),
        sum(map(tensor_bytes, distinct)),
        max((layer.live_bytes for layer in layers), default=0),
        planned_bytes(plan_memory(alive)),
    )


def multiply_accumulates(operator: Operator) -> int:
    """Return the multiply-accumulates of a convolution or dense layer; 0 for other operators."""
    if operator.name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        return 0
    weights, written = operator.inputs[1].shape, operator.outputs[0].shape
    if operator.name == "FULLY_CONNECTED":
        return math.prod(weights)
    # Filters: (out, rows, columns, in), or (1, rows, columns, out) for each channel by itself.
    per_number = weights[1:] if operator.name == "CONV_2D" else weights[1:3]
    return math.prod(written) * math.prod(per_number)


def layer_name(operator: Operator, kinds: Mapping[str, str]) -> str:
    """Return the Keras layer an operator came from, or its output's name where that is unknown."""
    written = [tensor.name for tensor in operator.outputs]
    if multiply_accumulates(operator):
        # A fused activation gives its name to the output, too; the one with the weights is meant.
        weights = [tensor.name for tensor in operator.inputs[1:2] if tensor.scales]
        weighted = {name: kind for name, kind in kinds.items() if kind.endswith(_WEIGHTED)}
        found = find_layer([*weights, *written], weighted)
        if found:
            return found
    return find_layer(written, kinds) or ", ".join(map(_readable, written))


def _readable(name: str) -> str:
    """Take off what TensorFlow wraps round a name."""
    scopes = name.split(";", maxsplit=1)[0].split("/")
    own = [scope for scope in scopes if not _NO_LAYER.match(scope)]
    return own[0] if own else "output"
