"""Accuracy on photographs of people who are known: judged as the device is used.

Each photograph goes through the search, and the face that is found is read relative to the person's
other photographs. Of a participant those count in which the person is said to be neutral; of a
track all do, unnamed, as if the person were watched. The photograph that is judged is never among
them.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fer_edge.pipeline.protocols import Detector
from fer_edge.shared.chance import find_remarks
from fer_edge.shared.data.csv_rows import read_header, read_rows
from fer_edge.shared.data.opening import open_container
from fer_edge.shared.data.pictures import decode_colour, decode_grey
from fer_edge.shared.errors import DataError, LabelError, PictureError
from fer_edge.shared.labels import KNOWN_EXPRESSIONS, Vocabulary, find_label
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.records import Prediction
from fer_edge.shared.scores import Scores
from fer_edge.shared.statistics import Interval, resampled_clusters
from fer_edge.shared.terminal.tables import format_fields, format_table
from fer_edge.stages.baseline import NEUTRAL, RestingFace, Weighing, logarithms

Known: TypeAlias = Literal["participant", "track", "none"]

YARDSTICKS: Final[Mapping[Known, str]] = {
    "participant": "photographs, person known: other neutral pictures of the person",
    "track": "photographs, person watched: other pictures of the person, of which nothing is said",
    "none": "photographs, person unknown",
}
_COLUMNS: Final = ("file", "person", "expression")
_MAX_UNREADABLE: Final = 0.01
_PICTURE_SECONDS: Final = 5.0
"""For which a watched person is taken to look as in one photograph."""
_NEUTRAL_SHARE: Final = 1 / 3
"""Of the time for which a watched person is neutral, however many such photographs there are."""
_SEED: Final = 2013
_FEW_PEOPLE: Final = 5
"""Below so many, people drawn anew give an interval that is too narrow by far."""


@dataclass(frozen=True, slots=True)
class Photograph:
    """One row of the table of people."""

    file: str
    person: str
    expression: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A photograph and what the network says of the face in it; None where none was found."""

    photograph: Photograph
    said: Prediction | None


