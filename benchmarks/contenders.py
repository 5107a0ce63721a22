"""What a user would run instead of fer-edge, each taking one decoded picture (BGR) at a time."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fer_edge.assemble.parts import make_classifier, make_detector, make_pipeline
from fer_edge.settings import DetectorSettings, ModelSettings, Settings
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Box, Face, Frame, Observation

Picture = Any  # uint8, (H, W, 3), BGR
HAAR_MIN_PX = 30


@dataclass
class Seen:
    """What one contender made of one picture.

    Attributes:
        boxes: Faces reported.
        cpu_ms: CPU time of the whole process, by the name of the contender it counts for.
        named: Whether every face came with a label.
    """

    boxes: list[Box]
    cpu_ms: dict[str, float] = field(default_factory=dict)
    named: bool = True


class Contender(Protocol):
    """Processes the pictures of one clip in order."""

    names: tuple[str, ...]

    def start_clip(self) -> None:
        """Forget what came before."""

    def see(self, picture: Picture) -> Seen:
        """Process the next picture."""
        ...


class WholeFrameHaar:
    """The documented loop: Haar `default`, scale 1.1, five neighbours, then a network.

    The search is made once a picture and timed once; what differs is the network behind it, so
    its three variants share these very searches. A Keras network is the documented `seven-gap`
    with random weights: the time is the same.
    """

    def __init__(self, *, keras: Any | None) -> None:
        self.names = ("haar + litert",)
        if keras is not None:
            self.names += ("haar + keras predict", "haar + keras call")
        path = Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml"
        self._cascade = cv2.CascadeClassifier(str(path))
        self._keras = keras
        self._classifier = make_classifier(ModelSettings())

    def start_clip(self) -> None:
        """Nothing to forget."""

    def see(self, picture: Picture) -> Seen:
        """Process the next picture."""
        start = time.process_time()
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        found = self._cascade.detectMultiScale(grey, 1.1, 5, 0, (HAAR_MIN_PX, HAAR_MIN_PX))
        search_ms = (time.process_time() - start) * 1000
        boxes = [Box(*map(int, box)) for box in found]
        faces = [Face(box, 1.0) for box in boxes]
        ways: list[Callable[[], object]] = [lambda: self._classifier.classify(grey, faces)]
        if self._keras is not None:
            network = self._keras
            ways.append(lambda: [network.predict(_crop(grey, box), verbose=0) for box in boxes])
            ways.append(lambda: [np.asarray(network(_crop(grey, box))) for box in boxes])
        return Seen(
            boxes,
            {name: search_ms + _cpu_ms(way) for name, way in zip(self.names, ways, strict=True)},
        )


class WholeFrameYunet:
    """Every frame searched wholly with YuNet, then our network: what following is measured by."""

    names = ("yunet + litert",)

    def __init__(self) -> None:
        self._detector = make_detector(DetectorSettings(kind="yunet"))
        self._classifier = make_classifier(ModelSettings())

    def start_clip(self) -> None:
        """Nothing to forget."""

    def see(self, picture: Picture) -> Seen:
        """Process the next picture."""
        start = time.process_time()
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        faces = self._detector.detect(grey)
        self._classifier.classify(grey, faces)
        spent = (time.process_time() - start) * 1000
        return Seen([face.box for face in faces], {self.names[0]: spent})


class FerPackage:
    """PyPI's `fer`, as its README has it: its own Haar search and quantised TFLite network."""

    names = ("fer package",)

    def __init__(self, folder: Path) -> None:
        sys.path.append(str(folder))
        from fer.fer import FER

        self._fer = FER()

    def start_clip(self) -> None:
        """Nothing to forget."""

    def see(self, picture: Picture) -> Seen:
        """Process the next picture."""
        start = time.process_time()
        found = self._fer.detect_emotions(picture)
        spent = (time.process_time() - start) * 1000
        return Seen([Box(*map(int, face["box"])) for face in found], {self.names[0]: spent})


class Ours:
    """The pipeline with its default settings, in the deterministic mode that files use."""

    def __init__(self, settings: Settings | None = None, *, name: str = "ours") -> None:
        self.names = (name,)
        self._settings = settings or Settings()
        self.observation: Observation | None = None
        self.grey_ms = 0.0
        self.start_clip()

    def start_clip(self) -> None:
        """Begin with a new pipeline."""
        self.pipeline = make_pipeline(self._settings)
        self._index = 0

    def see(self, picture: Picture) -> Seen:
        """Process the next picture."""
        start = time.process_time()
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        self.grey_ms = (time.process_time() - start) * 1000
        frame = Frame(self._index, time.time(), time.monotonic_ns(), grey)
        self.observation = self.pipeline.process(frame)
        spent = (time.process_time() - start) * 1000
        self._index += 1
        readings = self.observation.readings
        return Seen(
            [reading.face.box for reading in readings],
            {self.names[0]: spent},
            named=all(reading.stable not in {None, "uncertain"} for reading in readings),
        )


class Floor:
    """What no pipeline can do without: grey, and one crop and one network call a face.

    It is told where the face is: in the middle, at a usual size.
    """

    names = ("floor",)

    def __init__(self) -> None:
        self._classifier = make_classifier(ModelSettings())

    def start_clip(self) -> None:
        """Nothing to forget."""

    def see(self, picture: Picture) -> Seen:
        """Process the next picture."""
        start = time.process_time()
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        height, width = grey.shape
        side = height // 5
        box = Box((width - side) // 2, (height - side) // 2, side, side)
        self._classifier.classify(grey, [Face(box, 1.0)])
        return Seen([box], {self.names[0]: (time.process_time() - start) * 1000})


def documented_network() -> tuple[Any | None, str]:
    """Return the documented seven-class network in Keras, or None and the reason."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import keras  # noqa: F401
        import tensorflow  # noqa: F401

        from fer_trainer.network.builder import build_network
        from fer_trainer.recipe.files import load_recipe
    except ImportError as error:
        return None, f"Keras variants: {error}"
    recipe = load_recipe("seven-gap")
    network = build_network(recipe.layers, input_shape=(48, 48, 1), labels=7, name=recipe.name)
    return network, ""


def fer_package(folder: Path | None) -> tuple[FerPackage | None, str]:
    """Return the `fer` package's way, or None and the reason."""
    try:
        return FerPackage(folder or Path()), ""
    except ImportError as error:
        return None, (
            f"fer package: {error}; `pip install --no-deps --target FOLDER fer requests urllib3 "
            "idna certifi charset-normalizer 'setuptools<80'` and give --fer FOLDER"
        )


def _crop(grey: Picture, box: Box) -> Picture:
    face = cv2.resize(grey[box.y : box.y + box.height, box.x : box.x + box.width], (48, 48))
    return face.astype(np.float32).reshape(1, 48, 48, 1)


def _cpu_ms(act: Callable[[], object]) -> float:
    start = time.process_time()
    act()
    return (time.process_time() - start) * 1000
