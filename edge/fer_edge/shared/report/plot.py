"""Plots as SVG text, so that a report needs nothing beside itself and no plotting library.

Words and axes take the colour of the text around them (`currentColor`), so that they are light
where a page is dark; data has colours that can be told apart on both grounds.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from fer_edge.shared.report.colours import INK
from fer_edge.shared.report.page import text

Point: TypeAlias = tuple[float, float]
"""(x, y), in the units of the axes."""

WIDTH: Final = 520
HEIGHT: Final = 200
"""Of what the axes enclose; words are drawn around it."""

_LEAST: Final = 1e-4
"""What a logarithmic axis takes smaller values for."""
_LETTER: Final = 7
"""How wide a letter is, pixels, at the 12 pixels in which everything is written."""
_SLANT: Final = math.sqrt(0.5)


@dataclass(frozen=True, slots=True)
class Axis:
    """One side of a plot.

    Attributes:
        name: With its unit.
        low: Value at the left, or at the bottom.
        high: Value at the other end.
        ticks: Values, and what is written there.
        logarithmic: Whether equal steps are equal ratios.
    """

    name: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Return how far along the axis a value lies, 0 to 1; what lies beyond stops there."""
        low, high, here = self.low, self.high, value
        if self.logarithmic:
            low, high, here = (math.log10(max(v, _LEAST)) for v in (low, high, value))
        return min(1.0, max(0.0, (here - low) / (high - low)))


def linear(name: str, low: float, high: float) -> Axis:
    """Return an axis with about five round numbers."""
    high = high if high > low else low + 1
    span = high - low
    power = 10 ** math.floor(math.log10(span / 4))
    step = next(power * m for m in (1, 2, 5, 10) if span / (power * m) <= 6)
    numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return Axis(name, low, high, tuple((step * n, f"{round(step * n, 10):g}") for n in numbers))


def around(name: str, values: Iterable[float]) -> Axis:
    """Return a linear axis that holds all of the values, with some room beyond them."""
    values = list(values)
    low, high = min(values), max(values)
    slack = (high - low) * 0.1 or abs(high) * 0.1 or 1.0
    return linear(name, low - slack, high + slack)


def logarithmic(name: str, values: Iterable[float]) -> Axis:
    """Return an axis of half decades that holds all of the values."""
    exponents = [math.log10(max(value, _LEAST)) for value in values]
    low, high = math.floor(min(exponents) * 2) / 2, math.ceil(max(exponents) * 2 - 1e-9) / 2
    high = max(high, low + 0.5)
    multiples = (1, 2, 5) if high - low < 2 else (1, 3)
    ticks = [m * 10.0**e for e in range(math.floor(low), math.ceil(high) + 1) for m in multiples]
    inside = (tick for tick in ticks if low - 1e-9 <= math.log10(tick) <= high + 1e-9)
    return Axis(name, 10**low, 10**high, tuple((tick, f"{tick:g}") for tick in inside), True)


def named(names: Sequence[str], *, downwards: bool = False) -> Axis:
    """Return an axis with a place for each name, at 0, 1, 2 and so on."""
    ends = -0.5, len(names) - 0.5
    low, high = reversed(ends) if downwards else ends
    return Axis("", low, high, tuple(enumerate(names)))


def stairs(edges: Sequence[float], heights: Sequence[float]) -> list[Point]:
    """Return a line of steps: a height between each two edges, one edge more than heights."""
    return [
        (edge, height)
        for place, height in enumerate(heights)
        for edge in (edges[place], edges[place + 1])
    ]


