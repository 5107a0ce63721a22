"""Seeded views of pictures: where a picture is moved, turned and lit, drawn beforehand.

What `Augment` draws in the training step follows from how many steps have been; a view follows from
its seed, its number and the picture's place in a list, so that teachers can be asked about it once
and a pupil sees it again.
"""

import math
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fer_trainer.backend import keras
from fer_trainer.recipe.settings import AugmentationSettings
from fer_trainer.training.warping import affine_map

COLUMNS: Final = ("xx", "xy", "yx", "yy", "right", "below", "gain", "offset")
"""What a view is made of: matrix and offset of `warping.warp`, then contrast and brightness."""

SETTINGS: Final = (
    "flip", "rotation_degrees", "scale", "zoom", "shift", "shear_degrees", "crop", "contrast",
    "brightness",
)  # fmt: skip
"""The settings of augmentation that make a view; all others come on top of it."""

Views = NDArray[np.float32]
"""float32, shape (N, len(COLUMNS))."""


def view_settings(given: AugmentationSettings) -> dict[str, float]:
    """Return the settings that make a view."""
    return {key: value for key, value in asdict(given).items() if key in SETTINGS}


def unmoved(count: int) -> Views:
    """Return views that change nothing."""
    return np.tile(np.array([1, 0, 0, 1, 0, 0, 1, 0], np.float32), (count, 1))


def draw_views(
    given: AugmentationSettings, *, seed: int, view: int, count: int, shape: tuple[int, int]
) -> Views:
    """Draw one view of every picture of a list.

    Args:
        given: What may happen and how much.
        seed: Of all views.
        view: The view's number.
        count: Length of the list.
        shape: (height, width) of the pictures.
    """
    rng = np.random.default_rng([seed, view])

    def around(middle: float, most: float) -> NDArray[np.float32]:
        return rng.uniform(middle - most, middle + most, count).astype(np.float32)

    height, width = shape
    turn = around(0.0, math.radians(given.rotation_degrees))
    lean = around(0.0, math.radians(given.shear_degrees))
    scale = 1.0 / around(1.0, given.scale)
    kept = 1.0 - rng.uniform(0.0, 1.0, count).astype(np.float32) * np.float32(given.crop)
    across, down = (scale * around(1.0, given.zoom) * kept for _ in range(2))
    x, y = (
        (around(0.0, given.shift) + around(0.0, 0.5) * (1.0 - kept)) * side
        for side in (width, height)
    )
    side = np.where(rng.uniform(size=count) < 0.5, -1.0, 1.0) if given.flip else np.ones(count)
    (xx, xy, yx, yy), (right, below) = affine_map(turn, lean, across, down, x=x, y=y)
    gain, offset = around(1.0, given.contrast), around(0.0, given.brightness)
    flipped = [side * _array(value) for value in (xx, xy)]
    moved = [*flipped, _array(yx), _array(yy), side * _array(right), _array(below)]
    return np.stack([*moved, gain, offset], axis=1).astype(np.float32)


def _array(values: Any) -> NDArray[Any]:
    return np.asarray(keras.ops.convert_to_numpy(values))
