"""Find pictures that are there twice: with the same pixels, or with nearly the same.

Nearly the same means another crop by a few pixels, another compression, brightness or contrast, a
watermark, or a mirror image. Candidates are found by a perceptual hash; a pair counts only if the
pictures themselves correlate, and their fine structure too, wherever within a few pixels they fit
best. The bounds were chosen by looking at pairs of FER2013: what meets them shows one photograph.
The second bound is for faces lit from one side, all of which look alike in the large.

Source: Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010 (the hash).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.data.samples import Pictures
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import GreyImage

MAX_HASH_DISTANCE: Final = 10
MIN_CORRELATION: Final = 0.9
MIN_FINE_CORRELATION: Final = 0.6
MIN_FINE_MIRRORED: Final = 0.7  # true mirror images are rare, faces that look like one are not
_SLACK: Final = 4  # pixels of 48 by which two crops of one photograph may be apart

Hashes = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class NearGroup:
    """Pictures that show the same photograph, directly or by way of others in the group.

    Attributes:
        members: Indices, ascending.
        correlation: The lowest among the pairs that tie the group together.
        mirrored: Some are mirror images of others.
    """

    members: tuple[int, ...]
    correlation: float
    mirrored: bool


def exact_groups(digests: Sequence[bytes]) -> list[tuple[int, ...]]:
    """Group what has equal digests; groups of one are left out.

    Returns:
        Groups of ascending indices, ordered by their first.
    """
    groups: dict[bytes, list[int]] = {}
    for index, digest in enumerate(digests):
        groups.setdefault(digest, []).append(index)
    return [tuple(members) for members in groups.values() if len(members) > 1]


def near_groups(
    pictures: Pictures,
    among: Sequence[int] | NDArray[Any],
    *,
    progress: Callable[[int, int], None],
) -> list[NearGroup]:
    """Group pictures that are nearly the same.

    Args:
        pictures: uint8, shape (N, 48, 48).
        among: Indices to look at: one of each set of exact copies, none that is blank.
        progress: Told how many of how many have been compared with all others.

    Returns:
        Groups ordered by their first member.
    """
    chosen = np.asarray(among, dtype=np.int64)
    hashes = perceptual_hashes(pictures[chosen])
    mirrored_hashes = perceptual_hashes(pictures[chosen, :, ::-1])
    group = np.arange(len(chosen))
    links: list[tuple[int, float, bool]] = []
    for first, second, mirrored in _candidates(hashes, mirrored_hashes, progress):
        # Pictures already tied together need no second proof: a film's frames cost n, not n².
        if group[first] == group[second]:
            continue
        one, other = pictures[chosen[first]], pictures[chosen[second]]
        found = correlate(one, other, mirrored=mirrored)
        if found is not None:
            group[group == group[second]] = group[first]
            links.append((first, found, mirrored))
    return _collect(group, links, chosen)


def perceptual_hashes(pictures: Pictures) -> Hashes:
    """Hash what a picture shows: the signs of its 64 lowest frequencies about their median.

    Args:
        pictures: uint8, shape (N, H, W).

    Returns:
        uint64, shape (N,); similar pictures differ in few bits.
    """
    bits = np.zeros((len(pictures), 64), dtype=np.bool_)
    for index, picture in enumerate(pictures):
        small = cv2.resize(picture, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
        low = cv2.dct(small)[:8, :8].ravel()
        bits[index] = low > np.median(low[1:])  # the first is the mean, far above all others
    hashes: Hashes = np.packbits(bits, axis=1).view(np.uint64)[:, 0]
    return hashes


def correlate(first: GreyImage, second: GreyImage, *, mirrored: bool = False) -> float | None:
    """Tell whether two pictures show the same photograph.

    Args:
        first: uint8, shape (48, 48); not blank.
        second: The same.
        mirrored: Compare with the mirror image of `second`.

    Returns:
        Their correlation where they fit best; 1 means equal but for brightness and contrast. None
        where they are two photographs.
    """
    least = MIN_FINE_MIRRORED if mirrored else MIN_FINE_CORRELATION
    if mirrored:
        second = second[:, ::-1]
    found = _best_fit(first.astype(np.float32), second.astype(np.float32))
    if found < MIN_CORRELATION or _best_fit(_fine(first), _fine(second)) < least:
        return None
    return min(1.0, found)


def _fine(picture: GreyImage) -> NDArray[np.float32]:
    """Return what a picture holds beside its large shades."""
    large = np.ascontiguousarray(picture, dtype=np.float32)
    fine: NDArray[np.float32] = large - cv2.GaussianBlur(large, (0, 0), 3)
    return fine


def _best_fit(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Correlate the middle of one with every place in the other, both ways round."""
    inner = slice(_SLACK, -_SLACK)
    fits = (
        cv2.matchTemplate(
            np.ascontiguousarray(whole),
            np.ascontiguousarray(part[inner, inner]),
            cv2.TM_CCOEFF_NORMED,
        )
        for whole, part in ((first, second), (second, first))
    )
    return float(max(fit.max() for fit in fits))


def _candidates(
    hashes: Hashes, mirrored_hashes: Hashes, progress: Callable[[int, int], None]
) -> Iterator[tuple[int, int, bool]]:
    for first in range(len(hashes)):
        for mirrored, others in ((False, hashes), (True, mirrored_hashes)):
            distances = np.bitwise_count(others[first + 1 :] ^ hashes[first])
            for offset in np.flatnonzero(distances <= MAX_HASH_DISTANCE):
                yield first, first + 1 + int(offset), mirrored
        progress(first + 1, len(hashes))


def _collect(
    group: NDArray[Any], links: Sequence[tuple[int, float, bool]], chosen: NDArray[np.int64]
) -> list[NearGroup]:
    members: dict[int, list[int]] = {}
    for index, root in enumerate(group):
        members.setdefault(int(root), []).append(int(chosen[index]))
    of_group: dict[int, list[tuple[float, bool]]] = {}
    for first, found, mirrored in links:
        of_group.setdefault(int(group[first]), []).append((found, mirrored))
    return [
        NearGroup(
            tuple(members[root]), min(found for found, _ in ties), any(flip for _, flip in ties)
        )
        for root, ties in sorted(of_group.items(), key=lambda item: members[item[0]][0])
    ]
