"""Calibration against figures worked out by hand, and against the device's own code."""

import math

import numpy as np
import pytest

from fer_edge.shared.model.contract import OutputSpec
from fer_edge.shared.model.litert import dequantise
from fer_trainer.scores.calibration import (
    COLDEST,
    HOTTEST,
    calibration_figures,
    choose_balance,
    choose_least_probability,
    complete,
    fit_temperature,
    negative_log_likelihood,
    on_device,
    temper,
    temper_threshold,
)


def some_answers(n: int, *, labels: int, seed: int = 3) -> np.ndarray:
    raw = np.random.default_rng(seed).exponential(size=(n, labels)) ** 3
    return (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)


def test_the_likelihood_by_hand() -> None:
    found = negative_log_likelihood(np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([0, 0]))
    assert found == pytest.approx((math.log(2) + math.log(4)) / 2)


@pytest.mark.parametrize("true_temperature", [0.6, 1.0, 2.5])
def test_the_temperature_that_was_put_in_is_found(true_temperature: float) -> None:
    rng = np.random.default_rng(1)
    honest = complete(some_answers(40_000, labels=4))
    truth = (honest.cumsum(axis=1) > rng.random((len(honest), 1))).argmax(axis=1)
    skewed = temper(honest, 1 / true_temperature)
    assert fit_temperature(skewed, truth) == pytest.approx(true_temperature, rel=0.03)


def test_two_pictures_by_hand() -> None:
    # One of three right at odds of 9 to 1 each: the likelihood is best at odds of 2 to 1 ...
    probabilities = np.array([[0.9, 0.1]] * 3)
    found = fit_temperature(probabilities, np.array([0, 0, 1]))
    # ... and 9 ** (1 / T) = 2.
    assert found == pytest.approx(math.log(9) / math.log(2), abs=2e-4)


def test_pictures_that_are_all_right_or_all_wrong_drive_it_to_a_bound_and_no_further() -> None:
    probabilities = np.array([[0.7, 0.3]] * 5)
    assert fit_temperature(probabilities, np.zeros(5, np.int64)) == pytest.approx(COLDEST, rel=1e-3)
    assert fit_temperature(probabilities, np.ones(5, np.int64)) == pytest.approx(HOTTEST, rel=1e-3)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
@pytest.mark.parametrize(("kind", "labels"), [("softmax", 7), ("sigmoid", 1)])
def test_the_device_applies_the_temperature_in_the_same_way(
    kind: str, labels: int, temperature: float
) -> None:
    answers = some_answers(50, labels=max(2, labels))[:, :labels]
    spec = OutputSpec(kind=kind, temperature=temperature)  # type: ignore[arg-type]
    ours = temper(complete(answers), temperature)
    assert ours == pytest.approx(dequantise(answers, spec), abs=1e-12)


@pytest.mark.parametrize("labels", [1, 7])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
def test_an_int8_model_decides_the_same_and_is_nearly_as_sure(
    labels: int, temperature: float
) -> None:
    answers = some_answers(500, labels=max(2, labels))[:, :labels]
    coarse, fine = on_device(answers, temperature), temper(complete(answers), temperature)
    assert coarse.sum(axis=1) == pytest.approx(1)
    clear = np.ptp(np.partition(complete(answers), -2, axis=1)[:, -2:], axis=1) > 1 / 128
    assert np.array_equal(coarse.argmax(axis=1)[clear], fine.argmax(axis=1)[clear])
    assert np.abs(coarse - fine).max() < 0.08
    assert np.abs(coarse - fine).mean() < 0.007


def test_of_a_bold_int8_model_a_zero_is_not_taken_for_never() -> None:
    rng = np.random.default_rng(5)
    honest = complete(some_answers(20_000, labels=7))
    truth = (honest.cumsum(axis=1) > rng.random((len(honest), 1))).argmax(axis=1)
    bold = temper(honest, 1 / 3)
    figures = calibration_figures(bold, truth, 3.0)
    lost = figures["after_int8_steps"]["nll"] - figures["after"]["nll"]
    naive = temper(complete(np.minimum(np.rint(bold * 256), 255)), 3.0)  # zero stays 1e-9
    lost_naively = negative_log_likelihood(naive, truth) - figures["after"]["nll"]
    assert 0 < lost < 0.5 * lost_naively


