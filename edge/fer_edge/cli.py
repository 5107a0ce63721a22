"""The command line `fer-edge`; heavy imports are made inside the commands."""

import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click

from fer_edge import DEFAULT_MODEL, __version__
from fer_edge.commands.bench.cli import bench
from fer_edge.commands.config import config
from fer_edge.commands.doctor.cli import doctor
from fer_edge.commands.evaluating import calibrate, evaluate
from fer_edge.commands.model import model as model_group
from fer_edge.commands.options import model_option as _model_option
from fer_edge.commands.options import participant_options
from fer_edge.commands.options import resolve_settings as _resolve
from fer_edge.commands.options import settings_options as _settings_options
from fer_edge.commands.status import status
from fer_edge.commands.tune.cli import tune
from fer_edge.shared.terminal.command_line import (
    CONTEXT_SETTINGS,
    echo,
    echo_json,
    echo_result,
    json_option,
    printable,
    run_command_line,
    verbose_option,
)
from fer_edge.shared.terminal.entry import leave_on_interrupt
from fer_edge.shared.terminal.option_types import FiniteRange, NamedPath
from fer_edge.shared.terminal.progress import ProgressLine


@click.group(context_settings=CONTEXT_SETTINGS)
@click.version_option(__version__, prog_name="fer-edge")
@verbose_option
def cli() -> None:
    """Facial expressions from a camera, on a Raspberry Pi or any Linux machine.

    Finds faces with Haar cascades or YuNet, reads their expression with an int8 TFLite network
    that ships inside, and reports expressions, frames per second and latency. What it reports is
    what a face shows, not what a person feels.

    \b
    Try it:
      fer-edge demo                        the main job on built-in input
      fer-edge classify photo.jpg          one or many pictures
      fer-edge sources                     which cameras there are
      fer-edge run --source 0              the first camera
      fer-edge run --source 0 --view       the same, to be looked at in a browser
      fer-edge run --source picamera       a Pi's own camera
      fer-edge run --source rtsp://host/s  a network camera
      fer-edge calibrate --out me.json     how you look at rest
      fer-edge status                      how the running one does
      fer-edge bench                       how fast it is on this device
      fer-edge tune                        settings that suit this device
      fer-edge doctor                      what is wrong with this machine
      fer-edge models                      the models that ship, with figures

    \b
    Exit codes: 0 ok, 1 failed, 2 usage, 3 goal out of reach, 4 slower than
    before, 69 no camera or no daemon to ask, 78 bad configuration or model.
    """


@cli.command()
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option("--crops", is_flag=True, help="Take each picture as a face crop; search no faces.")
@click.option(
    "--annotate",
    "annotate_folder",
    metavar="FOLDER",
    type=NamedPath(file_okay=False),
    help="Leave a copy of each picture there, NAME-annotated.jpg, with boxes and labels drawn in.",
)
@_model_option
@participant_options
@_settings_options
@json_option
def classify(
    images: tuple[str, ...],
    crops: bool,
    annotate_folder: Path | None,
    model: str | None,
    participants: str | None,
    participant: str | None,
    config: Path | None,
    assignments: tuple[str, ...],
    as_json: bool,
) -> None:
    """Read the expressions in pictures.

    Where none reaches the model's least probability, the likeliest is given as uncertain.

    With --json, prints one line a picture:
    {"image", "width", "height", "faces": [{"box": [x, y, w, h], "label", "confidence", "scores",
    "relative"}], "baseline"}. Label and confidence are of relative, which weighs the scores.

    A picture that cannot be read gets a line on stderr, the others are done all the same, and the
    exit code is 1.
    """
    from fer_edge.commands.batch import run_batch
    from fer_edge.shared.errors import EXIT_FAILED

    flags = {
        "model.path": model, "baseline.participants": participants,
        "baseline.participant": participant,
    }  # fmt: skip
    resolved = _resolve(config, assignments, flags)
    if participants is not None and not resolved.settings.baseline.participant:
        raise click.UsageError("--participants has no effect without --participant NAME")

    def make_worker(before: Sequence[str]) -> Callable[[str], None]:
        from fer_edge.api import Picture
        from fer_edge.commands.classify import PictureReader, format_reading

        reader = PictureReader(
            resolved.settings, whole_pictures=crops, annotate_folder=annotate_folder, before=before
        )

        def tell(seen: Picture) -> None:
            echo_result(seen.to_dict, partial(format_reading, seen), as_json=as_json)

        def work(image: str) -> None:
            reader.read(image, tell=tell)

        return work

    if run_batch(images, make_worker):
        sys.exit(EXIT_FAILED)


