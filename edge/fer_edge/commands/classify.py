"""Expressions in single pictures."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_edge.assemble.parts import make_classifier, make_detector, smoothing_for
from fer_edge.commands.annotate import annotate, write_picture
from fer_edge.settings import Settings
from fer_edge.shared.data.pictures import read_grey
from fer_edge.shared.errors import PictureError
from fer_edge.shared.faces.legibility import why_unreadable
from fer_edge.shared.model.preprocess import prepare_crop, whole_picture
from fer_edge.shared.records import Face, GreyImage, Reading
from fer_edge.shared.whole_files import make_folder


@dataclass(frozen=True, slots=True)
class SeenPicture:
    """What was read in one picture.

    Attributes:
        image: The path as it was given.
        width: Of the picture, upright, in pixels.
        height: The same.
        readings: One for each face, surest first.
        least_probability: Below it a label is said to be uncertain.
    """

    image: str
    width: int
    height: int
    readings: tuple[Reading, ...]
    least_probability: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the picture's line of JSON."""
        return {
            "image": self.image,
            "width": self.width,
            "height": self.height,
            "faces": [reading.to_json() for reading in self.readings],
        }


class PictureReader:
    """Reads picture files.

    Args:
        settings: Detector, model, and from which probability a label is certain.
        whole_pictures: Take each picture as a face crop instead of searching faces.
        annotate_folder: Where to leave annotated copies; None leaves none.

    Raises:
        FerError: Model or cascade cannot be loaded, or the folder not be made.
    """

    def __init__(
        self, settings: Settings, *, whole_pictures: bool, annotate_folder: Path | None
    ) -> None:
        self._classifier = make_classifier(settings.model)
        self._detector = None if whole_pictures else make_detector(settings.detector)
        smoothing = smoothing_for(settings.smoothing, self._classifier.contract)
        self._least_probability = smoothing.least_probability
        self._annotate_folder = annotate_folder
        self._copies: Counter[str] = Counter()
        if annotate_folder is not None:
            make_folder(annotate_folder)

    def read(self, image: str) -> SeenPicture:
        """Read one picture.

        Raises:
            PictureError: It cannot be read.
            OutputError: The annotated copy cannot be written.
        """
        path = Path(image)
        grey = read_grey(path)
        try:
            readings = self._readings(grey)
        except PictureError as error:
            raise PictureError(
                f"{image}: {error.found}", expected=error.expected, fix=error.fix
            ) from error
        if self._annotate_folder is not None:
            drawn = annotate(grey, readings, least_probability=self._least_probability)
            write_picture(self._annotate_folder / self._copy_name(path), drawn)
        height, width = grey.shape
        return SeenPicture(image, width, height, readings, self._least_probability)

    def _copy_name(self, path: Path) -> str:
        """Return a name that is neither a picture's own nor another copy's."""
        self._copies[path.stem] += 1
        again = self._copies[path.stem]
        return f"{path.stem}-annotated{f'-{again}' if again > 1 else ''}.jpg"

    def _readings(self, grey: GreyImage) -> tuple[Reading, ...]:
        if self._detector is None:
            pixels = prepare_crop(grey, self._classifier.contract.input)
            face = Face(whole_picture(grey), 1.0)
            return (Reading(face, self._classifier.predict(pixels)),)
        faces = self._detector.detect(grey)
        predictions = self._classifier.classify(grey, faces)
        return tuple(
            Reading(face, prediction, why=why_unreadable(grey, face))
            for face, prediction in zip(faces, predictions, strict=True)
        )


def format_reading(seen: SeenPicture) -> str:
    """Return what people read of one picture: a line a face."""
    if not seen.readings:
        return f"{seen.image}: no face"
    return "\n".join(
        f"{seen.image}: {reading.words(least_probability=seen.least_probability)}"
        f" at {reading.face.box.as_list()}"
        for reading in seen.readings
    )
