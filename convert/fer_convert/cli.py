"""`fer-convert`: a training run in, model files with their contract out."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import click

from fer_convert import __version__
from fer_edge.shared.terminal.command_line import (
    CONTEXT_SETTINGS,
    echo_json,
    json_option,
    options,
    run_command_line,
    verbose_option,
)
from fer_edge.shared.terminal.progress import ProgressLine

target_options = options(
    click.option("--int8", is_flag=True, help="Full int8, in and out. The default."),
    click.option("--float32", is_flag=True, help="Unquantised, to compare with."),
    click.option("--float16", is_flag=True, help="Weights in half the bytes."),
    click.option("--dynamic", is_flag=True, help="int8 weights; activations as they come."),
    click.option("--int16x8", is_flag=True, help="int8 weights, 16-bit activations, in, out."),
)
"""What to convert to; a flag's name is that of its `Target`."""


source_options = options(
    click.option(
        "--architecture",
        type=click.Path(path_type=Path),
        help="The network's JSON, where RUN is an .h5 file of weights.",
    ),
    click.option(
        "--contract",
        type=click.Path(path_type=Path),
        help="Instead of the contract.json beside the file.",
    ),
    click.option(
        "--labels",
        help="Where there is no contract: the labels, with commas between, in the order of "
        "the output.",
    ),
    click.option(
        "--pixels",
        type=click.Choice(["0..255", "0..1", "-1..1"]),
        help="What the network takes, where it does not rescale raw pixels itself.",
    ),
)
"""What a network of another program does not say of itself."""


picture_options = options(
    click.option(
        "--calibration-data",
        type=click.Path(path_type=Path),
        help="Calibrate on these labelled face crops (class folders, or a .zip of them) "
        "instead of the run's own.",
    ),
    click.option(
        "--calibration-count",
        type=click.IntRange(min=300),
        default=500,
        show_default=True,
        help="Pictures to calibrate on.",
    ),
    click.option(
        "--range-percentile",
        type=click.FloatRange(min=90, max=100),
        default=99.999,
        show_default=True,
        help="Of every activation's values, what int8's range holds; 100 leaves ranges and "
        "biases to TensorFlow's converter, which keeps the extremes.",
    ),
    click.option(
        "--compare-count",
        type=click.IntRange(min=1),
        help="Held-out pictures to compare on; all, unless the network is so large that "
        "this would take minutes.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Decides which pictures.",
    ),
)
"""Which pictures to calibrate and to compare on."""


