import numpy as np
import pytest

from fer_trainer.backend import keras
from fer_trainer.recipe import AugmentationSettings
from fer_trainer.recipe_files import load_recipe
from fer_trainer.training.augmentation import Augment

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


def test_flip_mirrors_half_of_the_pictures_exactly() -> None:
    found = changed(flip=True, count=256)[..., 0]
    original = pictures(1)[0].astype(np.float32)
    same = np.isclose(found, original, atol=1e-2).all(axis=(1, 2))
    mirrored = np.isclose(found, original[:, ::-1], atol=1e-2).all(axis=(1, 2))
    assert (same ^ mirrored).all()
    assert 90 < mirrored.sum() < 166


def dot_positions(count: int = 512, **settings) -> np.ndarray:
    """Where a blob at (x 34, y 24) goes: float, shape (count, 2) as x, y."""
    rows, columns = np.mgrid[:48, :48]
    blob = 255 * np.exp(-((columns - 34) ** 2 + (rows - 24) ** 2) / 8)
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