@dataclass(frozen=True, slots=True, eq=False)
class PeopleEvaluation:
    """How often a model is right about people's photographs.

    Attributes:
        labels: Of the model.
        people: Whose photographs they are, in the order of the following.
        truth: Label index of each photograph; int64, shape (N,).
        said: Label index that was given; -1 where no face was found.
        baseline: What was known of the people.
        balance: Of the answers.
        model_sha256: Identity of the model.
        alone: Photographs of which nothing was known beside, although something was asked for.
        left_out: Photographs with an expression that the model does not know.
        unreadable: Names of files that could not be decoded; they do not count.
    """

    labels: tuple[str, ...]
    people: tuple[str, ...]
    truth: NDArray[np.int64]
    said: NDArray[np.int64]
    baseline: Known
    balance: float
    model_sha256: str
    alone: int
    left_out: int
    unreadable: tuple[str, ...]

    @property
    def n(self) -> int:
        """Photographs judged, those without a found face included."""
        return len(self.truth)

    @property
    def accuracy(self) -> float:
        """Share that was read rightly."""
        return float(np.mean(self.said == self.truth))

    @property
    def recall(self) -> dict[str, float]:
        """The same by the expression that is true, for each that occurs."""
        right = self.said == self.truth
        return {
            label: float(np.mean(right[self.truth == index]))
            for index, label in enumerate(self.labels)
            if np.any(self.truth == index)
        }

    @property
    def macro_recall(self) -> float:
        """Mean of the recalls."""
        return float(np.mean(list(self.recall.values())))

    @property
    def not_found(self) -> int:
        """Photographs in which no face was found: they count as wrong."""
        return int(np.sum(self.said < 0))

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Row: true label, column: label given; of the faces that were found."""
        matrix = np.zeros((len(self.labels), len(self.labels)), np.int64)
        found = self.said >= 0
        np.add.at(matrix, (self.truth[found], self.said[found]), 1)
        return matrix

    @property
    def remarks(self) -> tuple[str, ...]:
        """What speaks against the model, in words, by the faces that were found."""
        return find_remarks(Scores(self.labels, self.confusion), who="the model")

    def accuracy_interval(self) -> Interval | None:
        """Return the 95 % interval of the accuracy, with people drawn anew, not photographs.

        None of one person, who tells nothing of how others would be read.
        """
        return resampled_clusters(self.said == self.truth, self.people)

    def to_json(self) -> dict[str, Any]:
        """Return the figures as `--json` prints them."""
        interval = self.accuracy_interval()
        return {
            "n": self.n,
            "accuracy": self.accuracy,
            "macro_recall": self.macro_recall,
            "recall": self.recall,
            "confusion": self.confusion.tolist(),
            "labels": list(self.labels),
            "model_sha256": self.model_sha256,
            "yardstick": YARDSTICKS[self.baseline],
            "baseline": self.baseline,
            "balance": self.balance,
            "people": len(set(self.people)),
            "accuracy_interval": None if interval is None else list(interval),
            "not_found": self.not_found,
            "alone": self.alone,
            "left_out": self.left_out,
            "unreadable": list(self.unreadable),
            "remarks": list(self.remarks),
        }


def read_people(path: Path, vocabulary: Vocabulary = KNOWN_EXPRESSIONS) -> list[Photograph]:
    """Read the table of people: `file`, `person` and `expression` by the header, others ignored.

    Args:
        path: The CSV file.
        vocabulary: What expressions are called.

    Raises:
        DataError: It cannot be read, lacks a column, or has an unknown expression.
    """
    header = read_header(path)
    missing = [name for name in _COLUMNS if name not in header]
    if missing:
        raise DataError(
            f"{path}, line 1: no column {', '.join(missing)}",
            expected="the columns file, person and expression",
            fix="add it",
        )
    places = [header.index(name) for name in _COLUMNS]
    found = []
    for line, cells in read_rows(path):
        if len(cells) <= max(places):
            raise DataError(
                f"{path}, line {line}: {len(cells)} cells",
                expected=f"{len(header)}, as in the header",
                fix="correct the line",
            )
        file, person, expression = (cells[place].strip() for place in places)
        if not expression:
            continue
        try:
            name = PurePosixPath(file).as_posix()
            found.append(Photograph(name, person, vocabulary.read(expression)))
        except LabelError as error:
            raise DataError(
                f"{path}, line {line}: {error.found}", expected=error.expected, fix=error.fix
            ) from error
    if not found:
        raise DataError(
            f"{path} has no row with an expression",
            expected="the expression of at least one photograph",
            fix="add it",
        )
    return found


def look(
    data: Path,
    photographs: Sequence[Photograph],
    detector: Detector,
    classifier: LitertClassifier,
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[list[Seen], tuple[str, ...]]:
    """Read the surest face of each photograph.

    Args:
        data: Folder or archive that the table's files are relative to.
        photographs: Of the table.
        detector: The search.
        classifier: The model.
        progress: Called with photographs done and in all.

    Returns:
        What was seen, and the names of files that could not be decoded.

    Raises:
        DataError: A file is missing, or too many cannot be read.
    """
    seen, unreadable = [], []
    colour = classifier.contract.input.is_colour
    with open_container(data) as files:
        known = {*files.names}
        absent = [each.file for each in photographs if each.file not in known]
        if absent:
            raise DataError(
                f"{len(absent)} of {len(photographs)} files are not in {data} ({absent[0]})",
                expected="paths relative to it in the column file",
                fix="name the folder or archive that the table was written for",
            )
        for done, each in enumerate(photographs, start=1):
            try:
                grey = decode_grey(files.read(each.file), where=each.file)
                faces = detector.detect(grey)
                picture = decode_colour(files.read(each.file), where=each.file) if colour else grey
                said = classifier.classify(picture, faces[:1])
            except (PictureError, DataError):
                unreadable.append(each.file)
                continue
            seen.append(Seen(each, said[0] if said else None))
            progress(done, len(photographs))
    if len(unreadable) > _MAX_UNREADABLE * len(photographs):
        raise DataError(
            f"{len(unreadable)} of {len(photographs)} pictures cannot be read "
            f"(the first is {unreadable[0]})",
            expected=f"at most {_MAX_UNREADABLE:.0%}",
            fix="check the data set",
        )
    return seen, tuple(unreadable)


def judge_people(
    seen: Sequence[Seen],
    weighing: Weighing,
    *,
    baseline: Known,
    balance: float,
    model: tuple[tuple[str, ...], str],
    unreadable: tuple[str, ...] = (),
) -> PeopleEvaluation:
    """Judge each photograph by what is known of its person from the others.

    Args:
        seen: What the network said of each.
        weighing: Makes the answers.
        baseline: What is known of the people.
        balance: Of the answers, for the record.
        model: Its labels, and its hash.
        unreadable: For the record.

    Raises:
        DataError: No photograph shows an expression that the model knows.
    """
    labels, sha256 = model
    judged = [one for one in seen if one.photograph.expression in labels]
    if not judged:
        raise DataError(
            "no photograph shows an expression that the model knows",
            expected="labels among " + ", ".join(labels),
            fix="choose a model that knows them",
        )
    answers = [_answer(one, seen, weighing, baseline) for one in judged]
    return PeopleEvaluation(
        labels=labels,
        people=tuple(one.photograph.person for one in judged),
        truth=np.array([labels.index(one.photograph.expression) for one in judged], np.int64),
        said=np.array([-1 if said is None else said.index for said, _ in answers], np.int64),
        baseline=baseline,
        balance=balance,
        model_sha256=sha256,
        alone=sum(not known for _, known in answers) if baseline != "none" else 0,
        left_out=len(seen) - len(judged),
        unreadable=unreadable,
    )


def _answer(
    one: Seen, seen: Sequence[Seen], weighing: Weighing, baseline: Known
) -> tuple[Prediction | None, bool]:
    """Return the answer, and whether anything was known of the person."""
    if one.said is None:
        return None, True
    if baseline == "none":
        return weighing.by_priors(one.said), False
    others = [
        other
        for other in seen
        if other is not one
        and other.said is not None
        and other.photograph.person == one.photograph.person
    ]
    at_rest = baseline == "participant"
    estimate = _calibrated(others) if at_rest else _watched(others, weighing)
    trust = 1.0 if at_rest else estimate.trust
    answer = weighing.answer(one.said, estimate.mean, trust=trust, at_rest=at_rest)
    return answer, bool(estimate.mean)


def _is_neutral(one: Seen) -> bool:
    return find_label((one.photograph.expression,), NEUTRAL) is not None


def _calibrated(others: Sequence[Seen]) -> RestingFace:
    estimate = RestingFace()
    for other in others:
        if _is_neutral(other) and other.said is not None:
            estimate.add(logarithms(other.said), 1.0)
    return estimate


def _watched(others: Sequence[Seen], weighing: Weighing) -> RestingFace:
    """Let a person's photographs pass in random order; nobody says what they show."""
    order = sorted(others, key=lambda other: other.photograph.file)
    random.Random(_SEED).shuffle(order)  # noqa: S311 - the same on every run
    neutral = sum(_is_neutral(other) for other in order)
    whole = _PICTURE_SECONDS * len(order)
    mixed = 0 < neutral < len(order)
    estimate = RestingFace()
    for other in order:
        seconds = _PICTURE_SECONDS
        if mixed and _is_neutral(other):
            seconds = whole * _NEUTRAL_SHARE / neutral
        elif mixed:
            seconds = whole * (1 - _NEUTRAL_SHARE) / (len(order) - neutral)
        if other.said is not None and weighing.neutral is not None:
            sure = other.said.probabilities[weighing.neutral]
            estimate.learn(logarithms(other.said), neutral=sure, seconds=seconds)
    return estimate


