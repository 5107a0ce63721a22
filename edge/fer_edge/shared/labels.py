"""Names of expressions, the label sets built from them, and their aliases.

Label order is the commonest defect of this field: FER2013's CSV ends sad, surprise, neutral,
its folder copies sort to neutral, sad, surprise, and FER+ starts with neutral. So no order is
ever assumed: a model carries its own, and these sets are what a trainer may choose from.
"""

import difflib
from collections.abc import Iterable, Sequence
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


def canonical_label(name: str) -> str:
    """Return the canonical name of an expression, whatever alias or case it comes in.

    Raises:
        LabelError: Nobody knows the name; the message holds the nearest one known.
    """
    key = " ".join(name.replace("_", " ").replace("-", " ").split()).lower()
    if key in _CANONICAL:
        return _CANONICAL[key]
    near = difflib.get_close_matches(key, _CANONICAL, n=1)
    raise LabelError(
        f"unknown expression {name!r}",
        expected="one of " + ", ".join(sorted(ALIASES)) + " (or an alias such as anger, happiness)",
        fix=f"did you mean {near[0]!r}? Rename it" if near else "rename it to one of these",
    )


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


def index_map(names: Sequence[str], labels: Sequence[str]) -> tuple[int | None, ...]:
    """For every name give its index in `labels`, or None where `labels` lacks it.

    Args:
        names: Expression names in any spelling.
        labels: Canonical labels, for instance a model's.
    """
    return tuple(
        labels.index(label) if (label := canonical_label(name)) in labels else None
        for name in names
    )
