"""Find and load the finished runs whose networks teach another one."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fer_edge.shared.data.samples import Samples
from fer_edge.shared.errors import ModelError, SettingsError
from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.strict_json import parse_json
from fer_edge.shared.written_values import as_written
from fer_trainer.data.splitting import pixel_hashes
from fer_trainer.jobs.finished import load_run
from fer_trainer.recipe.files import load_recipe
from fer_trainer.recipe.settings import Recipe
from fer_trainer.run import folder as run_folder
from fer_trainer.run.folder import RunFolder
from fer_trainer.training.answers import StoredAnswers, open_answers
from fer_trainer.training.fusing import for_answers_only
from fer_trainer.training.lessons import check_fit, check_not_set_aside
from fer_trainer.training.precision import fastest_answers, network_in
from fer_trainer.training.teaching import Teaching


def load_teaching(recipe: Recipe, precision: str) -> Teaching | None:
    """Load the teachers that a recipe names; None where it names none.

    Args:
        recipe: Checked by `check_teachers`.
        precision: A dtype policy, or "auto": the one in which the first of them answers sooner.

    Raises:
        ModelError: A teacher's run is unfinished or damaged.
        SettingsError: Its recipe is.
    """
    if not recipe.distillation.teachers:
        return None
    runs = [Path(run) for run in recipe.distillation.teachers]
    contracts, networks = zip(*map(load_run, runs), strict=True)
    if precision == "auto":
        precision = fastest_answers(partial(_teacher, runs[0], networks[0]))
    return Teaching(
        tuple(_teacher(*pair, precision) for pair in zip(runs, networks, strict=True)),
        tuple(tuple(map(own.labels.index, recipe.label_names)) for own in contracts),
        recipe.distillation.weight,
        recipe.distillation.temperature,
        precision,
        alone=bool(recipe.data.unlabelled),
    )


def _teacher(run: Path, delivered: Any, precision: str) -> Any:
    network = network_in(precision, load_recipe(str(run / run_folder.RECIPE)))
    network.set_weights(delivered.get_weights())
    return for_answers_only(network)


def check_teachers(recipe: Recipe, *, content_sha256: str, validation: Sequence[str]) -> None:
    """Refuse teachers that cannot teach this recipe, or would tell it the validation part.

    Args:
        recipe: Names the runs.
        content_sha256: Hash of the pictures to train on.
        validation: Names of the pictures set aside.

    Raises:
        ModelError: A run is unfinished or damaged.
        SettingsError: A teacher has other labels or another input, or may have been trained on
            pictures that this run sets aside; stored answers are of other views, another input,
            other labels, or teachers that set other pictures aside.
    """
    if (answers := stored_answers(recipe)) is not None:
        check_fit(answers, recipe)
        check_not_set_aside(answers, validation)
    for run in map(Path, recipe.distillation.teachers):
        contract, _ = load_run(run)
        if sorted(contract.labels) != sorted(recipe.label_names):
            raise SettingsError(
                f"teacher {run} knows {', '.join(contract.labels)}",
                expected="the labels of this recipe: " + ", ".join(recipe.label_names),
                fix="train a teacher with the same labels",
            )
        check_teachers_input(run, contract, recipe)
        split = json.loads((run / run_folder.SPLIT).read_text(encoding="utf-8"))
        seen = set(split["train"]).intersection(validation)
        if split["content_sha256"] != content_sha256 or seen:
            raise SettingsError(
                f"teacher {run} was trained on other data, or on {len(seen):,} of the pictures "
                "that this run sets aside",
                expected="a teacher of the same data and split",
                fix="give both the same data, data.seed and data.validation_fraction",
            )


def check_teachers_input(run: Path, contract: ModelContract, recipe: Recipe) -> None:
    """Refuse a teacher that answers otherwise, or would see other pictures than it was trained on.

    Pictures are prepared once, as the pupil's input says. Its filter makes less of a difference
    than the augmentation does, and no margin is added to a crop.

    Raises:
        SettingsError: It is binary, or its input differs.
    """
    theirs, ours = contract.input, recipe.input_spec
    if contract.task != "multiclass" or theirs.shape != ours.shape:
        raise SettingsError(
            f"teacher {run} is {contract.task} and takes pictures of {theirs.shape}",
            expected=f"a multiclass network for {ours.shape}",
            fix="choose another teacher",
        )
    if theirs.equalise != ours.equalise:
        raise SettingsError(
            f"teacher {run} has input.equalise = {as_written(theirs.equalise)}",
            expected=f"{as_written(ours.equalise)}, as the recipe has it: both see the same pixels",
            fix="choose another teacher, or set input.equalise as it has it",
        )


def stored_answers(recipe: Recipe) -> StoredAnswers | None:
    """Open the stored answers that a recipe names; None where it names none.

    Raises:
        ModelError: They are missing or damaged.
    """
    folder = recipe.distillation.answers
    return open_answers(Path(folder)) if folder else None


def refuse_seen(run: Path, validation: Samples, *, what: str) -> None:
    """Refuse a run that has learnt from pictures that are set aside here.

    They are known by their pixels, whatever their names are there. Names tell it, too, where most
    of what is set aside here is known there: the run may be of an earlier version, which wrote no
    hashes, or have prepared the pictures otherwise.

    Args:
        run: With its `split.json`.
        validation: The pictures set aside.
        what: What the run is for, for the message.

    Raises:
        ModelError: It has no split, or a damaged one.
        SettingsError: It has.
    """
    path = run / run_folder.SPLIT
    try:
        split = dict(parse_json(path.read_bytes()))
        seen, aside = set(split["train"]), set(split["val"])
        learnt = set(split.get("learnt", ()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path} cannot be read ({type(error).__name__})",
            expected="what `fer-train fit` wrote",
            fix="copy the run again, or train again",
        ) from error
    ours = set(validation.names)
    both = sum(each in learnt for each in pixel_hashes(validation.pictures))
    if 2 * len(ours & (seen | aside)) >= len(ours):
        both = max(both, len(ours & seen))
    if both:
        raise SettingsError(
            f"{what} {run} was trained on {both:,} of the pictures that this run sets aside",
            expected="a run of the same data and split",
            fix="give both the same data, data.seed and data.validation_fraction",
        )


def taught_by(recipe: Recipe) -> dict[str, str]:
    """Return hashes of what a recipe learns from besides its data; nothing where nobody teaches."""
    if (answers := stored_answers(recipe)) is not None:
        return {"answers_sha256": answers.sha256}
    if not recipe.distillation.teachers:
        return {}
    networks = (Path(run) / run_folder.MODEL for run in recipe.distillation.teachers)
    hashes = [hashlib.sha256(network.read_bytes()).hexdigest() for network in networks]
    return {"teachers_sha256": " ".join(hashes)}


def check_same_teachers(run: RunFolder, recipe: Recipe, before: Mapping[str, Any]) -> None:
    """Refuse to go on with a run that others taught before.

    Args:
        run: Its folder.
        recipe: As it is now.
        before: What the run wrote down of itself; of earlier versions without these hashes.

    Raises:
        SettingsError: The teachers, or their stored answers, are others now.
    """
    for key, now in taught_by(recipe).items():
        if before.get(key, now) != now:
            raise SettingsError(
                f"{run.path} was begun with other teachers, or other answers of theirs ({key})",
                expected=str(before[key]),
                fix="give them as they were, or choose another --out",
            )


def teacher_names(recipe: Recipe) -> list[str]:
    """Return what a contract says of the teachers: recipe and hash of each one's network."""
    if (answers := stored_answers(recipe)) is not None:
        return [f"{each['recipe']}, sha256 {each['sha256']}" for each in answers.facts["teachers"]]
    return [
        f"{load_recipe(str(run / run_folder.RECIPE)).name}, sha256 "
        + hashlib.sha256((run / run_folder.MODEL).read_bytes()).hexdigest()
        for run in map(Path, recipe.distillation.teachers)
    ]