@cli.command()
@click.option(
    "--source",
    metavar="SOURCE",
    help="Camera number, /dev/videoN, picamera or picamera:N, rtsp:// or http:// stream, video"
    " file, picture folder, or demo for a built-in clip.  [default: 0]",
)
@_model_option
@click.option(
    "--output", metavar="FILE", help="JSON lines file to append to; - is stdout.  [default: -]"
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print JSON lines at a terminal, too, as into a pipe; not where output.file names a file.",
)
@click.option(
    "--annotate",
    metavar="PATH",
    type=NamedPath(),
    help="Leave frames with boxes and labels there: a video (.mp4, .avi, .mkv, .mjpg), or a folder"
    " of pictures.",
)
@click.option(
    "--view", is_flag=True, help="Show picture and readings on a web page, and print its address."
)
@click.option("--max-frames", type=click.IntRange(min=1), help="End after so many frames.")
@click.option(
    "--max-seconds",
    type=FiniteRange(min=0, min_open=True),
    help="End after so many seconds of frames: of a clip, or of the clock.",
)
@click.option(
    "--name", metavar="NAME", help="Tells this run from others here: its status, topics and spool."
)
@participant_options
@_settings_options
def run(
    source: str | None,
    model: str | None,
    output: str | None,
    as_json: bool,
    annotate: Path | None,
    view: bool,
    max_frames: int | None,
    max_seconds: float | None,
    name: str | None,
    participants: str | None,
    participant: str | None,
    config: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Read frames until the source ends or Ctrl-C, and tell of each.

    A frame is one line of JSON. At a terminal, a live line tells what is seen instead; --json or
    --output - print the lines there, too.
    """
    flags = {
        "source.uri": source, "model.path": model, "output.file": output, "daemon.name": name,
        "baseline.participants": participants, "baseline.participant": participant,
    }  # fmt: skip
    leave_on_interrupt()  # until it heeds them itself
    from fer_edge.models.trial import begin_trial

    resolved = _resolve(config, assignments, flags)
    if as_json:
        file = resolved.settings.output.file
        if file not in {"", "-"}:
            raise click.UsageError(
                f"--json prints on stdout, and output.file = {file!r} (from "
                f"{resolved.origins['output.file']}) writes to a file: leave one out, or print "
                "only with --output -"
            )
        flags["output.file"] = "-"
    chosen = resolved.settings.model
    begin_trial(chosen.path, trust=chosen.trust)
    from fer_edge.commands.run import run_daemon  # which takes as long as a trial

    run_daemon(
        lambda: _resolve(config, assignments, flags),
        max_frames=max_frames or 0,
        max_seconds=max_seconds or 0.0,
        annotate=annotate,
        view=view,
    )


@cli.command()
@click.argument("file", type=NamedPath())
@click.option(
    "--pace",
    type=click.Choice(["own", "fast"]),
    default="own",
    show_default=True,
    help="Keep the pauses between frames (at most 5 s each), or send as fast as possible.",
)
@click.option(
    "--output", metavar="FILE", help="JSON lines file to append to; - is stdout.  [default: -]"
)
@_settings_options
def replay(
    file: Path, pace: str, output: str | None, config: Path | None, assignments: tuple[str, ...]
) -> None:
    """Send recorded observations as JSON lines once more.

    It needs no camera and no model. Of the settings only those of section output count: nothing
    goes to events, a broker or a page.

    FILE holds JSON lines that `fer-edge run --output FILE` wrote. Frames keep the numbers and
    times of their recording.
    """
    from fer_edge.assemble.parts import make_sink
    from fer_edge.commands.replay import read_observations
    from fer_edge.commands.replay import replay as send
    from fer_edge.commands.run_display import format_tally
    from fer_edge.shared.errors import SettingsError
    from fer_edge.state.controls import obey_signals

    settings = _resolve(config, assignments, {"output.file": output}).settings
    if settings.output.file != "-" and Path(settings.output.file).resolve() == file.resolve():
        raise SettingsError(
            f"{file} would be read and appended to without end",
            expected="an output that is another file",
            fix="name another one as --output",
        )
    stop = threading.Event()
    with make_sink(settings.output) as sink, obey_signals(stop=stop.set):
        tally = send(read_observations(file), [sink], realtime=pace == "own", stop=stop)
    click.echo(format_tally(tally), err=True)


@cli.command()
@json_option
def models(as_json: bool) -> None:
    """List the models that ship, with their figures.

    `fer-edge inspect NAME` tells all of one.
    """
    from fer_edge.commands.inspect import format_models, summarise_model
    from fer_edge.models import open_model, shipped_models

    opened = {name: open_model(name) for name in shipped_models()}
    echo_result(
        lambda: [summarise_model(name, model) for name, model in opened.items()],
        lambda: format_models(opened, default=DEFAULT_MODEL),
        as_json=as_json,
    )


@cli.command()
@click.argument("model", default=DEFAULT_MODEL, metavar="[NAME|FILE]")
@click.option("--all", "whole", is_flag=True, help="Tell its whole origin, too.")
@json_option
def inspect(model: str, whole: bool, as_json: bool) -> None:
    """Tell what a model file is: labels, input, figures, limits.

    A file that does not ship is tried in a process of its own. The exit code is 78 where it fails.
    """
    from fer_edge.commands.inspect import inspect_model
    from fer_edge.models import open_model

    found = inspect_model(open_model(model))
    echo_result(found.to_json, partial(found.to_text, whole=whole), as_json=as_json)
    found.require()


@cli.command()
@click.argument("model", default=DEFAULT_MODEL, metavar="[NAME|FILE]")
@json_option
def selftest(model: str, as_json: bool) -> None:
    """Run a model's golden vectors here, and compare the outputs.

    The outputs that are right are recorded in its file.
    """
    from fer_edge.models import open_model
    from fer_edge.models.trial import require_survival
    from fer_edge.shared.model.selftest import run_selftest

    opened = open_model(model)
    require_survival(opened)
    result = run_selftest(opened)
    if as_json:
        echo_json(result.to_json())
    elif result.passed:
        echo(result.to_text())
    result.require()


@cli.command()
@click.option(
    "--out",
    "folder",
    metavar="FOLDER",
    type=NamedPath(file_okay=False),
    default=Path("demo-output"),
    show_default=True,
    help="Where to leave annotated pictures and JSON lines.",
)
@_model_option
@json_option
def demo(folder: Path, model: str | None, as_json: bool) -> None:
    """Do the main job on built-in input: no camera, no download.

    In a clip a drawn face changes its look, and a public-domain portrait comes, leaves and
    returns. Prints a table of frames, faces, FPS and latency and leaves annotated pictures behind.
    """
    from fer_edge.commands.demo import format_demo, run_demo
    from fer_edge.sources.demo_clip import FRAMES

    resolved = _resolve(None, (), {"model.path": model})
    with ProgressLine() as line:
        result = run_demo(
            resolved.settings,
            folder,
            progress=lambda tally: line.count("demo", tally.frames, FRAMES),
        )
    echo_result(result.to_json, partial(format_demo, result), as_json=as_json)


@cli.command()
@json_option
def sources(as_json: bool) -> None:
    """List the cameras found here, with what to give as --source.

    With --json, prints one list; video devices that are no cameras stand in it, too:
    [{"source", "name", "kind", "usable", "driver", "formats", "problem"}].
    """
    from fer_edge.commands.listings import format_cameras
    from fer_edge.sources.discovery import find_cameras

    found = find_cameras()
    if as_json:
        echo_json([camera.to_json() for camera in found.cameras])
        return
    if usable := [camera for camera in found.cameras if camera.usable]:
        echo(format_cameras(usable))
    else:
        click.echo(
            "no camera that can be read; video files, picture folders and network streams work "
            "without one, and `fer-edge demo` needs nothing at all",
            err=True,
        )
    for camera in found.cameras:
        if camera.problem:
            text = f"{camera.source} ({camera.name}): {camera.problem}"
            click.echo(printable(text), err=True)
    for note in found.notes:
        click.echo(note, err=True)


cli.add_command(bench)
cli.add_command(calibrate)
cli.add_command(config)
cli.add_command(doctor)
cli.add_command(evaluate)
cli.add_command(model_group)
cli.add_command(status)
cli.add_command(tune)


def main() -> None:
    """Run `fer-edge`."""
    run_command_line(cli, name="fer-edge")
