"""Training pictures, moved, lit and spoilt."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from fer_edge.shared.errors import SettingsError
from fer_edge.shared.opencv import cv2
from fer_trainer.backend import keras
from fer_trainer.recipe.files import load_recipe
from fer_trainer.recipe.settings import AugmentationSettings
from fer_trainer.training.augmentation import Augment, augmented
from fer_trainer.training.warping import affine_map, warp

array = keras.ops.convert_to_numpy


def pictures(count: int = 64) -> np.ndarray:
    """Smooth pictures, darker to the left, so that a mirrored one is told apart."""
    ramp = np.linspace(40, 200, 48)[None, None, :] + np.linspace(0, 30, 48)[None, :, None]
    return np.broadcast_to(ramp, (count, 48, 48)).astype(np.uint8)


def changed(seed: int = 1, count: int = 64, **settings) -> np.ndarray:
    layer = Augment(AugmentationSettings(**settings), seed=seed)
    return array(layer(pictures(count), training=True))


def test_nothing_is_changed_when_all_is_off_or_not_training() -> None:
    expected = pictures()[..., None].astype(np.float32)
    assert np.array_equal(changed(), expected)
    layer = Augment(load_recipe("edge-small").augmentation, seed=1)
    assert np.array_equal(array(layer(pictures(), training=False)), expected)


def test_all_of_it_keeps_shape_range_and_seed() -> None:
    layers = [Augment(load_recipe("edge-small").augmentation, seed=seed) for seed in (5, 5, 6)]
    first, same, other = (array(layer(pictures(), training=True)) for layer in layers)
    assert first.shape == (64, 48, 48, 1)
    assert first.dtype == np.float32
    assert first.min() >= 0
    assert first.max() <= 255
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    again = array(layers[0](pictures(), training=True))
    assert not np.array_equal(first, again)


def test_colours_are_changed_as_grey_is() -> None:
    settings = AugmentationSettings(
        flip=True, rotation_degrees=20, contrast=0.3, dim_probability=0.5, noise_probability=0.5,
        erase_probability=0.5, faceless_probability=0.4, cutmix_probability=0.5,
    )  # fmt: skip
    three = np.repeat(pictures(32)[..., None], 3, axis=-1)
    grey, colour = (
        array(Augment(settings, seed=3)(given, training=True)) for given in (pictures(32), three)
    )
    np.testing.assert_allclose(colour, np.repeat(grey, 3, axis=-1), atol=1e-2)
    three[..., 0] = 255 - three[..., 0]
    unchanged = array(Augment(settings, seed=3)(three, training=False))
    assert np.array_equal(unchanged, three.astype(np.float32))


def test_each_colour_is_moved_by_itself() -> None:
    three = np.stack([pictures(4), 255 - pictures(4), pictures(4)[:, ::-1]], axis=-1)
    moved = array(Augment(AugmentationSettings(flip=True), seed=1)(three, training=True))
    for picture, given in zip(moved, three, strict=True):
        flipped = not np.allclose(picture, given, atol=1e-2)
        assert np.allclose(picture, given[:, ::-1] if flipped else given, atol=1e-2)


def test_flip_mirrors_half_of_the_pictures_exactly() -> None:
    found = changed(flip=True, count=256)[..., 0]
    original = pictures(1)[0].astype(np.float32)
    same = np.isclose(found, original, atol=1e-2).all(axis=(1, 2))
    mirrored = np.isclose(found, original[:, ::-1], atol=1e-2).all(axis=(1, 2))
    assert (same ^ mirrored).all()
    assert 90 < mirrored.sum() < 166


def dot_positions(count: int = 512, *, at: tuple[int, int] = (34, 24), **settings) -> np.ndarray:
    """Where a blob at `at` (x, y) goes: float, shape (count, 2) as x, y."""
    rows, columns = np.mgrid[:48, :48]
    blob = 255 * np.exp(-((columns - at[0]) ** 2 + (rows - at[1]) ** 2) / 8)
    batch = np.broadcast_to(blob, (count, 48, 48)).astype(np.uint8)
    layer = Augment(AugmentationSettings(**settings), seed=2)
    found = array(layer(batch, training=True))[..., 0]
    mass = found.sum(axis=(1, 2))
    return np.stack(
        [(found * columns).sum(axis=(1, 2)) / mass, (found * rows).sum(axis=(1, 2)) / mass], axis=1
    )


def test_shift_stays_within_its_share_of_the_side() -> None:
    moved = dot_positions(shift=0.125) - (34, 24)
    assert np.abs(moved).max() == pytest.approx(6, abs=0.3)
    assert np.abs(moved.mean(axis=0)).max() < 0.5


def test_rotation_turns_about_the_centre() -> None:
    offset = dot_positions(rotation_degrees=30) - 23.5
    angles = np.degrees(np.arctan2(offset[:, 1], offset[:, 0]))
    assert np.hypot(*offset.T) == pytest.approx(np.hypot(10.5, 0.5), abs=0.3)
    assert angles.min() == pytest.approx(-27.3, abs=1.5)
    assert angles.max() == pytest.approx(32.7, abs=1.5)


def test_scale_grows_and_shrinks_about_the_centre() -> None:
    distance = dot_positions(scale=0.2)[:, 0] - 23.5
    assert distance.min() == pytest.approx(10.5 * 0.8, abs=0.3)
    assert distance.max() == pytest.approx(10.5 * 1.2, abs=0.3)


def test_zoom_draws_each_axis_by_itself() -> None:
    offset = dot_positions(at=(34, 34), zoom=0.2) - 23.5
    assert offset.min(axis=0) == pytest.approx(10.5 / 1.2, abs=0.3)
    assert offset.max(axis=0) == pytest.approx(10.5 / 0.8, abs=0.4)
    assert abs(np.corrcoef(offset.T)[0, 1]) < 0.2


def test_shear_slides_rows_by_the_tangent_of_its_degrees() -> None:
    offset = dot_positions(at=(24, 34), shear_degrees=20) - 23.5
    tangent = np.tan(np.radians(20))
    assert offset[:, 0].min() == pytest.approx(0.5 - 10.5 * tangent, abs=0.3)
    assert offset[:, 0].max() == pytest.approx(0.5 + 10.5 * tangent, abs=0.3)
    lean = np.arctan((offset[:, 0] - 0.5) / offset[:, 1])
    assert offset[:, 1] == pytest.approx(10.5 / np.cos(lean), abs=0.3)


@pytest.mark.filterwarnings("ignore:Please import `affine_transform`:DeprecationWarning")
def test_the_map_is_that_of_image_data_generator() -> None:
    pytest.importorskip("scipy", reason="Keras' own transform needs it")
    from keras.src.legacy.preprocessing.image import apply_affine_transform

    rng = np.random.default_rng(7)
    rows, columns = np.mgrid[:48, :48]
    picture = (127 + 80 * np.sin(columns / 5) * np.cos(rows / 7) + columns / 2).astype(np.uint8)
    for _ in range(5):
        degrees, shift, zoom = (
            rng.uniform(-20, 20, 2),
            rng.uniform(-5, 5, 2),
            rng.uniform(0.8, 1.2, 2),
        )
        theirs = apply_affine_transform(
            picture[..., None].astype(np.float32), theta=degrees[0], shear=degrees[1],
            tx=shift[0], ty=shift[1], zx=zoom[0], zy=zoom[1],
            row_axis=0, col_axis=1, channel_axis=2, fill_mode="nearest",
        )  # fmt: skip
        angles, zoom, (x, y) = (np.float32(v)[:, None] for v in (np.radians(degrees), zoom, shift))
        ours = warp(picture[None], *affine_map(*angles, *zoom, x=x, y=y))
        assert array(ours)[0] == pytest.approx(theirs[..., 0], abs=0.1)


def test_the_documented_shear_of_half_a_degree_hardly_moves_anything() -> None:
    moved = dot_positions(at=(24, 34), shear_degrees=0.5) - (24, 34)
    assert 0.02 < np.abs(moved).max() < 0.2


def test_crop_keeps_a_window_inside_the_picture_and_enlarges_it() -> None:
    offset = dot_positions(count=2048, crop=0.25)[:, 0] - 23.5
    assert offset.min() == pytest.approx((10.5 - 6) / 0.75, abs=1.0)
    _, columns = np.mgrid[:48, :48]
    ramp = np.broadcast_to(columns * 5, (256, 48, 48)).astype(np.uint8)
    found = array(Augment(AugmentationSettings(crop=0.25), seed=2)(ramp, training=True))[..., 0]
    slopes = np.diff(found, axis=2)[:, :, 1:-1]
    # The border is never repeated: every step is that of the enlarged ramp.
    assert slopes.min() == pytest.approx(5 * 0.75, abs=0.1)
    assert slopes.max() == pytest.approx(5, abs=0.1)
    assert np.ptp(slopes, axis=(1, 2)).max() < 0.01


def test_outside_the_picture_its_border_is_repeated() -> None:
    found = changed(shift=0.3, count=128)[..., 0]
    assert found.min() >= 40
    assert found.max() <= 230


def mixed(alpha: float, count: int = 64, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Mix even pictures, each with a shade of its own; return them and their mixed targets."""
    shades = np.arange(count, dtype=np.uint8) * 4
    batch = np.broadcast_to(shades[:, None, None], (count, 8, 8))
    layer = Augment(AugmentationSettings(mixup=alpha), seed=seed)
    found = array(layer(batch, training=True))
    return found, array(layer.mix_targets(np.eye(count, dtype=np.float32)))


