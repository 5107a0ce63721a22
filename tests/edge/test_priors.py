"""How common expressions are, in training and where the camera looks."""

import dataclasses

import numpy as np
import pytest
from builders import SEVEN, a_contract

from fer_edge.models import open_model, shipped_models
from fer_edge.shared.errors import SettingsError
from fer_edge.shared.labels import LABEL_SETS
from fer_edge.shared.model.priors import balanced_shares, prior_shift, shares_of, shifted

SHARES = dict(zip(SEVEN, (0.4, 0.01, 0.09, 0.2, 0.1, 0.1, 0.1), strict=True))


@pytest.mark.parametrize("name", shipped_models())
def test_the_shares_of_models_that_say_none_are_known(name):
    contract = open_model(name).contract
    shares = dict(zip(contract.labels, shares_of(contract), strict=True))
    assert sum(shares.values()) == pytest.approx(1, abs=0.01)
    assert shares["disgust"] < 0.02
    assert shares["happy"] > 0.2


def test_shares_go_with_the_labels_whatever_their_order():
    turned = a_contract(labels=tuple(reversed(SEVEN)))
    assert shares_of(turned) == tuple(reversed(LABEL_SETS["fer2013"].shares))


def test_what_a_contract_says_counts():
    assert shares_of(a_contract(class_shares=SHARES)) == tuple(SHARES.values())


def test_labels_of_no_known_set_are_taken_as_alike():
    contract = a_contract(labels=("happy", "sad", "neutral"))
    assert shares_of(contract) == pytest.approx((1 / 3,) * 3)
    assert prior_shift(contract, balance=0.7) == pytest.approx((0.0,) * 3)


def test_no_balance_leaves_an_answer_as_it_is():
    assert prior_shift(a_contract(class_shares=SHARES), balance=0) == pytest.approx((0.0,) * 7)


def test_whole_balance_turns_the_shares_of_training_into_even_ones():
    shift = prior_shift(a_contract(class_shares=SHARES), balance=1)
    # An answer that knows nothing but the shares says nothing any more.
    assert shifted(np.array(list(SHARES.values())), shift) == pytest.approx(np.full(7, 1 / 7))


def test_some_balance_lifts_the_rare_and_hardly_moves_the_common():
    shares = tuple(SHARES.values())
    moved = np.array(balanced_shares(shares, 0.2)) / shares
    assert moved[1] > 3
    assert np.all((moved[3:] > 0.8) & (moved[3:] < 1.3))


def test_a_place_whose_shares_are_known():
    known = {"happy": 0.5, "fear": 0.0}
    shift = prior_shift(a_contract(class_shares=SHARES), balance=0, prior=known)
    there = shifted(np.array(list(SHARES.values())), shift)
    assert there[SEVEN.index("happy")] == pytest.approx(0.5, abs=1e-3)
    assert there[SEVEN.index("fear")] < 1e-5
    others = [SEVEN.index(label) for label in ("angry", "sad")]
    assert there[others[0]] / there[others[1]] == pytest.approx(4), "they share the rest as before"


@pytest.mark.parametrize(
    ("prior", "named"),
    [
        ({"contempt": 0.1}, "the model knows no contempt"),
        ({"happy": 0.8, "sad": 0.3}, "the shares sum to 1.1"),
        (dict.fromkeys(SEVEN, 0.1), "the shares sum to 0.7"),
    ],
)
def test_shares_that_make_no_whole_are_refused(prior, named):
    with pytest.raises(SettingsError, match=named):
        prior_shift(a_contract(), balance=0.2, prior=prior)


def test_a_binary_model_keeps_its_threshold_and_its_answers():
    binary = a_contract(labels=("sad", "happy"), task="binary")
    binary = dataclasses.replace(binary, output=dataclasses.replace(binary.output, kind="sigmoid"))
    assert prior_shift(binary, balance=1) == (0.0, 0.0)
