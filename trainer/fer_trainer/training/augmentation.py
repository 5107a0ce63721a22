"""Random changes to the training pictures, inside the training step.

Pictures stay uint8 in memory and are changed on the device that trains, a batch at once, so the
step never waits for them. All geometry is one affine map, sampled once, so a picture is blurred by
one interpolation only.
"""

import math
from functools import partial
from typing import Any, Final

from fer_trainer.backend import fused, keras
from fer_trainer.recipe.settings import AugmentationSettings
from fer_trainer.training.changing import (
    COLOUR_AXES,
    TILES,
    Drawn,
    change,
    channelled,
    column,
    gaussian,
    mixed,
    within,
)
from fer_trainer.training.teaching import Teaching
from fer_trainer.training.views import COLUMNS
from fer_trainer.training.warping import affine_map

ops = keras.ops

_PART: Final = (0.02, 0.3)
"""Side of the part of a face that no longer shows one when it fills the picture: from a pixel,
and so an even grey, to half a mouth."""

_FACELESS: Final = 4.0
"""Ways in which a picture shows no face, equally frequent."""
_GRAINS: Final = 4, 16
"""Pixels along a grain of the textures that stand for what is no face, beside single pixels."""


class Augment(keras.layers.Layer):  # type: ignore[misc]
    """uint8 (N, H, W) to float32 (N, H, W, 1) in 0..255; changed at random when training.

    Pictures in colour have their three channels before and after; all are changed alike.

    Args:
        settings: What to change and how much.
        seed: The same seed gives the same changes, step by step.

    Attributes:
        unspoilt: The pictures of the step that is under way, changed as the network sees them, but
            before what a poor camera and an erased rectangle take from them.
    """

    def __init__(self, settings: AugmentationSettings, *, seed: int, **options: Any) -> None:
        super().__init__(**options)
        self.settings = settings
        self.seed_generator = keras.random.SeedGenerator(seed)
        self._changed = fused(partial(change, taps=gaussian(settings.blur_sigma)))
        self._own_share: Any = None
        self._faceless: Any = None
        self._faceless_parts: Any = None
        self.unspoilt: Any = None

    def call(self, pictures: Any, views: Any = None, training: bool = False) -> Any:
        """Return float pictures with a channel axis.

        Args:
            pictures: uint8, shape (N, H, W) or (N, H, W, 3).
            views: How each is moved and lit, as `views.draw_views` drew it; drawn here without.
            training: Whether anything is changed.
        """
        if not training:
            return channelled(ops.cast(pictures, "float32"))
        drawn = self._draw(ops.shape(pictures)[0], *pictures.shape[1:3], views=views)
        # For the targets, which the same step mixes; never read outside it.
        self._own_share, self._faceless, self._faceless_parts = _own_share(drawn), None, None
        if "faceless" in drawn:
            self._faceless, self._faceless_parts = _faceless(
                drawn, are_mixed=self._own_share is not None
            )
        seen, self.unspoilt = self._changed(pictures, drawn)
        return seen

    def mix_targets(self, targets: Any, even: Any = None) -> Any:
        """Mix targets as the pictures of the same step have been mixed.

        A face that no longer shows, and is mixed with another, brings an even target's share.

        Args:
            targets: Float, shape (N, outputs).
            even: As for `even_targets`.
        """
        if self._own_share is None:
            return targets
        targets = ops.cast(targets, "float32")
        if self._faceless_parts is not None:
            targets = _evened(targets, self._faceless_parts, even)
        return mixed(targets, ops.reshape(self._own_share, (-1, 1)))

    def even_targets(self, targets: Any, even: Any = None) -> Any:
        """Give every label the same share where nothing of the step's picture shows a face.

        Args:
            targets: Float, shape (N, outputs); of a binary network one output.
            even: These shares, shape (outputs,), where the outputs are of several heads.
        """
        return targets if self._faceless is None else _evened(targets, self._faceless, even)

    def teach_faces(self, targets: Any, taught: Any) -> Any:
        """Let teachers speak of what shows a face alone, not of the rest of a mixed picture.

        Args:
            targets: Mixed, shape (N, outputs).
            taught: The same with what teachers say.
        """
        if self._own_share is None or self._faceless_parts is None:
            return taught
        own = ops.reshape(self._own_share, (-1, 1))
        shown = mixed(1.0 - ops.reshape(ops.cast(self._faceless_parts, "float32"), (-1, 1)), own)
        both = shown * taught + (1.0 - shown) * targets
        # A face without a label has nothing but what teachers say, mixed or not.
        missing = ops.sum(taught, axis=-1, keepdims=True) - ops.sum(both, axis=-1, keepdims=True)
        return both + missing * taught

    def compute_output_shape(self, pictures_shape: Any, views_shape: Any = None) -> Any:  # noqa: ARG002
        """Return the shape with its channel axis."""
        return pictures_shape if len(pictures_shape) == COLOUR_AXES else (*pictures_shape, 1)

    def _uniform(self, count: Any, low: float, high: float) -> Any:
        return keras.random.uniform((count,), low, high, seed=self.seed_generator)

    def _around(self, count: Any, middle: float, most: float) -> Any:
        """Draw evenly from middle - most to middle + most; a constant where most is 0."""
        if not most:
            return ops.full((count,), middle, dtype="float32")
        return self._uniform(count, middle - most, middle + most)

    def _draw(self, count: Any, height: int, width: int, *, views: Any) -> Drawn:
        """Draw what is to happen to each picture: arrays of shape (N,), by name."""
        given = self.settings
        drawn: Drawn = {}
        if given.faceless_probability:
            drawn |= self._draw_faceless(count, height, width)
        if _moves(given) and (views is None or given.faceless_probability):
            drawn |= self._draw_geometry(
                count, height, width, part=drawn.get("part"), turned=drawn.get("turned", 0.0)
            )
        if views is not None:
            drawn |= _given_view(views, drawn, lit=bool(given.contrast or given.brightness))
        elif given.contrast or given.brightness:
            drawn["gain"] = self._around(count, 1.0, given.contrast)
            drawn["offset"] = self._around(count, 0.0, given.brightness)
        drawn |= self._draw_camera(count, height, width)
        if given.erase_probability:
            drawn |= self._draw_rectangle(count, height, width)
        if given.mixup:
            share = keras.random.beta((count,), given.mixup, given.mixup, seed=self.seed_generator)
            # A picture's own share is the larger one: accuracy in training keeps its meaning.
            drawn["own_share"] = ops.maximum(share, 1.0 - share)
        if given.cutmix_probability:
            drawn["patch"] = self._draw_patch(count, height, width)
        return drawn

    def _draw_faceless(self, count: Any, height: int, width: int) -> Drawn:
        """Draw which pictures show no face upright: shuffled, a small part, a texture, turned."""
        chance = _FACELESS * self._uniform(count, 0.0, 1.0) / self.settings.faceless_probability
        order = keras.random.uniform((count, TILES * TILES), seed=self.seed_generator)
        small, large = (math.log(side) for side in _PART)
        part = ops.exp(self._uniform(count, small, large))
        quarters = 1.0 + ops.floor(self._uniform(count, 0.0, 3.0))
        return {
            "faceless": chance < _FACELESS,
            "shuffled": chance < 1.0,
            "order": ops.argsort(order, axis=-1),
            "part": ops.where(ops.logical_and(chance >= 1.0, chance < 2.0), part, 1.0),
            "textured": ops.logical_and(chance >= 2.0, chance < 3.0),
            "texture": self._draw_texture(count, height, width),
            "turned": ops.where(ops.logical_and(chance >= 3.0, chance < _FACELESS), quarters, 0.0),
        }

    def _draw_texture(self, count: Any, height: int, width: int) -> Any:
        """Draw noise of several grains, about any grey: float (N, H, W) in 0..255."""
        texture = column(self._uniform(count, 0.0, 255.0))
        for grain in (1, *_GRAINS):
            shape = count, math.ceil(height / grain), math.ceil(width / grain)
            noise = keras.random.normal(shape, seed=self.seed_generator)
            if grain > 1:
                noise = ops.repeat(ops.repeat(noise, grain, axis=1), grain, axis=2)
            # Squared, so that often one grain rules.
            strength = 60.0 * ops.square(self._uniform(count, 0.0, 1.0))
            texture = texture + column(strength) * noise[:, :height, :width]
        return ops.clip(texture, 0.0, 255.0)

    def _draw_geometry(
        self, count: Any, height: int, width: int, *, part: Any, turned: Any
    ) -> Drawn:
        given = self.settings
        turn = self._around(count, 0.0, math.radians(given.rotation_degrees))
        turn = turn + 0.5 * math.pi * turned
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
        if part is not None:
            across, down = across * part, down * part
            x = x + self._around(count, 0.0, 0.5) * (1.0 - part) * width
            y = y + self._around(count, 0.0, 0.5) * (1.0 - part) * height
        (xx, xy, yx, yy), (right, below) = affine_map(turn, lean, across, down, x=x, y=y)
        side = ops.sign(self._uniform(count, -1.0, 1.0)) if given.flip else 1.0
        return {
            "xx": side * xx, "xy": side * xy, "yx": yx, "yy": yy,
            "right": side * right, "below": below,
        }  # fmt: skip

    def _draw_camera(self, count: Any, height: int, width: int) -> Drawn:
        """Draw what a poor camera does to a picture; 1 and 0 where it does nothing."""
        given = self.settings
        drawn: Drawn = {}
        if given.dim_probability:
            drawn["light"] = 1.0 - self._sometimes(count, given.dim_probability, given.dim)
        if given.blur_probability:
            drawn["blurred"] = self._sometimes(count, given.blur_probability, 1.0)
        if given.noise_probability:
            strength = self._sometimes(count, given.noise_probability, given.noise_sigma)
            normal = keras.random.normal((count, height, width), seed=self.seed_generator)
            drawn["noise"] = column(strength) * normal
        return drawn

    def _sometimes(self, count: Any, probability: float, most: float) -> Any:
        """Draw evenly from 0 to `most`, but 0 where the probability says so."""
        chosen = ops.cast(self._uniform(count, 0.0, 1.0) < probability, "float32")
        return chosen * self._uniform(count, 0.0, most)

    def _draw_patch(self, count: Any, height: int, width: int) -> Any:
        """Draw where a part of another picture lies: bool (N, H, W), nowhere where there is none.

        Source: Yun et al., CutMix, 2019: an area drawn evenly, of the picture's own proportions,
        about a centre drawn evenly; what sticks out of the picture is lost.
        """
        chosen = self._uniform(count, 0.0, 1.0) < self.settings.cutmix_probability
        side = ops.sqrt(self._uniform(count, 0.0, 1.0)) * ops.cast(chosen, "float32")
        inside = [
            within(
                ops.arange(length, dtype="float32"),
                ops.round(self._uniform(count, 0.0, 1.0) * length - 0.5 * side * length),
                ops.round(side * length),
            )
            for length in (height, width)
        ]
        return ops.logical_and(inside[0][:, :, None], inside[1][:, None, :])

    def _draw_rectangle(self, count: Any, height: int, width: int) -> Drawn:
        """Draw where a rectangle lies; its sides are up to 1:3.

        Source: Zhong et al., Random Erasing Data Augmentation, 2017.
        """
        given = self.settings
        area = self._uniform(count, 0.02, max(0.02, given.erase_area))
        ratio = ops.exp(self._uniform(count, -math.log(3.0), math.log(3.0)))
        tall, wide = ops.sqrt(area * ratio) * height, ops.sqrt(area / ratio) * width
        return {
            "tall": tall,
            "wide": wide,
            "top": self._uniform(count, 0.0, 1.0) * (height - tall),
            "left": self._uniform(count, 0.0, 1.0) * (width - wide),
            "grey": self._uniform(count, 0.0, 255.0),
            "chosen": self._uniform(count, 0.0, 1.0) < given.erase_probability,
        }