def test_mixup_mixes_labels_as_it_mixes_pictures() -> None:
    found, targets = mixed(0.4)
    assert targets.sum(axis=1) == pytest.approx(1)
    own = np.diag(targets)
    assert own.min() >= 0.5
    assert own.max() > 0.95
    assert own.min() < 0.7
    shades = targets @ (np.arange(64) * 4.0)
    assert found[..., 0] == pytest.approx(np.broadcast_to(shades[:, None, None], (64, 8, 8)))
    for index in range(64):
        assert set(np.flatnonzero(targets[index] > 1e-6)) <= {index, (index - 1) % 64}


def test_mixup_follows_its_seed_and_is_nothing_when_off() -> None:
    assert np.array_equal(mixed(0.4)[1], mixed(0.4)[1])
    assert not np.array_equal(mixed(0.4)[1], mixed(0.4, seed=4)[1])
    assert np.array_equal(mixed(0.0)[1], np.eye(64))


def test_the_loss_in_training_is_that_of_the_mixed_labels() -> None:
    network = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(4, "softmax")]
    )
    model = augmented(network, AugmentationSettings(mixup=0.4), seed=3)
    model.compile(loss="categorical_crossentropy")
    batch = np.random.default_rng(1).integers(0, 256, (4, 8, 8)).astype(np.uint8)
    own, answers = np.eye(4, dtype=np.float32), np.full((4, 4), 0.1, np.float32)
    answers += 0.6 * own
    model(batch, training=True)
    targets = array(model.get_layer("augment").mix_targets(own))
    plain = float(model.compute_loss(batch, own, answers, training=False))
    assert plain == pytest.approx(-np.log(0.7), abs=1e-4)
    by_hand = -(targets * np.log(answers)).sum(axis=1).mean()
    assert by_hand > plain
    assert float(model.compute_loss(batch, own, answers, training=True)) == pytest.approx(
        by_hand, abs=1e-4
    )


