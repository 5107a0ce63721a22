"""Names of expressions, the label sets built from them, their aliases, and labels of one's own.

Label order is the commonest defect of this field: FER2013's CSV ends sad, surprise, neutral,
its folder copies sort to neutral, sad, surprise, and FER+ starts with neutral. So no order is
ever assumed: a model carries its own, and these sets are what a trainer may choose from, beside
any words of one's own.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fer_edge.shared.errors import LabelError

ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "angry": ("anger", "angry person", "angriness"),
    "contempt": ("contemptuous",),
    "disgust": ("disgusted", "disgusting"),
    "fear": ("fearful", "afraid", "scared", "fright"),
    "happy": ("happiness", "joy", "joyful", "smile", "smiling", "happy person"),
    "neutral": ("neutrality", "calm", "none"),
    "sad": ("sadness", "sad person", "unhappy"),
    "surprise": ("surprised", "astonished"),
}

_CANONICAL: Final[dict[str, str]] = {
    name: canonical for canonical, others in ALIASES.items() for name in (canonical, *others)
}

FEWEST_LABELS: Final = 2
MOST_LABELS: Final = 64
LONGEST_LABEL: Final = 40
_RESERVED: Final = ("uncertain", "none", "unknown", "unavailable")
"""Said where no label is: by this toolkit, or by Home Assistant."""
_NEARLY: Final = 0.84
_INSIDE: Final = frozenset(" _-.")


@dataclass(frozen=True, slots=True)
class LabelSet:
    """An ordered set of expression names.

    Attributes:
        name: To choose it by.
        labels: The names, in the order of a network's outputs.
        source: Where the order comes from.
        shares: Of each label in FER2013's training part, in the same order; of FER+ the mean of
            the votes.
    """

    name: str
    labels: tuple[str, ...]
    source: str
    shares: tuple[float, ...]


LABEL_SETS: Final[dict[str, LabelSet]] = {
    label_set.name: label_set
    for label_set in (
        LabelSet(
            "fer2013",
            ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"),
            "order of the emotion column of fer2013.csv",
            (0.139, 0.015, 0.143, 0.251, 0.168, 0.111, 0.173),
        ),
        LabelSet(
            "ferplus",
            ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt"),
            "order of the vote columns of FER+",
            (0.334, 0.267, 0.123, 0.140, 0.086, 0.010, 0.030, 0.010),
        ),
        LabelSet(
            "happy-sad", ("sad", "happy"), "binary; one sigmoid output is P(happy)", (0.4, 0.6)
        ),
    )
}


def label_set(name: str) -> LabelSet:
    """Return a shipped label set by name.

    Raises:
        LabelError: There is no such set.
    """
    try:
        return LABEL_SETS[name]
    except KeyError:
        raise LabelError(
            f"unknown label set {name!r}",
            expected="one of " + ", ".join(LABEL_SETS),
            fix="choose one of these",
        ) from None


def label_key(name: str) -> str:
    """Return what two spellings of one name have in common: case, spaces, - and _ do not count."""
    text = unicodedata.normalize("NFC", name).replace("_", " ").replace("-", " ")
    return " ".join(text.split()).casefold()


def as_label(name: str) -> str:
    """Return a name as a label bears it: composed letters, single spaces."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def complaint_about(label: str) -> str:
    """Say why a word cannot be a label; "" where it can.

    Labels become the names of files and of metrics, payloads of MQTT, options of Home Assistant,
    and text on terminals and pages. So they are short, on one line, and without signs that mean
    something there.
    """
    if not label or len(label) > LONGEST_LABEL:
        return f"has {len(label)} characters, and a label has 1 to {LONGEST_LABEL}"
    if label != as_label(label):
        return "has spaces at its ends, several in a row, or letters that are not composed"
    wrong = [sign for sign in label if not (_is_letter(sign) or sign in _INSIDE)]
    if wrong:
        return f"has {wrong[0]!r}, and a label has letters, digits, spaces, and - _ . between them"
    if not (_is_letter(label[0]) and _is_letter(label[-1])):
        return "does not begin and end with a letter or a digit"
    if label_key(label) in _RESERVED:
        return f"is said where there is no label (as are {', '.join(_RESERVED)})"
    return ""


def _is_letter(sign: str) -> bool:
    return unicodedata.category(sign)[0] in "LMN"


def check_labels(labels: Sequence[str]) -> None:
    """Refuse what cannot be the labels of a network.

    Raises:
        LabelError: They are fewer than two or more than 64, one is no word, or two are the same.
    """
    for label in labels:
        if why := complaint_about(label):
            raise LabelError(
                f"label {label[: 2 * LONGEST_LABEL]!r} {why}",
                expected="words such as 'smile' and 'no smile'",
                fix="choose another word",
            )
    keys = [label_key(label) for label in labels]
    for label, key in zip(labels, keys, strict=True):
        if keys.count(key) > 1:
            raise LabelError(
                f"label {label!r} occurs twice in {', '.join(labels)}",
                expected="every label once",
                fix="leave one out, or merge the two",
            )
    if not FEWEST_LABELS <= len(labels) <= MOST_LABELS:
        raise LabelError(
            f"{len(labels)} label{'' if len(labels) == 1 else 's'}",
            expected=f"{FEWEST_LABELS} to {MOST_LABELS}",
            fix="name as many as there are classes to tell apart",
        )


def canonical_label(name: str) -> str:
    """Return the canonical name of an expression, whatever alias or case it comes in.

    Raises:
        LabelError: Nobody knows the name; the message holds the nearest one known.
    """
    return KNOWN_EXPRESSIONS.read(name)