@dataclass(slots=True)
class Plot:
    """What is drawn between two axes.

    Attributes:
        title: What it shows; above the picture, or for those who do not see it.
        x: From left to right.
        y: From bottom to top.
        width: Of the whole, pixels.
        height: Of what the axes enclose, pixels.
    """

    title: str
    x: Axis
    y: Axis
    width: int = WIDTH
    height: int = HEIGHT
    _parts: list[str] = field(default_factory=list, init=False)
    _legend: dict[str, str] = field(default_factory=dict, init=False)
    _left: float = field(default=0.0, init=False)
    _below: float = field(default=0.0, init=False)
    _slants: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Find out how much room the words of the axes need."""
        beside, below = ([len(words) * _LETTER for _, words in a.ticks] for a in (self.y, self.x))
        self.height = max(self.height, len(self.y.name) * _LETTER)
        self._left = 14 + max(beside, default=0) + (20 if self.y.name else 0)
        self._below = 24 + (20 if self.x.name else 0)
        # Words too long to stand side by side.
        self._slants = max(below, default=0) > (self.width - 60) / max(1, len(below))
        if self._slants:
            self._left = max(self._left, below[0] * _SLANT)
            self._below = max(below) * _SLANT + 16

    def line(
        self, points: Iterable[Point], colour: str = "currentColor", *, name: str = "",
        width: float = 1.8, dashed: bool = False, marked: bool = False,
    ) -> None:  # fmt: skip
        """Draw a line; one with a name stands in the legend."""
        points = list(points)
        places = " ".join("{:.1f},{:.1f}".format(*self._place(*point)) for point in points)
        dashes = ' stroke-dasharray="5 4"' if dashed else ""
        self._parts.append(
            f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="{width:g}" '
            f'stroke-linejoin="round"{dashes}/>'
        )
        self._note(name, colour)
        for point in points if marked else ():
            self.dot(point, colour, radius=2.5)

    def bar(self, corner: Point, opposite: Point, colour: str, *, name: str = "") -> None:
        """Draw a bar from one corner to the one opposite."""
        (x0, x1), (y0, y1) = map(
            sorted, zip(self._place(*corner), self._place(*opposite), strict=True)
        )
        self._parts.append(
            f'<rect x="{x0:.1f}" y="{y0:.1f}" width="{max(1, x1 - x0):.1f}" '
            f'height="{max(1, y1 - y0):.1f}" fill="{colour}"/>'
        )
        self._note(name, colour)

    def dot(self, point: Point, colour: str, *, radius: float, title: str = "") -> None:
        """Draw a dot; its title is shown where a pointer rests on it."""
        x, y = self._place(*point)
        said = f"<title>{text(title)}</title>" if title else ""
        self._parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{colour}">{said}</circle>'
        )

    def words(self, point: Point, words: str, *, right: float = 0, down: float = 0) -> None:
        """Write beside a point, so many pixels from it; where `right` is negative, to its left."""
        x, y = self._place(*point)
        self._parts.append(_text(x + right, y + down, words, "end" if right < 0 else "start"))

    def to_svg(self, *, alone: bool = False) -> str:
        """Return the picture.

        Args:
            alone: As a file of its own: on white, with its title and size.
        """
        top = -36 if alone else -8
        left, height = f"{-self._left:.0f}", f"{self.height + self._below - top:.0f}"
        size = f'style="width:{self.width}px"'
        parts = [*self._axes(), *self._parts]
        if alone:
            size = f'width="{self.width}" height="{height}" color="{INK}"'
            ground = f'<rect x="{left}" y="{top}" width="100%" height="100%" fill="#ffffff"/>'
            parts = [ground, _text(0, top + 20, self.title, "start", size=15), *parts]
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left} {top} {self.width} {height}" '
            f'role="img" aria-label="{text(self.title)}" {size} '
            'font-family="system-ui, sans-serif" font-size="12">\n' + "\n".join(parts) + "\n</svg>"
        )

    def to_html(self) -> str:
        """Return the picture with its title and legend, for a page."""
        items = "".join(
            f'<li style="--colour:{colour}">{text(name)}</li>'
            for name, colour in self._legend.items()
        )
        legend = f'<ul class="legend">{items}</ul>' if items else ""
        return (
            f"<figure><figcaption>{text(self.title)}</figcaption>{self.to_svg()}{legend}</figure>"
        )

    def _place(self, x: float, y: float) -> Point:
        return self.x.share(x) * self._right, self.height * (1 - self.y.share(y))

    @property
    def _right(self) -> float:
        return self.width - self._left - 16

    def _note(self, name: str, colour: str) -> None:
        if name:
            self._legend[name] = colour

    def _axes(self) -> list[str]:
        right, bottom = self._right, self.height
        parts = []
        for value, words in self.y.ticks:
            y = bottom * (1 - self.y.share(value))
            parts.append(_grid(f"M0 {y:.1f}H{right:.1f}"))
            parts.append(_text(-8, y + 4, words, "end"))
        for value, words in self.x.ticks:
            x = self.x.share(value) * right
            parts.append(_grid(f"M{x:.1f} 0V{bottom}"))
            if self._slants:
                parts.append(_text(x + 4, bottom + 14, words, "end", turned=-45))
            else:
                parts.append(_text(x, bottom + 17, words, "middle"))
        parts.append(_text(right / 2, bottom + self._below - 6, self.x.name, "middle"))
        parts.append(_text(12 - self._left, bottom / 2, self.y.name, "middle", turned=-90))
        return parts


def plots(*shown: Plot) -> str:
    """Return plots side by side, as many as there is room for."""
    return '<div class="plots">' + "\n".join(plot.to_html() for plot in shown) + "</div>"


def _grid(path: str) -> str:
    return f'<path d="{path}" stroke="currentColor" stroke-opacity="0.15"/>'


def _text(x: float, y: float, words: str, anchor: str, *, size: int = 0, turned: float = 0) -> str:
    larger = f' font-size="{size}"' if size else ""
    turn = f' transform="rotate({turned:g} {x:.1f} {y:.1f})"' if turned else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor"{larger}{turn}>'
        f"{text(words)}</text>"
    )