def test_warp_agrees_with_keras_own_transform() -> None:
    rng = np.random.default_rng(5)
    batch = rng.integers(0, 256, (16, 20, 28)).astype(np.uint8)
    matrix = rng.uniform(-1.5, 1.5, (4, 16)).astype(np.float32)
    offset = rng.uniform(-6, 6, (2, 16)).astype(np.float32)
    found = array(warp(batch, tuple(matrix), tuple(offset)))
    xx, xy, yx, yy = matrix
    cx, cy, zero = 13.5, 9.5, np.zeros(16, np.float32)
    rows = np.stack(
        [xx, xy, cx + offset[0] - xx * cx - xy * cy,
         yx, yy, cy + offset[1] - yx * cx - yy * cy, zero, zero], axis=1,
    )  # fmt: skip
    expected = keras.ops.image.affine_transform(
        batch[..., None].astype(np.float32), rows, fill_mode="nearest", data_format="channels_last"
    )
    assert found == pytest.approx(array(expected)[..., 0], abs=0.05)


def test_a_warp_by_whole_pixels_is_exact() -> None:
    batch = np.random.default_rng(6).integers(0, 256, (2, 9, 7)).astype(np.uint8)
    one, zero = np.ones(2, np.float32), np.zeros(2, np.float32)
    assert np.array_equal(array(warp(batch, (one, zero, zero, one), (zero, zero))), batch)
    moved = array(warp(batch, (one, zero, zero, one), (2 * one, -one)))
    assert np.array_equal(moved[:, 1:, :-2], batch[:, :-1, 2:])
    assert np.array_equal(moved[:, 0], moved[:, 1])


