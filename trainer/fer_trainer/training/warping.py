"""Affine maps of whole batches of pictures, alike and vectorised on every Keras backend."""

from typing import Any

from fer_trainer.backend import apart, fused, keras

ops = keras.ops


Matrix = tuple[Any, Any, Any, Any]
"""(xx, xy, yx, yy), each of shape (N,)."""


def affine_map(
    turn: Any, lean: Any, across: Any, down: Any, *, x: Any, y: Any
) -> tuple[Matrix, tuple[Any, Any]]:
    """Put changes together as Keras' ImageDataGenerator does: rotation, shift, shear, zoom.

    Its shear moves rows sideways by the sine of the angle and draws them together by the cosine.

    Args:
        turn: Rotation in radians, shape (N,).
        lean: Shear in radians, shape (N,).
        across: Width of what is shown, as a share of the picture's, shape (N,).
        down: Height, the same way.
        x: Shift to the right of what is shown, in pixels, shape (N,).
        y: Shift down, the same way.

    Returns:
        Matrix and offset, for `warp`.
    """
    cos, sin, stay, slide = ops.cos(turn), ops.sin(turn), ops.cos(lean), ops.sin(lean)
    matrix = (
        cos * across, -(cos * slide + sin * stay) * down,
        sin * across, (cos * stay - sin * slide) * down,
    )  # fmt: skip
    return matrix, (cos * x - sin * y, sin * x + cos * y)


def warp(pictures: Any, matrix: Matrix, offset: tuple[Any, Any]) -> Any:
    """Sample every picture where its map says, bilinearly; outside, the border pixel is repeated.

    The four pixels around a position are packed into one integer beforehand, so a single gather
    fetches them: many times as fast as `keras.ops.image.affine_transform`, which on some backends
    is a loop over the pictures.

    Args:
        pictures: uint8, shape (N, H, W).
        matrix: From the output's position to the input's, both about the picture's centre.
        offset: (x, y), each of shape (N,): where the output's centre lies, in pixels from the
            input's.

    Returns:
        float32, shape (N, H, W).
    """
    return _warp(pictures, matrix, offset)


@fused
def _warp(pictures: Any, matrix: Matrix, offset: tuple[Any, Any]) -> Any:
    height, width = pictures.shape[1:3]
    cx, cy = (width - 1) / 2, (height - 1) / 2
    x = (ops.arange(width, dtype="float32") - cx)[None, None, :]
    y = (ops.arange(height, dtype="float32") - cy)[None, :, None]
    xx, xy, yx, yy, right, down = (value[:, None, None] for value in (*matrix, *offset))
    column = ops.clip(xx * x + (xy * y + (right + cx)), 0.0, 2.0 * cx)
    row = ops.clip(yx * x + (yy * y + (down + cy)), 0.0, 2.0 * cy)
    left, top = ops.floor(column), ops.floor(row)
    first = ops.arange(ops.shape(pictures)[0])[:, None, None] * (height * width)
    index = ops.reshape(first + ops.cast(top * width + left, "int32"), (-1,))
    index, beside, below = apart(index, column - left, row - top)
    (found,) = apart(ops.take(ops.reshape(_squares(pictures), (-1,)), index))
    found = ops.reshape(found, (-1, height, width))
    upper = _between(_byte(found, 0), _byte(found, 1), beside)
    lower = _between(_byte(found, 2), _byte(found, 3), beside)
    return _between(upper, lower, below)


def _squares(pictures: Any) -> Any:
    """Pack every pixel with the ones right of it, below it, and right of that: int32 (N, H, W)."""
    packed = ops.cast(pictures, "int32")
    beside = ops.concatenate([packed[:, :, 1:], packed[:, :, -1:]], axis=2)
    packed = packed + ops.left_shift(beside, 8)
    below = ops.concatenate([packed[:, 1:], packed[:, -1:]], axis=1)
    return packed + ops.left_shift(below, 16)


def _byte(packed: Any, number: int) -> Any:
    # The shift of a negative number draws ones in from the left; the mask drops them.
    shifted = ops.right_shift(packed, 8 * number) if number else packed
    return ops.cast(ops.bitwise_and(shifted, 255), "float32")


def _between(start: Any, end: Any, share: Any) -> Any:
    return start + (end - start) * share