def test_no_temperature_changes_what_is_chosen() -> None:
    probabilities = complete(some_answers(500, labels=7))
    for temperature in (COLDEST, 0.8, HOTTEST):
        tempered = temper(probabilities, temperature)
        assert np.array_equal(tempered.argmax(axis=1), probabilities.argmax(axis=1))


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.7])
def test_a_binary_threshold_decides_as_before(threshold: float) -> None:
    answers = some_answers(500, labels=2)[:, :1]
    moved = temper_threshold(threshold, 1.6)
    tempered = temper(complete(answers), 1.6)[:, 1]
    assert np.array_equal(tempered >= moved, answers[:, 0] >= threshold)
    assert (moved == threshold) == (threshold == 0.5)


def test_the_figures_of_a_part() -> None:
    answers = some_answers(200, labels=7)
    figures = calibration_figures(answers, answers.argmax(axis=1), 0.5)
    assert figures["n"] == 200
    assert all(sum(b[2] for b in figures[g]["bins"]) == 200 for g in ("before", "after"))
    assert figures["after"]["nll"] < figures["before"]["nll"]  # all are right: surer is better
    assert figures["after_int8_steps"]["ece"] == pytest.approx(figures["after"]["ece"], abs=0.01)


@pytest.mark.parametrize(
    ("confidences", "least"),
    [
        # Of 100 right answers, three may fall below.
        ([0.41] * 3 + [0.53] * 97, 0.5),
        ([0.41] * 4 + [0.53] * 96, 0.4),
        ([0.9] * 100, 0.6),
        ([0.3] * 100, 0.4),
    ],
)
def test_a_label_is_given_from_where_few_right_answers_are_lost(
    confidences: list[float], least: float
) -> None:
    rest = (1 - np.array(confidences)) / 9
    right = np.column_stack([confidences, *[rest] * 9])
    # Wrong answers, however unsure, count for nothing.
    wrong = np.tile([0.2, *[0.8 / 9] * 9], (50, 1))
    truth = np.array([0] * 100 + [1] * 50)
    assert choose_least_probability(np.vstack([right, wrong]), truth) == pytest.approx(least)


def test_without_a_right_answer_the_least_probability_is_the_usual_one() -> None:
    assert choose_least_probability(np.array([[0.9, 0.1]]), np.array([1])) == 0.4


def rare_and_common(*, biased: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return answers to 1,000 pictures of a common label and 100 of a rare one, and the truth.

    Two in three of the rare ones are missed by a hair where the answers are biased.
    """
    truth = np.repeat([0, 1], [1000, 100])
    rare = np.where(np.arange(1100) % 3 == 0, 0.8, 0.4 if biased else 0.8)
    seen = np.where(truth == 1, rare, 0.05)
    return np.stack([1 - seen, seen], axis=1), truth


def test_answers_that_miss_the_rare_are_balanced_and_others_are_not() -> None:
    shares = (1000 / 1100, 100 / 1100)
    assert choose_balance(*rare_and_common(biased=False), shares) == 0
    balance = choose_balance(*rare_and_common(biased=True), shares)
    assert 0 < balance < 0.5, "the least that does it"


def test_even_shares_leave_nothing_to_balance() -> None:
    assert choose_balance(*rare_and_common(biased=True), (0.5, 0.5)) == 0


def test_the_temperature_is_fitted_to_what_the_device_makes_of_it() -> None:
    shift = (0.0, 1.0, 2.0)
    rng = np.random.default_rng(1)
    honest = complete(some_answers(40_000, labels=3))
    wanted = honest * np.exp(shift)
    wanted /= wanted.sum(axis=1, keepdims=True)
    truth = (wanted.cumsum(axis=1) > rng.random((len(wanted), 1))).argmax(axis=1)
    assert fit_temperature(temper(honest, 0.5), truth, shift=shift) == pytest.approx(2, rel=0.03)