def test_brightness_moves_the_mean_and_contrast_keeps_it() -> None:
    mean = pictures(1).mean()
    brighter = changed(brightness=0.1, count=256).mean(axis=(1, 2, 3)) - mean
    assert 20 < brighter.max() < 26
    assert -26 < brighter.min() < -20
    contrasted = changed(contrast=0.3, count=256)
    assert contrasted.mean(axis=(1, 2, 3)) == pytest.approx(mean, abs=1.5)
    spread = contrasted.std(axis=(1, 2, 3)) / pictures(1).std()
    assert spread.min() == pytest.approx(0.7, abs=0.03)
    assert spread.max() == pytest.approx(1.3, abs=0.03)


def test_a_dark_room_takes_light_from_some_pictures() -> None:
    light = (
        changed(dim_probability=0.5, dim=0.8, count=256).mean(axis=(1, 2, 3)) / pictures(1).mean()
    )
    untouched = light > 0.9999
    assert 90 < untouched.sum() < 166
    assert light.min() == pytest.approx(0.2, abs=0.03)
    assert light.max() <= 1.0001


def test_a_blur_keeps_the_mean_and_is_opencvs_where_all_of_it_is_mixed_in() -> None:
    drawn = np.random.default_rng(3).integers(0, 256, (1, 48, 48)).astype(np.uint8)
    layer = Augment(AugmentationSettings(blur_probability=1.0, blur_sigma=1.5), seed=1)
    found = array(layer(np.repeat(drawn, 256, axis=0), training=True))[..., 0]
    picture = drawn[0].astype(np.float32)
    blurred = cv2.GaussianBlur(picture, (9, 9), 1.5, borderType=cv2.BORDER_REPLICATE)
    # Each is a mixture of the picture and its blur: how much of it, by least squares.
    share = ((found - picture) * (blurred - picture)).sum(axis=(1, 2))
    share /= ((blurred - picture) ** 2).sum()
    assert 0 <= share.min() < 0.03
    assert 0.97 < share.max() <= 1.001
    rest = found - picture - share[:, None, None] * (blurred - picture)
    assert np.abs(rest).max() < 0.01


def test_noise_has_the_strength_asked_for_and_stays_within_the_range() -> None:
    found = changed(noise_probability=0.5, noise_sigma=20, count=256)[..., 0]
    spread = (found - pictures(256)).std(axis=(1, 2))
    assert 90 < (spread < 1e-6).sum() < 166
    assert 15 < spread.max() < 21
    assert found.min() >= 0
    assert found.max() <= 255


