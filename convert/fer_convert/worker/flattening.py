"""A network in one piece: layers of nested networks called one by one, on a picture's pixels."""

from collections.abc import Callable
from typing import Any, Final

import keras

_INERT: Final = (
    "ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise",
    "Identity", "SpatialDropout2D",
)  # fmt: skip


def is_inert(operation: Any) -> bool:
    """Whether a layer does nothing at inference."""
    kind = type(operation).__name__
    return kind in _INERT or (kind.startswith("Random") and kind != "RandomCrop")


def is_network(operation: Any) -> bool:
    """Whether a layer is a network itself."""
    return isinstance(operation, keras.Model)


def graph_of(network: Any) -> Any:
    """Return the graph of a network's operations; a Sequential keeps one of its own."""
    return getattr(network, "_functional", None) or network


def flatten(
    network: Any, shape: tuple[int, int, int], *, before: Any = None, keep_inert: bool = False
) -> Any:
    """Return a network that computes the same and nests none; `network` is not changed.

    A layer that is used several times stays one layer.

    Args:
        network: With one input and one output.
        shape: Of a picture: height, width, channels.
        before: A layer put at the input tensor, in front of all that read it.
        keep_inert: Whether layers stay that do nothing at inference.
    """
    copies: dict[int, tuple[Any, Any]] = {}
    names: set[str] = set()

    def call(operation: Any, *arguments: Any, **keywords: Any) -> Any:
        if is_inert(operation) and not (keep_inert or keywords.get("training")):
            return arguments[0]
        if id(operation) not in copies:
            copies[id(operation)] = operation, _copy(operation, names)
        return copies[id(operation)][1](*arguments, **keywords)

    picture = keras.Input(shape, name="pixels")
    if before is not None:
        names.add(before.name)
    answer = _call_layers(network, picture if before is None else before(picture), call)
    flat = keras.Model(picture, answer, name="flat")
    for old, new in copies.values():
        if isinstance(old, keras.layers.Layer):
            new.set_weights(old.get_weights())
    return flat


def _call_layers(network: Any, given: Any, call: Callable[..., Any]) -> Any:
    def each(operation: Any, *arguments: Any, **keywords: Any) -> Any:
        if is_network(operation):
            return _call_layers(operation, arguments[0], call)
        return call(operation, *arguments, **keywords)

    # Keras has no public way to walk a graph
    answer = graph_of(network)._run_through_graph(given, call_fn=each)
    return answer[0] if isinstance(answer, list) and len(answer) == 1 else answer


def _copy(operation: Any, names: set[str]) -> Any:
    """Return a layer or bare operation as it was configured, under a name of its own."""
    name, number = operation.name, 1
    while name in names:
        name, number = f"{operation.name}_{number}", number + 1
    names.add(name)
    return type(operation).from_config({**operation.get_config(), "name": name})
