"""A benchmark's report as one HTML page that needs nothing beside itself, and as JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from fer_edge.commands.annotate import make_folder
from fer_edge.commands.bench.report.plots import bar_plot, distribution_plot, line_plot
from fer_edge.commands.bench.report.text import (
    format_accuracy,
    level_rows,
    machine_fields,
    pipeline_rows,
    report_notes,
)
from fer_edge.shared.errors import OutputError

JSON_NAME: Final = "bench.json"
PAGE_NAME: Final = "bench.html"


def write_report(report: Mapping[str, Any], folder: Path) -> None:
    """Write bench.json and bench.html into a folder, which is made where it does not exist.

    Raises:
        OutputError: It cannot be written.
    """
    make_folder(folder)
    try:
        text = json.dumps(report, allow_nan=False)
        (folder / JSON_NAME).write_text(text + "\n", encoding="utf-8")
        (folder / PAGE_NAME).write_text(make_page(report), encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written ({error.strerror})",
            expected="a folder that may be written, with space",
            fix="name another one as --out",
        ) from error


def make_page(report: Mapping[str, Any]) -> str:
    """Return the report as an HTML page."""
    title = f"fer-edge bench: {report['machine']['board']}"
    body = "\n".join(_parts(report))
    style = files("fer_edge.commands.bench.report").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head>\n<body>"
        f'<h1>{escape(title)}</h1><p class="when">{escape(report["created_at"])}</p>\n'
        f"{body}\n</body></html>\n"
    )


def _parts(report: Mapping[str, Any]) -> Iterator[str]:
    yield _verdict(report)
    levels = level_rows(report)
    if levels:
        yield "<h2>Levels</h2>"
        bars = [
            (name, [found[f"p{p}_ms"] for p in (50, 90, 99)])
            for name, found in levels
            if not name.startswith(" ")
        ]
        plots = [("Median, with marks at the 90th and 99th percentile", bar_plot(bars, unit="ms"))]
        shown = {
            name: values
            for name, values in report["samples"].items()
            if values and not name.endswith(" cpu")
        }
        if shown:
            plots.append(
                ("Share of the runs that took at most so long", distribution_plot(shown, unit="ms"))
            )
        yield _figures(plots)
        columns = ["n", "mean", "p50", "p90", "p95", "p99", "max"]
        yield _table(
            ["ms", *columns, "p50 (95 %)", "p99 (95 %)"],
            [
                [
                    name.strip(),
                    str(found["n"]),
                    *(f"{found[f'{c}_ms']:.3f}" for c in columns[1:]),
                    *(_range(found["intervals_ms"][p]) for p in ("p50", "p99")),
                ]
                for name, found in levels
            ],
        )
    yield from _pipelines(report)
    yield from _models(report)
    yield from _sustained(report)
    yield from _single_stream(report)
    yield from _closing(report)


def _verdict(report: Mapping[str, Any]) -> str:
    why = "; ".join(report["invalid_because"]) or "nothing speaks against these figures"
    state, style = ("Valid", "verdict") if report["valid"] else ("Not valid", "verdict bad")
    notes = "".join(f"<br>Note: {escape(note)}." for note in report_notes(report))
    return f'<p class="{style}"><b>{state}</b>: {escape(why)}.{notes}</p>'


def _pipelines(report: Mapping[str, Any]) -> Iterator[str]:
    rows = pipeline_rows(report)
    if not rows:
        return
    yield "<h2>Whole frame</h2>"
    yield _table(
        ["", "frames", "FPS", "CPU ms", "p50 ms", "p90 ms", "p99 ms", "with face", "faces"],
        [
            [
                name, str(found["frames"]), f"{found['fps']:.1f}",
                f"{found['cpu_ms_per_frame']:.3f}",
                *(f"{found['wall_ms'][p]:.3f}" for p in ("p50", "p90", "p99")),
                str(found["frames_with_face"]), f"{found['faces_per_frame']:.2f}",
            ]
            for name, found in rows
        ],
    )  # fmt: skip


def _models(report: Mapping[str, Any]) -> Iterator[str]:
    models = [model for model in report.get("models", []) if model["network"]]
    if not models:
        return
    yield "<h2>Models</h2>"
    if len(models) > 1:
        bars = [
            (
                f"{model['name']} {model['precision']}",
                [model["network"][f"p{p}_ms"] for p in (50, 90, 99)],
            )
            for model in models
        ]
        yield _figures([("Network alone, measured in turns", bar_plot(bars, unit="ms"))])
    yield _table(
        ["", "KiB", "threads", "network p50", "(95 %)", "golden vectors", "accuracy"],
        [
            [
                f"{model['name']} {model['precision']}",
                f"{model['bytes'] / 1024:,.0f}",
                str(model["threads"]),
                f"{model['network']['p50_ms']:.3f}",
                _range(model["network"]["intervals_ms"]["p50"]),
                "match" if model["golden_match"] else "DIFFER",
                format_accuracy(model["accuracy"]),
            ]
            for model in models
        ],
    )


def _sustained(report: Mapping[str, Any]) -> Iterator[str]:
    sustained = report.get("sustained")
    if not sustained:
        return
    yield f"<h2>Sustained: {sustained['minutes']:.1f} minutes</h2>"
    named = (
        ("Median of each moment", "p50_ms", "ms"),
        ("Resident memory", "rss_mb", "MiB"),
        ("Temperature", "temperature_c", "°C"),
        ("Clock", "frequency_mhz", "MHz"),
        ("Power", "watts", "W"),
    )
    plots = []
    for index, (caption, key, unit) in enumerate(named):
        points = [(p["seconds"], p[key]) for p in sustained["points"] if p[key] is not None]
        if len(points) > 1:
            plot = line_plot(points, x_unit="s", unit=unit, index=index)
            plots.append((f"{caption}, {unit}", plot))
    yield _figures(plots)
    slope = sustained["memory_slope_mb_per_hour"]
    fields = [
        ("speed", f"{sustained['fps']:.1f} FPS over {sustained['frames']:,} frames"),
        ("last fifth against first", f"{sustained['slowdown']:.3f}"),
    ]
    if slope:
        interval = _range(slope["interval"])
        fields.append(("memory slope", f"{slope['slope']:+.2f} MiB an hour (95 %: {interval})"))
    yield _field_table(fields)


def _single_stream(report: Mapping[str, Any]) -> Iterator[str]:
    single = report.get("single_stream")
    if not single:
        return
    yield "<h2>Single stream</h2>"
    yield _field_table(
        [
            ("90th percentile", f"{single['p90_ms']:.3f} ms"),
            ("queries", f"{single['queries']:,} in {single['seconds']:.0f} s"),
            ("rules of MLPerf inference followed", "; ".join(single["rules_followed"])),
            ("not followed", "; ".join(single["rules_not_followed"])),
        ]
    )


def _closing(report: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>Machine and settings</h2>"
    fields = machine_fields(report)
    if memory := report["memory"]:
        steps = ", ".join(f"{name.removesuffix('_mb')} {mb:.0f}" for name, mb in memory.items())
        fields.append(("memory, MiB", steps))
    if used := report.get("energy"):
        fields.append(("energy", f"{used['mean_watts']} W, {used['joules_per_frame']} J a frame"))
    fields += [
        (section, ", ".join(f"{key} {value}" for key, value in values.items()))
        for section, values in report["settings"]["pipeline"].items()
    ]
    yield _field_table(fields)


def _figures(plots: Sequence[tuple[str, str]]) -> str:
    return (
        '<div class="plots">'
        + "".join(
            f"<figure><figcaption>{escape(text)}</figcaption>{plot}</figure>"
            for text, plot in plots
        )
        + "</div>"
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _field_table(fields: Sequence[tuple[str, str]]) -> str:
    body = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in fields
    )
    return f'<div class="scroll"><table class="fields">{body}</table></div>'


def _range(ends: Sequence[float | None]) -> str:
    return " … ".join("?" if end is None else f"{end:.3f}" for end in ends)
