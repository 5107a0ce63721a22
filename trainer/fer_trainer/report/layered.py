"""The layered picture of a network: blocks in perspective, as visualkeras draws them."""

from __future__ import annotations

from collections.abc import Sequence

from fer_edge.shared.report.colours import INK
from fer_edge.shared.report.page import text
from fer_trainer.report.blocks import (
    ACROSS,
    MARGIN,
    PAGE_WIDTH,
    TIMES,
    UP,
    Point,
    Slab,
    arrange_blocks,
    layer_shape,
    layer_title,
    place_row,
)
from fer_trainer.report.colours import LAYERS, OTHER_LAYER, shade
from fer_trainer.report.graph import NetworkGraph, Shortcut


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
    return _document(graph.name, parts, width=PAGE_WIDTH, height=y + height + 12, fill=background)


def _draw_row(
    row: Sequence[Sequence[Slab]], shortcuts: Sequence[Shortcut], *, top: float
) -> tuple[list[str], float]:
    """Place and draw a row; returns its shapes and its height."""
    names = {slab.layer.name for group in row for slab in group}
    above = [way for way in shortcuts if way.end in names]
    tallest = max(slab.height + slab.depth * UP for group in row for slab in group)
    ways_height = 34.0 if above else 0.0
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
    for way in above:
        start = slabs[way.start].crown if way.start in slabs else arrival
        parts += _way(way, start, slabs[way.end].crown, y=top + ways_height - 16)
    return parts, ways_height + tallest + 44


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
        f'fill="{INK}"/>',
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
        f'<polyline points="{_points(corners)}" fill="none" stroke="{INK}" '
        'stroke-width="0.8" stroke-opacity="0.6"/>'
    )


def _text(x: float, y: float, words: str, *, size: float, anchor: str = "middle") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}" '
        f'fill="{INK}">{text(words)}</text>'
    )


def _document(
    name: str, parts: Sequence[str], *, width: float, height: float, fill: str | None
) -> str:
    ground = "" if fill is None else f'<rect width="100%" height="100%" fill="{fill}"/>\n'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" '
        'font-family="system-ui, sans-serif" role="img">\n'
        f"<title>{text(name)}, layer by layer</title>\n{ground}" + "\n".join(parts) + "\n</svg>\n"
    )