def _moves(given: AugmentationSettings) -> bool:
    return bool(
        given.flip or given.rotation_degrees or given.scale or given.zoom or given.shift
        or given.shear_degrees or given.crop or given.faceless_probability
    )  # fmt: skip


def _given_view(views: Any, drawn: Drawn, *, lit: bool) -> Drawn:
    """Return the views that were drawn beforehand; what shows no face keeps its own geometry."""
    given = {name: views[:, place] for place, name in enumerate(COLUMNS)}
    gain, offset = given.pop("gain"), given.pop("offset")
    if "faceless" in drawn:
        faceless = drawn["faceless"]
        given = {name: ops.where(faceless, drawn[name], view) for name, view in given.items()}
    return given | ({"gain": gain, "offset": offset} if lit else {})


def _own_share(drawn: Drawn) -> Any:
    """Return how much of each picture is its own, shape (N,); None where nothing is mixed."""
    if "patch" not in drawn:
        return drawn.get("own_share")
    own = 1.0 - ops.mean(ops.cast(drawn["patch"], "float32"), axis=(1, 2))
    return own * drawn.get("own_share", 1.0)


def _faceless(drawn: Drawn, *, are_mixed: bool) -> tuple[Any, Any]:
    """Return which pictures show no face at the end, and which already when they are mixed.

    Shuffled tiles and textures come after the mixing and are all of a picture; what is turned or
    enlarged comes before, and may be covered by a face in part, or cover one.
    """
    if not are_mixed:
        return drawn["faceless"], None
    whole = ops.logical_or(drawn["shuffled"], drawn["textured"])
    return whole, ops.logical_and(drawn["faceless"], ops.logical_not(whole))


