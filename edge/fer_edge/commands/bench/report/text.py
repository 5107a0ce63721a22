"""What a benchmark's report says: rows and fields, and these and a comparison for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from fer_edge.shared.terminal.command_line import printable
from fer_edge.shared.terminal.tables import format_fields, format_table

if TYPE_CHECKING:
    from fer_edge.commands.bench.compare.comparison import Comparison

Table: TypeAlias = tuple[Sequence[str], list[list[str]]]
"""Header and rows; no row where nothing of it was measured."""

_MUCH_WAITING: Final = 0.1
_FIGURES: Final = ("mean", "p50", "p90", "p95", "p99", "max")


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
        *_face_search(report),
        ("source", report["settings"]["source"]),
    ]


def _face_search(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = report.get("face_search")  # reports of before there were two do not tell
    return [("faces by", f"{found['kind']} ({found['why']})")] if found else []


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


def level_table(report: Mapping[str, Any]) -> Table:
    """Return the times of each level."""
    header = ["level (ms)", "n", *_FIGURES, "p50 (95 %)", "p99 (95 %)"]
    return header, [
        [
            name,
            str(found["n"]),
            *(_ms(found[f"{figure}_ms"]) for figure in _FIGURES),
            *(format_range(found["intervals_ms"][p]) for p in ("p50", "p99")),
        ]
        for name, found in level_rows(report)
    ]


def model_name(model: Mapping[str, Any]) -> str:
    """Return name and precision."""
    return f"{model['name']} {model['precision']}"


def model_table(report: Mapping[str, Any]) -> Table:
    """Return what each model costs and is worth."""
    header = ["model", "KiB", "threads", "network p50", "p50 (95 %)", "prepared p50", "golden",
              "accuracy"]  # fmt: skip
    return header, [
        [
            model_name(model),
            f"{model['bytes'] / 1024:,.0f}",
            str(model["threads"]),
            _ms((model["network"] or {}).get("p50_ms")),
            format_range(model["network"]["intervals_ms"]["p50"]) if model["network"] else "-",
            _ms((model["network_with_preprocessing"] or {}).get("p50_ms")),
            "yes" if model["golden_match"] else "NO",
            format_accuracy(model["accuracy"]),
        ]
        for model in report.get("models", [])
    ]


def format_accuracy(accuracy: Mapping[str, Any] | None) -> str:
    """Return the accuracy with what it was measured on."""
    if accuracy is None:
        return "unknown"
    count = f" on {accuracy['n']:,}" if "n" in accuracy else ""
    judge = f" of {accuracy['yardstick']}" if "yardstick" in accuracy else ""
    sort = f" ({accuracy['judged_on']})" if "judged_on" in accuracy else ""
    source = accuracy["source"]
    here = "measured here" if source == "measured" else f"says the {source}"
    return f"{accuracy['accuracy']:.1%}{judge}{count}{sort}, {here}"


def pipeline_table(report: Mapping[str, Any]) -> Table:
    """Return the figures of the pipeline on each scene, or on the clip."""
    clip = {"clip": report["pipeline"]} if report["pipeline"] else {}
    header = ["whole frame", "frames", "FPS", "CPU ms", "p50 ms", "p90 ms", "p99 ms", "with face",
              "faces"]  # fmt: skip
    return header, [
        [
            name,
            str(found["frames"]),
            f"{found['fps']:.1f}",
            _ms(found["cpu_ms_per_frame"]),
            *(_ms(found["wall_ms"][p]) for p in ("p50", "p90", "p99")),
            str(found["frames_with_face"]),
            f"{found['faces_per_frame']:.2f}",
        ]
        for name, found in (report.get("scenes") or clip).items()
    ]


def sum_fields(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield name and value of what concerns the whole run."""
    if memory := report["memory"]:
        yield (
            "memory",
            f"{memory['imported_mb']:.0f} MiB after import ({memory['python_mb']:.0f} of "
            f"them Python), {memory['loaded_mb']:.0f} loaded, {memory['first_frame_mb']:.0f} "
            f"after a frame, {memory['rss_mb']:.0f} steady, {memory['peak_mb']:.0f} at most",
        )
    pipeline = report["pipeline"]
    if pipeline and "dropped" in pipeline:
        age = pipeline["frame_age_ms"]
        yield "camera", f"{pipeline['dropped']} frames dropped"
        yield "frame age", f"p50 {_ms(age['p50_ms'])}, p99 {_ms(age['p99_ms'])} ms"
    if sustained := report.get("sustained"):
        yield (
            "sustained",
            f"{sustained['minutes']:.1f} min, {sustained['fps']:.1f} FPS over "
            f"{sustained['frames']:,} frames, last fifth {sustained['slowdown']:.3f} times "
            "the first",
        )
        if slope := sustained["memory_slope_mb_per_hour"]:
            interval = format_range(slope["interval"])
            yield "memory slope", f"{slope['slope']:+.2f} MiB an hour ({interval})"
    for part, where in ((report, ""), (sustained or {}, " sustained")):
        if used := part.get("energy"):
            frame = f"{used['joules_per_frame'] * 1000:.2f} mJ a frame"
            yield f"energy{where}", f"{used['mean_watts']:.2f} W, {frame}"
    if single := report.get("single_stream"):
        yield (
            "single stream",
            f"p90 {_ms(single['p90_ms'])} ms, below {_ms(single['p90_upper_99_ms'])} with 99 %;"
            f" {single['queries']:,} queries in {single['seconds']:.0f} s; no MLPerf result",
        )
    yield "accuracy", format_accuracy(report.get("accuracy"))


