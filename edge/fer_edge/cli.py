"""The command line `fer-edge`; heavy imports are made inside the commands."""

import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from fer_edge import DEFAULT_MODEL, __version__
from fer_edge.commands.bench.cli import bench
from fer_edge.commands.doctor.cli import doctor
from fer_edge.commands.model import model as model_group
from fer_edge.commands.options import model_option as _model_option
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
      fer-edge run --source 0              the first camera, JSON lines on stdout
      fer-edge run --source picamera       a Pi's own camera
      fer-edge run --source rtsp://host/s  a network camera
      fer-edge status                      how the running one does
      fer-edge bench                       how fast it is on this device
      fer-edge tune                        the best settings for this device and camera
      fer-edge doctor                      what is wrong with this machine
      fer-edge models                      the models that ship, and how good they are

    \b
    Exit codes: 0 ok, 1 failed, 2 usage, 3 goal out of reach, 4 slower than before,
    69 camera unavailable or no daemon to ask, 78 bad configuration or model.
    """


@cli.command()
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option("--crops", is_flag=True, help="Take each picture as a face crop; search no faces.")
@click.option(
    "--annotate",
    "annotate_folder",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Leave a copy of each picture there, NAME-annotated.jpg, with boxes and labels drawn in.",
)
@_model_option
@_settings_options
@json_option
def classify(
    images: tuple[str, ...],
    crops: bool,
    annotate_folder: Path | None,
    model: str | None,
    config: Path | None,
    assignments: tuple[str, ...],
    as_json: bool,
) -> None:
    """Read the expressions in pictures.

    Where none reaches the model's least probability, the likeliest is given as uncertain.

    With --json, prints one line a picture:
    {"image", "width", "height", "faces": [{"box": [x, y, w, h], "label", "confidence", "scores"}]}.

    A picture that cannot be read gets a line on stderr, the others are done all the same, and the
    exit code is 1.
    """
    from fer_edge.commands.batch import run_batch
    from fer_edge.shared.errors import EXIT_FAILED

    resolved = _resolve(config, assignments, {"model.path": model})

    def make_worker() -> Callable[[str], None]:
        from fer_edge.commands.classify import PictureReader, format_reading

        reader = PictureReader(
            resolved.settings, whole_pictures=crops, annotate_folder=annotate_folder
        )

        def work(image: str) -> None:
            seen = reader.read(image)
            echo_result(seen.to_json, partial(format_reading, seen), as_json=as_json)

        return work

    if run_batch(images, make_worker):
        sys.exit(EXIT_FAILED)


@cli.command()
@click.argument("data", type=click.Path(path_type=Path))
@_model_option
@click.option(
    "--votes",
    type=click.Path(path_type=Path),
    help="CSV file of FER+ votes: judge by what at least five of ten people saw.",
)
@click.option(
    "--without-copies",
    is_flag=True,
    help="Leave out test pictures that have the very pixels of a training picture.",
)
@json_option
def evaluate(
    data: Path, model: str | None, votes: Path | None, without_copies: bool, as_json: bool
) -> None:
    """Measure a model's accuracy on labelled face crops.

    DATA is a folder with a folder for each expression, or with train and test folders (of which
    test is used), or a .zip or .tar.gz of either. Class folders may have any usual name (angry,
    anger, ...).
    """
    from fer_edge.assemble.parts import make_classifier
    from fer_edge.commands.evaluate import evaluate as judge
    from fer_edge.commands.evaluate import format_evaluation
    from fer_edge.shared.data.ferplus import read_majority
    from fer_edge.shared.data.labelled import LabelledPictures

    resolved = _resolve(None, (), {"model.path": model})
    classifier = make_classifier(resolved.settings.model)
    truth = None if votes is None else read_majority(votes)
    with LabelledPictures(data) as pictures, ProgressLine() as line:
        result = judge(
            pictures,
            classifier,
            truth=truth,
            without_copies=without_copies,
            progress=partial(line.count, "evaluating"),
        )
    echo_result(result.to_json, partial(format_evaluation, result), as_json=as_json)


@cli.command()
@click.option(
    "--source",
    metavar="SOURCE",
    help="Camera number, /dev/videoN, picamera or picamera:N, rtsp:// or http:// stream, video file"
    " or picture folder.  [default: 0]",
)
@_model_option
@click.option(
    "--output", metavar="FILE", help="JSON lines file to append to; - is stdout.  [default: -]"
)
@click.option("--max-frames", type=click.IntRange(min=1), help="End after so many frames.")
@click.option(
    "--name", metavar="NAME", help="Tells this run from others here: its status, topics and spool."
)
@_settings_options
def run(
    source: str | None,
    model: str | None,
    output: str | None,
    max_frames: int | None,
    name: str | None,
    config: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Read frames until the source ends or Ctrl-C; print one JSON line a frame."""
    from fer_edge.commands.run import run_daemon

    flags = {
        "source.uri": source, "model.path": model, "output.file": output, "daemon.name": name,
    }  # fmt: skip
    run_daemon(lambda: _resolve(config, assignments, flags).settings, max_frames=max_frames or 0)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
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
    """Send recorded observations to the outputs once more: no camera, no model.

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
    """List the models that ship, with their figures; `inspect NAME` tells all of one."""
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
@json_option
def inspect(model: str, as_json: bool) -> None:
    """Tell what a model file is: labels, input, origin, figures. Loads no interpreter."""
    from fer_edge.commands.inspect import describe_model, format_model
    from fer_edge.models import open_model

    opened = open_model(model)
    echo_result(partial(describe_model, opened), partial(format_model, opened), as_json=as_json)


@cli.command()
@click.argument("model", default=DEFAULT_MODEL, metavar="[NAME|FILE]")
@json_option
def selftest(model: str, as_json: bool) -> None:
    """Run a model's golden vectors here and compare with the outputs recorded in it."""
    from fer_edge.models import open_model
    from fer_edge.shared.model.selftest import run_selftest

    result = run_selftest(open_model(model))
    if as_json:
        echo_json(result.to_json())
    elif result.passed:
        echo(result.to_text())
    result.require()


