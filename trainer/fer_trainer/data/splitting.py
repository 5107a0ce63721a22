"""Splits that can be believed: seeded, stratified, identical pictures on one side.

The validation part is cut from train, never from test. A network that has seen a picture recalls
its label, so pictures with the same pixels go to the same side whatever their names and labels.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from fer_edge.shared.data.pictures import pixel_digest
from fer_edge.shared.data.samples import Pictures, Samples
from fer_edge.shared.errors import DataError
from fer_trainer.data.origin import DataSet, Origin
from fer_trainer.data.unlabelled import Unlabelled

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class SplitData:
    """What a run trains on, chooses by, and is judged by.

    Attributes:
        train: For fitting the weights.
        val: For every decision.
        test: Looked at once, at the end; None where the data has no test folder.
        test_copies: bool, shape (len(test),): the same pixels also occur in train or val.
        left_out: Train pictures dropped because the data's own validation folder holds them too.
        seed: Of the split.
        origin: Where the samples come from.
        doubted: Pictures left out of train because people would not have labelled them so.
        heads: Of a network with several: each one's own parts, by its name.
        unlabelled: Further faces to fit the weights to, by what teachers say of them.
    """

    train: Samples
    val: Samples
    test: Samples | None
    test_copies: np.ndarray[Any, np.dtype[np.bool_]]
    left_out: tuple[str, ...]
    seed: int
    origin: Origin
    doubted: tuple[str, ...] = ()
    heads: Mapping[str, "SplitData"] = field(default_factory=dict)
    unlabelled: Unlabelled | None = None

    def parts(self) -> dict[str, Samples]:
        """Return the parts there are, by name."""
        parts = {"train": self.train, "val": self.val}
        return parts if self.test is None else {**parts, "test": self.test}

    def to_json(self) -> dict[str, Any]:
        """Return what `split.json` holds: the seed and every picture's name by part."""
        names: dict[str, Any] = {part: list(s.names) for part, s in self.parts().items()}
        names["left_out"] = list(self.left_out)
        names["doubted"] = list(self.doubted)
        names["unreadable"] = list(self.origin.unreadable)
        names["skipped"] = {reason: list(n) for reason, n in self.origin.skipped.items()}
        names["other_labels"] = dict(self.origin.other_labels)
        names["votes"] = None if self.origin.votes is None else asdict(self.origin.votes)
        if self.heads:
            names["heads"] = {name: head.labelled() for name, head in self.heads.items()}
        if self.unlabelled is not None:
            names["unlabelled"] = self.unlabelled.to_json()
        return {"seed": self.seed, **names}

    def learnt(self) -> list[str]:
        """Return the pixel hashes of what the weights are fitted to, by which others know it."""
        further = [] if self.unlabelled is None else [self.unlabelled.pictures]
        return [each for part in (self.train.pictures, *further) for each in pixel_hashes(part)]

    def labelled(self) -> dict[str, Any]:
        """Return what is said of one head: how many pictures it has labels for, and whose."""
        votes = None if self.origin.votes is None else asdict(self.origin.votes)
        sizes = {part: len(samples) for part, samples in self.parts().items()}
        return {**sizes, "content_sha256": self.origin.content_sha256, "votes": votes}


def pixel_hashes(pictures: Pictures) -> list[str]:
    """Return a hash of each picture's pixels, the 16 letters that `split.json` keeps of it."""
    return [pixel_digest(picture).hex()[:16] for picture in pictures]