def test_faceless_pictures_are_cut_up_turned_or_a_texture_and_have_even_targets() -> None:
    count = 512
    drawn = np.random.default_rng(3).integers(100, 256, (count, 48, 48)).astype(np.uint8)
    layer = Augment(AugmentationSettings(faceless_probability=0.5), seed=1)
    found = array(layer(drawn, training=True))[..., 0]
    touched = (found != drawn).any(axis=(1, 2))
    assert 206 < touched.sum() < 306
    whole = (np.sort(found.reshape(count, -1)) == np.sort(drawn.reshape(count, -1))).all(axis=1)
    ways = [np.rot90(drawn, quarters, axes=(1, 2)) for quarters in (1, 2, 3)]
    turns = np.stack([np.isclose(found, way, atol=0.5).all(axis=(1, 2)) for way in ways])
    assert (turns.sum(axis=1) > 8).all()
    turned = turns.any(axis=0)
    assert 40 < turned.sum() < 90
    shuffled = touched & whole & ~turned
    assert 40 < shuffled.sum() < 90
    originals = {
        picture[y : y + 12, x : x + 12].astype(np.float32).tobytes()
        for picture in drawn[shuffled] for y in range(0, 48, 12) for x in range(0, 48, 12)
    }  # fmt: skip
    assert {found[place, :12, :12].tobytes() for place in np.flatnonzero(shuffled)} <= originals
    # Noise, enlarged, stays within its range and changes little from pixel to pixel.
    steps = np.abs(np.diff(found, axis=2)).mean(axis=(1, 2))
    lowest = found.min(axis=(1, 2))
    parts = touched & ~whole & ~turned & (lowest >= 100) & (steps < 0.4 * steps[shuffled].mean())
    textures = touched & ~whole & ~turned & ~parts
    assert 40 < parts.sum() < 100
    assert 40 < textures.sum() < 90
    assert found[textures].mean(axis=(1, 2)).std() > 40
    spreads = found[textures].std(axis=(1, 2))
    assert spreads.min() < 15
    assert spreads.max() > 45
    targets = np.eye(7, dtype=np.float32)[np.arange(count) % 7]
    taught = array(layer.even_targets(targets))
    assert np.array_equal(taught[~touched], targets[~touched])
    assert taught[touched] == pytest.approx(1 / 7)


def test_of_a_mixed_picture_only_what_shows_a_face_brings_its_label() -> None:
    count = 512
    drawn = np.random.default_rng(3).integers(0, 256, (count, 48, 48)).astype(np.uint8)
    alone, layer = (
        Augment(AugmentationSettings(faceless_probability=0.5, cutmix_probability=patch), seed=1)
        for patch in (0.0, 1.0)
    )
    before, found = (array(each(drawn, training=True))[..., 0] for each in (alone, layer))
    shows = np.isclose(before, drawn, atol=0.01).all(axis=(1, 2))
    ways = [np.rot90(drawn, quarters, axes=(1, 2)) for quarters in (1, 2, 3)]
    turned = np.stack([np.isclose(before, way, atol=0.5).all(axis=(1, 2)) for way in ways]).any(
        axis=0
    )
    own = np.isclose(found, before, atol=0.01).mean(axis=(1, 2))[:, None]
    labels, even = np.eye(7, dtype=np.float32)[np.arange(count) % 7], np.full((count, 7), 1 / 7)
    mixed = array(layer.mix_targets(labels))
    targets = array(layer.even_targets(mixed))
    covered = turned & np.roll(shows, 1)
    expected = own * even + (1 - own) * np.roll(labels, 1, axis=0)
    assert covered.sum() > 15
    assert targets[covered] == pytest.approx(expected[covered], abs=0.02)
    covering = shows & np.roll(turned, 1)
    expected = own * labels + (1 - own) * even
    assert covering.sum() > 15
    assert targets[covering] == pytest.approx(expected[covering], abs=0.02)
    # Of a turned face teachers are not asked, and of what covers it they are.
    taught = array(layer.teach_faces(mixed, np.zeros_like(mixed)))
    assert taught[covered] == pytest.approx(own[covered] * mixed[covered], abs=0.02)