def is_expression(name: str) -> bool:
    """Tell whether a name is one of the expressions that are known, by whatever alias."""
    return label_key(name) in _CANONICAL


def slip_of(name: str) -> str:
    """Return the expression that a word nearly is, and which was meant perhaps; "" for others."""
    key = label_key(name)
    if key in _CANONICAL:
        return ""
    return next(iter(difflib.get_close_matches(key, _CANONICAL, n=1, cutoff=_NEARLY)), "")


def canonical_labels(names: Iterable[str]) -> tuple[str, ...]:
    """Return canonical names in the given order.

    Raises:
        LabelError: A name is unknown, or two names mean the same expression.
    """
    labels = tuple(canonical_label(name) for name in names)
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise LabelError(
            f"label {twice[0]!r} occurs twice in {list(labels)}",
            expected="every expression once",
            fix="merge the two names",
        )
    return labels


class Vocabulary:
    """Which label a name in a data set means.

    A name means the label that is spelled like it, whatever the case; else the one that is known to
    be the same expression, as happiness is happy. Expressions that are known, but none of these
    labels, keep their canonical name, so that whoever reads can say what was left out.

    Args:
        labels: Of a network; none stands for the expressions that are known.
        merged: Names that are read as one label, by that label.
        dropped: Names whose pictures are left out.

    Attributes:
        labels: The same.
    """

    def __init__(
        self,
        labels: Sequence[str] = (),
        *,
        merged: Mapping[str, Sequence[str]] | None = None,
        dropped: Sequence[str] = (),
    ) -> None:
        self.labels = tuple(labels)
        self._means: dict[str, str | None] = {label_key(label): label for label in labels}
        for label, names in (merged or {}).items():
            self._means |= {label_key(name): label for name in names}
        self._means |= {label_key(name): None for name in dropped}
        self._kin: dict[str, set[str | None]] = {}
        for key, meant in self._means.items():
            if (canonical := _CANONICAL.get(key)) is not None:
                # The canonical name itself says what its other names mean.
                own = {self._means[canonical]} if canonical in self._means else set()
                self._kin[canonical] = own or self._kin.get(canonical, set()) | {meant}

    def find(self, name: str) -> str | None:
        """Return the label that a name means; None where its pictures are to be left out.

        Raises:
            LabelError: Nobody knows the name, or it may mean several labels.
        """
        key = label_key(name)
        if key in self._means:
            return self._means[key]
        canonical = _CANONICAL.get(key)
        if canonical is None:
            raise self._unknown(name, key)
        meant = self._kin.get(canonical, {canonical})
        if len(meant) > 1:
            several = ", ".join(sorted(str(label) for label in meant))
            raise LabelError(
                f"{name!r} may mean each of {several}",
                expected="a name that means one label",
                fix="rename it to the one that is meant",
            )
        return next(iter(meant))

    def read(self, name: str) -> str:
        """Return the label that a name means, also of one whose pictures are left out elsewhere.

        Raises:
            LabelError: As `find` says.
        """
        return self.find(name) or as_label(name)

    def _unknown(self, name: str, key: str) -> LabelError:
        near = difflib.get_close_matches(key, {**_CANONICAL, **self._means}, n=1)
        fix = f"did you mean {near[0]!r}? Rename it" if near else "rename it to one of these"
        if self.labels:
            listed = ", ".join(self.labels)
            return LabelError(
                f"unknown label {name!r}",
                expected=f"one of the labels {listed}, or a known expression",
                fix=fix + "; a recipe may name it in labels, labels.merge or labels.drop",
            )
        return LabelError(
            f"unknown expression {name!r}",
            expected="one of " + ", ".join(sorted(ALIASES)) + " (or an alias such as anger)",
            fix=fix + "; classes of your own are named in a recipe's labels",
        )


KNOWN_EXPRESSIONS: Final = Vocabulary()
"""The expressions that are known, by canonical name."""


def find_label(labels: Sequence[str], expression: str) -> int | None:
    """Return the index of the label that means an expression; None where none does, or several."""
    try:
        label = Vocabulary(labels).find(expression)
    except LabelError:
        return None
    return labels.index(label) if label in labels else None


def without_number(name: str) -> str:
    """Return a folder's name without the number that some data sets put before it."""
    return re.sub(r"^\d+[\s._-]*(?=\D)", "", name)


def labels_of_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return labels made of the names of class folders, sorted.

    A name is its own label. Where several are known to be the same expression, as anger and angry
    are, they are one label with the canonical name.

    Raises:
        LabelError: A name cannot be a label, or there are too few or too many.
    """
    labels = spell_labels(names)
    check_labels(labels)
    return labels


def spell_labels(names: Iterable[str]) -> tuple[str, ...]:
    """Return the same, whatever the names are."""
    spelled: dict[str, set[str]] = {}
    for name in names:
        keys = (label_key(name), label_key(without_number(name)))
        expression = next((_CANONICAL[key] for key in keys if key in _CANONICAL), keys[0])
        spelled.setdefault(expression, set()).add(as_label(name))
    return tuple(sorted(_one_of(names, meaning=meaning) for meaning, names in spelled.items()))


def _one_of(names: Iterable[str], *, meaning: str) -> str:
    by_key = {label_key(name): name for name in sorted(names, reverse=True)}
    is_written = len(by_key) == 1 and (meaning in by_key or _CANONICAL.keys() >= by_key.keys())
    return next(iter(by_key.values())) if is_written else meaning
