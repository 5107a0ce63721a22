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
            # TensorFlow numbers repeated scopes: layer "conv" becomes "conv_1".
            for name in (part, re.sub(r"_\d+$", "", part), part.lower()):
                if name in layers:
                    return f"layer {name!r} ({layers[name]})"
    return None
