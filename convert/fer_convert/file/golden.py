"""Golden vectors: crops of a portrait that may be shipped, and a model's answers to them."""

import io
from dataclasses import dataclass
from importlib.resources import files
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.data.pictures import decode_grey
from fer_edge.shared.model.contract import InputSpec
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.model.model_file import GOLDEN_INPUTS_NAME, GOLDEN_OUTPUTS_NAME, ModelFile
from fer_edge.shared.model.preprocess import resize, square_crop
from fer_edge.shared.records import Box, GreyImage

PORTRAIT_NAME: Final = "shared/assets/portrait.jpg"
FACE: Final = Box(176, 66, 97, 97)
"""Where the face is in the portrait, as OpenCV's default frontal cascade finds it."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a crop lies: moved by fractions of the face's side, and scaled about its centre."""

    right: float
    down: float
    scale: float


@dataclass(frozen=True, slots=True)
class Light:
    """How bright a crop is: grey values times `gain`, plus `offset`."""

    gain: float
    offset: float


PLACEMENTS: Final = (
    Placement(0.0, 0.0, 1.0),
    Placement(0.12, -0.06, 0.85),
    Placement(-0.1, 0.08, 1.2),
    Placement(0.04, 0.15, 1.45),
)
LIGHTS: Final = (Light(1.0, 0.0), Light(0.55, 20.0))


def golden_inputs(spec: InputSpec) -> NDArray[np.uint8]:
    """Cut the golden inputs for a network.

    Every placement comes upright and mirrored, as it is and in poor light.

    Returns:
        uint8, shape (16, spec.height, spec.width).
    """
    portrait = decode_grey((files("fer_edge") / PORTRAIT_NAME).read_bytes(), where=PORTRAIT_NAME)
    return np.stack(
        [
            _relight(_cut(portrait, placement, spec, mirrored=mirrored), light)
            for placement, mirrored, light in product(PLACEMENTS, (False, True), LIGHTS)
        ]
    )


def golden_members(model: ModelFile) -> dict[str, bytes]:
    """Return a model's golden vectors as `write_model` takes them: `.npy` bytes by name."""
    classifier = LitertClassifier(model)
    inputs = golden_inputs(model.contract.input)
    outputs = np.stack([classifier.raw_output(pixels) for pixels in inputs])
    return {GOLDEN_INPUTS_NAME: _npy(inputs), GOLDEN_OUTPUTS_NAME: _npy(outputs)}


def _cut(portrait: GreyImage, place: Placement, spec: InputSpec, *, mirrored: bool) -> GreyImage:
    side = round(FACE.width * place.scale)
    box = Box(
        FACE.x + round(FACE.width * place.right) + (FACE.width - side) // 2,
        FACE.y + round(FACE.height * place.down) + (FACE.height - side) // 2,
        side,
        side,
    )
    crop = resize(square_crop(portrait, box, margin=spec.crop_margin), spec)
    return crop[:, ::-1] if mirrored else crop


def _relight(crop: GreyImage, light: Light) -> GreyImage:
    relit: GreyImage = np.clip(np.rint(crop * light.gain + light.offset), 0, 255).astype(np.uint8)
    return relit


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()
