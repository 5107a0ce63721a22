"""What a pupil learns from stored answers: labels, mixed with what teachers said of each view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.data.samples import Pictures, Samples
from fer_edge.shared.errors import SettingsError
from fer_trainer.data.unlabelled import Unlabelled
from fer_trainer.recipe.settings import Recipe
from fer_trainer.training.answers import Said, StoredAnswers, read_pictures, short_hashes
from fer_trainer.training.heads import even_targets, head_places
from fer_trainer.training.views import Views, draw_views, view_settings

_COLOUR_UNSAID: Final = "grey"
_LEAST: Final = 1e-7  # as a teacher in the loop is read


def with_unlabelled(
    recipe: Recipe,
    pictures: Pictures,
    targets: NDArray[np.float32],
    unlabelled: Unlabelled | None,
) -> tuple[Pictures, NDArray[np.float32]]:
    """Put unlabelled pictures behind the labelled ones, with targets of zeros, or even ones.

    Args:
        recipe: Says what the outputs are.
        pictures: uint8, shape (N, height, width).
        targets: Theirs, shape (N, outputs).
        unlabelled: If there are any.
    """
    if unlabelled is None:
        return pictures, targets
    theirs = np.where(unlabelled.even[:, None], even_targets(recipe), np.float32(0))
    return np.concatenate([pictures, unlabelled.pictures]), np.concatenate([targets, theirs])


def stored_lessons(
    recipe: Recipe,
    train_part: Samples,
    unlabelled: Unlabelled | None,
    answers: StoredAnswers | None,
    targets: NDArray[np.float32],
) -> StoredLessons | None:
    """Return what a pupil learns from stored answers; None where there are none.

    Args:
        recipe: The pupil's.
        train_part: The labelled pictures.
        unlabelled: Those behind them.
        answers: What teachers said of all.
        targets: Of all, as `with_unlabelled` returned them.

    Raises:
        ModelError: The answers are damaged.
        SettingsError: They are of other views or pictures.
    """
    if answers is None:
        return None
    names, parts = train_part.names, [train_part.pictures]
    fixed = np.zeros(len(targets), dtype=np.bool_)
    if unlabelled is not None:
        names = (*names, *unlabelled.names)
        parts.append(unlabelled.pictures)
        fixed[len(train_part) :] = unlabelled.even
    hashes = np.concatenate([short_hashes(part) for part in parts])
    return StoredLessons(
        answers, recipe, names=names, hashes=hashes, shape=recipe.input_spec.shape[:2],
        targets=targets, fixed=fixed,
    )  # fmt: skip


class StoredLessons:
    """What a pupil learns from stored answers: of each epoch its targets and its views.

    Args:
        answers: Of its pictures, and perhaps of others.
        recipe: Says what share of the target is the teachers'.
        names: Of the pictures, in their order.
        hashes: Of their pixels, as `answers.short_hashes` returns them.
        shape: (height, width) of each.
        targets: Of the labels alone, float32, shape (N, outputs); zeros where there is none.
        fixed: bool, shape (N,): those whose targets teachers do not change.

    Raises:
        ModelError: The folder is damaged.
        SettingsError: The answers are of other views, another input, other labels or other
            pictures than the pupil's.
    """

    def __init__(
        self,
        answers: StoredAnswers,
        recipe: Recipe,
        *,
        names: Sequence[str],
        hashes: NDArray[np.uint64],
        shape: tuple[int, int],
        targets: NDArray[np.float32],
        fixed: NDArray[np.bool_],
    ) -> None:
        check_fit(answers, recipe)
        self._answers, self._recipe = answers, recipe
        self._rows = _find_rows(answers, names, hashes)
        self._targets, self._fixed = targets, fixed
        self._shape = shape

    def of_epoch(self, epoch: int) -> tuple[NDArray[np.float32], Views]:
        """Return the epoch's targets and views: the views take turns."""
        facts = self._answers.facts
        view = epoch % int(facts["views"])
        views = draw_views(
            self._recipe.augmentation, seed=int(facts["seed"]), view=view,
            count=int(facts["pictures"]), shape=self._shape,
        )  # fmt: skip
        return self._taught(self._answers.read_view(view)), views[self._rows]

    def _taught(self, said: Said) -> NDArray[np.float32]:
        """Mix what teachers say into the labels; it is all the target where there is no label."""
        given = self._recipe.distillation
        taught = self._targets.copy()
        for name, place in _label_sets(self._recipe):
            if name not in said:
                continue
            answer = np.maximum(said[name][self._rows].astype(np.float32), _LEAST)
            answer = answer ** (1.0 / given.temperature)
            answer /= answer.sum(axis=1, keepdims=True)
            own = (1.0 - given.weight) * self._targets[:, place]
            taught[:, place] = own + (1.0 - own.sum(axis=1, keepdims=True)) * answer
        taught[self._fixed] = self._targets[self._fixed]
        return taught