def format_people(result: PeopleEvaluation) -> str:
    """Return the figures for people, with the confusion matrix."""
    fields = [
        ("yardstick", YARDSTICKS[result.baseline]),
        ("baseline", result.baseline),
        ("balance", f"{result.balance:g}"),
        ("photographs", f"{result.n:,} of {len(set(result.people))} people"),
        ("accuracy", f"{result.accuracy:.1%} ({_interval(result)})"),
        ("macro recall", f"{result.macro_recall:.1%}"),
        ("no face found", f"{result.not_found:,}, counted as wrong"),
    ]
    if result.alone:
        fields.append(("nothing known", f"{result.alone:,} photographs, judged without baseline"))
    if result.left_out:
        fields.append(("left out", f"{result.left_out:,}: no label of the model"))
    if result.unreadable:
        fields.append(("unreadable", ", ".join(result.unreadable)))
    rows = [
        [label, f"{result.recall[label]:.1%}", *map(str, counts)]
        for label, counts in zip(result.labels, result.confusion.tolist(), strict=True)
        if label in result.recall
    ]
    table = format_table(["true \\ read as", "recall", *result.labels], rows)
    return "\n\n".join([format_fields(fields), table, *result.remarks])


def _interval(result: PeopleEvaluation) -> str:
    interval, people = result.accuracy_interval(), len(set(result.people))
    if interval is None:
        return "-, for one person tells nothing of others"
    few = f"; {people} are too few to believe it" if people < _FEW_PEOPLE else ""
    return f"{interval.low:.1%} to {interval.high:.1%}, people drawn anew{few}"
