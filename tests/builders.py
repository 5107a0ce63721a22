"""Records and files for tests, each with defaults that a test overrides where it matters."""

import dataclasses
import time
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from tiny_model import tiny_contract, tiny_model

from fer_edge.shared.labels import label_set
from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.model.model_file import ModelFile, parse_model
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Box, Face, Frame, GreyImage, Observation, Prediction, Reading

SEVEN = label_set("fer2013").labels
PORTRAIT = Path(str(files("fer_edge").joinpath("assets/portrait.jpg")))
"""The portrait that ships: 400 x 400 pixels, one face."""
PORTRAIT_FACE = Box(180, 70, 90, 90)
"""About where its face is."""


def a_box(**changes: int) -> Box:
    return dataclasses.replace(Box(10, 20, 30, 40), **changes)


def a_face(**changes: Any) -> Face:
    return dataclasses.replace(Face(a_box(), 12.0), **changes)


def a_prediction(**changes: Any) -> Prediction:
    certain = Prediction(SEVEN, tuple(float(label == "happy") for label in SEVEN))
    return dataclasses.replace(certain, **changes)


def a_reading(**changes: Any) -> Reading:
    return dataclasses.replace(Reading(a_face(), a_prediction()), **changes)


def an_observation(**changes: Any) -> Observation:
    return dataclasses.replace(Observation(3, 1_700_000_000.25, (a_reading(),)), **changes)


def a_picture(width: int = 64, height: int = 48, *, seed: int = 0) -> GreyImage:
    """Return smooth noise: no two regions alike, and it survives JPEG."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 8 + 2, width // 8 + 2)).astype(np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def masked(portrait: GreyImage) -> GreyImage:
    """Draw a mask over the nose and mouth of the portrait that ships."""
    box, picture = PORTRAIT_FACE, portrait.copy()
    outline = [(0.12, 0.55), (0.5, 0.49), (0.88, 0.55), (0.8, 0.9), (0.5, 1.02), (0.2, 0.9)]
    points = [(box.x + x * box.width, box.y + y * box.height) for x, y in outline]
    cv2.fillPoly(picture, [np.array(points, np.int32)], (200,))
    return picture


def a_frame(**changes: Any) -> Frame:
    return dataclasses.replace(Frame(0, time.time(), time.monotonic_ns(), a_picture()), **changes)


def a_contract(**changes: Any) -> ModelContract:
    """Return a contract that `tiny_model` can make a network for."""
    return dataclasses.replace(tiny_contract(), **changes)


def a_model(contract: ModelContract | None = None) -> ModelFile:
    return parse_model(tiny_model(contract), where="tiny.tflite")


def encoded(grey: GreyImage, suffix: str = ".png") -> bytes:
    written, data = cv2.imencode(suffix, grey)
    assert written, f"this OpenCV cannot write {suffix}"
    return data.tobytes()


def write_files(folder: Path, contents: Mapping[str, bytes]) -> Path:
    """Write files by relative name, with the folders they lie in; return the folder."""
    for name, data in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder
