"""Pictures as Python programs hold them: files, arrays and Pillow's, checked and never guessed."""

import os
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.data.pictures import (
    decode_colour,
    decode_grey,
    read_picture_bytes,
    refuse_address,
    turned_upright,
)
from fer_edge.shared.errors import PictureError
from fer_edge.shared.opencv import MAX_PICTURE_PIXELS, cv2
from fer_edge.shared.records import Colour, ColourImage, Frame, GreyImage

ColourOrder: TypeAlias = Literal["bgr", "rgb"]
GivenImage: TypeAlias = "str | os.PathLike[str] | NDArray[np.uint8] | Any"
"""A path, an array, or a picture of Pillow."""

_EXPECTED: Final = "a uint8 array of shape (H, W) in grey or (H, W, 3) in blue, green, red"
_TO_GREY: Final = {
    (3, "bgr"): cv2.COLOR_BGR2GRAY,
    (3, "rgb"): cv2.COLOR_RGB2GRAY,
    (4, "bgr"): cv2.COLOR_BGRA2GRAY,
    (4, "rgb"): cv2.COLOR_RGBA2GRAY,
}
_TO_BGR: Final = {
    (3, "rgb"): cv2.COLOR_RGB2BGR,
    (4, "bgr"): cv2.COLOR_BGRA2BGR,
    (4, "rgb"): cv2.COLOR_RGBA2BGR,
}
_PILLOW_MODES: Final = frozenset({"1", "CMYK", "HSV", "L", "LA", "LAB", "P", "RGB", "RGBA", "RGBX",
                                  "YCbCr"})  # fmt: skip
_CHANNELS: Final = frozenset({1, 3, 4})
_EXIF_ORIENTATION: Final = 0x0112


def several(images: Iterable[GivenImage]) -> Iterable[GivenImage]:
    """Return pictures as they were given, if they are not a single one.

    The letters of a path would count as pictures, and so would the rows of an array.

    Raises:
        PictureError: They are.
    """
    if isinstance(images, str | bytes | os.PathLike):
        raise PictureError(
            f"{os.fspath(images)!r} is one path",
            expected="several pictures",
            fix="give [path], or a folder's as Path(folder).glob('*.jpg')",
        )
    if _is_pillow(images):
        raise PictureError(
            f"{_kind(images)} is one picture", expected="several pictures", fix="give [picture]"
        )
    if isinstance(images, np.ndarray) and (
        images.ndim == 2 or (images.ndim == 3 and images.shape[-1] in _CHANNELS)
    ):
        raise PictureError(
            f"an array of shape {images.shape} is one picture",
            expected="several pictures",
            fix="give [picture]",
        )
    return images


def frame_of(
    image: GivenImage,
    *,
    colour: ColourOrder | None = None,
    index: int = 0,
    clip_seconds: float | None = None,
) -> Frame:
    """Return a picture as a frame that was captured just now.

    Args:
        image: A path, an array, or a picture of Pillow.
        colour: The order of an array's channels; "bgr" where it is not said.
        index: Of the frame.
        clip_seconds: Of the frame.

    Raises:
        PictureError: It is none of these, cannot be read, or its type, shape or size do not fit.
    """
    captured_at, captured_ns = time.time(), time.monotonic_ns()
    name, grey, kept = _read(image, colour)
    return Frame(index, captured_at, captured_ns, grey, name, clip_seconds, kept)


def _read(image: GivenImage, colour: ColourOrder | None) -> tuple[str, GreyImage, Colour | None]:
    if colour not in {None, "bgr", "rgb"}:
        raise PictureError(
            f"colour={colour!r}", expected="'bgr' or 'rgb'", fix="name the order of the channels"
        )
    if isinstance(image, np.ndarray):
        return "", *_from_array(image, colour)
    if colour is not None:
        raise PictureError(
            f"colour={colour!r} was given with {_kind(image)}",
            expected="it with an array only: files and Pillow's pictures say themselves",
            fix="leave it out",
        )
    if isinstance(image, str | os.PathLike):
        return _from_file(os.fspath(image))
    if _is_pillow(image):
        return "", *_from_pillow(image)
    raise _no_picture(image)


def _from_file(name: str) -> tuple[str, GreyImage, Colour | None]:
    refuse_address(name)
    data = read_picture_bytes(Path(name))
    grey = decode_grey(data, where=name)
    return name, grey, Colour(partial(decode_colour, data, where=name))


