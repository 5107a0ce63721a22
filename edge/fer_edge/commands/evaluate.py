"""Accuracy of a model on labelled face crops, with the device's own code."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_edge.models.card import YARDSTICK
from fer_edge.shared.chance import find_remarks
from fer_edge.shared.data.files import count_skipped, format_counts
from fer_edge.shared.data.labelled import LabelledPictures
from fer_edge.shared.data.layout import LabelledPicture
from fer_edge.shared.data.pictures import decode_picture, pixel_digest
from fer_edge.shared.errors import DataError, PictureError
from fer_edge.shared.labels import Vocabulary
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.model.preprocess import prepare_crop
from fer_edge.shared.records import NO_BASELINE
from fer_edge.shared.scores import Scores, Share
from fer_edge.shared.statistics import Interval, calibration_error, paired_test
from fer_edge.shared.terminal.tables import format_fields, format_table
from fer_edge.stages.baseline import Weighing

_MAX_UNREADABLE = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation(Scores):
    """How often a model is right.

    Attributes:
        calibration_error: How far the model's confidence is from its accuracy, over 15 bins.
        model_sha256: Of the model's file.
        unreadable: Names of pictures that could not be decoded; they do not count.
        left_out: How many pictures did not count because people disagreed about them, or saw
            what the model has no word for.
        copies: How many did not count because a training picture has the same pixels.
        skipped: How many files were not read, by the reason.
        balance: Of the answers, see `fer_edge.shared.model.priors`.
        right: Which pictures were read rightly, in their order; bool, shape (N,).
        worse: Says in words that the model that serves is better, if so.
    """

    calibration_error: float
    model_sha256: str
    unreadable: tuple[str, ...] = ()
    left_out: int = 0
    copies: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    balance: float = 0.0
    right: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    worse: tuple[str, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What speaks against the model: at chance, one label only, worse than another."""
        return (*find_remarks(self, who="the model"), *self.worse)

    def beside(self, name: str, serving: "Evaluation") -> "Evaluation":
        """Return the same, which says where the model that serves is better on these pictures.

        Args:
            name: Of the model that serves.
            serving: How it does on the same pictures.
        """
        if self.right.shape != serving.right.shape:
            return self
        test = paired_test(serving.right, self.right)
        if test.interval.high >= 0:
            return self
        said = (
            f"WORSE THAN WHAT SERVES: {self.accuracy:.2%} of {self.n:,} pictures right, and {name} "
            f"has {serving.accuracy:.2%} of the same pictures"
        )
        return replace(self, worse=(said,))

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
            "copies": self.copies,
            "accuracy_interval": list(self.accuracy_interval),
            "recall_intervals": {k: list(v) for k, v in self.recall_intervals.items()},
            "calibration_error": self.calibration_error,
            "skipped": dict(self.skipped),
            "yardstick": YARDSTICK,
            "baseline": NO_BASELINE,
            "balance": self.balance,
            "remarks": list(self.remarks),
        }


