"""The command line `fer-train`."""

import json
import signal
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

from fer_edge.shared.errors import EXIT_FAILED, PictureError
from fer_edge.shared.terminal.command_line import (
    CONTEXT_SETTINGS,
    echo_json,
    echo_result,
    json_option,
    report_error,
    run_command_line,
    verbose_option,
)
from fer_edge.shared.terminal.option_types import NamedPath
from fer_trainer import __version__
from fer_trainer.overview import compare, describe, recipes, runs


@click.group(context_settings=CONTEXT_SETTINGS)
@click.version_option(__version__, prog_name="fer-train")
@verbose_option
def cli() -> None:
    """Train facial expression networks from recipes.

    A recipe decides everything about a training. A run is what a training leaves in its folder;
    `fer-convert` makes a model file of it.

    \b
    Try it:
      fer-train recipes                               what ships
      fer-train inspect-data faces/                   what is wrong with the data
      fer-train describe edge-nano                    a recipe and its network
      fer-train fit edge-nano faces/ --out runs/mine  train
      fer-train runs                                  what was trained
      fer-train compare runs/mine runs/other          which one is better

    \b
    Exit codes: 0 ok, 1 failed, 2 usage, 78 wrong recipe or limits, 130 Ctrl-C
    (what was trained is kept).
    """


