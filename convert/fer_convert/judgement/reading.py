"""Is what was converted the network that lies in the file?"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from fer_convert.source.job import Probes
from fer_edge.shared.errors import ModelError
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.model.model_file import ModelFile

ROUNDING: Final = 1e-3
"""Of a probability. The order of additions moves it by less than 1e-5; what is read wrongly, as a
rule by more than a hundredth."""


def check_reading(float32: ModelFile, probes: Probes, *, where: str) -> None:
    """Compare float32 with the network itself on random pictures.

    Args:
        float32: As converted; takes raw pixels.
        probes: What the network says, fed as the program feeds it that made it.
        where: The network's file, for messages.

    Raises:
        ModelError: They differ by more than rounding.
    """
    classifier = LitertClassifier(float32)
    answers = np.stack([classifier.raw_output(picture) for picture in probes.pictures])
    check_answers(answers, probes, what="float32", where=where)


def check_answers(answers: NDArray[np.float32], probes: Probes, *, what: str, where: str) -> None:
    """Compare answers to the random pictures with the network's own.

    Args:
        answers: float32, shape (N, outputs).
        probes: What the network says.
        what: It was converted to, for messages.
        where: The network's file, for messages.

    Raises:
        ModelError: They differ by more than rounding.
    """
    shifts = np.abs(answers - probes.answers)
    # What is no number in one is to be none in the other.
    unlike = np.isnan(answers) != np.isnan(probes.answers)
    worst = 1.0 if unlike.any() else float(np.nan_to_num(shifts).max())
    if worst > ROUNDING:
        raise ModelError(
            f"{where}: converted to {what} it answers otherwise than the network itself; of "
            f"{len(answers)} random pictures a probability differs by up to {worst:.2g}",
            expected=f"the same answers to within {ROUNDING:g}",
            fix="nothing was written; replace the layers that are unusual, or report this with "
            "the network's architecture: it is no fault of the network",
        )
