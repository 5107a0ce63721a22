"""Where the blocks of a network's picture stand, and how large they are.

Height and depth of a block are the rows and columns of what its layer gives; its width grows with
the channels. Flat vectors are bars, longer with more numbers. A layer that only follows another
(batch norm, activation, pooling, dropout) is a thin slab behind it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from fer_trainer.network.cost import LayerCost
from fer_trainer.report.graph import NetworkGraph

TIMES: Final = "\N{MULTIPLICATION SIGN}"
PAGE_WIDTH: Final = 1000.0
MARGIN: Final = 16.0
ACROSS: Final = 0.32
UP: Final = 0.24
"""With `ACROSS` the oblique axis, as parts of a block's depth."""

_TALLEST: Final = 120.0
_SEAM: Final = 1.5
_LEADING: Final = ("InputLayer", "Conv2D", "Dense", "Flatten", "GlobalAveragePooling2D")
_WORDS: Final = {
    "InputLayer": "input", "Conv2D": "conv", "Dense": "dense", "Flatten": "flatten",
    "GlobalAveragePooling2D": "mean",
}  # fmt: skip

Point: TypeAlias = tuple[float, float]
"""(x, y), y downwards."""


@dataclass(frozen=True, slots=True)
class Slab:
    """A block where it stands.

    Attributes:
        layer: What it shows.
        left: Of its front.
        top: Of its front.
        width: Of its front.
        height: Of its front.
        depth: Along the oblique axis.
    """

    layer: LayerCost
    left: float
    top: float
    width: float
    height: float
    depth: float

    @property
    def crown(self) -> Point:
        """The middle of its upper face."""
        middle = self.left + self.width / 2 + self.depth * ACROSS / 2
        return middle, self.top - self.depth * UP / 2


def arrange_blocks(graph: NetworkGraph) -> list[list[list[Slab]]]:
    """Return rows of groups of blocks: a group is a layer and those that only follow it."""
    side = max((max(each.shape[:2]) for each in graph.chain if len(each.shape) == 3), default=1)
    groups = [[_sized(layer, _TALLEST / side) for layer in group] for group in _groups(graph)]
    return list(_rows(groups, graph))


def _groups(graph: NetworkGraph) -> list[list[LayerCost]]:
    """Put every layer that only follows behind the one that leads."""
    groups: list[list[LayerCost]] = []
    for layer in graph.chain:
        if layer.kind in _LEADING or not groups:
            groups.append([])
        groups[-1].append(layer)
    return groups


def _sized(layer: LayerCost, scale: float) -> Slab:
    """Give a layer its size; its place comes later."""
    if len(layer.shape) == 3:
        rows, columns, channels = layer.shape
        thick = 4 + 3.2 * math.log2(max(1, channels))
        width = thick if layer.kind in {"Conv2D", "InputLayer"} else 5.0
        return Slab(layer, 0, 0, width, max(7.0, rows * scale), max(7.0, columns * scale))
    size = math.log2(max(2, math.prod(layer.shape)))
    return Slab(layer, 0, 0, 9.0 if layer.kind in _LEADING else 5.0, 12 + 8 * size, 9.0)


def _solid(group: Sequence[Slab]) -> float:
    """Return the width of a group's blocks, their depth included."""
    return sum(slab.width + _SEAM for slab in group) + max(each.depth for each in group) * ACROSS


def _width(group: Sequence[Slab]) -> float:
    """Return the room a group takes, its label included."""
    return max(_solid(group) + 10, 66.0, 6.5 * len(layer_title(group[0].layer)))


def _rows(groups: Sequence[list[Slab]], graph: NetworkGraph) -> Iterator[list[list[Slab]]]:
    """Break a long network into rows, under a shortcut only right behind its start."""
    place = {slab.layer.name: n for n, group in enumerate(groups) for slab in group}
    spans = [(place[way.start], place[way.end]) for way in graph.shortcuts]
    free = [not any(start + 1 < n <= end for start, end in spans) for n in range(len(groups))]
    room = PAGE_WIDTH - 2 * MARGIN
    total = sum(_width(group) for group in groups)
    # Rows of about the same length, so that none is left with a single block.
    limit = min(room, total / math.ceil(total / room) + 100)
    row: list[list[Slab]] = []
    for number, group in enumerate(groups):
        # Look ahead to the next place where a row may end.
        ahead = next((n for n in range(number + 1, len(groups)) if free[n]), len(groups))
        wanted = sum(_width(each) for each in [*row, *groups[number:ahead]])
        if row and free[number] and wanted > limit:
            yield row
            row = []
        row.append(group)
    yield row


def place_row(row: Sequence[Sequence[Slab]], axis: float) -> list[list[Slab]]:
    """Give the blocks of a row their places along a horizontal axis."""
    placed: list[list[Slab]] = []
    spare = PAGE_WIDTH - 2 * MARGIN - sum(_width(group) for group in row)
    x, gap = MARGIN + 8, min(24.0, max(0.0, spare / len(row)))
    for group in row:
        here, stands = x + (_width(group) - _solid(group)) / 2, []
        for slab in group:
            top = axis - slab.height / 2
            stands.append(Slab(slab.layer, here, top, slab.width, slab.height, slab.depth))
            here += slab.width + _SEAM
        placed.append(stands)
        x += _width(group) + gap
    return placed


def layer_title(layer: LayerCost) -> str:
    """Return what a layer is called below its block."""
    size = "" if layer.kind == "InputLayer" else f" {layer.shape[-1]:,}"
    return _WORDS.get(layer.kind, layer.kind) + size


def layer_shape(layer: LayerCost) -> str:
    """Return the shape of what a layer gives, for people."""
    return TIMES.join(str(size) for size in layer.shape)