@cli.command()
@click.argument("recipe")
@click.argument("data", type=NamedPath())
@click.option(
    "--out", metavar="FOLDER", type=NamedPath(), required=True,
    help="Run folder to fill.",
)  # fmt: skip
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting of the recipe, e.g. training.epochs=10. May be repeated.",
)
@click.option("--force", is_flag=True, help="Replace the run that is in the folder.")
@click.option("--resume", is_flag=True, help="Go on with the unfinished run in the folder.")
@click.option(
    "--finish",
    is_flag=True,
    help="Train the unfinished run in the folder no further: deliver what it has.",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    help="How long to train, instead of what the recipe says. With --resume a run that was begun "
    "may get another length, too, unless its schedule spans all of it (one-cycle).",
)
@click.option(
    "--init-from",
    metavar="RUN|MODEL",
    type=NamedPath(),
    multiple=True,
    help="Begin with the weights of a finished run, or of a model file, with the same layers below "
    "its heads. Given again with further model files: with the layers of all of them side by side, "
    "in a network as wide as they are together.",
)
@json_option
def fit(
    recipe: str,
    data: Path,
    out: Path,
    overrides: tuple[str, ...],
    force: bool,
    resume: bool,
    finish: bool,
    epochs: int | None,
    init_from: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Train as RECIPE says on DATA and leave a run folder.

    RECIPE is the name of a shipped recipe or a TOML file. DATA is a folder of class folders, of
    train/val/test folders, a .zip or .tar.gz of either, or fer2013.csv. With --set labels=ferplus
    and --set data.votes=FILE it trains towards the votes of FER+.
    """
    from fer_trainer.api import fit as fit_recipe
    from fer_trainer.training.processes import this_process

    if force + resume + finish > 1:
        raise click.UsageError(
            "--force replaces a run, --resume goes on with it, --finish ends it: give one of them"
        )
    try:
        run = fit_recipe(
            recipe, data, out=out, settings=overrides, force=force, resume=resume, finish=finish,
            epochs=epochs, init_from=init_from, tell=_tell,
        )  # fmt: skip
    except KeyboardInterrupt:
        # All is kept by now; who presses Ctrl-C again need not wait for Keras to be unloaded.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        raise
    if this_process().index:
        return  # the process that writes the run tells of it
    if as_json:
        echo_json({"run": str(out), **run.metrics})
    else:
        _echo_metrics(run.metrics)
        click.echo(f"run folder: {out}")


@cli.command()
@click.argument("run", type=NamedPath())
@click.argument("data", type=NamedPath())
@click.option(
    "--out",
    metavar="FOLDER",
    type=NamedPath(),
    help="Folder for pictures: confusion, reliability, worst errors, sample predictions.",
)
@click.option(
    "--votes",
    metavar="FILE",
    type=NamedPath(),
    help="A CSV file of FER+ votes whose majority is the truth, instead of DATA's own labels; of a "
    "RUN with the labels of FER+.",
)
@json_option
def evaluate(run: Path, data: Path, out: Path | None, votes: Path | None, as_json: bool) -> None:
    """Measure the network of a finished RUN on face crops.

    DATA is a folder of class folders, of train/test folders (then test is used), a .zip or .tar.gz
    of either, or fer2013.csv (then PrivateTest is used).
    """
    from fer_trainer.run.folder import RunFolder

    RunFolder(run).check_whole()
    from fer_trainer.jobs.finished import evaluate_run
    from fer_trainer.scores.evaluation import scores_to_json

    figures = scores_to_json(evaluate_run(run, data, pictures=out, votes=votes))
    if as_json:
        echo_json(figures)
    else:
        _echo_scores("", figures)


@cli.command()
@click.argument("run", type=NamedPath())
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("--crops", is_flag=True, help="Take each picture as a face crop.")
@click.option(
    "--picture",
    metavar="FILE",
    type=NamedPath(),
    help="Also draw the faces with what is said of them, as a PNG file.",
)
@json_option
def predict(
    run: Path, images: tuple[str, ...], crops: bool, picture: Path | None, as_json: bool
) -> int:
    """Say what the network of a finished RUN reads in pictures.

    A line a face, for instance `Happy (0.93)`; the number is the probability of what is said. A
    network that ends with a sigmoid prints its one answer, the probability of the second label,
    in either case, for instance `Not Happy (0.12)`. A picture in which no face is found is read
    whole.
    """
    from fer_trainer.run.folder import RunFolder

    RunFolder(run).check_whole()
    from fer_trainer.jobs.predict import RunPredictor, draw_seen

    predictor = RunPredictor(run, whole_pictures=crops)
    seen, named = [], len(images) > 1
    for image in images:
        try:
            found = predictor.read(image)
        except PictureError as error:
            report_error(error)
            continue
        seen.append(found)
        echo_result(found.to_json, partial(found.to_text, named=named), as_json=as_json)
    if picture is not None and seen:
        draw_seen(seen, title=run.resolve().name, path=picture)
    return EXIT_FAILED if len(seen) < len(images) else 0


@cli.command()
@click.argument("run", type=NamedPath())
@json_option
def report(run: Path, as_json: bool) -> None:
    """Write report.html of a finished RUN anew, and its pictures.

    The page needs nothing but itself: it may be sent around and opened offline. The data set is
    not needed to write it. Of a RUN with several heads each one's report is written, too.
    """
    from fer_trainer.run.folder import PICTURES, RunFolder

    heads = RunFolder(run).heads()
    for folder in heads.values() or [run]:
        RunFolder(folder).check_whole()
    from fer_trainer.jobs.finished import report_run

    page = report_run(run)
    told = {"report": str(page), "pictures": None if heads else str(run / PICTURES)}
    echo_result(lambda: told, lambda: f"report: {page}", as_json=as_json)


@cli.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=NamedPath())
@click.argument("data", type=NamedPath())
@click.option(
    "--out", metavar="FOLDER", type=NamedPath(), required=True,
    help="Folder for answers.",
)  # fmt: skip
@click.option(
    "--recipe",
    metavar="RECIPE",
    help="The pupil's: its views, input, split and unlabelled faces. The first RUN's otherwise.",
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="As for `fit`.")
@click.option(
    "--views",
    type=click.IntRange(1, 999),
    default=16,
    show_default=True,
    help="How often each picture is asked about, moved and lit otherwise each time.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides the views."
)
@click.option("--force", is_flag=True, help="Replace answers to other questions in the folder.")
@json_option
def teach(
    runs: tuple[Path, ...],
    data: Path,
    out: Path,
    recipe: str | None,
    overrides: tuple[str, ...],
    views: int,
    seed: int,
    force: bool,
    as_json: bool,
) -> None:
    """Store what finished RUNs say of DATA's training pictures.

    A pupil then learns from them without a teacher in the loop: --set distillation.answers=OUT.
    The mean of the RUNs' probabilities is stored, for each label set of those that have it. Run
    again after an interruption, it goes on where it was.
    """
    from fer_trainer.data.loading import load_data, settle_labels
    from fer_trainer.recipe.files import load_recipe
    from fer_trainer.run.folder import RECIPE, RunFolder
    from fer_trainer.run.lock import in_use

    for run in runs:
        for folder in RunFolder(run).heads().values() or [run]:
            RunFolder(folder).check_whole()
    settings = load_recipe(
        recipe or str(runs[0] / RECIPE),
        overrides=[
            *overrides,
            "distillation.teachers=[]",
            f"distillation.answers={json.dumps(str(out))}",
        ],
    )
    with in_use(out):
        _tell(f"reading {data}")
        settings = settle_labels(settings, data)
        split = load_data(settings, data)
        from fer_trainer.jobs.teach import teach as ask

        answers = ask(runs, settings, split, out, views=views, seed=seed, force=force, tell=_tell)
    size = sum(path.stat().st_size for path in out.iterdir())
    if as_json:
        echo_json({"answers": str(out), "bytes": size, **answers.facts})
    else:
        sets = ", ".join(answers.facts["label_sets"])
        click.echo(f"{out}: {views} views in {sets}, {size / 1e6:.1f} MB")


@cli.command("inspect-data")
@click.argument("data", type=NamedPath())
@click.option(
    "--out", metavar="FOLDER", type=NamedPath(),
    help="Folder for the report and contact sheets.",
)  # fmt: skip
@click.option(
    "--labels",
    metavar="WORDS",
    help="Labels of your own, with commas between them; or folders: what the folders are called.  "
    "[default: the expressions that are known]",
)
@json_option
def inspect_data(data: Path, out: Path | None, labels: str | None, as_json: bool) -> None:
    """Examine DATA: counts, copies, contradictions, broken files.

    DATA is a folder of class folders, of train/val/test folders, a .zip or .tar.gz of either, or
    fer2013.csv. What is blank, tiny or not read is named with the reason. Copies are pictures with
    the same pixels, or nearly the same: cropped, compressed or lit otherwise, or mirrored. They are
    findings, and the exit code is 0; it is 1 where `fer-train fit` would refuse the data.
    """
    from fer_trainer.inspection.inspecting import check_usable, write_findings
    from fer_trainer.inspection.inspecting import inspect_data as inspect
    from fer_trainer.inspection.text import format_findings

    findings = inspect(data, tell=_tell, labels=labels)
    echo_result(findings.to_json, partial(format_findings, findings), as_json=as_json)
    if out is not None:
        _tell(f"{out}: " + ", ".join(write_findings(findings, out)))
    check_usable(findings)


for _command in (recipes, describe, runs, compare):
    cli.add_command(_command)


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _echo_metrics(metrics: Mapping[str, Any]) -> None:
    for head, figures in metrics.get("heads", {"": metrics}).items():
        for part in ("validation", "test", "test_without_train_copies"):
            if figures[part] is not None:
                _echo_scores(f"{head} {part.replace('_', ' ')}".strip(), figures[part])


def _echo_scores(title: str, scores: dict[str, Any]) -> None:
    click.echo(
        f"{title + ': ' if title else ''}accuracy {scores['accuracy']:.1%}, "
        f"macro recall {scores['macro_recall']:.1%}, {scores['n']:,} pictures"
    )
    found = (
        f"{label} {'-' if recall is None else format(recall, '.1%')}"
        for label, recall in scores["recall"].items()
    )
    click.echo("  recall: " + ", ".join(found))
    from fer_edge.shared.chance import find_remarks
    from fer_trainer.scores.evaluation import scores_from_json

    # Anew, because the figures may be of a run that an earlier version finished.
    for remark in find_remarks(scores_from_json(scores)):
        click.echo(f"  {remark}")


def main() -> None:
    """Run the command line."""
    run_command_line(cli, name="fer-train", arguments=sys.argv[1:])
