"""`fer-edge evaluate` and `fer-edge calibrate`, declared; heavy imports are made inside."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_edge.commands.options import (
    model_option,
    participant_options,
    resolve_settings,
    settings_options,
)
from fer_edge.shared.terminal.command_line import echo_result, json_option
from fer_edge.shared.terminal.option_types import FiniteRange, NamedPath
from fer_edge.shared.terminal.progress import ProgressLine

if TYPE_CHECKING:
    from fer_edge.commands.evaluate import Evaluation
    from fer_edge.commands.people import Known, PeopleEvaluation
    from fer_edge.settings import ModelSettings, Settings
    from fer_edge.shared.model.litert import LitertClassifier


@click.command()
@click.argument("data", type=NamedPath())
@model_option
@click.option(
    "--votes",
    metavar="FILE",
    type=NamedPath(),
    help="CSV file of FER+ votes: judge by what at least five of ten people saw.",
)
@click.option(
    "--without-copies",
    is_flag=True,
    help="Leave out test pictures that have the very pixels of a training picture.",
)
@click.option(
    "--people",
    metavar="FILE",
    type=NamedPath(),
    help="CSV file with file, person, expression: DATA holds whole photographs of these people.",
)
@click.option(
    "--baseline",
    type=click.Choice(["participant", "track", "none"]),
    help="With --people: what is known of each person from the other photographs.  [default: none]",
)
@settings_options
@json_option
def evaluate(
    data: Path,
    model: str | None,
    votes: Path | None,
    without_copies: bool,
    people: Path | None,
    baseline: "Known | None",
    config: Path | None,
    assignments: tuple[str, ...],
    as_json: bool,
) -> None:
    """Measure a model's accuracy on face crops or photographs.

    DATA is a folder with a folder for each expression, or with train and test folders (of which
    test is used), or a .zip or .tar.gz of either. Class folders may have any usual name (angry,
    anger, ...).

    Says in words where the model is at chance, gives one label only, or is worse than the model
    that the settings name, if that is another one with the same labels.

    With --people, DATA is a folder or archive of whole photographs, and the table's files are
    relative to it. Each goes through the search; rows without an expression are ignored, and a
    photograph in which no face is found is wrong. --baseline participant takes the person's other
    neutral photographs, track all others, unnamed, none nothing.
    """
    if people is None and baseline is not None:
        raise click.UsageError("--baseline needs --people, which tells who is in a photograph")
    if people is not None and (votes is not None or without_copies):
        raise click.UsageError("--people goes with neither --votes nor --without-copies")
    settings = resolve_settings(config, assignments, {"model.path": model}).settings
    if people is None:
        from fer_edge.commands.evaluate import format_evaluation

        # Without the flag, the settings name what serves.
        serving = model and resolve_settings(config, assignments, {}).settings.model
        crops = _of_crops(
            settings, data, votes, without_copies=without_copies, serving=serving or None
        )
        echo_result(crops.to_json, partial(format_evaluation, crops), as_json=as_json)
        return
    from fer_edge.commands.people import format_people

    found = _of_people(settings, data, people, baseline or "none")
    echo_result(found.to_json, partial(format_people, found), as_json=as_json)


def _of_crops(
    settings: "Settings",
    data: Path,
    votes: Path | None,
    *,
    without_copies: bool,
    serving: "ModelSettings | None",
) -> "Evaluation":
    from fer_edge.assemble.baselines import balance_of, make_weighing
    from fer_edge.assemble.parts import make_classifier
    from fer_edge.commands.evaluate import evaluate as judge
    from fer_edge.shared.data.ferplus import read_majority
    from fer_edge.shared.data.labelled import LabelledPictures

    truth = None if votes is None else read_majority(votes)

    def judged(classifier: "LitertClassifier", what: str) -> "Evaluation":
        contract = classifier.contract
        with (
            LabelledPictures(data, vocabulary=contract.vocabulary) as pictures,
            ProgressLine() as line,
        ):
            return judge(
                pictures,
                classifier,
                truth=truth,
                without_copies=without_copies,
                weighing=make_weighing(settings, contract),
                balance=balance_of(settings.expression, contract),
                progress=partial(line.count, what),
            )

    classifier = make_classifier(settings.model)
    found = judged(classifier, "evaluating")
    rival = None if serving is None else _rival(serving, classifier)
    if rival is None:
        return found
    return found.beside(rival.contract.name, judged(rival, "evaluating what serves"))


def _rival(serving: "ModelSettings", classifier: "LitertClassifier") -> "LitertClassifier | None":
    """Return the model that serves, where it is another one of the same labels."""
    from fer_edge.assemble.parts import make_classifier, open_trusted
    from fer_edge.shared.errors import FerError

    try:
        model = open_trusted(serving)
        same_labels = sorted(model.contract.labels) == sorted(classifier.contract.labels)
        if model.sha256 == classifier.model_sha256 or not same_labels:
            return None
        return make_classifier(serving)
    except FerError:
        return None  # nothing serves that could be compared with


def _of_people(
    settings: "Settings", data: Path, people: Path, baseline: "Known"
) -> "PeopleEvaluation":
    from fer_edge.assemble.baselines import balance_of, make_weighing
    from fer_edge.assemble.parts import make_classifier, make_detector
    from fer_edge.commands.people import judge_people, look, read_people

    classifier = make_classifier(settings.model)
    contract = classifier.contract
    photographs = read_people(people, contract.vocabulary)
    weighing = make_weighing(settings, contract)
    with ProgressLine() as line:
        seen, unreadable = look(
            data,
            photographs,
            make_detector(settings.detector),
            classifier,
            progress=partial(line.count, "looking"),
        )
    return judge_people(
        seen,
        weighing,
        baseline=baseline,
        balance=balance_of(settings.expression, contract),
        model=(contract.labels, classifier.model_sha256),
        unreadable=unreadable,
    )


@click.command()
@click.option(
    "--source", metavar="SOURCE", help="Camera, stream, clip or folder, as of run.  [default: 0]"
)
@click.option(
    "--seconds",
    type=FiniteRange(min=1, max=60),
    default=5.0,
    show_default=True,
    help="How long the face is looked at.",
)
@click.option("--out", metavar="FILE", type=NamedPath(), help="File to write.")
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
    """Learn how a participant looks at rest.

    Look at the camera, face relaxed. What is written is two numbers for each expression, and
    nothing of the picture. `run` and `classify` use it with `--set baseline.file=FILE`. It is
    refused where the face is missing or dark, moves, smiles or changes; then the exit code is 1,
    and the message says what to do.

    With --json, prints {"file", "seconds", "frames", "steadiness", "looks_like",
    "log_probabilities"}.
    """
    if (out is None) == (participant is None):
        raise click.UsageError("give --out FILE, or --participants FOLDER and --participant NAME")
    from fer_edge.commands.calibrate import calibrate_participant, format_calibrated

    flags = {
        "source.uri": source,
        "model.path": model,
        "baseline.participants": participants,
        "baseline.participant": participant,
    }
    settings = resolve_settings(config, assignments, flags).settings
    done = calibrate_participant(settings, seconds=seconds, out=out)
    echo_result(done.to_json, partial(format_calibrated, done), as_json=as_json)
