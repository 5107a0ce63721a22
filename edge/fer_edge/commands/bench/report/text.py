"""A benchmark's report and a comparison, for a terminal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from fer_edge.shared.terminal.tables import format_fields, format_table

if TYPE_CHECKING:
    from fer_edge.commands.bench.compare.verdict import Comparison

_MUCH_WAITING: Final = 0.1
_COLUMNS: Final = ("n", "mean", "p50", "p90", "p95", "p99", "max", "p50 from..to (95 %)")


def format_report(report: Mapping[str, Any]) -> str:
    """Return a report for people; a level that is missing is left out."""
    parts = [
        format_fields(machine_fields(report)),
        _levels(report),
        _models(report),
        _pipelines(report),
        format_fields(_sums(report)),
        _verdict(report),
    ]
    return "\n\n".join(part for part in parts if part)


def machine_fields(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return name and value of what the run was made on and with."""
    machine, model = report["machine"], report["model"]
    clock = machine["frequency_mhz"]
    state = [machine["governor"] and f"governor {machine['governor']}"]
    state.append(clock and f"{clock:.0f} MHz")
    state.append(machine["temperature_c"] and f"{machine['temperature_c']:.1f} °C")
    state.append(machine["throttled_since_start"] and "has throttled since its start")
    libraries = machine["libraries"]
    return [
        ("board", machine["board"]),
        ("processor", f"{machine['cpu']}, {machine['usable_cores']} of {machine['cores']} cores"),
        ("state", ", ".join(part for part in state if part) or "not told"),
        ("system", f"{machine['os']}, Linux {machine['kernel']}, {machine['architecture']}"),
        ("libraries", ", ".join(f"{name} {version}" for name, version in libraries.items())),
        ("model", f"{model['name']} {model['precision']}, sha256 {model['sha256'][:12]}..."),
        ("source", report["settings"]["source"]),
    ]


