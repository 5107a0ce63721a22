"""A converted network beside a model that there is already."""

import dataclasses

import numpy as np
import pytest
from hostile_models import hostile_model
from tiny_model import tiny_contract, tiny_model

from fer_convert.judgement.comparison import Answers, ask
from fer_convert.judgement.rival import compare_with, open_rival
from fer_edge.shared.data.samples import Samples
from fer_edge.shared.errors import ModelError
from fer_edge.shared.labels import label_set
from fer_edge.shared.model.contract import InputSpec

SEVEN = label_set("fer2013").labels


@pytest.fixture(scope="module")
def rival(tmp_path_factory):
    path = tmp_path_factory.mktemp("rival") / "tiny.tflite"
    path.write_bytes(tiny_model())
    return open_rival(path, tiny_contract())


@pytest.fixture(scope="module")
def samples(rival) -> Samples:
    """Noise that the rival reads rightly throughout."""
    pictures = np.random.default_rng(0).integers(0, 256, (60, 48, 48)).astype(np.uint8)
    names = tuple(map(str, range(60)))
    unlabelled = Samples(pictures, np.zeros(60, np.int64), names)
    right = ask(rival, unlabelled, lambda _done: None).chosen
    return Samples(pictures, right, names)


def answers(chosen) -> Answers:
    return Answers(SEVEN, np.asarray(chosen), np.eye(7)[chosen])


def test_a_network_that_is_worse_is_told_in_capitals(rival, samples):
    wrong = np.where(np.arange(60) < 20, (samples.labels + 1) % 7, samples.labels)
    found = compare_with(rival, answers(wrong), samples)
    assert found["remark"] == (
        "WORSE THAN TINY: 66.67% of 60 pictures right, and tiny has 100.00% of the same pictures"
    )
    assert found["paired"]["lost"] == 20


def test_what_chance_explains_is_not_worse(rival, samples):
    one = np.where(np.arange(60) < 1, (samples.labels + 1) % 7, samples.labels)
    for chosen in (one, samples.labels):
        assert compare_with(rival, answers(chosen), samples)["remark"] == ""


def test_the_order_of_labels_does_not_matter(rival, samples):
    order = SEVEN[::-1]
    turned = dataclasses.replace(samples, labels=6 - samples.labels)
    given = Answers(order, 6 - samples.labels, np.eye(7)[6 - samples.labels])
    assert compare_with(rival, given, turned)["accuracy"] == 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"labels": ("a", "b")}, "knows angry.*the labels of tiny: a, b"),
        ({"input": InputSpec(height=64, width=64)}, "takes grey pictures of 48x48.*evaluate DATA"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path, changes, why):
    path = tmp_path / "tiny.tflite"
    path.write_bytes(tiny_model())
    with pytest.raises(ModelError, match=why):
        open_rival(path, dataclasses.replace(tiny_contract(), **changes))


def test_a_model_that_crashes_the_runtime_is_refused_before_anything_is_converted(tmp_path):
    path = tmp_path / "hostile.tflite"
    path.write_bytes(hostile_model("null input"))
    with pytest.raises(ModelError, match=r"dies of signal 11"):
        open_rival(path, tiny_contract())