def test_a_face_without_a_label_that_is_mixed_weighs_as_much_as_others() -> None:
    count = 256
    drawn = np.random.default_rng(3).integers(0, 256, (count, 48, 48)).astype(np.uint8)
    layer = Augment(AugmentationSettings(faceless_probability=0.5, cutmix_probability=1.0), seed=1)
    layer(drawn, training=True)
    known = np.arange(count) % 2 == 0
    labels = np.eye(7, dtype=np.float32)[np.arange(count) % 7] * known[:, None]
    mixed = array(layer.mix_targets(labels))
    said = np.full((count, 7), 1 / 7, np.float32)  # by teachers, who fill what labels leave
    taught = 0.3 * mixed + (1 - 0.3 * mixed.sum(axis=1, keepdims=True)) * said
    assert array(layer.teach_faces(mixed, taught)).sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_teachers_see_pictures_moved_but_not_spoilt() -> None:
    drawn = pictures(64)
    spoiling = {"dim_probability": 1.0, "blur_probability": 1.0, "noise_probability": 1.0,
                "erase_probability": 1.0}  # fmt: skip
    moving = {"flip": True, "rotation_degrees": 20.0, "contrast": 0.2}
    layer = Augment(AugmentationSettings(**moving, **spoiling), seed=1)
    seen = array(layer(drawn, training=True))
    unspoilt = array(layer.unspoilt)
    plain = Augment(AugmentationSettings(**moving), seed=1)
    assert np.array_equal(unspoilt, array(plain(drawn, training=True)))
    assert np.abs(seen - unspoilt).mean() > 20


def test_a_picture_that_cannot_be_cut_into_tiles_is_not_shuffled() -> None:
    overrides = ["augmentation.faceless_probability=0.1", "input.height=50"]
    with pytest.raises(SettingsError, match="sides that 4 divides"):
        load_recipe("edge-small", overrides=overrides)


def test_erasing_covers_a_rectangle_in_some_pictures() -> None:
    found = changed(erase_probability=0.5, erase_area=0.2, count=256)[..., 0]
    covered = found != pictures(256)
    share = covered.mean(axis=(1, 2))
    assert 90 < (share > 0).sum() < 166
    assert share.max() < 0.23
    picture = covered[share.argmax()]
    rows, columns = np.flatnonzero(picture.any(axis=1)), np.flatnonzero(picture.any(axis=0))
    inside = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert inside.mean() > 0.95  # a pixel may have had that grey already


MIXING = """
import json, sys
import numpy as np
from fer_trainer.backend import keras
from fer_trainer.recipe.settings import AugmentationSettings
from fer_trainer.training.augmentation import augmented

bias = keras.initializers.Constant(np.array([2.0, 0.0, 0.0]))
network = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(),
    keras.layers.Dense(3, "softmax", kernel_initializer="zeros", bias_initializer=bias)])
model = augmented(network, AugmentationSettings(flip=True, crop=0.2, mixup=0.4), seed=3)
model.compile(keras.optimizers.SGD(0.0), "categorical_crossentropy", jit_compile=False)
pictures = np.zeros((16, 8, 8), np.uint8)
labels = np.eye(3, dtype=np.float32)[np.random.default_rng(1).integers(0, 3, 16)]
history = model.fit(pictures, labels, batch_size=16, epochs=2, shuffle=False, verbose=0,
    validation_data=(pictures, labels)).history
print(json.dumps({"backend": keras.backend.backend(), **history}))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "torch", "jax"])
def test_the_step_mixes_labels_on_every_backend(backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = subprocess.run(
        [sys.executable, "-c", MIXING],
        env={**os.environ, "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["backend"] == backend
    # The network answers every picture alike and never learns: only the labels' mixture differs.
    assert found["val_loss"][0] == pytest.approx(found["val_loss"][1])
    first, second = found["loss"]
    assert len({round(value, 4) for value in (first, second, found["val_loss"][0])}) == 3
