"""What a network costs: parameters, multiply-accumulates, and the table that shows them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One layer of a network.

    Attributes:
        name: In the model.
        kind: Its Keras class.
        shape: Of its output, without the batch.
        parameters: Trained or not.
        macs: Multiply-accumulates for one picture; convolutions and dense layers only, as usual.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    macs: int


@dataclass(frozen=True, slots=True)
class NetworkCost:
    """A network's layers and their sums."""

    layers: tuple[LayerCost, ...]

    @property
    def parameters(self) -> int:
        """Parameters of all layers, batch norm statistics included."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one picture."""
        return sum(layer.macs for layer in self.layers)

    def to_json(self) -> dict[str, Any]:
        """Return sums and layers."""
        return {
            "parameters": self.parameters,
            "macs": self.macs,
            "layers": [asdict(layer) for layer in self.layers],
        }


def network_cost(model: Any) -> NetworkCost:
    """Count a Keras model.

    Args:
        model: A built functional model.
    """
    return NetworkCost(
        tuple(
            LayerCost(
                layer.name,
                type(layer).__name__,
                tuple(layer.output.shape[1:]),
                int(layer.count_params()),
                _macs(layer),
            )
            for layer in model.layers
        )
    )


def _macs(layer: Any) -> int:
    kind = type(layer).__name__
    if kind == "Conv2D":
        rows, columns = layer.output.shape[1:3]
        return int(rows * columns * math.prod(layer.kernel.shape))
    if kind == "Dense":
        return math.prod(int(n) for n in layer.kernel.shape)
    return 0