def check_fit(answers: StoredAnswers, recipe: Recipe) -> None:
    """Refuse answers that are of no use to a recipe.

    Raises:
        SettingsError: They are of other views, another input, or none of its label sets.
    """
    facts = answers.facts
    for section, found, wanted in (
        ("augmentation", facts["augmentation"], view_settings(recipe.augmentation)),
        ("input", facts["input"], asdict(recipe.input)),
    ):
        for key in wanted:
            # Answers stored before networks could look at colours do not speak of them.
            was = found.get(key, _COLOUR_UNSAID if key == "colour" else None)
            if was != wanted[key]:
                raise SettingsError(
                    f"{answers.folder} was answered with {section}.{key} = {was}, and "
                    f"the recipe has {wanted[key]}",
                    expected="the same: a pupil sees the very views that its teachers saw",
                    fix="change the recipe, or store the answers for it: fer-train teach --recipe",
                )
    if not {name for name, _ in _label_sets(recipe)} & {*facts["label_sets"]}:
        raise SettingsError(
            f"{answers.folder} answers in {', '.join(facts['label_sets'])}",
            expected="answers in " + ", ".join(name for name, _ in _label_sets(recipe)),
            fix="ask teachers of these labels",
        )


def check_not_set_aside(answers: StoredAnswers, validation: Sequence[str]) -> None:
    """Refuse to judge by pictures that the teachers may have learnt from.

    Args:
        answers: Whose teachers.
        validation: Names of the pictures that the pupil sets aside.

    Raises:
        SettingsError: The teachers' pupils set others aside.
    """
    known = set(read_pictures(answers)["set_aside"].tolist())
    if strangers := [name for name in validation if name not in known]:
        raise SettingsError(
            f"{len(strangers):,} of the pictures that this run sets aside, for instance "
            f"{strangers[0]}, were not set aside when {answers.folder} was answered",
            expected="the same data and split",
            fix="give the same data, data.seed and data.validation_fraction",
        )


def _label_sets(recipe: Recipe) -> list[tuple[str, slice]]:
    names = [head.labels for head in recipe.heads] or [recipe.labels.title]
    return [*zip(names, head_places(recipe).values(), strict=True)]


def _find_rows(
    answers: StoredAnswers, names: Sequence[str], hashes: NDArray[np.uint64]
) -> NDArray[np.int64]:
    arrays = read_pictures(answers)
    rows = {name: row for row, name in enumerate(arrays["names"].tolist())}
    missing = [name for name in names if name not in rows]
    found = np.array([rows.get(name, 0) for name in names], dtype=np.int64)
    other = np.flatnonzero(arrays["hashes"][found] != hashes)
    if missing or other.size:
        what = f"knows nothing of {len(missing):,}" if missing else f"saw {other.size:,} otherwise"
        name = missing[0] if missing else names[int(other[0])]
        raise SettingsError(
            f"{answers.folder} {what} of the {len(names):,} pictures to learn from, the first is "
            f"{name}",
            expected="answers for every picture, of the same pixels",
            fix="store them for this data and recipe: fer-train teach",
        )
    return found
