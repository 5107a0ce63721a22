"""`fer-convert`: a training run in, model files with their contract out."""

from pathlib import Path

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
from fer_edge.shared.terminal.option_types import FiniteRange, NamedPath

target_options = options(
    click.option("--int8", is_flag=True, help="Full int8, in and out. The default."),
    click.option("--float32", is_flag=True, help="Unquantised, to compare with."),
    click.option("--float16", is_flag=True, help="Weights in half the bytes."),
    click.option("--dynamic", is_flag=True, help="int8 weights; activations as they come."),
    click.option("--int16x8", is_flag=True, help="int8 weights, 16-bit activations, in, out."),
    click.option("--onnx", is_flag=True, help="ONNX, for those who serve elsewhere; float32."),
)
"""What to convert to; a flag's name is that of its target."""


source_options = options(
    click.option(
        "--architecture",
        metavar="FILE",
        type=NamedPath(),
        help="The network's JSON, where RUN is an .h5 file of weights.",
    ),
    click.option(
        "--contract",
        metavar="FILE",
        type=NamedPath(),
        help="Instead of the contract.json beside the file.",
    ),
    click.option(
        "--labels",
        metavar="WORDS",
        help="Where there is no contract: the labels, with commas between, in the order of "
        "the output.",
    ),
    click.option(
        "--pixels",
        metavar="RANGE",
        help="What the network takes, where it does not rescale raw pixels itself: 0..1, -1..1, "
        "0..255, or MEAN/STD in grey levels, as in 129.3/65.0.",
    ),
)
"""What a network of another program does not say of itself."""


picture_options = options(
    click.option(
        "--calibration-data",
        "--data",
        "calibration_data",
        metavar="FOLDER|ZIP",
        type=NamedPath(),
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
        type=FiniteRange(min=90, max=100),
        default=99.999,
        show_default=True,
        help="Of every activation's values, where int8's range ends; it begins as far from the "
        "other end. 100 leaves ranges and biases to TensorFlow's converter, which keeps the "
        "extremes.",
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
@click.argument("run", type=NamedPath())
@target_options
@click.option(
    "--head", metavar="NAME", help="Which answer of a run whose network has several heads."
)
@click.option(
    "--out", metavar="FOLDER", required=True, type=NamedPath(),
    help="Folder for the files.",
)  # fmt: skip
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
    type=NamedPath(),
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
    pixels: str | None,
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

    RUN is a run folder of fer-train, a .keras file with its contract.json beside it, or what
    another program left: a .keras or .h5 file or a SavedModel's folder, with --labels (or
    --contract), --data and, for weights, --architecture. Writes one emotion.TARGET.tflite for
    every target named (int8 if none is), emotion.onnx for --onnx, report.json and report.html,
    and prints what the conversion changed on held-out pictures.

    Exits with 3 where a file does not pass the gate: at least 99 % of float32's accuracy, and no
    class that loses more than 3 points of recall beyond its interval; nor anything of a network
    that is itself at chance, unless --accept-poor is given. The files are written all
    the same, and say so.
    """
    from fer_convert.api import convert as convert_run
    from fer_convert.targets import ONNX, Target

    known = (*Target, ONNX)
    targets = [target for target in known if flags[target]] or [Target.INT8]
    if c_array and Target.INT8 not in targets:
        raise click.UsageError("--c-array writes the int8 model; add --int8")
    done = convert_run(
        run,
        targets,
        out=out,
        head=head,
        architecture=architecture,
        contract=contract,
        labels=[label.strip() for label in labels.split(",")] if labels else (),
        pixels=pixels,
        data=calibration_data,
        calibration_count=calibration_count,
        range_percentile=range_percentile,
        compare_count=compare_count,
        seed=seed,
        rescue=try_rescue,
        against=against,
        c_array=c_array,
        force=force,
        progress=True,
    )
    if c_array and "c_array" not in done.files:
        click.echo("no C++ source: only 16-bit activations passed the gate", err=True)
    if as_json:
        echo_json(done.report)
    else:
        click.echo(str(done))
        for path in done.written:
            click.echo(f"wrote {path}")
    done.check(accept_unmeasured=accept_unmeasured, accept_poor=accept_poor)


def main() -> None:
    """Run the command line."""
    run_command_line(convert, name="fer-convert")