def split_data(
    data: DataSet, *, labels: Sequence[str], validation_fraction: float, seed: int
) -> SplitData:
    """Take the splits that the folders name and cut what is missing from train.

    Args:
        data: As read; either without split folders or with one for train.
        labels: Names in the order of the label indices, for messages.
        validation_fraction: Of train; not used where there is a validation folder.
        seed: The same seed gives the same split, in whatever order the files were listed.

    Raises:
        DataError: There is no train part, or what is trained on or chosen by lacks a class.
    """
    name = data.origin.name
    whole = data.splits.get(None, data.splits.get("train"))
    if whole is None:
        raise DataError(
            f"{name} has only {', '.join(str(split) for split in data.splits)} folders",
            expected="a folder named train, or class folders alone",
            fix="add it, or name a data set that has it",
        )
    check_classes({s: p for s, p in data.splits.items() if s != "test"}, labels, where=name)
    whole_digests = whole.digests()
    given, test = data.splits.get("val"), data.splits.get("test")
    if test is not None and (missing := _missing(test, labels)):
        # The network can be trained all the same; what is not there cannot be measured.
        _log.warning("%s: test has no pictures of %s", name, ", ".join(missing))
    if given is None:
        held = held_out(whole, whole_digests, fraction=validation_fraction, seed=seed)
        train, val = whole.take(np.flatnonzero(~held)), whole.take(np.flatnonzero(held))
        left_out: tuple[str, ...] = ()
        check_classes({"train": train, "val": val}, labels, where=f"{name}, once split")
    else:
        twice = _members(whole_digests, given)
        train, val = whole.take(np.flatnonzero(~twice)), given
        left_out = whole.take(np.flatnonzero(twice)).names
    seen = set(whole_digests) | set(val.digests())
    copies = np.array(
        [] if test is None else [digest in seen for digest in test.digests()], dtype=np.bool_
    )
    sure = np.array([picture not in data.doubted for picture in train.names], dtype=np.bool_)
    doubted = train.take(np.flatnonzero(~sure)).names
    if doubted:
        _log.warning("left out of train, as people doubt their labels: %s", f"{len(doubted):,}")
        train = train.take(np.flatnonzero(sure))
        check_classes({"train": train}, labels, where=f"{name}, without those")
    return SplitData(train, val, test, copies, left_out, seed, data.origin, doubted)


def held_out(
    samples: Samples, digests: Sequence[bytes], *, fraction: float, seed: int
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Choose a stratified part of `samples`, keeping identical pictures together.

    Args:
        samples: To choose from.
        digests: Of their pixels.
        fraction: Of each class; at least one picture of each is chosen.
        seed: Of the choice.

    Returns:
        bool, shape (N,).
    """
    groups: dict[bytes, list[int]] = {}
    for index in sorted(range(len(samples)), key=samples.names.__getitem__):
        groups.setdefault(digests[index], []).append(index)
    # Copies with conflicting labels exist; a group stands in the class of its first name.
    by_class: dict[int, list[list[int]]] = {}
    for members in groups.values():
        by_class.setdefault(int(samples.labels[members[0]]), []).append(members)
    held = np.zeros(len(samples), dtype=np.bool_)
    for label, of_class in sorted(by_class.items()):
        order = np.random.default_rng([seed, label]).permutation(len(of_class))
        wanted = max(1, round(fraction * sum(len(members) for members in of_class)))
        for position in order:
            if wanted <= 0:
                break
            held[of_class[position]] = True
            wanted -= len(of_class[position])
    return held


def _missing(samples: Samples, labels: Sequence[str]) -> list[str]:
    return [label for label, n in samples.counts(labels).items() if n == 0]


def _members(digests: Sequence[bytes], others: Samples) -> np.ndarray[Any, np.dtype[np.bool_]]:
    known = set(others.digests())
    return np.array([digest in known for digest in digests], dtype=np.bool_)


def check_classes(
    splits: Mapping[Any, Samples],
    labels: Sequence[str],
    *,
    where: str,
    otherwise: str = "leave these labels out of the recipe (labels.drop)",
) -> None:
    """Refuse parts that lack pictures of a label.

    Args:
        splits: By name.
        labels: In the order of the label indices.
        where: Name of the data, for the message.
        otherwise: What to do where there are none to be added.

    Raises:
        DataError: One does.
    """
    for split, samples in splits.items():
        if missing := _missing(samples, labels):
            part = f"{where}: {split}" if split else where
            raise DataError(
                f"{part} has no pictures of {', '.join(missing)}",
                expected="pictures of each of " + ", ".join(labels),
                fix=f"add them, or {otherwise}",
            )
