"""The layered picture of a network: blocks in perspective, as visualkeras draws them.

Height and depth of a block are the rows and columns of what its layer gives; its width grows with
the channels. Flat vectors are bars, longer with more numbers. A layer that only follows another
(batch norm, activation, pooling, dropout) is a thin slab behind it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from fer_edge.shared.report import colours
from fer_edge.shared.report.page import text
from fer_trainer.network.cost import LayerCost
from fer_trainer.report.graph import NetworkGraph, Shortcut

_LIGHT_INK: Final = "#e6edf3"

LAYERS: Final[Mapping[str, str]] = {
    "InputLayer": colours.GREY,
    "Rescaling": "#c8c8c8",
    "Conv2D": colours.BLUE,
    "DepthwiseConv2D": colours.BLUE,
    "BatchNormalization": colours.YELLOW,
    "ReLU": colours.VERMILION,
    "MaxPooling2D": colours.GREEN,
    "AveragePooling2D": colours.GREEN,
    "GlobalAveragePooling2D": "#00694d",
    "Dropout": "#6e6e6e",
    "Flatten": colours.SKY,
    "Dense": colours.ORANGE,
    "Add": colours.PURPLE,
    "Multiply": colours.PURPLE,
}
"""By Keras class; those of one role may share a colour."""

OTHER_LAYER: Final = "#b8a88a"
TIMES: Final = "\N{MULTIPLICATION SIGN}"
PAGE_WIDTH: Final = 1000.0
MARGIN: Final = 16.0
ACROSS: Final = 0.32
UP: Final = 0.24
"""With `ACROSS` the oblique axis, as parts of a block's depth."""

_TALLEST: Final = 120.0
_SEAM: Final = 1.5
_STOREY: Final = 18.0
_LEADING: Final = (
    "InputLayer", "Conv2D", "DepthwiseConv2D", "Dense", "Flatten", "GlobalAveragePooling2D",
)  # fmt: skip
_WORDS: Final = {
    "InputLayer": "input", "Conv2D": "conv", "DepthwiseConv2D": "depthwise", "Dense": "dense",
    "Flatten": "flatten", "GlobalAveragePooling2D": "mean",
}  # fmt: skip

Point: TypeAlias = tuple[float, float]
"""(x, y), y downwards."""


def shade(colour: str, factor: float) -> str:
    """Return a colour nearer to black (below 1) or to white (above 1, up to 2)."""
    channels = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    changed = (
        round(channel * factor if factor <= 1 else channel + (255 - channel) * (factor - 1))
        for channel in channels
    )
    return "#" + "".join(f"{channel:02x}" for channel in changed)


def in_the_dark(svg: str) -> str:
    """Return an SVG for a dark page: light ink, everything else as it is."""
    return svg.replace(colours.INK, _LIGHT_INK)


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
            stands.append(replace(slab, left=here, top=top))
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


def draw_layered(graph: NetworkGraph, *, caption: str = "", background: str | None = None) -> str:
    """Draw a network.

    Args:
        graph: The network.
        caption: A line above it.
        background: A colour, or None to let the page shine through.

    Returns:
        An SVG document.
    """
    parts: list[str] = []
    y = MARGIN + (22.0 if caption else 0.0)
    if caption:
        parts.append(_text(MARGIN, MARGIN + 10, caption, size=13, anchor="start"))
    for row in arrange_blocks(graph):
        drawn, height = _draw_row(row, graph.shortcuts, top=y)
        parts += drawn
        y += height
    legend, height = _legend(graph, top=y + 6)
    parts += legend
    ground = (
        "" if background is None else f'<rect width="100%" height="100%" fill="{background}"/>\n'
    )
    size = f"{PAGE_WIDTH:.0f}", f"{y + height + 12:.0f}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {" ".join(size)}" '
        f'width="{size[0]}" height="{size[1]}" font-family="system-ui, sans-serif" role="img">\n'
        f"<title>{text(graph.name)}, layer by layer</title>\n{ground}"
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _draw_row(
    row: Sequence[Sequence[Slab]], shortcuts: Sequence[Shortcut], *, top: float
) -> tuple[list[str], float]:
    """Place and draw a row; returns its shapes and its height."""
    names = [slab.layer.name for group in row for slab in group]
    above = _levels([way for way in shortcuts if way.end in names], names)
    tallest = max(slab.height + slab.depth * UP for group in row for slab in group)
    ways_height = 34.0 + _STOREY * max(level for _, level in above) if above else 0.0
    ground = top + ways_height + tallest
    axis = ground - max(slab.height for group in row for slab in group) / 2
    placed = place_row(row, axis)
    first, last = placed[0][0], placed[-1][-1]
    parts = [_line([(first.left - 7, axis), (last.left + last.width + 14, axis)])]
    for group in placed:
        parts += [_block(slab) for slab in group]
        parts += _label(group, ground)
    slabs = {slab.layer.name: slab for group in placed for slab in group}
    arrival = first.left - 7, axis
    for way, level in above:
        start = slabs[way.start].crown if way.start in slabs else arrival
        y = top + ways_height - 16 - _STOREY * level
        parts += _way(way, start, slabs[way.end].crown, y=y)
    return parts, ways_height + tallest + 44


