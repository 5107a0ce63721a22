"""What a benchmark's page draws."""

from collections.abc import Mapping, Sequence
from itertools import cycle

from fer_edge.shared.report.colours import BLUE, SERIES, VERMILION
from fer_edge.shared.report.plot import Plot, around, linear, logarithmic, named


def distribution_plot(series: Mapping[str, Sequence[float]], *, unit: str) -> Plot:
    """Draw cumulative distributions: which share of the samples was at most so large.

    The axis of values is logarithmic, so that levels of very different cost stand in one plot.

    Args:
        series: Samples by name, at least one value each.
        unit: Of the values.
    """
    values = [value for samples in series.values() for value in samples]
    share = linear("share of the runs (%)", 0, 100)
    plot = Plot("Share of the runs that took at most so long", logarithmic(unit, values), share)
    for (name, samples), colour in zip(series.items(), cycle(SERIES), strict=False):
        ordered = sorted(samples)
        shown = [*range(0, len(ordered), max(1, len(ordered) // 200)), len(ordered) - 1]
        points = [(ordered[i], 100 * (i + 1) / len(ordered)) for i in shown]
        plot.line(points, colour, name=name)
    return plot


def bar_plot(title: str, bars: Sequence[tuple[str, Sequence[float]]], *, unit: str) -> Plot:
    """Draw horizontal bars with a whisker: median, and the 90th and 99th percentile.

    A 99th percentile far beyond the others' 90th leaves the plot, so that the bars can be told
    apart; it then has no mark.

    Args:
        title: What they are.
        bars: Name and (p50, p90, p99) of each.
        unit: Of the values.
    """
    most = 1.25 * max(values[1] for _, values in bars) or 1.0
    names = named([f"{name}: {values[0]:.3g}" for name, values in bars], downwards=True)
    plot = Plot(title, linear(unit, 0, most), names, height=30 * len(bars))
    for row, (_, (p50, p90, p99)) in enumerate(bars):
        plot.bar((0, row - 0.35), (p50, row + 0.35), BLUE)
        plot.line([(p50, row), (p99, row)], VERMILION)
        for end in (p90, p99):
            if end <= most:
                plot.line([(end, row - 0.2), (end, row + 0.2)], VERMILION)
    return plot


def line_plot(
    title: str, points: Sequence[tuple[float, float]], *, x_unit: str, unit: str, index: int = 0
) -> Plot:
    """Draw a line over time.

    Args:
        title: What it is.
        points: (x, y), ascending, at least two.
        x_unit: Of x.
        unit: Of y.
        index: Of the colour.
    """
    x = linear(x_unit, points[0][0], points[-1][0])
    plot = Plot(title, x, around(unit, [y for _, y in points]))
    plot.line(points, SERIES[index % len(SERIES)])
    return plot
