"""Draw what was read onto a picture, for people."""

from pathlib import Path
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.errors import OutputError
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import GreyImage, Reading

_COLOURS: Final = {  # BGR, of one lightness, apart for most colour-blind people
    "angry": (60, 60, 230),
    "contempt": (150, 110, 140),
    "disgust": (60, 150, 90),
    "fear": (190, 80, 150),
    "happy": (40, 170, 240),
    "neutral": (170, 170, 170),
    "sad": (220, 130, 50),
    "surprise": (200, 200, 60),
}
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX


def annotate(
    grey: GreyImage, readings: tuple[Reading, ...], *, least_probability: float = 0.0
) -> NDArray[np.uint8]:
    """Draw boxes, labels and probabilities.

    Args:
        grey: uint8, shape (H, W).
        readings: What was read in it.
        least_probability: Below it a label is said to be uncertain.

    Returns:
        uint8, shape (H, W, 3), BGR; a copy.
    """
    picture = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    unit = max(grey.shape) / 640
    for reading in readings:
        box, prediction = reading.face.box, reading.prediction
        colour = _COLOURS.get(prediction.label, (255, 255, 255))
        thickness = max(1, round(2 * unit))
        corner = (box.x + box.width, box.y + box.height)
        cv2.rectangle(picture, (box.x, box.y), corner, colour, thickness, cv2.LINE_AA)
        text = reading.words(least_probability=least_probability)
        scale, weight = 0.6 * unit, max(1, round(1.4 * unit))
        (width, height), base = cv2.getTextSize(text, _FONT, scale, weight)
        # Above the box, or inside it where the box touches the top.
        bottom = box.y if box.y > height + 2 * base else box.y + height + 2 * base
        cv2.rectangle(
            picture, (box.x, bottom - height - 2 * base), (box.x + width + 4, bottom), colour, -1
        )
        at = (box.x + 2, bottom - base)
        cv2.putText(picture, text, at, _FONT, scale, (0, 0, 0), weight, cv2.LINE_AA)
    return cast("NDArray[np.uint8]", picture)


def write_picture(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a picture in the format of the file's ending.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        _, encoded = cv2.imencode(path.suffix, picture)
        path.write_bytes(encoded.tobytes())
    except (OSError, cv2.error) as error:
        raise OutputError(
            f"{path} cannot be written ({error})",
            expected="a folder that may be written, and an ending such as .jpg or .png",
            fix="check the path",
        ) from error