@cli.command()
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-output"),
    show_default=True,
    help="Where to leave annotated pictures and JSON lines.",
)
@_model_option
@json_option
def demo(folder: Path, model: str | None, as_json: bool) -> None:
    """Do the main job on built-in input: no camera, no download.

    A public-domain portrait becomes a clip in which the face moves, leaves and returns. Prints a
    table of frames, faces, FPS and latency and leaves annotated pictures behind.
    """
    from fer_edge.commands.demo import format_demo, run_demo
    from fer_edge.sources.portrait import FRAMES

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


@cli.group()
def config() -> None:
    """Show settings with their origin, or check a settings file."""


@config.command()
@_settings_options
@json_option
def show(config: Path | None, assignments: tuple[str, ...], as_json: bool) -> None:
    """Print every setting as TOML, with where its value came from."""
    from fer_edge.commands.listings import format_settings, settings_to_json

    rows = _resolve(config, assignments, {}).rows()
    echo_result(partial(settings_to_json, rows), partial(format_settings, rows), as_json=as_json)


@config.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--on-device", is_flag=True, help="Open outputs, spool, port, broker and camera, too."
)
@click.option(
    "--user", metavar="NAME", default="", help="Check with this user's rights; needs root."
)
def check(file: Path, on_device: bool, user: str) -> None:
    """Say what `fer-edge run --config FILE` would say to a TOML settings file.

    Checks every setting and what they are together, reads secrets and certificates, and loads the
    model. Root sees the secrets in /etc/credstore as the service does. Opens nothing else, so the
    file of another device can be checked, too; with --on-device it has to work here and now.

    Exit codes: 0 it would start, 78 something in the file is wrong; with --on-device also 1 an
    output cannot be written, 69 camera or broker unavailable.
    """
    from fer_edge.commands.check import check as check_all

    check_all(_resolve(file, (), {}).settings, on_device=on_device, user=user)
    echo(f"ok: {file}")


cli.add_command(bench)
cli.add_command(doctor)
cli.add_command(model_group)
cli.add_command(status)
cli.add_command(tune)


def main() -> None:
    """Run `fer-edge`."""
    run_command_line(cli, name="fer-edge")