def level_rows(report: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return name and figures (keys in _ms) of each level that was measured, network first."""
    named = [
        ("network alone", report["network"]),
        ("with preprocessing", report["network_with_preprocessing"]),
        *((f"detector {size}", found) for size, found in (report["detector"] or {}).items()),
    ]
    pipeline = report["pipeline"]
    if pipeline:
        named.append(("whole frame", _with_unit(pipeline["wall_ms"])))
    named += [(f"  {stage}", found) for stage, found in report["stages"].items()]
    return [(name, found) for name, found in named if found]


def _with_unit(figures: Mapping[str, Any]) -> dict[str, Any]:
    kept = {f"{name}_ms": value for name, value in figures.items() if name != "n"}
    return {"n": figures["n"], **kept}


def _levels(report: Mapping[str, Any]) -> str:
    rows = [
        [
            name,
            str(found["n"]),
            *(_ms(found[f"{column}_ms"]) for column in _COLUMNS[1:-1]),
            _range(found["intervals_ms"]["p50"]),
        ]
        for name, found in level_rows(report)
    ]
    return format_table(["level (ms)", *_COLUMNS], rows) if rows else ""


def _models(report: Mapping[str, Any]) -> str:
    models = report.get("models", [])
    rows = [
        [
            f"{model['name']} {model['precision']}",
            f"{model['bytes'] / 1024:,.0f}",
            str(model["threads"]),
            _ms((model["network"] or {}).get("p50_ms")),
            _ms((model["network_with_preprocessing"] or {}).get("p50_ms")),
            "yes" if model["golden_match"] else "NO",
            format_accuracy(model["accuracy"]),
        ]
        for model in models
    ]
    header = ["model", "KiB", "threads", "network p50", "prepared p50", "golden", "accuracy"]
    return format_table(header, rows) if rows else ""


def format_accuracy(accuracy: Mapping[str, Any] | None) -> str:
    """Return the accuracy with what it was measured on."""
    if accuracy is None:
        return "unknown"
    count = f" on {accuracy['n']:,}" if "n" in accuracy else ""
    judge = f" of {accuracy['yardstick']}" if "yardstick" in accuracy else ""
    source = accuracy["source"]
    here = "measured here" if source == "measured" else f"says the {source}"
    return f"{accuracy['accuracy']:.1%}{judge}{count}, {here}"


def pipeline_rows(report: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return name and figures of the pipeline on each scene, or on the clip."""
    scenes = report.get("scenes")
    if scenes:
        return list(scenes.items())
    return [("clip", report["pipeline"])] if report["pipeline"] else []


def _pipelines(report: Mapping[str, Any]) -> str:
    rows = [
        [
            name,
            str(found["frames"]),
            f"{found['fps']:.1f}",
            _ms(found["cpu_ms_per_frame"]),
            *(_ms(found["wall_ms"][p]) for p in ("p50", "p90", "p99")),
            str(found["frames_with_face"]),
            f"{found['faces_per_frame']:.2f}",
        ]
        for name, found in pipeline_rows(report)
    ]
    header = ["whole frame", "frames", "FPS", "CPU ms", "p50 ms", "p90 ms", "p99 ms", "with face",
              "faces"]  # fmt: skip
    return format_table(header, rows) if rows else ""


def _sums(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    fields = []
    if memory := report["memory"]:
        fields.append(
            (
                "memory",
                f"{memory['imported_mb']:.0f} MiB after import, {memory['loaded_mb']:.0f} loaded, "
                f"{memory['rss_mb']:.0f} steady, {memory['peak_mb']:.0f} at most",
            )
        )
    pipeline = report["pipeline"]
    if pipeline and "dropped" in pipeline:
        age = pipeline["frame_age_ms"]
        fields.append(("camera", f"{pipeline['dropped']} frames dropped"))
        fields.append(("frame age", f"p50 {_ms(age['p50_ms'])}, p99 {_ms(age['p99_ms'])} ms"))
    if sustained := report.get("sustained"):
        slope = sustained["memory_slope_mb_per_hour"]
        fields.append(
            (
                "sustained",
                f"{sustained['minutes']:.1f} min, {sustained['fps']:.1f} FPS, "
                f"last fifth {sustained['slowdown']:.3f} times the first",
            )
        )
        if slope:
            fields.append(
                ("memory slope", f"{slope['slope']:+.2f} MiB an hour {_range(slope['interval'])}")
            )
    for part, where in ((report, ""), (sustained or {}, " sustained")):
        if used := part.get("energy"):
            fields.append(
                (
                    f"energy{where}",
                    f"{used['mean_watts']:.2f} W, {used['joules_per_frame'] * 1000:.2f} mJ a frame",
                )
            )
    if single := report.get("single_stream"):
        fields.append(
            (
                "single stream",
                f"p90 {_ms(single['p90_ms'])} ms, below {_ms(single['p90_upper_99_ms'])} with 99 %;"
                f" {single['queries']:,} queries in {single['seconds']:.0f} s; no MLPerf result",
            )
        )
    fields.append(("accuracy", format_accuracy(report.get("accuracy"))))
    return fields


def _verdict(report: Mapping[str, Any]) -> str:
    notes = "".join(f"\nnote: {note}" for note in report_notes(report))
    if not report["valid"]:
        return "NOT VALID: " + "; ".join(report["invalid_because"]) + notes
    return f"valid{notes}"


def report_notes(report: Mapping[str, Any]) -> list[str]:
    """Return what a reader of a report should know before believing it."""
    notes = []
    if untold := report["vitals"]["not_told"]:
        notes.append(f"this machine does not tell: {', '.join(untold)}")
    waiting = max(report["waiting"].values(), default=0.0)
    if waiting > _MUCH_WAITING:
        notes.append(
            f"disturbed: other programs had the processor for up to {waiting:.0%} of the time, "
            "so times are too long; measure on a quiet machine"
        )
    notes += [
        f"{model['name']} {model['precision']} does not give its golden vectors here"
        for model in report.get("models", [])
        if not model["golden_match"]
    ]
    notes += [
        f"XNNPACK is off for {model['name']} {model['precision']}, so it runs many times slower; "
        "`fer-edge doctor` says why"
        for model in report.get("models", [])
        if model.get("xnnpack") is False
    ]
    return notes


def format_comparison(result: "Comparison") -> str:
    """Return a comparison for people."""
    rows = [
        [
            change.name,
            f"{change.before:.4g}",
            f"{change.after:.4g}",
            f"{change.ratio:.3f}",
            _range(change.interval) if change.interval else "-",
            change.verdict,
        ]
        for change in result.changes
    ]
    notes = [f"note: {note}" for note in result.notes]
    header = ["figure", "A", "B", "B/A", "interval", "verdict"]
    return "\n".join([format_table(header, rows), "", *notes, result.verdict])


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _range(ends: Sequence[float | None]) -> str:
    return "..".join("?" if end is None else f"{end:.3f}" for end in ends)
