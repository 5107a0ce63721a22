"""What a network costs: parameters, multiply-accumulates, and the table that shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

_BYTES_A_CHANNEL: Final = 4 + 24  # an int32 bias; scale and zero point of weight and of bias
_BYTES_A_LAYER: Final = 400  # names, tensors and operator in the flatbuffer
_FOLDED: Final = frozenset({"BatchNormalization", "Rescaling", "Dropout", "ReLU", "InputLayer"})
"""What conversion takes into the layer before, or away."""


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
    if kind in {"Conv2D", "DepthwiseConv2D"}:
        rows, columns = layer.output.shape[1:3]
        return int(rows * columns * math.prod(layer.kernel.shape))
    if kind == "Dense":
        return math.prod(int(n) for n in layer.kernel.shape)
    return 0


def int8_bytes(layers: Sequence[LayerCost]) -> int:
    """Estimate the bytes of the flatbuffer; contract and golden vectors come on top.

    Args:
        layers: Of the network, as `network_cost` counts them.
    """
    total = 0
    for layer in layers:
        if layer.kind not in _FOLDED:
            total += _BYTES_A_LAYER
        if layer.kind in {"Conv2D", "DepthwiseConv2D", "Dense"}:
            total += layer.parameters + _BYTES_A_CHANNEL * layer.shape[-1]
    return total
