"""The data of a network with several heads: the same pictures, labelled once for each head.

The first head's pictures are the run's: they alone are split, so no head is judged by a picture
that another one has learnt from. Another head labels those of them that it knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.data.samples import Samples
from fer_trainer.data.origin import DataSet
from fer_trainer.data.splitting import SplitData, check_classes
from fer_trainer.recipe.settings import Recipe


def split_heads(
    recipe: Recipe,
    *,
    read: Callable[[Recipe], DataSet],
    split: Callable[[Recipe], SplitData],
) -> SplitData:
    """Read and split the data of every head.

    Args:
        recipe: With heads.
        read: Reads the data of a recipe with one answer.
        split: Reads and splits it.

    Returns:
        The first head's split. Its soft labels are the targets of all heads side by side, with
        zeros where a head has no label for a picture; each head's own parts are its `heads`.

    Raises:
        DataError: As `read` and `split` say, or a head has no picture of one of its labels.
        LabelError: A class folder's name is unknown.
    """
    first, *others = recipe.heads
    base = split(recipe.of_head(first))
    heads = {first.name: base}
    for head in others:
        own = recipe.of_head(head)
        heads[head.name] = _along(base, read(own), own, head=head.name)
    sizes = recipe.answers
    assert not isinstance(sizes, int)  # noqa: S101 - there are heads
    train, val = (
        replace(part, soft=_side_by_side(part, [getattr(h, name) for h in heads.values()], sizes))
        for name, part in (("train", base.train), ("val", base.val))
    )
    return replace(base, train=train, val=val, heads=heads)


def _along(base: SplitData, data: DataSet, recipe: Recipe, *, head: str) -> SplitData:
    """Split another head's data as the first one's is."""
    known = {
        name: (samples, row)
        for samples in data.splits.values()
        for row, name in enumerate(samples.names)
    }
    parts = {name: _known(part, known) for name, part in base.parts().items()}
    train, val = (parts[name] or base.parts()[name].take([]) for name in ("train", "val"))
    by_votes = recipe.labels.title == "ferplus" and not recipe.data.votes
    check_classes(
        {"train": train, "val": val},
        recipe.label_names,
        where=f"{data.origin.name}, head {head}",
        otherwise="give FER+'s votes, by --set data.votes=FILE"
        if by_votes
        else "leave the head out",
    )
    test = parts.get("test")
    copies = base.test_copies
    if base.test is not None:
        copies = copies[[name in known for name in base.test.names]]
    return replace(base, train=train, val=val, test=test, test_copies=copies, origin=data.origin)


def _known(part: Samples, known: Mapping[str, tuple[Samples, int]]) -> Samples | None:
    """Return those pictures of a part that a head has a label for; None where it has none."""
    found = [known[name] for name in part.names if name in known]
    if not found:
        return None
    soft = [samples.soft[row] for samples, row in found if samples.soft is not None]
    return Samples(
        np.stack([samples.pictures[row] for samples, row in found]),
        np.array([samples.labels[row] for samples, row in found], dtype=np.int64),
        tuple(samples.names[row] for samples, row in found),
        np.stack(soft) if soft else None,
    )


def _side_by_side(
    part: Samples, heads: Sequence[Samples], sizes: Mapping[str, int]
) -> NDArray[np.float32]:
    rows = {name: row for row, name in enumerate(part.names)}
    joined = []
    for samples, size in zip(heads, sizes.values(), strict=True):
        own = _one_hot(samples.labels, size) if samples.soft is None else samples.soft
        block = np.zeros((len(part), size), np.float32)
        block[[rows[name] for name in samples.names]] = own
        joined.append(block)
    return np.hstack(joined)


def _one_hot(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = np.eye(classes, dtype=np.float32)[labels]
    return rows
