"""How large a network will be as an int8 model, before it is converted."""

from collections.abc import Sequence
from typing import Final

from fer_trainer.network.cost import LayerCost

_BYTES_A_CHANNEL: Final = 4 + 24  # an int32 bias; scale and zero point of weight and of bias
_BYTES_A_LAYER: Final = 400  # names, tensors and operator in the flatbuffer
_FOLDED: Final = frozenset({"BatchNormalization", "Rescaling", "Dropout", "ReLU", "InputLayer"})
"""What conversion takes into the layer before, or away."""


def int8_bytes(layers: Sequence[LayerCost]) -> int:
    """Estimate the bytes of the flatbuffer; contract and golden vectors come on top.

    Args:
        layers: Of the network, as `network_cost` counts them.
    """
    total = 0
    for layer in layers:
        if layer.kind not in _FOLDED:
            total += _BYTES_A_LAYER
        if layer.kind in {"Conv2D", "Dense"}:
            total += layer.parameters + _BYTES_A_CHANNEL * layer.shape[-1]
    return total
