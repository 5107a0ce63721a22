"""The commands `fer-edge bench` and `fer-edge bench compare`."""

import re
import sys
from functools import partial
from pathlib import Path

import click

from fer_edge import DEFAULT_MODEL
from fer_edge.commands.options import resolve_settings, settings_options
from fer_edge.shared.terminal.command_line import echo_result, json_option
from fer_edge.shared.terminal.option_types import FiniteRange, NamedPath
from fer_edge.shared.terminal.progress import ProgressLine

_INTERRUPTED = 130


@click.group(invoke_without_command=True)
@click.option(
    "--source",
    "clip",
    default="",
    metavar="CLIP|CAMERA",
    help="Measure the pipeline on this instead of made scenes: a video file or picture folder,"
    " once and decoded beforehand, or a camera.",
)
@click.option(
    "--model",
    "models",
    metavar="NAME|FILE",
    multiple=True,
    help="Model; several are measured side by side, and the first one is used in the pipeline."
    f"  [default: {DEFAULT_MODEL}]",
)
@click.option(
    "--seconds",
    type=FiniteRange(min=0.02, max=3600),
    default=10.0,
    show_default=True,
    help="Longest time for one measurement; it ends earlier where the median is known to 1 %.",
)
@click.option(
    "--minutes",
    type=FiniteRange(min=0, max=10_000),
    default=0.0,
    help="Then work for so many minutes, and see whether speed and memory hold.",
)
@click.option(
    "--mlperf",
    "single_stream_seconds",
    type=FiniteRange(min=0, max=86_400),
    is_flag=False,
    flag_value=600.0,
    default=0.0,
    metavar="[SECONDS]",
    help="Then question the network by the rules of MLPerf's single-stream scenario, for 600"
    " seconds or as many as given.",
)
@click.option(
    "--rate",
    "frames_per_second",
    type=FiniteRange(min=0, max=1000),
    default=0.0,
    metavar="FPS",
    help="Hand over frames of scenes or a clip at this pace, as a camera does, instead of one after"
    " another.",
)
@click.option(
    "--size",
    "sizes",
    metavar="WxH",
    multiple=True,
    default=("640x480",),
    show_default=True,
    help="Frame size on which the detector is measured alone; may be given several times.",
)
@click.option(
    "--data",
    type=NamedPath(),
    metavar="FOLDER|ZIP",
    help="Labelled face crops, to measure the accuracy; else the model's own figures are shown.",
)
@click.option(
    "--out",
    "folder",
    type=NamedPath(file_okay=False),
    metavar="FOLDER",
    help="Leave bench.json and bench.html there.",
)
@settings_options
@json_option
@click.pass_context
def bench(
    context: click.Context,
    clip: str,
    models: tuple[str, ...],
    seconds: float,
    minutes: float,
    single_stream_seconds: float,
    frames_per_second: float,
    sizes: tuple[str, ...],
    data: Path | None,
    folder: Path | None,
    config: Path | None,
    assignments: tuple[str, ...],
    as_json: bool,
) -> None:
    """Measure latency, FPS, memory and energy on this device.

    Levels apart: the network alone, with preprocessing, the detector at a stated size, the whole
    frame; energy, where the board can tell it. Everything is warmed up, measured on the monotonic
    clock, and nothing is discarded. A run during which the machine throttled or its clock fell says
    "valid": false, and why.

    Ctrl-C ends early, keeps what was measured, and says what is missing. So does a camera that
    stops delivering; the exit code is 69 then.
    """
    if context.invoked_subcommand is not None:
        return
    import threading
    from dataclasses import replace

    from fer_edge.assemble.sources import check_there, frames_of
    from fer_edge.commands.bench.measure.plan import Bench, BenchPlan
    from fer_edge.commands.bench.measure.run import SourceLostError, run_bench
    from fer_edge.commands.bench.report.page import write_report
    from fer_edge.commands.bench.report.text import format_report
    from fer_edge.shared.whole_files import make_folder
    from fer_edge.state.controls import obey_signals

    flags = {"model.path": models[0] if models else None, "source.uri": clip or None}
    settings = resolve_settings(config, assignments, flags).settings
    plan = BenchPlan(
        settings=settings,
        models=tuple(
            replace(settings.model, path=path) for path in models or (settings.model.path,)
        ),
        clip=clip,
        sizes=tuple(_parse_size(size) for size in sizes),
        seconds=seconds,
        minutes=minutes,
        single_stream_seconds=single_stream_seconds,
        frames_per_second=frames_per_second,
        data=data,
    )
    if clip and frames_per_second and frames_of(settings.source) == "live":
        raise click.UsageError(
            "--rate is for made scenes and clips; a camera has a pace of its own: set it with"
            " --set source.frames_per_second=N, or leave out --source"
        )
    if clip:
        check_there(settings.source)  # before the minutes of work on all that comes first
    if folder is not None:
        make_folder(folder)  # before the minutes of work that are to be kept there
    stop = threading.Event()
    lost: SourceLostError | None = None
    with ProgressLine() as line, obey_signals(stop=stop.set):
        try:
            report = run_bench(Bench(plan, stop=stop, progress=line))
        except SourceLostError as error:
            report, lost = error.report, error
    echo_result(lambda: report, partial(format_report, report), as_json=as_json)
    if folder is not None:
        write_report(report, folder)
    if report["interrupted"]:
        click.echo("interrupted; kept what was measured before", err=True)
        if lost is not None and not stop.is_set():
            raise lost
        sys.exit(_INTERRUPTED)


@bench.command()
@click.argument("before", type=NamedPath(), metavar="A.json")
@click.argument("after", type=NamedPath(), metavar="B.json")
@click.option(
    "--tolerance",
    type=FiniteRange(min=0, max=10),
    default=0.05,
    show_default=True,
    help="Relative change that is let pass; two runs on one quiet machine differ by some percent.",
)
@click.option("--force", is_flag=True, help="Compare different machines or models, or bad runs.")
@json_option
def compare(before: Path, after: Path, tolerance: float, force: bool, as_json: bool) -> None:
    """Say whether B is slower than A, with confidence intervals.

    The exit code is 4 if it is. A and B are reports of `fer-edge bench --out` or `--json`. A change
    counts when the whole interval lies beyond the tolerance. All intervals together hold with 95 %.
    """
    from fer_edge.commands.bench.compare.comparison import compare_reports, read_report
    from fer_edge.commands.bench.report.text import format_comparison

    result = compare_reports(
        read_report(before), read_report(after), tolerance=tolerance, force=force
    )
    echo_result(result.to_json, partial(format_comparison, result), as_json=as_json)
    result.require()


def _parse_size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{2,4})x(\d{2,4})", text)
    if found is None:
        raise click.UsageError(f"--size {text}: expected WIDTHxHEIGHT in pixels, such as 640x480")
    return int(found[1]), int(found[2])
