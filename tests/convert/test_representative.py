"""Which pictures a network is calibrated on."""

import numpy as np
import pytest
from toy_run import SEVEN, a_contract, toy_pictures

from fer_convert.source.representative import MIN_PICTURES, choose_representative
from fer_edge.shared.data.samples import Samples
from fer_edge.shared.errors import DataError


def some_samples(count=1400, *, seed=0) -> Samples:
    made = toy_pictures(count, seed=seed)
    return Samples(made["pictures"], made["labels"], tuple(made["names"].tolist()), source="a test")


def uneven_samples() -> Samples:
    """20 pictures of disgust, 200 of every other label."""
    samples = some_samples()
    disgust = np.flatnonzero(samples.labels == 1)[20:]
    return samples.without(disgust.tolist())


def choose(samples, count=350, seed=0):
    return choose_representative(samples, a_contract(), count=count, seed=seed)


def test_every_class_gives_the_same_number():
    chosen = choose(some_samples())
    assert chosen.counts == dict.fromkeys(SEVEN, 50)
    assert len(chosen.samples) == 350


def test_a_small_class_is_taken_whole_and_the_others_share_the_rest():
    counts = choose(uneven_samples(), 500).counts
    assert counts["disgust"] == 20
    assert {counts[label] for label in SEVEN if label != "disgust"} == {80}


def test_no_picture_is_taken_twice():
    names = choose(some_samples(), 1000).samples.names
    assert len(set(names)) == 1000


def test_the_seed_and_nothing_else_decides():
    samples = some_samples()
    first, again, other = choose(samples), choose(samples), choose(samples, seed=1)
    assert first.samples.sha256 == again.samples.sha256 != other.samples.sha256


def test_more_wanted_than_there_are():
    assert len(choose(some_samples(420), 500).samples) == 420


@pytest.mark.parametrize(("there", "wanted"), [(MIN_PICTURES - 1, 500), (1400, MIN_PICTURES - 1)])
def test_too_few_pictures(there, wanted):
    with pytest.raises(DataError, match=r"299 pictures to calibrate on; expected at least 300"):
        choose(some_samples(there), wanted)


def test_a_label_without_pictures():
    samples = some_samples()
    without = samples.take(np.flatnonzero(~np.isin(samples.labels, (1, 4))).tolist())
    with pytest.raises(DataError, match="no picture of disgust, sad"):
        choose(without)


def test_two_corner_pixels_show_the_whole_range_where_no_picture_does():
    samples = some_samples()
    np.clip(samples.pictures, 30, 200, out=samples.pictures)
    chosen = choose(samples)
    pictures = chosen.pictures
    assert (pictures[0, 0, 0], pictures[0, -1, -1]) == (0, 255)
    assert (pictures != chosen.samples.pictures).sum() == 2


def test_pictures_that_show_the_whole_range_are_left_alone():
    samples = some_samples()
    samples.pictures[:, 7, 7], samples.pictures[:, 8, 8] = 0, 255
    chosen = choose(samples)
    assert (chosen.pictures == chosen.samples.pictures).all()
