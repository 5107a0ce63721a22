"""The representative set: pictures from which the converter learns each tensor's range."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fer_convert.source.exposure import trim
from fer_convert.source.partition import shuffled_classes
from fer_edge.shared.data.samples import Samples
from fer_edge.shared.errors import DataError
from fer_edge.shared.model.contract import ModelContract

MIN_PICTURES: Final = 300
"""Agreement is flat from 20 pictures on, but the worst shift of a probability still falls from 0.09
with 100 pictures to 0.03 with 300."""

DEFAULT_PICTURES: Final = 500


@dataclass(frozen=True, slots=True, eq=False)
class RepresentativeSet:
    """Pictures chosen for calibration.

    Attributes:
        samples: The chosen ones, in their original order.
        counts: Pictures by label.
        seed: Of the choice.
        trimmed: Which pictures were left out as extreme, and the rule.
        copies: Pictures left out because they are compared on, too.
    """

    samples: Samples
    counts: dict[str, int]
    seed: int
    trimmed: Mapping[str, Any]
    copies: int = 0

    @property
    def pictures(self) -> NDArray[np.uint8]:
        """What the network is calibrated on: uint8, as `Pictures` says, a copy.

        Two opposite corner pixels of the first picture are set to 0 and 255 where no picture
        holds these values, because the input's scale is exactly 1 only if the converter has seen
        the whole range of a pixel.
        """
        pictures = self.samples.pictures.copy()
        for corner, extreme in ((0, 0), (-1, 255)):
            if not (pictures == extreme).any():
                pictures[0, corner, corner] = extreme
        return pictures

    def to_json(self) -> dict[str, Any]:
        """Return what the contract records of it."""
        return {
            "count": len(self.samples),
            "by_label": self.counts,
            "seed": self.seed,
            "source": self.samples.source,
            "sha256": self.samples.sha256,
            "trimmed": self.trimmed,
            "copies_left_out": self.copies,
        }


def choose_representative(
    samples: Samples, contract: ModelContract, *, count: int, seed: int, copies: int = 0
) -> RepresentativeSet:
    """Choose pictures so that the classes are as even as their sizes allow.

    Blank, dark and bright pictures are left out first. Then rounds of one picture from every
    class that has any left: a small class is taken whole and the others share the rest.

    Args:
        samples: To choose from; never pictures that are compared on.
        contract: Of the network.
        count: Pictures wanted.
        seed: Of the choice.
        copies: How many pictures were left out before; recorded.

    Raises:
        DataError: Fewer than `MIN_PICTURES`, or a label without any picture.
    """
    samples, trimmed = trim(samples)
    counts = samples.counts(contract.labels)
    missing = [label for label, n in counts.items() if n == 0]
    if missing:
        gone = f"; {copies} are left out, as they are compared on, too" if copies else ""
        raise DataError(
            f"{samples.source} has no picture of {', '.join(missing)} to calibrate on{gone}",
            expected="calibration pictures of every label",
            fix="add some, or give other --calibration-data",
        )
    queues = shuffled_classes(samples, seed=seed)
    longest = max(len(queue) for queue in queues)
    rounds = [queue[n] for n in range(longest) for queue in queues if n < len(queue)]
    if min(len(rounds), count) < MIN_PICTURES:
        raise DataError(
            f"{samples.source} gives {min(len(rounds), count)} pictures to calibrate on",
            expected=f"at least {MIN_PICTURES}",
            fix="give more with --calibration-data FOLDER_OR_ZIP",
        )
    chosen = samples.take(sorted(rounds[:count]))
    return RepresentativeSet(chosen, chosen.counts(contract.labels), seed, trimmed, copies)
