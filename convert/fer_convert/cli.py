"""`fer-convert`: a training run in, model files with their contract out."""

import json
from pathlib import Path

import click

from fer_convert import __version__
from fer_edge.commands import (
    CONTEXT_SETTINGS,
    echo_json,
    json_option,
    run_command_line,
    verbose_option,
)


@click.command(context_settings=CONTEXT_SETTINGS)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--int8", is_flag=True, help="Full int8, in and out. The default.")
@click.option("--float32", is_flag=True, help="Unquantised, to compare with.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the files.")
@click.option(
    "--calibration-data",
    type=click.Path(path_type=Path),
    help="Calibrate on these labelled face crops (class folders, or a .zip of them) instead of "
    "the run's own.",
)
@click.option(
    "--calibration-count",
    type=click.IntRange(min=300),
    default=500,
    show_default=True,
    help="Pictures to calibrate on.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Decides which pictures.",
)
@click.option("--force", is_flag=True, help="Replace files of an earlier conversion.")
@json_option
@verbose_option
@click.version_option(__version__)
def convert(
    *,
    run: Path,
    int8: bool,
    float32: bool,
    out: Path,
    calibration_data: Path | None,
    calibration_count: int,
    seed: int,
    force: bool,
    as_json: bool,
) -> None:
    """Convert RUN to one TFLite file that carries its own contract.

    RUN is a run folder of fer-train, or a .keras file with its contract.json beside it. Writes
    emotion.int8.tflite (and emotion.float32.tflite with --float32) and report.json, and prints
    what the conversion changed on held-out pictures.
    """
    from fer_convert.conversion import REPORT_NAME, Plan
    from fer_convert.conversion import convert as convert_run
    from fer_convert.delivery import check_folder, deliver
    from fer_convert.progress import ProgressLine
    from fer_convert.report import format_report
    from fer_convert.run import open_run
    from fer_convert.targets import Target

    asked = {Target.INT8: int8 or not float32, Target.FLOAT32: float32}
    targets = tuple(target for target, wanted in asked.items() if wanted)
    check_folder(out, [*(target.file_name for target in targets), REPORT_NAME], force=force)
    plan = Plan(targets, calibration_data, calibration_count, seed)
    with ProgressLine() as progress:
        conversion = convert_run(open_run(run), plan, progress)
    report = conversion.to_json()
    files = {artefact.file_name: artefact.data for artefact in conversion.artefacts}
    deliver({**files, REPORT_NAME: (json.dumps(report, indent=2) + "\n").encode()}, out)
    if as_json:
        echo_json(report)
    else:
        click.echo(format_report(conversion))
        for name in files:
            click.echo(f"wrote {out / name}")


def main() -> None:
    """Run the command line."""
    run_command_line(convert, name="fer-convert")
