"""Accuracy of a model on labelled face crops, with the device's own code."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_edge.errors import DataError, PictureError
from fer_edge.labelled import LabelledPicture, LabelledPictures
from fer_edge.labels import index_map
from fer_edge.pictures import decode_grey
from fer_edge.preprocess import prepare_crop
from fer_edge.stages.litert import LitertClassifier

_MAX_UNREADABLE = 0.01


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How often a model is right.

    Attributes:
        labels: The model's, in order; rows and columns of `confusion`.
        confusion: int64, shape (labels, labels): rows are the true labels, columns the model's.
        model_sha256: Identity of the model.
        unreadable: Names of pictures that could not be decoded; they do not count.
        left_out: How many pictures did not count because people disagreed about them, or saw
            what the model has no word for.
    """

    labels: tuple[str, ...]
    confusion: NDArray[np.int64]
    model_sha256: str
    unreadable: tuple[str, ...] = ()
    left_out: int = 0

    @property
    def n(self) -> int:
        """Pictures judged."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of pictures that were read rightly."""
        return float(np.trace(self.confusion)) / self.n

    @property
    def recall(self) -> dict[str, float]:
        """Share read rightly for each label that the data set has."""
        totals = self.confusion.sum(axis=1)
        return {
            label: float(self.confusion[i, i] / totals[i])
            for i, label in enumerate(self.labels)
            if totals[i]
        }

    @property
    def macro_recall(self) -> float:
        """Mean of the recalls: every label counts the same, however rare."""
        return float(np.mean(list(self.recall.values())))

    def to_json(self) -> dict[str, Any]:
        """Return the figures as `--json` prints them."""
        return {
            "n": self.n,
            "accuracy": self.accuracy,
            "macro_recall": self.macro_recall,
            "recall": self.recall,
            "confusion": self.confusion.tolist(),
            "labels": list(self.labels),
            "model_sha256": self.model_sha256,
            "unreadable": list(self.unreadable),
            "left_out": self.left_out,
        }


def evaluate(
    data: LabelledPictures,
    classifier: LitertClassifier,
    *,
    truth: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Evaluation:
    """Judge a model on a data set's test split, or on all of it where there are no splits.

    Args:
        data: Labelled face crops.
        classifier: The model.
        truth: Labels by picture that count instead of the folders' names; pictures without one
            are left out, and those whose label the model does not know.
        progress: Called with pictures done and pictures in all.

    Raises:
        DataError: The data has labels that the model does not know, or too much of it cannot
            be read.
    """
    given = data.for_evaluation()
    labels = classifier.contract.labels
    pictures = given if truth is None else _relabelled(given, truth, labels)
    indices = _true_indices(pictures, labels)
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    unreadable = []
    for done, (picture, true_index) in enumerate(zip(pictures, indices, strict=True), start=1):
        try:
            grey = decode_grey(data.read(picture), where=picture.name)
            pixels = prepare_crop(grey, classifier.contract.input)
        except (PictureError, DataError):
            unreadable.append(picture.name)
            continue
        confusion[true_index, classifier.predict(pixels).index] += 1
        progress(done, len(pictures))
    if len(unreadable) > _MAX_UNREADABLE * len(pictures):
        raise DataError(
            f"{len(unreadable)} of {len(pictures)} pictures cannot be read "
            f"(the first is {unreadable[0]})",
            expected=f"at most {_MAX_UNREADABLE:.0%}",
            fix="check the data set",
        )
    return Evaluation(
        labels,
        confusion,
        classifier.contract.flatbuffer_sha256,
        tuple(unreadable),
        left_out=len(given) - len(pictures),
    )


def _relabelled(
    pictures: Sequence[LabelledPicture], truth: Mapping[str, str], labels: Sequence[str]
) -> list[LabelledPicture]:
    found = [
        replace(picture, label=truth[picture.name])
        for picture in pictures
        if truth.get(picture.name) in labels
    ]
    if not found:
        raise DataError(
            "none of the pictures has a label that counts",
            expected="the data set that the votes were given for",
            fix="check the data and the file given as --votes",
        )
    return found


def _true_indices(pictures: Sequence[LabelledPicture], labels: Sequence[str]) -> list[int]:
    present = sorted({picture.label for picture in pictures})
    indices = dict(zip(present, index_map(present, labels), strict=True))
    foreign = [label for label, index in indices.items() if index is None]
    if foreign:
        raise DataError(
            f"the data has {', '.join(foreign)}, which the model does not know",
            expected="labels among " + ", ".join(labels),
            fix="leave those folders out, or choose a model that knows them",
        )
    return [index for picture in pictures if (index := indices[picture.label]) is not None]
