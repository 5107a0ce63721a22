"""Random changes to the training pictures, inside the training step.

Pictures stay uint8 in memory and are changed on the device that trains, a batch at once, so the
step never waits for them. All geometry is one affine map, sampled once, so a picture is blurred by
one interpolation only.
"""

import math
from typing import Any

from fer_trainer.backend import keras
from fer_trainer.recipe import AugmentationSettings
from fer_trainer.training.warping import affine_map, warp

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
        self._own_share: Any = None

    def call(self, pictures: Any, training: bool = False) -> Any:
        """Return float pictures with a channel axis."""
        if not training:
            return ops.expand_dims(ops.cast(pictures, "float32"), -1)
        x = ops.expand_dims(self._move(pictures), -1)
        x = self._light(x)
        x = self._erase(x)
        return self._mix(x)

    def mix_targets(self, targets: Any) -> Any:
        """Mix targets as the pictures of the same step have been mixed.

        Args:
            targets: Float, shape (N, outputs).
        """
        if not self.settings.mixup:
            return targets
        return _mixed(ops.cast(targets, "float32"), ops.reshape(self._own_share, (-1, 1)))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape with its channel axis."""
        return (*input_shape, 1)

    def _uniform(self, count: Any, low: float, high: float) -> Any:
        return keras.random.uniform((count,), low, high, seed=self.seed_generator)

    def _around(self, count: Any, middle: float, most: float) -> Any:
        """Draw evenly from middle - most to middle + most; a constant where most is 0."""
        if not most:
            return ops.full((count,), middle, dtype="float32")
        return self._uniform(count, middle - most, middle + most)

    def _move(self, pictures: Any) -> Any:
        """Do all geometry in one map: uint8 (N, H, W) to float32 (N, H, W)."""
        given = self.settings
        if not (
            given.flip or given.rotation_degrees or given.scale or given.zoom or given.shift
            or given.shear_degrees or given.crop
        ):  # fmt: skip
            return ops.cast(pictures, "float32")
        count, height, width = ops.shape(pictures)[0], pictures.shape[1], pictures.shape[2]
        turn = self._around(count, 0.0, math.radians(given.rotation_degrees))
        lean = self._around(count, 0.0, math.radians(given.shear_degrees))
        across = down = 1.0 / self._around(count, 1.0, given.scale)
        if given.zoom:
            across = across * self._around(count, 1.0, given.zoom)
            down = down * self._around(count, 1.0, given.zoom)
        x = self._around(count, 0.0, given.shift) * width
        y = self._around(count, 0.0, given.shift) * height
        if given.crop:
            kept = self._uniform(count, 1.0 - given.crop, 1.0)
            across, down = across * kept, down * kept
            x = x + self._around(count, 0.0, 0.5) * (1.0 - kept) * width
            y = y + self._around(count, 0.0, 0.5) * (1.0 - kept) * height
        (xx, xy, yx, yy), (right, below) = affine_map(turn, lean, across, down, x=x, y=y)
        side = ops.sign(self._uniform(count, -1.0, 1.0)) if given.flip else 1.0
        return warp(pictures, (side * xx, side * xy, yx, yy), (side * right, below))

    def _light(self, x: Any) -> Any:
        """Change contrast about the picture's mean, then brightness; stay within 0..255."""
        given = self.settings
        if not (given.contrast or given.brightness):
            return x
        count = ops.shape(x)[0]
        gain = _per_picture(self._around(count, 1.0, given.contrast))
        offset = _per_picture(self._around(count, 0.0, given.brightness))
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

    def _mix(self, x: Any) -> Any:
        """Mix every picture with the one before it in the batch, which is there by chance.

        A picture's own share is the larger one, so that accuracy in training keeps its meaning.

        Source: Zhang et al., mixup: Beyond Empirical Risk Minimization, 2018.
        """
        mixup = self.settings.mixup
        if not mixup:
            return x
        share = keras.random.beta((ops.shape(x)[0],), mixup, mixup, seed=self.seed_generator)
        # For `mix_targets`, which the same step calls; never read outside it.
        self._own_share = ops.maximum(share, 1.0 - share)
        return _mixed(x, _per_picture(self._own_share))


class AugmentedModel(keras.Model):  # type: ignore[misc]
    """A network behind its augmentation; where pictures are mixed, so are their targets."""

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the loss; of the mixed targets when training."""
        if training:
            y = self.get_layer("augment").mix_targets(y)
        return super().compute_loss(x, y, y_pred, sample_weight, training)


def augmented(network: Any, settings: AugmentationSettings, *, seed: int) -> AugmentedModel:
    """Return the model that trains `network`: from uint8 (N, H, W) to the network's answers."""
    _, height, width, _ = network.input_shape
    pictures = keras.Input((height, width), dtype="uint8", name="pictures")
    augment = Augment(settings, seed=seed, name="augment")
    return AugmentedModel(pictures, network(augment(pictures)), name="training")


def _mixed(values: Any, own_share: Any) -> Any:
    return own_share * values + (1.0 - own_share) * ops.roll(values, 1, axis=0)


def _per_picture(values: Any) -> Any:
    return ops.reshape(values, (-1, 1, 1, 1))


def _between(positions: Any, start: Any, length: Any) -> Any:
    """Say for every picture which positions lie in [start, start + length); bool (N, side)."""
    offset = positions[None, :] - start[:, None]
    return ops.logical_and(offset >= 0.0, offset < length[:, None])
