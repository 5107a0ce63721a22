"""A network as a chain of layers with shortcuts beside it: what its picture is drawn from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fer_trainer.network.cost import LayerCost, network_cost


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A way past the chain.

    Attributes:
        start: Name of the layer in the chain where it leaves.
        layers: On the way; empty where the values go through unchanged.
        end: Name of the layer in the chain where it comes in.
    """

    start: str
    layers: tuple[LayerCost, ...]
    end: str


@dataclass(frozen=True, slots=True)
class NetworkGraph:
    """A network with one input and one output.

    Attributes:
        name: Of the model.
        chain: The longest way from input to output.
        shortcuts: Everything beside it.
    """

    name: str
    chain: tuple[LayerCost, ...]
    shortcuts: tuple[Shortcut, ...]


def network_graph(model: Any) -> NetworkGraph:
    """Return a Keras model's graph.

    Args:
        model: A built functional model with one input and one output.
    """
    layers = {layer.name: layer for layer in network_cost(model).layers}
    described = json.loads(model.to_json())["config"]["layers"]
    inputs = {
        layer["config"]["name"]: tuple(_origins(layer["inbound_nodes"])) for layer in described
    }
    chain = _longest_way(inputs)
    return NetworkGraph(
        model.name,
        tuple(layers[name] for name in chain),
        tuple(_shortcuts(chain, inputs, layers)),
    )


def _origins(nodes: Any) -> Iterator[str]:
    """Find the layers that a layer's input comes from, anywhere in its call."""
    if isinstance(nodes, Mapping):
        if "keras_history" in nodes:
            yield nodes["keras_history"][0]
        else:
            yield from _origins(list(nodes.values()))
    elif isinstance(nodes, list):
        for node in nodes:
            yield from _origins(node)


def _longest_way(inputs: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the longest way to the last layer; Keras lists every layer after its inputs."""
    ways: dict[str, list[str]] = {}
    for name, origins in inputs.items():
        ways[name] = [*max((ways[origin] for origin in origins), key=len, default=[]), name]
    return ways[list(inputs)[-1]]


def _shortcuts(
    chain: list[str], inputs: Mapping[str, tuple[str, ...]], layers: Mapping[str, LayerCost]
) -> Iterator[Shortcut]:
    for before, end in zip([None, *chain], chain, strict=False):
        for origin in inputs[end]:
            if origin == before:
                continue
            start = origin
            passed: list[LayerCost] = []
            while start not in chain:
                passed.insert(0, layers[start])
                start = inputs[start][0]
            yield Shortcut(start, tuple(passed), end)
