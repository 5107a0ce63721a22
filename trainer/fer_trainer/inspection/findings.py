"""What is to be said of a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from fer_edge.shared.data.containers import Skipped
from fer_edge.shared.data.files import by_reason
from fer_edge.shared.errors import FerError
from fer_trainer.data.reading import MAX_UNREADABLE
from fer_trainer.inspection.duplicates import NearGroup
from fer_trainer.inspection.survey import WHOLE, Survey

BLANK_SPREAD: Final = 6.0
"""Below this standard deviation of its 256 grey values a picture shows next to nothing."""
TINY_SIDE: Final = 24
"""Shorter sides than this are half of what FER2013 has, and the least that Haar cascades find."""
_ORDER: Final = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Crossing:
    """Pictures of one part that another part holds too.

    Attributes:
        part: Whose pictures.
        of: The part that holds them too.
        exact: Indices of those with the same pixels.
        near: Indices of those that are nearly the same, and not the same.
    """

    part: str
    of: str
    exact: tuple[int, ...]
    near: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """What was found in a data set.

    Attributes:
        name: Of the data set.
        survey: What was seen.
        exact: Groups of pictures with the same pixels, as indices.
        near: Groups of pictures nearly the same; exact copies stand for one another in them.
        skipped: Files that are no part of the data set.
        strange: What of its layout is not understood; the pictures it is about were not read.
    """

    name: str
    survey: Survey
    exact: Sequence[tuple[int, ...]]
    near: Sequence[NearGroup]
    skipped: Sequence[Skipped] = ()
    strange: Sequence[FerError] = ()

    @property
    def parts(self) -> list[str]:
        """Names of the parts there are: train, val, test, as far as there."""
        present = set(self.survey.parts)
        return [part for part in _ORDER if part in present] or sorted(present)

    @property
    def labels(self) -> list[str]:
        """Names of the classes there are, sorted."""
        return sorted(set(self.survey.labels))

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of pictures by part and class."""
        found = Counter(zip(self.survey.parts, self.survey.labels, strict=True))
        return {part: {name: found[part, name] for name in self.labels} for part in self.parts}

    def imbalance(self) -> dict[str, float | None]:
        """Return by part how many times its largest class is its smallest; None where one lacks."""
        return {
            part: max(n.values()) / min(n.values()) if min(n.values()) else None
            for part, n in self.counts().items()
        }

    def conflicts(self, groups: Iterable[Sequence[int]]) -> list[Sequence[int]]:
        """Return the groups whose pictures have different labels."""
        return [g for g in groups if len({self.survey.labels[index] for index in g}) > 1]

    def near_with_copies(self) -> list[tuple[int, ...]]:
        """Return the near groups together with the exact copies of their members."""
        copies = {group[0]: group for group in self.exact}
        return [
            tuple(sorted(i for member in group.members for i in copies.get(member, (member,))))
            for group in self.near
        ]

    def crossings(self) -> list[Crossing]:
        """Return for each two parts what the later one repeats of the earlier."""
        parts = self.parts
        return [
            self._crossing(later, earlier)
            for position, later in enumerate(parts)
            for earlier in parts[:position]
        ]

    def _crossing(self, part: str, of: str) -> Crossing:
        def repeated(groups: Iterable[Sequence[int]]) -> set[int]:
            where = self.survey.parts
            return {
                index
                for group in groups
                if any(where[other] == of for other in group)
                for index in group
                if where[index] == part
            }

        exact = repeated(self.exact)
        near = repeated(self.near_with_copies()) - exact
        return Crossing(part, of, tuple(sorted(exact)), tuple(sorted(near)))

    @property
    def blank(self) -> list[int]:
        """Indices of pictures that show next to nothing."""
        return [int(i) for i in np.flatnonzero(self.survey.spreads < BLANK_SPREAD)]

    @property
    def tiny(self) -> list[int]:
        """Indices of pictures too small to show an expression."""
        return [i for i, size in enumerate(self.survey.sizes) if min(size) < TINY_SIDE]

    def problems(self) -> list[str]:
        """Return why `fer-train fit` would refuse the data set; empty where it would not."""
        problems = [f"{problem.found}; {problem.fix}" for problem in self.strange]
        total = len(self.survey) + len(self.survey.unreadable)
        if len(self.survey.unreadable) > MAX_UNREADABLE * total:
            problems.append(
                f"{len(self.survey.unreadable):,} of {total:,} pictures cannot be read, more than "
                f"{MAX_UNREADABLE:.0%}"
            )
        if len(self.labels) < 2:
            problems.append(f"there is one class only, {self.labels[0]}")
        for part, counts in self.counts().items():
            missing = [label for label, n in counts.items() if n == 0]
            if missing and part != "test":
                problems.append(f"{part} has no pictures of {', '.join(missing)}")
        return [*problems, *self._unsplittable()]

    def _unsplittable(self) -> list[str]:
        """Return why no train and validation parts can be had."""
        if "train" not in self.parts and WHOLE not in self.parts:
            only = " and ".join(self.parts)
            return [f"there is no train part, only {only}: add it, or give class folders alone"]
        if "val" in self.parts:
            return []
        seen = self.survey
        rows = set(zip(seen.parts, seen.labels, seen.digests, strict=True))
        distinct = Counter(label for part, label, _ in rows if part != "test")
        if single := [label for label in self.labels if distinct[label] == 1]:
            return [
                f"validation is cut from train, which has a single picture of {', '.join(single)} "
                "(the same pixels count once): two are needed"
            ]
        return []

    def to_json(self) -> dict[str, Any]:
        """Return all of it, pictures by name."""
        seen = self.survey
        near = [
            {**self._group(members), "correlation": round(group.correlation, 3),
             "mirrored": group.mirrored}
            for group, members in zip(self.near, self.near_with_copies(), strict=True)
        ]  # fmt: skip
        return {
            "name": self.name,
            "pictures": len(seen),
            "counts": self.counts(),
            "imbalance": {
                part: None if ratio is None else round(ratio, 2)
                for part, ratio in self.imbalance().items()
            },
            "sizes": _sizes(seen.sizes),
            "exact_copies": [self._group(group) for group in self.exact],
            "near_copies": near,
            "across": [
                {
                    "part": crossing.part,
                    "of": crossing.of,
                    "exact": [seen.names[index] for index in crossing.exact],
                    "near": [seen.names[index] for index in crossing.near],
                }
                for crossing in self.crossings()
            ],
            "blank": [seen.names[index] for index in self.blank],
            "tiny": [seen.names[index] for index in self.tiny],
            "unreadable": [{"name": name, "problem": problem} for name, problem in seen.unreadable],
            "skipped": by_reason(self.skipped),
            "problems": self.problems(),
        }

    def _group(self, members: Sequence[int]) -> dict[str, Any]:
        labels = [self.survey.labels[index] for index in members]
        return {
            "names": [self.survey.names[index] for index in members],
            "labels": labels,
            "conflict": len(set(labels)) > 1,
        }


def _sizes(sizes: Iterable[tuple[int, int]]) -> Mapping[str, int]:
    return {f"{width}x{height}": n for (width, height), n in Counter(sizes).most_common()}
