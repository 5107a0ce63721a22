"""From an output tensor to probabilities, by hand."""

import numpy as np
import pytest

from fer_edge.shared.model.contract import OutputSpec
from fer_edge.shared.model.litert import dequantise


def int8(temperature: float = 1.0, kind: str = "softmax") -> OutputSpec:
    return OutputSpec(
        kind=kind,  # type: ignore[arg-type]
        dtype="int8",
        scale=1 / 256,
        zero_point=-128,
        temperature=temperature,
    )


def test_steps_become_shares() -> None:
    found = dequantise(np.array([64, -64, -128], np.int8), int8())
    assert found == pytest.approx([192 / 256, 64 / 256, 0])


def test_a_sigmoid_becomes_two_probabilities() -> None:
    found = dequantise(np.array([[64]], np.int8), int8(kind="sigmoid"))
    assert found == pytest.approx(np.array([[0.25, 0.75]]))


def test_a_temperature_is_a_root() -> None:
    found = dequantise(np.array([0.81, 0.16, 0.03]), OutputSpec(temperature=2.0))
    roots = np.sqrt([0.81, 0.16, 0.03])
    assert found == pytest.approx(roots / roots.sum())


def test_under_a_temperature_a_quantised_zero_is_a_32nd_of_a_step() -> None:
    found = dequantise(np.array([0, -128, -128], np.int8), int8(temperature=2.0))
    roots = np.sqrt([0.5, 1 / 8192, 1 / 8192])
    assert found == pytest.approx(roots / roots.sum())
    exact = dequantise(np.array([0.5, 0.0, 0.0]), OutputSpec(temperature=2.0))
    assert exact[1] < 1e-4 < found[1]


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_no_answer_at_all_is_even(temperature: float) -> None:
    found = dequantise(np.full((2, 4), -128, np.int8), int8(temperature))
    assert found == pytest.approx(np.full((2, 4), 0.25))


@pytest.mark.parametrize(
    "answer",
    [
        [np.nan] * 3, [np.inf, 0, 1], [np.inf] * 3, [-np.inf, 1, 1], [3e38, 3e38, 0],
        [0, 0, np.nan],
    ],
)  # fmt: skip
@pytest.mark.parametrize("temperature", [1.0, 0.01, 100.0])
def test_what_is_no_number_still_makes_probabilities(answer, temperature):
    spec = OutputSpec(temperature=temperature)
    found = dequantise(np.array(answer, np.float32), spec)
    assert np.isfinite(found).all()
    assert found.sum() == pytest.approx(1)