def report_notes(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a reader of a report should know before believing it."""
    if untold := report["vitals"]["not_told"]:
        yield f"this machine does not tell: {', '.join(untold)}"
    models = report.get("models", [])
    for name in (model_name(model) for model in models if not model["golden_match"]):
        yield f"{name} does not give its golden vectors here"
    for name in (model_name(model) for model in models if model.get("xnnpack") is False):
        yield f"XNNPACK is off for {name}, so it runs many times slower; `fer-edge doctor` says why"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def format_range(ends: Sequence[float | None]) -> str:
    """Return the two ends of an interval; a question mark for one that is not known."""
    return " to ".join("?" if end is None else f"{end:.3f}" for end in ends)


def format_report(report: Mapping[str, Any]) -> str:
    """Return a report for people; a level that is missing is left out."""
    parts = [
        format_fields(machine_fields(report)),
        _aligned(level_table(report), leave_out="p99 (95 %)"),
        _aligned(model_table(report), leave_out="p50 (95 %)"),
        _aligned(pipeline_table(report)),
        format_fields(list(sum_fields(report))),
        _verdict(report),
    ]
    return "\n\n".join(part for part in parts if part)


def _aligned(table: Table, *, leave_out: str = "") -> str:
    """Align a table, without the column that a terminal has no room for."""
    header, rows = table
    kept = [place for place, name in enumerate(header) if name != leave_out]
    cells = [[row[place] for place in kept] for row in (header, *rows)]
    return format_table(cells[0], cells[1:]) if rows else ""


def judge(report: Mapping[str, Any]) -> tuple[str, str]:
    """Return whether the figures can be believed, in a word or two, and why not; "" where so."""
    waiting = max(report["waiting"].values(), default=0.0)
    disturbed = (
        f"other programs had the processor for up to {waiting:.0%} of the time, so times are too "
        "long; measure on a quiet machine"
    )
    reasons = [*report["invalid_because"], *([disturbed] if waiting > _MUCH_WAITING else [])]
    word = "valid" if not reasons else "disturbed" if report["valid"] else "not valid"
    return word, "; ".join(reasons)


def _verdict(report: Mapping[str, Any]) -> str:
    notes = "".join(f"\nnote: {note}" for note in report_notes(report))
    word, why = judge(report)
    return f"{word.upper()}: {why}{notes}" if why else f"{word}{notes}"


def format_comparison(result: "Comparison") -> str:
    """Return a comparison for people."""
    rows = [
        [
            change.name,
            f"{change.before:.4g}",
            f"{change.after:.4g}",
            f"{change.ratio:.3f}",
            format_range(change.interval) if change.interval else "-",
            change.verdict,
        ]
        for change in result.changes
    ]
    notes = [f"note: {note}" for note in result.notes]
    header = ["figure", "A", "B", "B/A", "interval", "verdict"]
    return "\n".join([format_table(header, rows), "", *map(printable, notes), result.verdict])