@click.command(context_settings=CONTEXT_SETTINGS)
@click.argument("run", type=click.Path(path_type=Path))
@target_options
@click.option("--head", help="Which answer of a run whose network has several heads.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the files.")
@source_options
@picture_options
@click.option(
    "--rescue",
    "try_rescue",
    is_flag=True,
    help="Where int8 does not pass the gate, try in turn: other calibration, clipping, 16-bit "
    "activations, quantisation-aware fine-tuning.",
)
@click.option(
    "--accept-unmeasured",
    is_flag=True,
    help="Exit with 0 although the gate could not measure everything.",
)
@click.option(
    "--accept-poor",
    is_flag=True,
    help="Exit with 0 although float32 itself is at chance, or gives every picture the same label.",
)
@click.option(
    "--against",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A model file with the same labels, that of the device for instance: say where the new "
    "one is worse on the held-out pictures.",
)
@click.option(
    "--c-array", is_flag=True, help="Also write int8 as C++ source for TensorFlow Lite Micro."
)
@click.option("--force", is_flag=True, help="Replace files of an earlier conversion.")
@json_option
@verbose_option
@click.version_option(__version__)
def convert(
    *,
    run: Path,
    head: str | None,
    out: Path,
    architecture: Path | None,
    contract: Path | None,
    labels: str | None,
    pixels: Any,
    calibration_data: Path | None,
    calibration_count: int,
    range_percentile: float,
    compare_count: int | None,
    seed: int,
    try_rescue: bool,
    accept_unmeasured: bool,
    accept_poor: bool,
    against: Path | None,
    c_array: bool,
    force: bool,
    as_json: bool,
    **flags: bool,
) -> None:
    """Convert RUN to one TFLite file that carries its own contract.

    RUN is a run folder of fer-train, a .keras file with its contract.json beside it, or an .h5
    file of another program with --labels (or --contract) and, for weights, --architecture. Writes
    one emotion.TARGET.tflite for every target named (int8 if none is), report.json and
    report.html, and prints what the conversion changed on held-out pictures.

    Exits with 3 where a file does not pass the gate: at least 99 % of float32's accuracy, and no
    class that loses more than 3 points of recall beyond its interval; nor anything of a network
    that is itself at chance, unless --accept-poor is given. The files are written all
    the same, and say so.
    """
    from fer_convert.conversion import REPORT_NAME, Plan
    from fer_convert.conversion import convert as convert_run
    from fer_convert.cost.emulation import emulate, find_emulator
    from fer_convert.judgement.gate import check_gate
    from fer_convert.judgement.rival import compare_with, open_rival, say_rival
    from fer_convert.microcontroller.c_array import FILE_NAMES, source_files
    from fer_convert.report.page import PAGE_NAME, render_page
    from fer_convert.report.text import format_report
    from fer_convert.rescue.rescuing import rescue, with_rescue
    from fer_convert.source.run import open_run
    from fer_convert.targets import Target
    from fer_edge.shared.whole_files import check_free, make_folder, replace_files

    targets = tuple(target for target in Target if flags[target.value]) or (Target.INT8,)
    if c_array and Target.INT8 not in targets:
        raise click.UsageError("--c-array writes the int8 model; add --int8")
    sources = FILE_NAMES if c_array else ()
    # A rescue may end with 16-bit activations.
    possible = dict.fromkeys([*targets, *([Target.INT16X8] if try_rescue else [])])
    names = [*(target.file_name for target in possible), *sources, REPORT_NAME, PAGE_NAME]
    check_free([out / name for name in names], force=force)
    emulator = find_emulator() if Target.INT8 in targets else None
    plan = Plan(targets, calibration_data, calibration_count, compare_count, seed, range_percentile)
    opened = open_run(
        run,
        head=head,
        architecture=architecture,
        contract=contract,
        labels=[label.strip() for label in labels.split(",")] if labels else (),
        pixels=pixels,
    )
    rival = None if against is None else open_rival(against, opened.contract)
    with ProgressLine() as progress:
        conversion = convert_run(opened, plan, progress)
        verdict = conversion.verdicts.get(Target.INT8)
        # A network that is poor itself is not to be rescued from int8.
        if try_rescue and verdict is not None and verdict.failures and not verdict.poor:
            conversion = with_rescue(conversion, rescue(conversion, progress))
        if emulator is not None and Target.INT8 in conversion.verdicts:
            progress("counting instructions in the emulator")
            model = conversion.artefact(Target.INT8).model
            conversion = dataclasses.replace(conversion, emulation=emulate(model, emulator))
    report = conversion.to_json()
    if rival is not None:
        report["against"] = compare_with(
            rival, conversion.answers[conversion.artefacts[0].target], conversion.held_out
        )
    files = {artefact.file_name: artefact.data for artefact in conversion.artefacts}
    if c_array and Target.INT8.file_name not in files:
        click.echo("no C++ source: only 16-bit activations passed the gate", err=True)
    elif c_array:
        files |= source_files(
            conversion.artefact(Target.INT8).model,
            conversion.graphs[Target.INT8],
            conversion.network.kinds,
        )
    files |= {
        REPORT_NAME: (json.dumps(report, indent=2) + "\n").encode(),
        PAGE_NAME: render_page(conversion).encode(),
    }
    make_folder(out)
    replace_files({out / name: data for name, data in files.items()})
    if as_json:
        echo_json(report)
    else:
        click.echo("\n".join([format_report(conversion), *say_rival(report.get("against"))]))
        for name in files:
            click.echo(f"wrote {out / name}")
    check_gate(
        conversion.verdicts,
        poor=conversion.poor,
        accept_unmeasured=accept_unmeasured,
        accept_poor=accept_poor,
    )


def main() -> None:
    """Run the command line."""
    run_command_line(convert, name="fer-convert")
