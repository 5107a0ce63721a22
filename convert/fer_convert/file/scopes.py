"""Find the Keras layer behind a name that TensorFlow made of it."""

import re
from collections.abc import Iterable, Mapping


def find_layer(scopes: Iterable[str], layers: Mapping[str, str]) -> str | None:
    """Return the first layer that a scope such as "network_1/functional_1/conv_1/add" names.

    Args:
        scopes: Names of tensors or operations.
        layers: Class by name of the network's layers.

    Returns:
        For instance "layer 'conv' (Conv2D)".
    """
    for scope in scopes:
        for part in re.split("[/;]", scope):
            # TensorFlow numbers repeated scopes, and so does a simulated network the steps of a
            # layer: "conv" becomes "conv_1", or "conv_0_1".
            once = re.sub(r"_\d+$", "", part)
            for name in (part, once, re.sub(r"_\d+$", "", once), part.lower()):
                if name in layers:
                    return f"layer {name!r} ({layers[name]})"
    return None