def evaluate(
    data: LabelledPictures,
    classifier: LitertClassifier,
    *,
    truth: Mapping[str, str] | None = None,
    without_copies: bool = False,
    weighing: Weighing | None = None,
    balance: float = 0.0,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Evaluation:
    """Judge a model on a data set's test split, or on all of it where there are no splits.

    Args:
        data: Labelled face crops.
        classifier: The model.
        truth: Labels by picture that count instead of the folders' names; pictures without one
            are left out, and those whose label the model does not know.
        without_copies: Leave out pictures that have the very pixels of a training picture.
        weighing: Makes the answers that are believed; if not given, the network's own are judged.
        balance: Of the answers, for the record.
        progress: Called with pictures done and pictures in all.

    Raises:
        DataError: The data has labels that the model does not know, or too much of it cannot
            be read.
    """
    given = data.for_evaluation()
    contract, labels = classifier.contract, classifier.contract.labels
    colour = contract.input.is_colour
    pictures = given if truth is None else _relabelled(given, truth, contract.vocabulary)
    indices = _true_indices(pictures, labels)
    known = training_pixels(data, colour=colour) if without_copies else frozenset()
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    confidence, unreadable, copies = [], [], 0
    for done, (picture, true_index) in enumerate(zip(pictures, indices, strict=True), start=1):
        try:
            seen = decode_picture(data.read(picture), where=picture.name, colour=colour)
            if pixel_digest(seen) in known:
                copies += 1
                continue
            pixels = prepare_crop(seen, contract.input)
        except (PictureError, DataError):
            unreadable.append(picture.name)
            continue
        said = classifier.predict(pixels)
        said = said if weighing is None else weighing.by_priors(said)
        confusion[true_index, said.index] += 1
        confidence.append((said.confidence, said.index == true_index))
        progress(done, len(pictures))
    if len(unreadable) > _MAX_UNREADABLE * len(pictures):
        raise DataError(
            f"{len(unreadable)} of {len(pictures)} pictures cannot be read "
            f"(the first is {unreadable[0]})",
            expected=f"at most {_MAX_UNREADABLE:.0%}",
            fix="check the data set",
        )
    if not confidence:
        raise DataError(
            "no picture is left to judge by",
            expected="pictures that are not among the training pictures",
            fix="evaluate without --without-copies",
        )
    sure, right = np.array(confidence).T
    return Evaluation(
        labels,
        confusion,
        calibration_error(sure, right.astype(bool)),
        classifier.model_sha256,
        tuple(unreadable),
        left_out=len(given) - len(pictures),
        copies=copies,
        skipped=count_skipped(data.skipped),
        balance=balance,
        right=right.astype(bool),
    )


def format_evaluation(result: Evaluation) -> str:
    """Return the figures for people, with 95 % intervals and the confusion matrix."""
    fields = [
        ("yardstick", YARDSTICK),
        ("balance", f"{result.balance:g}"),
        ("pictures", f"{result.n:,}"),
        ("accuracy", f"{result.accuracy:.1%} ({_ends(result.accuracy_interval)})"),
        ("macro recall", f"{result.macro_recall:.1%}"),
        ("calibration error", f"{result.calibration_error:.1%}"),
    ]
    if result.left_out:
        why = "no majority, or no label of the model"
        fields.append(("left out", f"{result.left_out:,}: {why}"))
    if result.copies:
        fields.append(("copies left out", f"{result.copies:,}: pixels of a training picture"))
    if result.unreadable:
        names = ", ".join(result.unreadable)
        fields.append(("unreadable", f"{len(result.unreadable)}: {names}"))
    if result.skipped:
        fields.append(("files not read", format_counts(result.skipped)))
    remarks = result.remarks
    rows = [
        [score.label, *_share(score.recall), *map(str, counts)]
        for score, counts in zip(result.by_label(), result.confusion.tolist(), strict=True)
    ]
    table = format_table(["true \\ read as", "recall", "95 % interval", *result.labels], rows)
    return "\n\n".join([format_fields(fields), table, *(["\n".join(remarks)] if remarks else [])])


def _share(share: Share | None) -> tuple[str, str]:
    return ("-", "-") if share is None else (f"{share.value:.1%}", _ends(share.interval))


def _ends(interval: Interval) -> str:
    return "{:.1%} to {:.1%}".format(*interval)


def training_pixels(data: LabelledPictures, *, colour: bool = False) -> frozenset[bytes]:
    """Return digests of the training pictures' pixels, in colour or in grey.

    Raises:
        DataError: The data set has no training pictures.
    """
    given = data.of("train") + data.of("val")
    if not given:
        raise DataError(
            "the data has no training pictures to compare with",
            expected="a data set with the folders train and test",
            fix="give the whole data set, or evaluate without --without-copies",
        )
    digests = set()
    for picture in given:
        with suppress(PictureError, DataError):  # what cannot be read is no copy of anything
            seen = decode_picture(data.read(picture), where=picture.name, colour=colour)
            digests.add(pixel_digest(seen))
    return frozenset(digests)


def _relabelled(
    pictures: Sequence[LabelledPicture], truth: Mapping[str, str], vocabulary: Vocabulary
) -> list[LabelledPicture]:
    meant = {name: vocabulary.find(name) for name in set(truth.values())}
    found = [
        replace(picture, label=label)
        for picture in pictures
        if picture.name in truth and (label := meant[truth[picture.name]]) in vocabulary.labels
    ]
    if not found:
        raise DataError(
            "none of the pictures has a label that counts",
            expected="the data set that the votes were given for",
            fix="check the data and the file given as --votes",
        )
    return found


def _true_indices(pictures: Sequence[LabelledPicture], labels: Sequence[str]) -> list[int]:
    indices = {label: index for index, label in enumerate(labels)}
    foreign = sorted({picture.label for picture in pictures} - set(labels))
    if foreign:
        raise DataError(
            f"the data has {', '.join(foreign)}, which the model does not know",
            expected="labels among " + ", ".join(labels),
            fix="leave those folders out, or choose a model that knows them",
        )
    return [indices[picture.label] for picture in pictures]
