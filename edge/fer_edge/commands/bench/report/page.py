"""A benchmark's report as one HTML page that needs nothing beside itself, and as JSON."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from fer_edge.commands.bench.report.plots import bar_plot, distribution_plot, line_plot
from fer_edge.commands.bench.report.rows import (
    level_rows,
    level_table,
    machine_fields,
    model_name,
    model_table,
    pipeline_table,
    report_notes,
    sum_fields,
)
from fer_edge.shared.report.page import facts, page, table, verdict
from fer_edge.shared.report.plot import plots
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
    return verdict(
        "Valid" if report["valid"] else "Not valid",
        "; ".join(report["invalid_because"]) or "nothing speaks against these figures",
        passed=report["valid"],
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
