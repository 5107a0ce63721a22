"""`fer-edge calibrate`: its declaration; heavy imports are made inside."""

from functools import partial
from pathlib import Path

import click

from fer_edge.commands.options import (
    model_option,
    participant_options,
    resolve_settings,
    settings_options,
)
from fer_edge.shared.terminal.command_line import echo_result, json_option


@click.command()
@click.option(
    "--source", metavar="SOURCE", help="Camera, stream, clip or folder, as of run.  [default: 0]"
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=1, max=60),
    default=5.0,
    show_default=True,
    help="How long the face is looked at.",
)
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path), help="File to write.")
@participant_options
@model_option
@settings_options
@json_option
def calibrate(
    source: str | None,
    seconds: float,
    out: Path | None,
    participants: str | None,
    participant: str | None,
    model: str | None,
    config: Path | None,
    assignments: tuple[str, ...],
    as_json: bool,
) -> None:
    """Learn how a participant looks at rest: look at the camera, face relaxed.

    What is written is two numbers for each expression, and nothing of the picture. `run` and
    `classify` use it with `--set baseline.file=FILE`. It is refused where the face is missing or
    dark, moves, smiles or changes; then the exit code is 1, and the message says what to do.

    With --json, prints {"file", "seconds", "frames", "steadiness", "looks_like",
    "log_probabilities"}.
    """
    if (out is None) == (participant is None):
        raise click.UsageError("give --out FILE, or --participants FOLDER and --participant NAME")
    from fer_edge.commands.calibrate.calibrating import calibrate_participant, format_calibrated

    flags = {
        "source.uri": source,
        "model.path": model,
        "baseline.participants": participants,
        "baseline.participant": participant,
    }
    settings = resolve_settings(config, assignments, flags).settings
    done = calibrate_participant(settings, seconds=seconds, out=out)
    echo_result(done.to_json, partial(format_calibrated, done), as_json=as_json)
