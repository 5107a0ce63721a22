"""The job of `fer-train teach`: ask teachers once about seeded views of every picture."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.data.samples import Pictures
from fer_edge.shared.errors import OutputError
from fer_edge.shared.labels import label_set
from fer_edge.shared.terminal.progress import format_duration
from fer_edge.shared.whole_files import remove_rests
from fer_trainer.data.splitting import SplitData
from fer_trainer.jobs.finished import load_network, load_run
from fer_trainer.jobs.teachers import check_teachers_input, refuse_seen
from fer_trainer.recipe.files import load_recipe
from fer_trainer.recipe.settings import AugmentationSettings, Recipe
from fer_trainer.run import folder as run_folder
from fer_trainer.run.folder import RunFolder, explained
from fer_trainer.run.lock import is_lock
from fer_trainer.run.metrics import trained_in
from fer_trainer.training.answers import (
    MANIFEST,
    PICTURES,
    StoredAnswers,
    describe_answers,
    manifest_text,
    write_pictures,
)
from fer_trainer.training.augmentation import Augment
from fer_trainer.training.fusing import for_answers_only
from fer_trainer.training.heads import head_places
from fer_trainer.training.precision import network_in
from fer_trainer.training.views import Views, draw_views, view_settings

BATCH: Final = 256


@dataclass(frozen=True, slots=True, eq=False)
class _Teacher:
    """A finished run that answers.

    Attributes:
        run: Its folder.
        network: From float pictures to probabilities, all heads side by side.
        parts: By label set: which outputs, in the set's order.
        facts: What `answers.json` says of it.
        label_sets: Labels by label set.
    """

    run: Path
    network: Any
    parts: Mapping[str, Sequence[int]]
    facts: Mapping[str, str]
    label_sets: Mapping[str, Sequence[str]]


def teach(  # noqa: PLR0913 - who is asked about what
    runs: Sequence[Path],
    recipe: Recipe,
    split: SplitData,
    out: Path,
    *,
    views: int,
    seed: int,
    force: bool,
    tell: Callable[[str], None],
) -> StoredAnswers:
    """Store the mean of the teachers' probabilities for every view of every picture.

    The mean is of probabilities, as teachers in the loop are averaged: where they disagree the
    target is undecided, where a mean of logarithms would side with the surest. Views that the
    folder has already are left as they are.

    Args:
        runs: Finished runs, with heads or without; for each label set those that have it answer.
        recipe: The pupil's: its views, its input, its data.
        split: Its train part and unlabelled faces are asked about.
        out: Folder for the answers.
        views: How many of each picture.
        seed: Of the views.
        force: Replace answers to other questions that are in the folder.
        tell: Takes a line of progress.

    Raises:
        ModelError: A run is unfinished or damaged.
        OutputError: The folder holds something else, or cannot be written.
        SettingsError: A teacher has another input or a binary answer, or has learnt from pictures
            that the pupil sets aside.
    """
    for run in runs:
        refuse_seen(run, split.val, what="teacher")
    teachers = [_open(run, recipe) for run in runs]
    names, pictures = _asked_about(split)
    label_sets = {name: labels for each in teachers for name, labels in each.label_sets.items()}
    facts = describe_answers(
        recipe, views=views, seed=seed, label_sets=label_sets,
        teachers=[teacher.facts for teacher in teachers], names=names, pictures=pictures,
    )  # fmt: skip
    answers = _prepare(out, facts, force=force)
    write_pictures(out, names, pictures, set_aside=split.val.names)
    moving = AugmentationSettings(**view_settings(recipe.augmentation))  # type: ignore[arg-type]
    augment = Augment(moving, seed=seed)
    missing = [view for view in range(views) if not answers.has_view(view)]
    tell(f"{len(names):,} pictures, {views} views, of which {views - len(missing)} are there")
    started = time.monotonic()
    for done, view in enumerate(missing):
        drawn = draw_views(
            recipe.augmentation, seed=seed, view=view, count=len(names), shape=pictures.shape[1:3]
        )
        answers.write_view(view, _ask(augment, teachers, pictures, drawn, view=view))
        seconds = (time.monotonic() - started) / (done + 1)
        left = format_duration(seconds * (len(missing) - done - 1))
        tell(f"view {view + 1}/{views}  {seconds:.1f} s a view  {left} left")
    return answers


def _open(run: Path, recipe: Recipe) -> _Teacher:
    heads = RunFolder(run).heads()
    own = load_recipe(str(run / run_folder.RECIPE))
    for folder in heads.values() or [run]:
        contract, _ = load_run(folder)
        check_teachers_input(folder, contract, recipe)
    model = run / run_folder.MODEL
    # Never by trial, which may come out otherwise when the rest of the views is answered.
    precision = trained_in(run / run_folder.METRICS)
    network = network_in(precision, own)
    network.set_weights(load_network(model).get_weights())
    names = [head.labels for head in own.heads] or [own.labels.title]
    label_sets = {head.labels: label_set(head.labels).labels for head in own.heads} or {
        own.labels.title: own.label_names
    }
    places = head_places(own).values()
    parts = {
        name: range(place.start, place.stop) for name, place in zip(names, places, strict=True)
    }
    sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
    facts = {"recipe": own.name, "sha256": sha256, "precision": precision}
    return _Teacher(run, for_answers_only(network), parts, facts, label_sets)


def _asked_about(split: SplitData) -> tuple[tuple[str, ...], Pictures]:
    """Return every picture that a pupil fits: names and uint8 (N, height, width)."""
    if split.unlabelled is None:
        return split.train.names, split.train.pictures
    names = (*split.train.names, *split.unlabelled.names)
    return names, np.concatenate([split.train.pictures, split.unlabelled.pictures])


def _prepare(out: Path, facts: Mapping[str, Any], *, force: bool) -> StoredAnswers:
    """Make the folder ready to go on in, or to begin in."""
    manifest, text = out / MANIFEST, manifest_text(facts)
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file", expected="a folder", fix="choose another --out")
    there = manifest.is_file() and manifest.read_bytes() == text.encode()
    if not there and not force and out.is_dir() and not all(map(is_lock, out.iterdir())):
        raise OutputError(
            f"{out} holds something other than answers of these teachers to these views",
            expected="a new or empty folder, or the same teachers, views, recipe and data",
            fix="choose another --out, or add --force to replace the answers in it",
        )
    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
        remove_rests(out)
        if not there:
            for path in (manifest, out / PICTURES, *out.glob("view-*.npz")):
                path.unlink(missing_ok=True)
    if not there:
        RunFolder(out).write_text(MANIFEST, text)
    return StoredAnswers(out, facts)


def _ask(
    augment: Any,
    teachers: Sequence[_Teacher],
    pictures: Pictures,
    drawn: Views,
    *,
    view: int,
) -> dict[str, NDArray[np.float16]]:
    """Return the mean answers to one view of all pictures, by label set."""
    rows: dict[str, list[NDArray[np.float16]]] = {
        name: [] for teacher in teachers for name in teacher.parts
    }
    for start in range(0, len(pictures), BATCH):
        batch = slice(start, start + BATCH)
        seen = augment(pictures[batch], drawn[batch], training=True)
        said = [teacher.network.predict_on_batch(seen) for teacher in teachers]
        for name, answered in rows.items():
            own = [
                np.asarray(answer, np.float32)[:, list(teacher.parts[name])]
                for teacher, answer in zip(teachers, said, strict=True)
                if name in teacher.parts
            ]
            answered.append(np.mean(own, axis=0).astype(np.float16))
        _draw(f"view {view + 1}: {min(len(pictures), start + BATCH):,} of {len(pictures):,}")
    _draw("")
    return {name: np.concatenate(answered) for name, answered in rows.items()}


def _draw(line: str) -> None:
    """Write over the line on a terminal; nowhere else."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()
