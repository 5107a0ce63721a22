"""What older programs leave: files that say nothing of labels and of pixels' range."""

from collections.abc import Sequence
from typing import Final

from fer_convert.source.description import Description
from fer_convert.source.saved_model import Signature
from fer_edge.shared.errors import LabelError, ModelError
from fer_edge.shared.labels import as_label, canonical_labels, check_labels, is_expression, slip_of
from fer_edge.shared.model.contract import InputSpec, ModelContract, OutputSpec
from fer_edge.shared.model.words import as_name

PIXELS: Final = ("0..255", "0..1", "-1..1", "MEAN/STD")
"""What a network takes, where it leaves it to the caller to rescale raw pixels. The last one, such
as 129.3/65.0, is (pixel - MEAN) / STD, both in grey levels of 0 to 255."""

RAW: Final = "0..255"
_RANGES: Final = {RAW: (1.0, 0.0), "0..1": (1 / 255, 0.0), "-1..1": (2 / 255, -1.0)}
_LEAST_DEVIATION: Final = 8.0
"""In grey levels; a smaller one is a fraction of 1, which would spread black and white over more
than 32 deviations. Photographs have 40 to 80."""

UNKNOWN_LICENCE: Final = "NOASSERTION"
"""SPDX for: nobody has said."""


def rescaling_of(pixels: str) -> tuple[float, float]:
    """Return scale and offset that turn a pixel of 0 to 255 into what a network takes.

    Args:
        pixels: One of `PIXELS`.

    Raises:
        ModelError: It is none of them.
    """
    if pixels in _RANGES:
        return _RANGES[pixels]
    mean, deviation = _mean_and_deviation(pixels)
    if not (0 <= mean <= 255 and _LEAST_DEVIATION <= deviation <= 255):
        raise ModelError(
            f"--pixels {pixels}: a mean of {mean:g} and a deviation of {deviation:g} are not those "
            "of grey levels",
            expected=f"a mean of 0 to 255, and a deviation of {_LEAST_DEVIATION:g} to 255",
            fix="multiply both by 255 where they are of pixels of 0 to 1",
        )
    return 1 / deviation, -mean / deviation


def _mean_and_deviation(pixels: str) -> tuple[float, float]:
    try:
        mean, deviation = (float(part) for part in pixels.split("/"))
    except ValueError:
        raise ModelError(
            f"--pixels {pixels}",
            expected=f"one of {', '.join(PIXELS)}",
            fix="say what the network was trained on; MEAN/STD are grey levels, as in 129.3/65.0",
        ) from None
    return mean, deviation


def read_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Return what a user calls the outputs; where all are expressions, their canonical names.

    Raises:
        ModelError: One cannot be a label, two are the same, or they are too few or too many.
    """
    try:
        if all(map(is_expression, labels)):
            return canonical_labels(labels)
        own = tuple(map(as_label, labels))
        check_labels(own)
        _refuse_slips(own)
    except LabelError as error:
        raise ModelError(f"--labels: {error.found}", expected=error.expected, fix=error.fix) from (
            error
        )
    return own


def _refuse_slips(labels: Sequence[str]) -> None:
    """Refuse words that are nearly an expression's: there is no data that would tell."""
    for label in labels:
        if meant := slip_of(label):
            raise LabelError(
                f"label {label!r} is nearly {meant!r}",
                expected="the expressions' own names, or other words",
                fix=f"write {meant}, or another word",
            )


def contract_of_labels(
    name: str, labels: tuple[str, ...], description: Description | Signature
) -> ModelContract:
    """Return the contract of a network of which its file and its user tell.

    Two labels mean one sigmoid, P(second label), unless the network ends in two numbers.

    Args:
        name: Of the network.
        labels: In the order of its output; canonical.
        description: How large its input and its output are; checked.

    Raises:
        ModelError: It says of no picture's size.
    """
    height, width, channels = next(iter(description.input_shapes), (None, None, 1))
    if height is None or width is None:
        raise ModelError(
            f"{name}: the network's file does not fix how large its pictures are",
            expected="a height and a width",
            fix="give a contract.json that names them with --contract, in place of --labels",
        )
    binary = len(labels) == 2 and description.units in (None, 1)
    return ModelContract(
        name=as_name(name),
        labels=labels,
        input=InputSpec(
            height=height,
            width=width,
            channels=3 if channels == 3 else 1,
            colour="rgb" if channels == 3 else "grey",
        ),
        output=OutputSpec(kind="sigmoid" if binary else "softmax"),
        task="binary" if binary else "multiclass",
        provenance={"source": "a network of another program, described by its user"},
        licence=UNKNOWN_LICENCE,
    )
