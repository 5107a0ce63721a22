"""The trade-off as a picture: faces found over CPU time, every set of settings a dot."""

import html
import math
from typing import Final

from fer_edge.commands.tune.candidate import Trial
from fer_edge.commands.tune.outcome import Outcome

_WIDTH: Final = 760
_HEIGHT: Final = 440
_LEFT: Final = 70
_RIGHT: Final = 24
_TOP: Final = 48
_BOTTOM: Final = 62

# Okabe and Ito, Color Universal Design, 2008.
_DOT: Final = "#56b4e9"
_CHOSEN: Final = "#d55e00"
_FIRST: Final = "#009e73"


def draw_outcome(outcome: Outcome) -> str:
    """Return an SVG that needs nothing from outside."""
    costs = [trial.cpu_ms for trial in outcome.trials]
    low = 10 ** math.floor(math.log10(max(1e-3, min(costs))))
    high = 10 ** math.ceil(math.log10(max(1e-2, *costs)) + 1e-9)
    high = high if high > low else 10 * low
    scale = _Scale(low, high)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" font-family="system-ui, sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        _text(_LEFT, 22, "What the settings tried find, and what they cost here", size=15),
        *_axes(scale),
        _floor(scale, outcome.goal.recall),
        *(_dot(scale, trial, _DOT, 4) for trial in outcome.trials),
        _front(scale, outcome),
        _marked(scale, outcome.first, _FIRST, "begun with"),
        _marked(scale, outcome.chosen, _CHOSEN, "chosen"),
        "</svg>\n",
    ]
    return "\n".join(parts)


class _Scale:
    """From figures to places: CPU time logarithmic, recall linear."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def x(self, cost: float) -> float:
        share = math.log10(max(cost, self.low) / self.low) / math.log10(self.high / self.low)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(self, recall: float) -> float:
        return round(_HEIGHT - _BOTTOM - recall * (_HEIGHT - _TOP - _BOTTOM), 1)


def _axes(scale: _Scale) -> list[str]:
    bottom, right = scale.y(0), _WIDTH - _RIGHT
    parts = []
    for tenth in range(0, 11, 2):
        y = scale.y(tenth / 10)
        parts.append(_line(_LEFT, y, right, y))
        parts.append(_text(_LEFT - 8, y + 4, f"{10 * tenth}", anchor="end"))
    decade = scale.low
    while decade <= scale.high * 1.001:
        for multiple in (1, 2, 5):
            cost = decade * multiple
            if cost <= scale.high * 1.001:
                x = scale.x(cost)
                parts.append(_line(x, _TOP, x, bottom))
                parts.append(_text(x, bottom + 18, f"{cost:g}", anchor="middle"))
        decade *= 10
    middle = (_LEFT + right) / 2
    parts.append(_text(middle, _HEIGHT - 18, "CPU time a frame (ms)", anchor="middle"))
    y = (_TOP + bottom) / 2
    parts.append(
        f'<text x="18" y="{y}" transform="rotate(-90 18 {y})" text-anchor="middle" '
        'fill="#1f2328">faces found (%)</text>'
    )
    return parts


def _floor(scale: _Scale, recall: float) -> str:
    y = scale.y(recall)
    line = f'<path d="M{_LEFT} {y} H{_WIDTH - _RIGHT}" stroke="#1f2328" stroke-dasharray="5 4"/>'
    return line + _text(_WIDTH - _RIGHT, y + 15, f"wanted: {recall:.0%}", anchor="end")


def _front(scale: _Scale, outcome: Outcome) -> str:
    """Join the trials that none beats in both."""
    best, points = -1.0, []
    for trial in sorted(outcome.trials, key=lambda t: (t.cpu_ms, -t.recall)):
        if trial.recall > best:
            best = trial.recall
            points.append(f"{scale.x(trial.cpu_ms)},{scale.y(trial.recall)}")
    return f'<polyline points="{" ".join(points)}" fill="none" stroke="{_DOT}" stroke-width="1.5"/>'


def _marked(scale: _Scale, trial: Trial, colour: str, name: str) -> str:
    x, y = scale.x(trial.cpu_ms), scale.y(trial.recall)
    # Beside the dot, on the side where there is room, and off the line of the floor.
    side, anchor = (12, "start") if x < _WIDTH - 220 else (-12, "end")
    words = f"{name}: {trial.recall:.0%}, {trial.cpu_ms:.2g} ms"
    below = 26 if name == "chosen" else -10
    return _dot(scale, trial, colour, 7) + _text(x + side, y + below, words, anchor=anchor)


def _dot(scale: _Scale, trial: Trial, colour: str, radius: int) -> str:
    title = ", ".join(f"{key} = {value}" for key, value in trial.changes.items()) or "begun with"
    return (
        f'<circle cx="{scale.x(trial.cpu_ms)}" cy="{scale.y(trial.recall)}" r="{radius}" '
        f'fill="{colour}" fill-opacity="0.85"><title>{html.escape(title)}</title></circle>'
    )


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#d1d9e0"/>'


def _text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 13) -> str:
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}" fill="#1f2328">'
        f"{html.escape(words)}</text>"
    )