def _levels(ways: Sequence[Shortcut], names: Sequence[str]) -> list[tuple[Shortcut, int]]:
    """Return ways with their levels: one lies above those whose blocks it passes, too.

    Args:
        ways: That end in a row.
        names: Of the row's layers, from the left.
    """

    def span(way: Shortcut) -> tuple[int, int]:
        return names.index(way.start) if way.start in names else -1, names.index(way.end)

    placed: list[tuple[Shortcut, int]] = []
    for way in sorted(ways, key=lambda way: span(way)[1] - span(way)[0]):
        first, last = span(way)
        crossed = [n for other, n in placed if first < span(other)[1] and span(other)[0] < last]
        placed.append((way, max(crossed, default=-1) + 1))
    return placed


def _block(slab: Slab) -> str:
    """Draw a block: upper, right and front face."""
    x, y, dx, dy = slab.left, slab.top, slab.depth * ACROSS, slab.depth * UP
    right, bottom = x + slab.width, y + slab.height
    colour = LAYERS.get(slab.layer.kind, OTHER_LAYER)
    faces = (
        (1.35, [(x, y), (x + dx, y - dy), (right + dx, y - dy), (right, y)]),
        (0.72, [(right, y), (right + dx, y - dy), (right + dx, bottom - dy), (right, bottom)]),
        (1.0, [(x, y), (right, y), (right, bottom), (x, bottom)]),
    )
    drawn = "".join(
        f'<polygon points="{_points(corners)}" fill="{shade(colour, factor)}" '
        f'stroke="{shade(colour, 0.5)}" stroke-width="0.5" stroke-linejoin="round"/>'
        for factor, corners in faces
    )
    layer = slab.layer
    title = f"{layer.name}: {layer.kind}, {layer_shape(layer)}, {layer.parameters:,} parameters"
    return f"<g><title>{text(title)}</title>{drawn}</g>"


def _label(group: Sequence[Slab], ground: float) -> list[str]:
    leader = group[0].layer
    middle = max((group[0].left + group[-1].left + group[-1].width) / 2, group[0].left + 14)
    second = TIMES.join(str(n) for n in leader.shape[:2]) if len(leader.shape) == 3 else ""
    lines = [_text(middle, ground + 15, layer_title(leader), size=10)]
    return [*lines, _text(middle, ground + 27, second, size=9)] if second else lines


def _way(way: Shortcut, start: Point, end: Point, *, y: float) -> list[str]:
    """Draw a shortcut over the blocks, with a chip for each layer on it."""
    (x0, y0), (x1, y1) = start, end
    parts = [
        _line([(x0, y0), (x0, y), (x1, y), (x1, y1 - 5)]),
        f'<polygon points="{_points([(x1 - 3, y1 - 6), (x1 + 3, y1 - 6), (x1, y1)])}" '
        f'fill="{colours.INK}"/>',
    ]
    middle = (x0 + x1) / 2 - 5.5 * len(way.layers)
    for number, layer in enumerate(way.layers):
        colour = LAYERS.get(layer.kind, OTHER_LAYER)
        parts.append(
            f'<rect x="{middle + 11 * number:.1f}" y="{y - 5:.1f}" width="10" height="10" '
            f'fill="{colour}" stroke="{shade(colour, 0.5)}" stroke-width="0.5">'
            f"<title>{text(f'{layer.name}: {layer.kind}, {layer_shape(layer)}')}</title></rect>"
        )
    if not way.layers:
        parts.append(_text((x0 + x1) / 2, y - 4, "unchanged", size=8))
    return parts


def _legend(graph: NetworkGraph, *, top: float) -> tuple[list[str], float]:
    beside = [layer for way in graph.shortcuts for layer in way.layers]
    kinds = [layer.kind for layer in (*graph.chain, *beside)]
    parts, x, y = [], MARGIN, top
    for kind in dict.fromkeys(kinds):
        words = f"{kind} {TIMES}{kinds.count(kind)}"
        width = 30 + 7.0 * len(words)
        if x + width > PAGE_WIDTH - MARGIN:
            x, y = MARGIN, y + 18
        colour = LAYERS.get(kind, OTHER_LAYER)
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="11" height="11" fill="{colour}" '
            f'stroke="{shade(colour, 0.5)}" stroke-width="0.5"/>'
        )
        parts.append(_text(x + 16, y + 9.5, words, size=11, anchor="start"))
        x += width
    return parts, y - top + 18


def _points(corners: Sequence[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)


def _line(corners: Sequence[Point]) -> str:
    return (
        f'<polyline points="{_points(corners)}" fill="none" stroke="{colours.INK}" '
        'stroke-width="0.8" stroke-opacity="0.6"/>'
    )


def _text(x: float, y: float, words: str, *, size: float, anchor: str = "middle") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}" '
        f'fill="{colours.INK}">{text(words)}</text>'
    )
