"""Does a network rescale raw pixels itself, and what does one lack that does not?"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from fer_convert.source.legacy import PIXELS, RAW, rescaling_of
from fer_convert.worker.flattening import graph_of, is_inert
from fer_edge.shared.data.samples import with_channels
from fer_edge.shared.errors import ModelError

_MOVING: Final = (
    "AveragePooling2D", "CenterCrop", "Cropping2D", "Flatten", "MaxPooling2D", "Permute",
    "RandomCrop", "Reshape", "Resizing", "UpSampling2D", "ZeroPadding2D",
)  # fmt: skip
"""They move pixels about, or mix neighbours: what comes out has the range of what goes in."""

_SHIFTS: Final = ("Add", "Subtract")

LARGEST_SPAN: Final = 32.0
"""From the darkest to the brightest pixel behind a layer that rescales raw pixels: 1 or 2 as a
rule, 4 to 5 behind a Normalization. A layer that makes more of them was made for smaller ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """An operation that is the first to do something with pixels.

    Attributes:
        operation: It.
        behind: Kinds of what the pixels have passed before, which left their range as it was.
        span: How far black and white lie apart behind it; None where it does not rescale at all.
    """

    operation: Any
    behind: tuple[str, ...]
    span: float | None

    @property
    def rescales(self) -> bool:
        """Whether it was made for raw pixels, of 0 to 255."""
        return self.span is not None and self.span <= LARGEST_SPAN

    def __str__(self) -> str:
        kind = type(self.operation).__name__
        passed = f" behind {', '.join(self.behind)}" if self.behind else ""
        span = (
            "" if self.rescales or self.span is None else f", which spreads them over {self.span:g}"
        )
        return f"{kind} {self.operation.name!r}{passed}{span}"


def rescaling_for(network: Any, pixels: str | None, path: Path) -> Any:
    """Return the layer that a network lacks to take pixels of 0 to 255; None if it lacks none.

    Args:
        network: Flat, layers that do nothing at inference included.
        pixels: What it takes, as its user says.
        path: Its file, for messages.

    Raises:
        ModelError: What the user says, or does not say, does not go with what the network does.
    """
    if pixels == RAW:
        return None
    _check(tuple(find_readers(network)), pixels, path)
    if pixels is None:
        return None
    return rescaling_layer(pixels)


def rescaling_layer(pixels: str) -> Any:
    """Return the layer that turns raw pixels into what a network takes."""
    scale, offset = rescaling_of(pixels)
    return keras.layers.Rescaling(scale, offset=offset, name="rescale")


def scale(pictures: NDArray[np.uint8], pixels: str | None) -> NDArray[np.float32]:
    """Return pictures as the user's own program feeds them: float32, a channel axis added."""
    raw = with_channels(pictures).astype(np.float32)
    if pixels is None:
        return raw
    factor, offset = rescaling_of(pixels)
    return raw * np.float32(factor) + np.float32(offset)


def _check(readers: tuple[Reader, ...], pixels: str | None, path: Path) -> None:
    rescaling = [reader for reader in readers if reader.rescales]
    others = [reader for reader in readers if not reader.rescales]
    if rescaling and others:
        raise ModelError(
            f"{path}: the network rescales pixels itself in one branch ({rescaling[0]}) and takes "
            f"them as they come in another ({others[0]})",
            expected="the same pixels in every branch, or pixels of 0 to 255",
            fix="say --pixels 0..255 if it was trained on such",
        )
    if rescaling and pixels is not None:
        raise ModelError(
            f"{path}: the network rescales pixels itself ({rescaling[0]}), and --pixels {pixels} "
            "is given",
            expected="--pixels for a network that leaves that to its caller, and for no other",
            fix="leave out --pixels",
        )
    if not rescaling and pixels is None:
        read = f" ({others[0]} takes them as they come)" if others else ""
        raise ModelError(
            f"{path}: the network does not rescale pixels itself{read}",
            expected="--pixels for a network that leaves that to its caller, and for no other",
            fix=f"give one of --pixels {', '.join(PIXELS)}: what it was trained on",
        )


def find_readers(network: Any) -> Iterator[Reader]:
    """Yield what is first to do something with a flat network's pixels, branch by branch."""
    passed: dict[str, tuple[str, ...]] = {network.inputs[0]._keras_history.operation.name: ()}
    for operation in graph_of(network).operations:
        for node in operation._inbound_nodes:
            sources = [tensor._keras_history.operation.name for tensor in node.input_tensors]
            behind = next((passed[name] for name in sources if name in passed), None)
            if behind is None:
                continue
            if _keeps_range(operation, sources):
                passed[operation.name] = (*behind, type(operation).__name__)
            else:
                yield Reader(operation, behind, _span(operation, node))


def _keeps_range(operation: Any, sources: list[str]) -> bool:
    kind = type(operation).__name__
    if kind == "Activation":
        return bool(operation.activation is keras.activations.linear)
    # A bare `x - 127.5` has one source; a layer that adds two branches has two.
    shifts = kind in _SHIFTS and len(sources) == 1
    return shifts or kind in _MOVING or is_inert(operation)


def _span(operation: Any, node: Any) -> float | None:
    """Return what becomes of 0 to 255: the distance of both ends."""
    kind = type(operation).__name__
    numbers = [value for value in node.arguments.args if isinstance(value, int | float)]
    if kind == "Rescaling":
        factor = np.abs(operation.scale).max()
    elif kind == "Normalization":
        variance = np.asarray(keras.ops.convert_to_numpy(operation.variance))
        factor = 1 / np.sqrt(max(float(variance.min()), 1e-14))
    elif kind in ("Divide", "TrueDivide") and numbers:
        factor = 1 / abs(numbers[0])
    elif kind == "Multiply" and numbers:
        factor = abs(numbers[0])
    else:
        return None
    return 255.0 * float(factor)
