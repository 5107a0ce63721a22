"""What was read, drawn onto a picture: for command line, Python API, demo and reports alike.

A label lies on a plate of its own, beside its face, inside the picture, and over no other label
where there is room. A face that is followed keeps its colour. What is uncertain is dashed and dark.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.errors import OutputError
from fer_edge.shared.model.words import without_accents
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import UNCERTAIN, Box, ColourImage, Reading
from fer_edge.shared.report.colours import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, YELLOW
from fer_edge.shared.whole_files import replace_file

_Colour: TypeAlias = tuple[int, int, int]

_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_USUAL_SIDE: Final = 640
_SCALE: Final = 0.6
_GOOD_SCALE: Final = 0.5
"""Of letters in small pictures, where there is room."""
_LEAST_SCALE: Final = 0.35
"""Below it nobody reads the letters; what does not fit then is said in fewer words."""
_BLACK: Final = (0, 0, 0)
_WHITE: Final = (255, 255, 255)
_DARK: Final = (45, 40, 36)
_BRIGHT: Final = 110.0
"""Of 255: on plates that are brighter the letters are black."""
_DASHES: Final = 6
"""Along a side of a box."""


def _bgr(colour: str) -> _Colour:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return blue, green, red


_COLOURS: Final = tuple(map(_bgr, (ORANGE, SKY, GREEN, PURPLE, YELLOW, VERMILION, BLUE)))


def draw(picture: NDArray[np.uint8], readings: Sequence[Reading]) -> ColourImage:
    """Draw boxes, labels and probabilities: the stable label where there is one.

    Args:
        picture: uint8, shape (H, W) grey or (H, W, 3) BGR.
        readings: What was read in it.

    Returns:
        uint8, shape (H, W, 3), BGR; a copy.
    """
    drawn = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR) if picture.ndim == 2 else picture.copy()
    height, width = picture.shape[:2]
    unit = max(height, width) / _USUAL_SIDE
    marks = [_mark(reading, place) for place, reading in enumerate(readings)]
    for mark in marks:
        _draw_box(drawn, mark, unit)
    boxes = [mark.box for mark in marks]
    taken: list[Box] = []
    for mark in marks:
        words = _fitting_words(mark.texts, unit, width=width, height=height)
        if words is not None:
            plate = _place(words, mark.box, Box(0, 0, width, height), taken, boxes)
            taken.append(plate)
            _draw_words(drawn, words, plate, mark)
    return drawn.astype(np.uint8, copy=False)


def write_picture(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a picture in the format of the file's ending, whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        encoded = encode_picture(picture, path.suffix)
    except cv2.error as error:
        raise OutputError(
            f"{path} cannot be written ({error})",
            expected="an ending such as .jpg or .png",
            fix="name another one",
        ) from error
    replace_file(path, encoded, synchronised=False)


def encode_picture(picture: NDArray[np.uint8], suffix: str) -> bytes:
    """Return a picture as a file of this ending.

    Raises:
        cv2.error: OpenCV writes none of it.
    """
    _, encoded = cv2.imencode(suffix, picture)
    return encoded.tobytes()


@dataclass(frozen=True, slots=True)
class _Mark:
    """How one face is marked.

    Attributes:
        box: Where.
        texts: What to say, the most words first.
        colour: BGR.
        certain: Whether the label is.
    """

    box: Box
    texts: tuple[str, ...]
    colour: _Colour
    certain: bool


class _Words(NamedTuple):
    """A text that fits, at the scale at which it does."""

    text: str
    scale: float
    weight: int
    width: int
    height: int
    pad: int


def _mark(reading: Reading, place: int) -> _Mark:
    followed = reading.track_id is not None
    stable = reading.stable or reading.label
    certain = stable != UNCERTAIN
    probability = reading.answer.scores.get(stable)
    said = stable if probability is None else f"{stable} {probability:.2f}"
    texts: tuple[str, ...] = (said, stable)
    if reading.why is not None:
        texts = (f"{UNCERTAIN}: {reading.why}", UNCERTAIN, "?")
    elif not certain:
        guess = f"{UNCERTAIN} ({reading.label} {reading.confidence:.2f})"
        texts = (UNCERTAIN, "?") if followed else (guess, UNCERTAIN, "?")
    number = place if reading.track_id is None else reading.track_id
    return _Mark(reading.box, texts, _COLOURS[number % len(_COLOURS)], certain)


def _draw_box(drawn: cv2.typing.MatLike, mark: _Mark, unit: float) -> None:
    """Draw the box in its colour over a dark one that is a little wider: seen on any ground."""
    box, weight = mark.box, max(1, round(2 * unit))
    first, last = (box.x, box.y), (box.x + box.width, box.y + box.height)
    dark = weight + 2 * max(min(1, box.width // 40), round(unit))
    for colour, thickness in ((_BLACK, dark), (mark.colour, weight)):
        if mark.certain:
            cv2.rectangle(drawn, first, last, colour, thickness)
            continue
        for begin, end in _dashes(box):
            cv2.line(drawn, begin, end, colour, thickness)


def _dashes(box: Box) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield the ends of dashes along the four sides; corners are drawn."""
    steps = 2 * _DASHES - 1
    for number in range(0, steps, 2):
        left, right = (box.x + round(box.width * n / steps) for n in (number, number + 1))
        top, bottom = (box.y + round(box.height * n / steps) for n in (number, number + 1))
        for y in (box.y, box.y + box.height):
            yield (left, y), (right, y)
        for x in (box.x, box.x + box.width):
            yield (x, top), (x, bottom)