def _evened(targets: Any, chosen: Any, even: Any) -> Any:
    """Give all labels the same share, or those of `even`, in the rows chosen, shape (N,)."""
    outputs = targets.shape[-1]
    if even is None:
        even = ops.full_like(targets, 1.0 / outputs if outputs > 1 else 0.5)
    return ops.where(ops.reshape(chosen, (-1, 1)), even, targets)


class AugmentedModel(keras.Model):  # type: ignore[misc]
    """A network behind its augmentation; where pictures are mixed, so are their targets.

    Attributes:
        teaching: Teachers whose answers take a part of the targets' place; None for none.
        even: The target of what shows no face, where the outputs are of several heads.
        adjustment: What is added to the logits in training, shape (outputs,); None for nothing.
    """

    teaching: Teaching | None = None
    even: Any = None
    adjustment: Any = None

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
            augment = self.get_layer("augment")
            y = augment.mix_targets(y, self.even)
            if self.teaching is not None:
                y = augment.teach_faces(y, self.teaching.mix(y, augment.unspoilt))
            y = augment.even_targets(y, self.even)
            if self.adjustment is not None:
                y_pred = y_pred + self.adjustment
        return super().compute_loss(x, y, y_pred, sample_weight, training)


def augmented(
    network: Any, settings: AugmentationSettings, *, seed: int, given_views: bool = False
) -> AugmentedModel:
    """Return the model that trains `network`: from uint8 pictures to the network's answers.

    Args:
        network: From raw float pixels to its answers.
        settings: How pictures are changed.
        seed: Of the changes.
        given_views: Whether it takes the pictures' views besides, instead of drawing them.
    """
    _, height, width, channels = network.input_shape
    shape = (height, width) if channels == 1 else (height, width, channels)
    pictures = keras.Input(shape, dtype="uint8", name="pictures")
    augment = Augment(settings, seed=seed, name="augment")
    if not given_views:
        return AugmentedModel(pictures, network(augment(pictures)), name="training")
    views = keras.Input((len(COLUMNS),), name="views")
    return AugmentedModel((pictures, views), network(augment(pictures, views)), name="training")
