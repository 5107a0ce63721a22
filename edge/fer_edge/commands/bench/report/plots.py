"""Plots as SVG text, so that a report needs nothing beside itself and the edge no plotting library.

Colours come from the page's style sheet by class: series s0, s1, ...
"""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Final

WIDTH: Final = 640
_HEIGHT: Final = 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 12, 40
_BAR: Final = 30


def distribution_plot(series: Mapping[str, Sequence[float]], *, unit: str) -> str:
    """Return cumulative distributions: which share of the samples was at most so large.

    The axis of values is logarithmic, so that levels of very different cost stand in one plot.

    Args:
        series: Samples by name, at least one positive value each.
        unit: Of the values.
    """
    low = min(min(values) for values in series.values())
    high = max(max(values) for values in series.values())
    low, high = math.log10(max(low, 1e-4)), math.log10(max(high, 1e-4))
    low, high = math.floor(low * 2) / 2, math.ceil(high * 2 + 1e-9) / 2
    if high <= low:
        high = low + 0.5

    def x(value: float) -> float:
        return _LEFT + (math.log10(max(value, 1e-4)) - low) / (high - low) * _inner_width()

    parts = [_y_axis([0, 0.25, 0.5, 0.75, 1], _from_bottom, lambda v: f"{v:.0%}")]
    ticks = [10.0**e for e in range(math.ceil(low), math.floor(high) + 1)]
    ticks += [3 * 10.0**e for e in range(math.floor(low), math.ceil(high))]
    inside = sorted(tick for tick in ticks if low <= math.log10(tick) <= high)
    parts += [_x_tick(x(tick), f"{tick:g}") for tick in inside]
    for index, values in enumerate(series.values()):
        ordered = sorted(values)
        step = max(1, len(ordered) // 200)
        shown = [*range(0, len(ordered), step), len(ordered) - 1]
        points = [(x(ordered[i]), _from_bottom((i + 1) / len(ordered))) for i in shown]
        parts.append(_polyline(points, index))
    return _svg(parts, f"share of runs by {unit}", unit) + _legend(list(series))


def bar_plot(bars: Sequence[tuple[str, Sequence[float]]], *, unit: str) -> str:
    """Return horizontal bars with a whisker: median, and the 90th and 99th percentile.

    A 99th percentile far beyond the others' 90th leaves the plot, so that the bars can be told
    apart; it then has no mark.

    Args:
        bars: Name and (p50, p90, p99) of each.
        unit: Of the values.
    """
    most = 1.25 * max(values[1] for _, values in bars) or 1.0
    left, height = 190, len(bars) * _BAR + 34
    scale = (WIDTH - left - 70) / most
    parts = [
        _x_tick(left + value * scale, f"{value:g}", bottom=height - 30)
        for value in _round_ticks(0, most)
    ]
    for row, (name, (p50, p90, p99)) in enumerate(bars):
        top = 8 + row * _BAR
        y = top + _BAR / 2 - 4
        middle, end, far = (left + min(value, most) * scale for value in (p50, p90, p99))
        width, height_px = max(1.0, p50 * scale), _BAR - 8
        parts += [
            f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="f0" x="{left}" y="{top}" width="{width:.1f}" height="{height_px}"/>',
            f'<path class="s1" d="M{middle:.1f} {y:.1f}H{far:.1f}"/>',
            f'<path class="s1" d="M{end:.1f} {y - 6:.1f}V{y + 6:.1f}"/>',
            f'<path class="s1" d="M{far:.1f} {y - 4:.1f}V{y + 4:.1f}"/>' if p99 <= most else "",
            f'<text x="{far + 6:.1f}" y="{y + 4:.1f}">{p50:.3g}</text>',
        ]
    return _svg(parts, f"percentiles, {unit}", unit, height=height)


def line_plot(
    points: Sequence[tuple[float, float]], *, x_unit: str, unit: str, index: int = 0
) -> str:
    """Return a line over time.

    Args:
        points: (x, y), ascending, at least two.
        x_unit: Of x.
        unit: Of y.
        index: Of the colour.
    """
    first, last = points[0][0], points[-1][0]
    values = [y for _, y in points]
    low, high = min(values), max(values)
    slack = (high - low) * 0.1 or abs(high) * 0.1 or 1.0
    low, high = low - slack, high + slack

    def place(point: tuple[float, float]) -> tuple[float, float]:
        across = (point[0] - first) / ((last - first) or 1.0)
        return _LEFT + across * _inner_width(), _from_bottom((point[1] - low) / (high - low))

    parts = [
        _y_axis(
            _round_ticks(low, high),
            lambda value: _from_bottom((value - low) / (high - low)),
            lambda value: f"{value:g}",
        )
    ]
    parts += [_x_tick(place((value, low))[0], f"{value:g}") for value in _round_ticks(first, last)]
    parts.append(_polyline([place(point) for point in points], index))
    return _svg(parts, f"{unit} over {x_unit}", x_unit)


def _round_ticks(low: float, high: float) -> list[float]:
    """Return about five round numbers between two values."""
    span = (high - low) or 1.0
    power = 10 ** math.floor(math.log10(span / 4))
    step = next(power * m for m in (1, 2, 5, 10) if span / (power * m) <= 6)
    return [round(step * i, 10) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _inner_width() -> int:
    return WIDTH - _LEFT - _RIGHT


def _from_bottom(share: float) -> float:
    return _TOP + (1 - share) * (_HEIGHT - _TOP - _BOTTOM)


def _y_axis(
    values: Sequence[float], place: Callable[[float], float], text: Callable[[float], str]
) -> str:
    return "".join(
        f'<path class="grid" d="M{_LEFT} {place(value):.1f}H{WIDTH - _RIGHT}"/>'
        f'<text x="{_LEFT - 8}" y="{place(value) + 4:.1f}" text-anchor="end">{text(value)}</text>'
        for value in values
    )


def _x_tick(x: float, text: str, *, bottom: float = _HEIGHT - _BOTTOM) -> str:
    return (
        f'<path class="grid" d="M{x:.1f} {_TOP}V{bottom}"/>'
        f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{text}</text>'
    )


def _polyline(points: Sequence[tuple[float, float]], index: int) -> str:
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="s{index % 6}" points="{text}"/>'


def _svg(parts: Sequence[str], label: str, unit: str, *, height: int = _HEIGHT) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">'
        + "".join(parts)
        + f'<text class="unit" x="{WIDTH - 4}" y="{height - 4}" text-anchor="end">{escape(unit)}'
        "</text></svg>"
    )


def _legend(names: Sequence[str]) -> str:
    items = "".join(
        f'<li><svg viewBox="0 0 16 8"><path class="s{i % 6}" d="M0 4H16"/></svg>{escape(name)}</li>'
        for i, name in enumerate(names)
    )
    return f'<ul class="legend">{items}</ul>'
