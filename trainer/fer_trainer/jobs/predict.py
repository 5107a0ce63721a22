"""Expressions in single pictures, by the network of a finished run."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_edge.shared.data.pictures import decode_colour, decode_grey, read_picture_bytes
from fer_edge.shared.errors import PictureError
from fer_edge.shared.faces.choice import default_detector
from fer_edge.shared.model.preprocess import cut_face, prepare_crop, whole_picture
from fer_edge.shared.model.priors import prior_shift
from fer_edge.shared.records import Face, Image, Reading
from fer_trainer.jobs.finished import load_run
from fer_trainer.jobs.wording import balanced, say, to_prediction
from fer_trainer.recipe.files import load_recipe
from fer_trainer.report.plots import draw_predictions
from fer_trainer.run import folder as run_folder
from fer_trainer.scores.calibration import temper_answers
from fer_trainer.training.loop import predict

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class SeenFace:
    """A face that was read.

    Attributes:
        reading: Where it is, what the network answered, and what a device makes of that.
        text: The same in the recipe's words, for instance `Happy (0.93)`.
        crop: uint8, shape (H, W) or (H, W, 3) in RGB: what the network was shown.
    """

    reading: Reading
    text: str
    crop: Image


@dataclass(frozen=True, slots=True, eq=False)
class SeenPicture:
    """What was read in one picture.

    Attributes:
        image: The path as it was given.
        width: Of the picture, upright, in pixels.
        height: The same.
        faces: Surest first; at least one.
    """

    image: str
    width: int
    height: int
    faces: tuple[SeenFace, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the picture's line of JSON, as `fer-edge classify` prints it, with the words."""
        return {
            "image": self.image,
            "width": self.width,
            "height": self.height,
            "faces": [{**face.reading.to_json(), "text": face.text} for face in self.faces],
        }

    def to_text(self, *, named: bool) -> str:
        """Return what people read: a line a face, with its place where there are several.

        Args:
            named: Whether each line begins with the picture's name.
        """
        several = len(self.faces) > 1
        return "\n".join(
            (f"{self.image}: " if named else "")
            + face.text
            + (f" at {face.reading.face.box.as_list()}" if several else "")
            for face in self.faces
        )


def draw_seen(pictures: Sequence[SeenPicture], *, title: str, path: Path) -> None:
    """Draw every face that was read, with its picture's name and what is said of it.

    Raises:
        OutputError: The file cannot be written.
    """
    faces = [(seen, face) for seen in pictures for face in seen.faces]
    captions = [f"{Path(seen.image).name[-24:]}\n{face.text}" for seen, face in faces]
    draw_predictions([face.crop for _, face in faces], captions, title=title, path=path)


class RunPredictor:
    """Reads picture files with the network of a finished run.

    Args:
        run: Its folder.
        whole_pictures: Take each picture as a face crop instead of searching faces.

    Raises:
        FerError: The run is unfinished or damaged, or there is no way to find faces.
    """

    def __init__(self, run: Path, *, whole_pictures: bool) -> None:
        self._contract, self._network = load_run(run)
        self._shift = prior_shift(self._contract, balance=self._contract.balance)
        self._words = load_recipe(str(run / run_folder.RECIPE)).words
        self._detector = None if whole_pictures else default_detector()

    def read(self, image: str) -> SeenPicture:
        """Read one picture; one in which no face is found is taken whole, and the log says so.

        Raises:
            PictureError: It cannot be read, or is no face crop for its shape.
        """
        data, spec = read_picture_bytes(Path(image)), self._contract.input
        grey = decode_grey(data, where=image)
        picture = decode_colour(data, where=image) if spec.is_colour else grey
        faces = self._detector.detect(grey) if self._detector else []
        if faces:
            crops = [cut_face(picture, face, spec) for face in faces]
        else:
            if self._detector:
                _log.info("%s: no face found, so the whole picture is read as one", image)
            faces = [Face(whole_picture(grey), 1.0)]
            try:
                crops = [prepare_crop(picture, spec)]
            except PictureError as error:  # which knows no names
                raise PictureError(
                    f"{image}: {error.found}", expected=error.expected, fix=error.fix
                ) from error
        height, width = grey.shape
        seen = (self._read_face(face, crop) for face, crop in zip(faces, crops, strict=True))
        return SeenPicture(image, width, height, tuple(seen))

    def _read_face(self, face: Face, crop: Image) -> SeenFace:
        contract = self._contract
        threshold = contract.threshold if contract.task == "binary" else None
        answers = predict(self._network, crop[None])
        (answer,) = temper_answers(answers, contract.output.temperature)
        prediction = to_prediction(answer, contract.labels, threshold=threshold)
        reading = Reading(face, prediction, relative=balanced(prediction, self._shift))
        return SeenFace(reading, say(reading.answer, self._words), crop)