def _from_array(image: NDArray[Any], colour: ColourOrder | None) -> tuple[GreyImage, Colour | None]:
    _check(image, colour)
    if image.ndim == 2 or image.shape[2] == 1:
        return image.reshape(image.shape[:2]), None
    pixels = np.ascontiguousarray(image)
    way = image.shape[2], colour or "bgr"
    grey = cv2.cvtColor(pixels, _TO_GREY[way]).astype(np.uint8, copy=False)
    return grey, Colour(partial(_in_bgr, pixels, _TO_BGR.get(way)))


def _in_bgr(pixels: NDArray[np.uint8], code: int | None) -> ColourImage:
    if code is None:
        return pixels
    return cv2.cvtColor(pixels, code).astype(np.uint8, copy=False)


def _check(image: NDArray[Any], colour: ColourOrder | None) -> None:
    """Refuse an array that is no picture, and say what to do about it."""
    what = f"an array of {image.dtype} and shape {image.shape}"
    if image.dtype != np.uint8:
        raise PictureError(what, expected=_EXPECTED, fix=_how_to_convert(image))
    if image.ndim == 4:
        raise PictureError(what, expected=_EXPECTED, fix="pass its pictures one by one")
    channels = image.shape[2] if image.ndim == 3 else 1
    if image.ndim not in {2, 3} or channels not in {1, 3, 4}:
        first = image.ndim == 3 and image.shape[0] in {1, 3, 4}
        fix = "pass image.transpose(1, 2, 0)" if first else "pass one picture, its channels last"
        raise PictureError(what, expected=_EXPECTED, fix=fix)
    if not image.size:
        raise PictureError(f"{what}, which is empty", expected=_EXPECTED, fix="check the crop")
    if channels == 4 and colour is None:
        raise PictureError(
            f"{what}, which does not say whether blue or red comes first",
            expected=_EXPECTED,
            fix="say colour='bgr' or colour='rgb' (picamera2's XBGR8888 is 'rgb')",
        )
    if image.shape[0] * image.shape[1] > MAX_PICTURE_PIXELS:
        most = f"at most {MAX_PICTURE_PIXELS // 10**6} megapixels"
        raise PictureError(what, expected=most, fix="shrink the picture")


def _how_to_convert(image: NDArray[Any]) -> str:
    if image.dtype == np.uint16:
        return "pass (image >> 8).astype(np.uint8)"
    if image.dtype == np.bool_:
        return "pass image.astype(np.uint8) * 255"
    if image.dtype.kind != "f":
        return "pass image.astype(np.uint8), if its values are 0 to 255"
    largest = float(image.max()) if image.size else 0.0
    if largest <= 1:
        return "pass (image * 255).astype(np.uint8)"
    return f"pass image.astype(np.uint8), if its values are 0 to 255 (the largest is {largest:g})"


def _from_pillow(image: Any) -> tuple[GreyImage, Colour | None]:
    mode = getattr(image, "mode", None)
    if mode not in _PILLOW_MODES:
        raise PictureError(
            f"{_kind(image)} of mode {mode}",
            expected="a picture of Pillow with 8 bits a channel",
            fix="convert it first, with image.convert('RGB') where that is right",
        )
    wanted = "L" if mode in {"1", "L", "LA"} else "RGB"
    try:  # Pillow reads the file only now
        pixels = np.asarray(image.convert(wanted))
        orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    except (OSError, SyntaxError, ValueError) as error:
        raise PictureError(
            f"{_kind(image)} that Pillow cannot read ({error})",
            expected="a whole picture, not yet closed",
            fix="open the file again; if that fails too, it is damaged",
        ) from error
    if orientation in range(2, 9):
        pixels = turned_upright(pixels, orientation)
    return _from_array(pixels, "rgb")


def _is_pillow(image: object) -> bool:
    return type(image).__module__.partition(".")[0] == "PIL"


def _kind(image: object) -> str:
    return f"something of type {type(image).__name__}"


def _no_picture(image: object) -> PictureError:
    fix = "pass one of these"
    if image is None:
        fix = "check the path: None is what cv2.imread returns where it can read nothing"
    elif isinstance(image, bytes | bytearray | memoryview):
        fix = "pass cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)"
    elif hasattr(image, "__array__") or hasattr(image, "numpy"):
        fix = "pass a numpy array: np.asarray(image), or image.cpu().numpy()"
    elif isinstance(image, list | tuple):
        fix = "pass one picture, or many of them to read_all"
    what = "None" if image is None else _kind(image)
    return PictureError(
        f"{what} was given as a picture",
        expected=f"a path, {_EXPECTED}, or a picture of Pillow",
        fix=fix,
    )
