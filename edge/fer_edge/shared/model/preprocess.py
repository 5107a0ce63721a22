"""From a picture and a face box to the model's input: the one implementation.

Trainer, converter and runtime all call this module, so what a network learnt from is what it is
fed on the device. Pictures come in grey, or in blue, green, red as OpenCV has them; what leaves is
what the network takes: grey, or red, green, blue. A grey picture for a network of colours has three
equal channels.
"""

from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.errors import PictureError
from fer_edge.shared.model.contract import InputSpec
from fer_edge.shared.model.tensors import quantise
from fer_edge.shared.opencv import cv2
from fer_edge.shared.patch import turned_patch
from fer_edge.shared.records import Box, Face, Frame, Image

MAX_CROP_RATIO: Final = 16
LEVEL_WITHIN: Final = 12.0
"""Degrees of roll up to which a face is cut as it stands: turning it would bring nothing."""
_OF_BOX: Final = 0.95  # of the longer side of YuNet's box


def face_square(left: float, top: float, width: float, height: float) -> tuple[float, float, float]:
    """Return the square of a face as expression networks know it, from the box that YuNet found.

    They were taught with squares that a Haar cascade had found, and YuNet's box is narrower.

    Args:
        left: Of the box, in pixels of the picture.
        top: The same.
        width: Of the box.
        height: The same.

    Returns:
        Centre (x, y) and side.
    """
    return left + width / 2, top + height / 2, max(1.0, _OF_BOX * max(width, height))


def picture_for(frame: Frame, spec: InputSpec) -> Image:
    """Return what of a frame a network looks at: grey, or the colours where it wants them.

    Where the frame has not kept its colours, or they cannot be decoded, its grey picture stands for
    them.
    """
    if not spec.is_colour:
        return frame.grey
    try:
        return frame.image
    except PictureError:
        return frame.grey


def square_crop(picture: Image, box: Box, *, margin: float) -> Image:
    """Cut a square around a face, keeping its centre.

    The side is the longer side of `box` grown by `margin` at each edge. Where it leaves the
    image the border pixel is repeated, so the result is never stretched and never empty.

    Args:
        picture: uint8, shape (H, W) or (H, W, 3).
        box: In pixels of `picture`; may stick out of it.
        margin: Fraction of the side per edge; 0.1 adds a tenth.

    Returns:
        uint8, shape (S, S) or (S, S, 3); a view where the square lies inside the picture, else a
        copy.

    Raises:
        ValueError: `box` has no area or lies wholly outside `picture`.
    """
    height, width = picture.shape[:2]
    if box.area == 0 or box.iou(Box(0, 0, width, height)) == 0:
        raise ValueError(f"{box} does not overlap a picture of {width}x{height} pixels")
    side = max(1, round(max(box.width, box.height) * (1 + 2 * margin)))
    left = box.x + (box.width - side) // 2
    top = box.y + (box.height - side) // 2
    right, bottom = left + side, top + side
    inside = picture[max(0, top) : min(height, bottom), max(0, left) : min(width, right)]
    if inside.shape[:2] == (side, side):
        return inside
    beyond = ((max(0, -top), max(0, bottom - height)), (max(0, -left), max(0, right - width)))
    return np.pad(inside, (*beyond, (0, 0))[: inside.ndim], mode="edge")


def resize(crop: Image, spec: InputSpec) -> Image:
    """Resize a crop to the model's input, in its colours, equalised where the contract says so.

    Args:
        crop: uint8, shape (H, W), or (H, W, 3) in blue, green, red.
        spec: The contract's input.

    Returns:
        uint8, of the contract's `picture_shape`; `crop` itself where nothing is to be done.
    """
    if crop.shape[:2] != (spec.height, spec.width):
        shrinks = crop.shape[0] > spec.height or crop.shape[1] > spec.width
        area = spec.resize_filter == "area" and shrinks
        # The EXACT variant gives the same bytes on every processor.
        method = cv2.INTER_AREA if area else cv2.INTER_LINEAR_EXACT
        crop = _uint8(cv2.resize(crop, (spec.width, spec.height), interpolation=method))
    return _finished(crop, spec)


def _finished(crop: Image, spec: InputSpec) -> Image:
    """Bring a crop of the right size to the network's colours, or to even grey levels."""
    if spec.is_colour:
        code = cv2.COLOR_GRAY2RGB if crop.ndim == 2 else cv2.COLOR_BGR2RGB
        return _uint8(cv2.cvtColor(crop, code))
    if crop.ndim == 3:
        crop = _uint8(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY))
    return _uint8(cv2.equalizeHist(crop)) if spec.equalise else crop


def _uint8(image: Any) -> Image:
    return cast("Image", image)


def cut_face(picture: Image, face: Face, spec: InputSpec) -> Image:
    """Cut a face and bring it to the model's size; one that leans is turned upright.

    Args:
        picture: uint8, shape (H, W), or (H, W, 3) in blue, green, red.
        face: In it.
        spec: The contract's input.

    Returns:
        uint8, of the contract's `picture_shape`; may be a view.

    Raises:
        ValueError: The box has no area or lies wholly outside the picture.
    """
    roll = face.roll or 0.0
    if abs(roll) < LEVEL_WITHIN:
        return resize(square_crop(picture, face.box, margin=spec.crop_margin), spec)
    return resize(_upright(picture, face.box, roll, spec), spec)


def _upright(picture: Image, box: Box, roll: float, spec: InputSpec) -> Image:
    """Turn and crop, at the size of the input's longer side; the border is repeated beyond it."""
    height, width = picture.shape[:2]
    side = max(box.width, box.height) * (1 + 2 * spec.crop_margin)
    turned = None
    if box.area and box.iou(Box(0, 0, width, height)):
        turned = turned_patch(
            picture,
            box.x + box.width / 2,
            box.y + box.height / 2,
            side,
            roll=roll,
            size_px=max(spec.width, spec.height),
            mean=spec.resize_filter == "area",
        )
    if turned is None:
        raise ValueError(f"{box} does not overlap a picture of {width}x{height} pixels")
    return turned.pixels


def prepare(picture: Image, face: Face, spec: InputSpec, out: NDArray[np.generic]) -> None:
    """Cut, resize and quantise one face into an input tensor.

    Args:
        picture: uint8, shape (H, W), or (H, W, 3) in blue, green, red.
        face: In it.
        spec: The contract's input.
        out: One input tensor of the model, without the batch axis; written in place.

    Raises:
        ValueError: The box has no area or lies wholly outside the picture.
    """
    quantise(cut_face(picture, face, spec), spec, out)


def whole_picture(picture: Image) -> Box:
    """Return the box of a picture that is a face crop already."""
    height, width = picture.shape[:2]
    return Box(0, 0, width, height)


def prepare_crop(picture: Image, spec: InputSpec) -> Image:
    """Bring a picture that is a face crop already to the model's size, without margin.

    Args:
        picture: uint8, shape (H, W), or (H, W, 3) in blue, green, red.
        spec: The contract's input.

    Returns:
        uint8, of the contract's `picture_shape`.

    Raises:
        PictureError: One side is so much longer than the other that this is no face crop; made
            square it could fill the memory.
    """
    height, width = picture.shape[:2]
    if max(height, width) > MAX_CROP_RATIO * min(height, width):
        raise PictureError(
            f"a picture of {width}x{height} pixels is no face crop",
            expected=f"sides that differ at most {MAX_CROP_RATIO} times",
            fix="cut the face out of it",
        )
    return resize(square_crop(picture, whole_picture(picture), margin=0.0), spec)
