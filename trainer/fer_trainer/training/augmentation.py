"""Random changes to the training pictures, inside the training step.

Pictures stay uint8 in memory and are changed on the device that trains, a batch at once, so the
step never waits for them. All geometry is one affine map, sampled once, so a picture is blurred by
one interpolation only.
"""

import math
from typing import Any

from fer_trainer.backend import keras
from fer_trainer.recipe import AugmentationSettings

ops = keras.ops


class Augment(keras.layers.Layer):  # type: ignore[misc]
    """uint8 (N, H, W) to float32 (N, H, W, 1) in 0..255; changed at random when training.

    Args:
        settings: What to change and how much.
        seed: The same seed gives the same changes, step by step.
    """

    def __init__(self, settings: AugmentationSettings, *, seed: int, **options: Any) -> None:
        super().__init__(**options)
        self.settings = settings
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, pictures: Any, training: bool = False) -> Any:
        """Return float pictures with a channel axis."""
        x = ops.expand_dims(ops.cast(pictures, "float32"), -1)
        if not training:
            return x
        x = self._move(x)
        x = self._light(x)
        return self._erase(x)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape with its channel axis."""
        return (*input_shape, 1)

    def _uniform(self, count: Any, low: float, high: float) -> Any:
        return keras.random.uniform((count,), low, high, seed=self.seed_generator)

    def _move(self, x: Any) -> Any:
        """Flip, rotate, scale and shift in one map; the border pixel is repeated outside."""
        given = self.settings
        if not (given.flip or given.rotation_degrees or given.scale or given.shift):
            return x
        count, height, width = ops.shape(x)[0], x.shape[1], x.shape[2]
        angle = math.radians(given.rotation_degrees)
        turn = self._uniform(count, -angle, angle)
        shrink = 1.0 / self._uniform(count, 1.0 - given.scale, 1.0 + given.scale)
        side = ops.sign(self._uniform(count, -1.0, 1.0)) if given.flip else ops.ones((count,))
        right = self._uniform(count, -given.shift, given.shift) * width
        down = self._uniform(count, -given.shift, given.shift) * height
        cos, sin = ops.cos(turn) * shrink, ops.sin(turn) * shrink
        # Output pixel to input pixel, about the centre; `side` is -1 where it is mirrored.
        cx, cy = (width - 1) / 2, (height - 1) / 2
        rows = [
            side * cos, -side * sin, cx + right - side * (cos * cx - sin * cy),
            sin, cos, cy + down - (sin * cx + cos * cy),
            ops.zeros((count,)), ops.zeros((count,)),
        ]  # fmt: skip
        return ops.image.affine_transform(
            x, ops.stack(rows, axis=1), fill_mode="nearest", data_format="channels_last"
        )

    def _light(self, x: Any) -> Any:
        """Change contrast about the picture's mean, then brightness; stay within 0..255."""
        given = self.settings
        if not (given.contrast or given.brightness):
            return x
        count = ops.shape(x)[0]
        gain = _per_picture(self._uniform(count, 1.0 - given.contrast, 1.0 + given.contrast))
        offset = _per_picture(self._uniform(count, -given.brightness, given.brightness))
        mean = ops.mean(x, axis=(1, 2, 3), keepdims=True)
        return ops.clip((x - mean) * gain + mean + 255.0 * offset, 0.0, 255.0)

    def _erase(self, x: Any) -> Any:
        """Cover a rectangle with an even grey.

        Source: Zhong et al., Random Erasing Data Augmentation, 2017; sides up to 1:3.
        """
        given = self.settings
        if not given.erase_probability:
            return x
        count, height, width = ops.shape(x)[0], x.shape[1], x.shape[2]
        area = self._uniform(count, 0.02, max(0.02, given.erase_area))
        ratio = ops.exp(self._uniform(count, -math.log(3.0), math.log(3.0)))
        tall, wide = ops.sqrt(area * ratio) * height, ops.sqrt(area / ratio) * width
        top = self._uniform(count, 0.0, 1.0) * (height - tall)
        left = self._uniform(count, 0.0, 1.0) * (width - wide)
        grey = _per_picture(self._uniform(count, 0.0, 255.0))
        chosen = _per_picture(self._uniform(count, 0.0, 1.0) < given.erase_probability)
        inside = ops.logical_and(
            _between(ops.arange(height, dtype="float32"), top, tall)[:, :, None, None],
            _between(ops.arange(width, dtype="float32"), left, wide)[:, None, :, None],
        )
        return ops.where(ops.logical_and(inside, chosen), grey, x)


def _per_picture(values: Any) -> Any:
    return ops.reshape(values, (-1, 1, 1, 1))


def _between(positions: Any, start: Any, length: Any) -> Any:
    """Say for every picture which positions lie in [start, start + length); bool (N, side)."""
    offset = positions[None, :] - start[:, None]
    return ops.logical_and(offset >= 0.0, offset < length[:, None])