def _fitting_words(texts: Sequence[str], unit: float, *, width: int, height: int) -> _Words | None:
    """Return the first text that fits into the picture, as large as it does."""
    small = min(_GOOD_SCALE, max(width, height) / 800)
    wanted = max(_LEAST_SCALE, small, _SCALE * unit)
    for text in texts:
        words = _sized(text, wanted)
        if words.width > width:
            words = _sized(text, wanted * width / words.width)
        if words.scale >= _LEAST_SCALE and words.width <= width and words.height <= height:
            return words
    return None


def drawable(text: str) -> str:
    """Return a text in the letters that OpenCV can draw: those of ASCII, without accents."""
    return without_accents(text).encode("ascii", "replace").decode()


def _sized(text: str, scale: float) -> _Words:
    text = drawable(text)
    weight = max(1, round(2.2 * scale))
    (width, height), base = cv2.getTextSize(text, _FONT, scale, weight)
    pad = max(2, round(0.35 * height))
    return _Words(text, scale, weight, width + 2 * pad, height + base // 2 + 2 * pad, pad)


def _place(words: _Words, box: Box, frame: Box, taken: Sequence[Box], faces: Sequence[Box]) -> Box:
    """Return where the plate lies: beside its face, over no other plate if that can be had."""
    best, least = frame, float("inf")
    for preference, (x, y) in enumerate(_places(words, box, frame)):
        if least <= preference:
            break  # each further place costs at least that much
        left = min(max(0, x), frame.width - words.width)
        top = min(max(0, y), frame.height - words.height)
        plate = Box(left, top, words.width, words.height)
        hidden = sum(plate.overlap(other) for other in faces)
        cost = preference + 1e6 * sum(plate.overlap(other) for other in taken)
        cost += 10 * hidden / plate.area
        if cost < least:
            best, least = plate, cost
    return best


def _places(words: _Words, box: Box, frame: Box) -> Iterator[tuple[int, int]]:
    """Yield where a plate may lie, the best first: above, below, inside, then ever farther off."""
    right = box.x + box.width - words.width
    above, below = box.y - words.height, box.y + box.height
    for y in (above, below):
        yield box.x, y
        yield right, y
    for y in (box.y, below - words.height):
        yield box.x, y
        yield right, y
    for step in range(1, frame.height // words.height + 1):
        for x in (box.x, right):
            yield x, above - step * words.height
            yield x, below + step * words.height


def _draw_words(drawn: cv2.typing.MatLike, words: _Words, plate: Box, mark: _Mark) -> None:
    ground = mark.colour if mark.certain else _DARK
    blue, green, red = ground
    bright = 0.114 * blue + 0.587 * green + 0.299 * red > _BRIGHT
    ink = _BLACK if bright else _WHITE
    first = (plate.x, plate.y)
    last = (plate.x + plate.width - 1, plate.y + plate.height - 1)
    cv2.rectangle(drawn, first, last, ground, -1)
    cv2.rectangle(drawn, first, last, _BLACK if mark.certain else mark.colour, 1)
    at = (plate.x + words.pad, plate.y + plate.height - words.pad - words.height // 8)
    cv2.putText(drawn, words.text, at, _FONT, words.scale, ink, words.weight, cv2.LINE_AA)
