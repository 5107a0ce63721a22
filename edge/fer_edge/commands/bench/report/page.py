"""A benchmark's report as one HTML page that needs nothing beside itself, and as JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from fer_edge.commands.bench.report.text import (
    judge,
    level_rows,
    level_table,
    machine_fields,
    model_name,
    model_table,
    pipeline_table,
    report_notes,
    sum_fields,
)
from fer_edge.shared.report.colours import BLUE, SERIES, VERMILION
from fer_edge.shared.report.page import facts, page, table, verdict
from fer_edge.shared.report.plot import Plot, around, linear, logarithmic, named, plots
from fer_edge.shared.whole_files import make_folder, replace_files

JSON_NAME: Final = "bench.json"
PAGE_NAME: Final = "bench.html"


def write_report(report: Mapping[str, Any], folder: Path) -> None:
    """Write bench.json and bench.html into a folder, which is made where it does not exist.

    Raises:
        OutputError: It cannot be written.
    """
    make_folder(folder)
    text = json.dumps(report, allow_nan=False) + "\n"
    replace_files({folder / JSON_NAME: text, folder / PAGE_NAME: make_page(report)})


def make_page(report: Mapping[str, Any]) -> str:
    """Return the report as an HTML page."""
    title = f"fer-edge bench: {report['machine']['board']}"
    return page(
        title,
        heading=title,
        lead=report["created_at"],
        above=[_verdict(report), facts(sum_fields(report))],
        sections=(
            ("levels", "Levels", _levels(report)),
            ("pipeline", "Whole frame", _pipelines(report)),
            ("models", "Models", _models(report)),
            ("sustained", "Sustained", _sustained(report)),
            ("single-stream", "Single stream", _single_stream(report)),
            ("machine", "Machine and settings", [_machine(report)]),
        ),
    )


def _verdict(report: Mapping[str, Any]) -> str:
    word, why = judge(report)
    return verdict(
        word.capitalize(),
        why or "nothing speaks against these figures",
        passed=not why,
        notes=[f"Note: {note}." for note in report_notes(report)],
    )


def _levels(report: Mapping[str, Any]) -> Iterator[str]:
    header, rows = level_table(report)
    if not rows:
        return
    bars = [
        (name, [found[f"p{p}_ms"] for p in (50, 90, 99)])
        for name, found in level_rows(report)
        if not name.startswith(" ")
    ]
    drawn = [bar_plot("Median, with marks at the 90th and 99th percentile", bars, unit="ms")]
    samples = {
        name: values
        for name, values in report["samples"].items()
        if values and not name.endswith(" cpu")
    }
    if samples:
        drawn.append(distribution_plot(samples, unit="ms"))
    yield plots(*drawn)
    yield table(header, rows)


def _pipelines(report: Mapping[str, Any]) -> Iterator[str]:
    header, rows = pipeline_table(report)
    if rows:
        yield table(header, rows)


def _models(report: Mapping[str, Any]) -> Iterator[str]:
    models = [model for model in report.get("models", []) if model["network"]]
    if len(models) > 1:
        bars = [
            (model_name(model), [model["network"][f"p{p}_ms"] for p in (50, 90, 99)])
            for model in models
        ]
        yield plots(bar_plot("Network alone, measured in turns", bars, unit="ms"))
    if models:
        yield table(*model_table(report))


def _sustained(report: Mapping[str, Any]) -> Iterator[str]:
    sustained = report.get("sustained")
    if not sustained:
        return
    named = (
        ("Median of each moment", "p50_ms", "ms"),
        ("Resident memory", "rss_mb", "MiB"),
        ("Temperature", "temperature_c", "°C"),
        ("Clock", "frequency_mhz", "MHz"),
        ("Power", "watts", "W"),
    )
    drawn = []
    for index, (title, key, unit) in enumerate(named):
        points = [(p["seconds"], p[key]) for p in sustained["points"] if p[key] is not None]
        if len(points) > 1:
            drawn.append(line_plot(title, points, x_unit="s", unit=unit, index=index))
    yield plots(*drawn)


def _single_stream(report: Mapping[str, Any]) -> Iterator[str]:
    single = report.get("single_stream")
    if single:
        yield facts(
            [
                ("rules of MLPerf inference followed", "; ".join(single["rules_followed"])),
                ("not followed", "; ".join(single["rules_not_followed"])),
            ]
        )


def _machine(report: Mapping[str, Any]) -> str:
    settings = report["settings"]["pipeline"].items()
    return facts(
        [
            *machine_fields(report),
            *(
                (section, ", ".join(f"{key} {value}" for key, value in values.items()))
                for section, values in settings
            ),
        ]
    )


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
