"""What augmentation does to a batch of pictures once it is drawn; nothing here is random."""

import math
from collections.abc import Sequence
from typing import Any, Final

from fer_trainer.backend import keras
from fer_trainer.training.warping import warp

ops = keras.ops

TILES: Final = 4
"""Along each side of a picture whose tiles are shuffled."""

COLOUR_AXES: Final = 4
"""Of a batch of pictures with channels; grey ones are kept without."""

Drawn = dict[str, Any]
"""What is to happen to each picture of a batch: arrays of shape (N,), by name."""


def change(pictures: Any, drawn: Drawn, *, taps: Sequence[float]) -> tuple[Any, Any]:
    """Do what has been drawn: uint8 (N, H, W) to float32 (N, H, W, 1), spoilt and unspoilt.

    Pictures in colour have three channels before and after.
    """
    moved = _move(pictures, drawn) if "xx" in drawn else ops.cast(pictures, "float32")
    x = channelled(moved)
    if "gain" in drawn:
        x = _light(x, drawn)
    return _cut_up(_spoil(x, drawn, taps=taps), drawn), _cut_up(x, drawn)


def _spoil(x: Any, drawn: Drawn, *, taps: Sequence[float]) -> Any:
    """Take from pictures what poor light and a poor camera take, and a rectangle."""
    if "light" in drawn:
        x = x * _per_picture(drawn["light"])
    if "blurred" in drawn:
        x = x + _per_picture(drawn["blurred"]) * (_blur(x, taps) - x)
    if "chosen" in drawn:
        x = _erase(x, drawn)
    if "noise" in drawn:
        x = ops.clip(x + ops.expand_dims(drawn["noise"], -1), 0.0, 255.0)
    return x


def _cut_up(x: Any, drawn: Drawn) -> Any:
    """Mix pictures, shuffle the tiles of some, and put textures in the place of others."""
    if "own_share" in drawn:
        x = mixed(x, _per_picture(drawn["own_share"]))
    if "patch" in drawn:
        x = ops.where(ops.expand_dims(drawn["patch"], -1), ops.roll(x, 1, axis=0), x)
    if "shuffled" in drawn:
        x = ops.where(_per_picture(drawn["shuffled"]), _shuffle_tiles(x, drawn["order"]), x)
        texture = ops.expand_dims(drawn["texture"], -1)
        x = ops.where(_per_picture(drawn["textured"]), texture, x)
    return x


def _move(pictures: Any, drawn: Drawn) -> Any:
    """Do all geometry in one map: uint8 (N, H, W) to float32 (N, H, W), or each channel so."""
    matrix = drawn["xx"], drawn["xy"], drawn["yx"], drawn["yy"]
    offset = drawn["right"], drawn["below"]
    if len(pictures.shape) != COLOUR_AXES:
        return warp(pictures, matrix, offset)
    _, height, width, deep = pictures.shape
    # Channels behind one another, so that one gather fetches them all.
    planes = ops.reshape(ops.transpose(pictures, (3, 0, 1, 2)), (-1, height, width))
    xx, xy, yx, yy, right, below = (ops.tile(value, (deep,)) for value in (*matrix, *offset))
    moved = ops.reshape(warp(planes, (xx, xy, yx, yy), (right, below)), (deep, -1, height, width))
    return ops.transpose(moved, (1, 2, 3, 0))


def channelled(pictures: Any) -> Any:
    """Return pictures with an axis of channels; grey ones have none in memory."""
    return pictures if len(pictures.shape) == COLOUR_AXES else ops.expand_dims(pictures, -1)


def _light(x: Any, drawn: Drawn) -> Any:
    """Change contrast about the picture's mean, then brightness; stay within 0..255."""
    mean = ops.mean(x, axis=(1, 2, 3), keepdims=True)
    gain, offset = _per_picture(drawn["gain"]), _per_picture(drawn["offset"])
    return ops.clip((x - mean) * gain + mean + 255.0 * offset, 0.0, 255.0)


def gaussian(sigma: float) -> tuple[float, ...]:
    """Return the taps of a Gaussian, up to two and a half sigmas from the middle, summing to 1."""
    reach = math.ceil(2.5 * sigma)
    taps = [math.exp(-0.5 * (at / sigma) ** 2) for at in range(-reach, reach + 1)]
    return tuple(tap / sum(taps) for tap in taps)


def _blur(x: Any, taps: Sequence[float]) -> Any:
    """Blur along both axes; beyond the edge the border pixel is repeated."""
    for axis in (1, 2):
        side, reach = x.shape[axis], len(taps) // 2
        first, last = (ops.take(x, [place], axis=axis) for place in (0, side - 1))
        padded = ops.concatenate([*[first] * reach, x, *[last] * reach], axis=axis)
        if axis == 1:
            parts = [tap * padded[:, at : at + side] for at, tap in enumerate(taps)]
        else:
            parts = [tap * padded[:, :, at : at + side] for at, tap in enumerate(taps)]
        x = sum(parts[1:], start=parts[0])
    return x


def _erase(x: Any, drawn: Drawn) -> Any:
    """Cover the rectangle with an even grey, in the pictures chosen."""
    height, width = x.shape[1], x.shape[2]
    rows = within(ops.arange(height, dtype="float32"), drawn["top"], drawn["tall"])
    columns = within(ops.arange(width, dtype="float32"), drawn["left"], drawn["wide"])
    inside = ops.logical_and(rows[:, :, None, None], columns[:, None, :, None])
    chosen = ops.logical_and(inside, _per_picture(drawn["chosen"]))
    return ops.where(chosen, _per_picture(drawn["grey"]), x)


def _shuffle_tiles(x: Any, order: Any) -> Any:
    """Put the tiles of (N, H, W, C) into an order of each picture's own, shape (N, tiles)."""
    _, height, width, deep = x.shape
    tall, wide = height // TILES, width // TILES
    across = 0, 1, 3, 2, 4, 5
    grid = ops.transpose(ops.reshape(x, (-1, TILES, tall, TILES, wide, deep)), across)
    tiles = ops.reshape(grid, (-1, TILES * TILES, tall * wide * deep))
    shuffled = ops.take_along_axis(tiles, ops.expand_dims(order, -1), axis=1)
    back = ops.reshape(shuffled, (-1, TILES, TILES, tall, wide, deep))
    return ops.reshape(ops.transpose(back, across), (-1, height, width, deep))


def mixed(values: Any, own_share: Any) -> Any:
    """Mix each of a batch with the one before it, of which it takes what its own share leaves."""
    return own_share * values + (1.0 - own_share) * ops.roll(values, 1, axis=0)


def _per_picture(values: Any) -> Any:
    return ops.reshape(values, (-1, 1, 1, 1))


def column(values: Any) -> Any:
    """Return values of shape (N,) so that they fit pictures of shape (N, H, W)."""
    return ops.reshape(values, (-1, 1, 1))


def within(positions: Any, start: Any, length: Any) -> Any:
    """Say for every picture which positions lie in [start, start + length); bool (N, side)."""
    offset = positions[None, :] - start[:, None]
    return ops.logical_and(offset >= 0.0, offset < length[:, None])
