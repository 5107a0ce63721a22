"""What a recipe promises of its model: what it says of itself, what it takes, what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from fer_edge.shared.errors import LabelError
from fer_edge.shared.labels import (
    LABEL_SETS,
    Vocabulary,
    as_label,
    check_labels,
    is_expression,
    label_set,
)
from fer_edge.shared.model.contract import LONGEST_NAME, MOST_NAMES, Colour, Filter, is_class_name
from fer_edge.shared.typed_tables import setting

FOLDERS: Final = "folders"
"""Stands for the names of the data's class folders."""
_NEARLY: Final = 0.75
_UNSETTLED: Final = ("first", "second")
"""Stand for the folders' names until the data is known."""


@dataclass(frozen=True, slots=True)
class CardSettings:
    """What the trained model says of itself.

    Attributes:
        licence: SPDX identifier of the weights.
        intended_use: What the model is for, in one sentence.
        limits: Where it fails, and what it must not be used for.
    """

    licence: str = "Apache-2.0"
    intended_use: str = ""
    limits: str = ""


@dataclass(frozen=True, slots=True)
class InputSettings:
    """How pictures are brought to the network; see `fer_edge.shared.model.contract.InputSpec`.

    Attributes:
        height: Rows of the picture that the network takes; `size` is short for both sides.
        width: Columns of the picture that the network takes.
        colour: Whether it takes one grey channel, or red, green and blue.
        crop_margin: Fraction of a face box's side that is added at each edge before cutting.
        resize_filter: "area" for shrinking (linear when growing), or "linear".
        equalise: Whether the crop's histogram is equalised; of grey only.
    """

    height: int = setting(48, low=8, high=512)
    width: int = setting(48, low=8, high=512)
    colour: Colour = "grey"
    crop_margin: float = setting(0.0, low=0, high=2)
    resize_filter: Filter = "area"
    equalise: bool = False


@dataclass(frozen=True, slots=True)
class LabelSettings:
    """What the network is to tell apart. `labels = NAMES` is short for `labels.names = NAMES`.

    Attributes:
        names: Name of a label set: "fer2013", "ferplus" or "happy-sad"; a list of words, from 2 to
            64; or "folders": the names of the data's class folders, sorted.
        merge: Names that count as one label, by that label, for instance
            {negative = ["angry", "disgust"]}; it takes the place of the first of them.
        drop: Names whose pictures are left out. At most 256 names of up to 80 characters can be
            merged and dropped.
    """

    names: str | tuple[str, ...]
    merge: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    drop: tuple[str, ...] = ()

    @property
    def of_folders(self) -> bool:
        """Whether only the data tells."""
        return self.names == FOLDERS

    @property
    def title(self) -> str:
        """What they are called for people, and in files: a set's name, or all of them."""
        if isinstance(self.names, str) and (self.of_folders or not (self.merge or self.drop)):
            return self.names
        return ", ".join(self.all)

    @property
    def given(self) -> tuple[str, ...]:
        """Those named, before any is merged or dropped."""
        if self.of_folders:
            return _UNSETTLED
        if isinstance(self.names, str):
            return label_set(self.names).labels
        return tuple(as_label(name) for name in self.names)

    @property
    def all(self) -> tuple[str, ...]:
        """The labels, in the order of the network's outputs."""
        base = Vocabulary(self.given)
        becomes: dict[str, str] = {}
        for label, names in self.merge.items():
            for name in names:
                becomes[_among(base, name)] = as_label(label)
        dropped = {_among(base, name) for name in self.drop}
        kept = [becomes.get(name, name) for name in base.labels if name not in dropped]
        return tuple(dict.fromkeys(kept))

    @property
    def merged(self) -> dict[str, tuple[str, ...]]:
        """The names that count as one label, by that."""
        return {as_label(label): tuple(map(as_label, names)) for label, names in self.merge.items()}

    @property
    def dropped(self) -> tuple[str, ...]:
        """The names whose pictures are left out."""
        return tuple(map(as_label, self.drop))

    @property
    def vocabulary(self) -> Vocabulary:
        """Which label a name in a data set means."""
        return Vocabulary(self.all, merged=self.merged, dropped=self.dropped)

    def check(self) -> None:
        """Refuse what can be no labels.

        Raises:
            LabelError: A set is unknown, a word cannot be a label, a name is merged or dropped
                twice or is not known at all, a contract cannot hold so many names or one so long,
                or too few or too many labels are left.
        """
        if isinstance(self.names, str) and self.names != FOLDERS and self.names not in LABEL_SETS:
            sets = ", ".join(LABEL_SETS)
            raise LabelError(
                f"unknown label set {self.names!r}",
                expected=f"one of {sets}; a list of words; or {FOLDERS}",
                fix='choose one of these, or write labels = ["smile", "no smile"]',
            )
        given = self.given
        check_labels(given)
        self._check_names()
        base, seen = Vocabulary(given), set[str]()
        places = [("drop", "", name) for name in self.drop]
        places += [
            (f"merge.{label}", as_label(label), name)
            for label, names in self.merge.items()
            for name in names
        ]
        for place, label, name in places:
            found = _among(base, name)
            if found in seen:
                raise LabelError(
                    f"labels.{place} names {name!r}, which is merged or dropped already",
                    expected="every name once",
                    fix="leave it out of one of them",
                )
            seen.add(found)
            # A name that the data alone has is fine; one that is nearly a label is a slip.
            own = self.of_folders or found in given or label in given or is_expression(name)
            if not own and (near := get_close_matches(found, given, n=1, cutoff=_NEARLY)):
                raise LabelError(
                    f"labels.{place} names {name!r}, which is no label",
                    expected="one of " + ", ".join(given) + ", or what the data calls a class",
                    fix=f"did you mean {near[0]!r}?",
                )
        if empty := [label for label, names in self.merge.items() if not names]:
            raise LabelError(
                f"labels.merge.{empty[0]} is empty",
                expected="the names that are to be one label",
                fix="name them, or leave it out",
            )
        if not self.of_folders:
            check_labels(self.all)
            if lost := [label for label in self.merged if label not in self.all]:
                raise LabelError(
                    f"labels.merge.{lost[0]} takes the place of no label",
                    expected=f"it among labels.names, or one of {', '.join(given)} merged in it",
                    fix="name it in labels.names, or merge others",
                )

    def _check_names(self) -> None:
        """Refuse what a contract cannot hold, before anything is trained for it."""
        names = [*self.dropped, *(name for each in self.merged.values() for name in each)]
        long = [name for name in names if not is_class_name(name)]
        if not long and len(names) <= MOST_NAMES:
            return
        raise LabelError(
            f"labels.merge and labels.drop name {len(names)} classes"
            + (f", one of them {long[0][:40]!r}, {len(long[0])} characters long" if long else ""),
            expected=f"at most {MOST_NAMES}, each of 1 to {LONGEST_NAME} letters and signs",
            fix="rename or move the folders, and name fewer of them",
        )


def _among(base: Vocabulary, name: str) -> str:
    """Return a name as the label that it means; one that means none as it is written."""
    try:
        return base.find(name) or name
    except LabelError:
        return as_label(name)
