"""Whether answers have to do with the pictures at all: the words in which every program says so."""

from typing import Final

import numpy as np

from fer_edge.shared.scores import Scores
from fer_edge.shared.statistics import wilson

NETWORK: Final = "the network"


def find_poor(scores: Scores, *, who: str = NETWORK) -> tuple[str, ...]:
    """Say in capitals that answers have nothing to do with the pictures, if so.

    Chance is what the same answers would get if dealt out to the pictures at random: for each
    label, its share of the answers times its share of the pictures. That is the accuracy expected
    in Cohen's kappa.

    Args:
        scores: Of the answers.
        who: Gave them.

    Returns:
        Nothing where the 95 % interval of the accuracy lies above chance, or where pictures of
        fewer than two labels leave nothing to be told apart.
    """
    n, own, given = scores.n, scores.confusion.sum(axis=1), scores.confusion.sum(axis=0)
    if np.count_nonzero(own) < 2:
        return ()
    if given.max() == n:
        label = scores.labels[int(given.argmax())]
        return (f"{who.upper()} GIVES EVERY PICTURE THE SAME LABEL: {label}",)
    right, chance = int(np.trace(scores.confusion)), float(given / n @ (own / n))
    if wilson(right, n).low > chance:
        return ()
    return (
        f"{who.upper()} IS NO BETTER THAN CHANCE: {right / n:.2%} of {n:,} pictures right, and "
        f"{chance:.2%} are by chance",
    )


def find_remarks(scores: Scores, *, who: str = NETWORK) -> tuple[str, ...]:
    """Return `find_poor`, and else that the commonest label alone would do as well; as above.

    Where labels are as common as one another that is chance once more. Where one is much commoner,
    a network that cares for the rare ones may lie below it and yet be of use.
    """
    if poor := find_poor(scores, who=who):
        return poor
    n, own = scores.n, scores.confusion.sum(axis=1)
    if np.count_nonzero(own) < 2:
        return ()
    right, commonest = int(np.trace(scores.confusion)), int(own.argmax())
    if wilson(right, n).low > own[commonest] / n:
        return ()
    return (
        f"{who.upper()} IS NO BETTER THAN THE COMMONEST LABEL: {right / n:.2%} of {n:,} pictures "
        f"right, and {own[commonest] / n:.2%} are {scores.labels[commonest]}",
    )
