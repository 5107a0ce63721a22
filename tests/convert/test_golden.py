"""The crops that every model carries."""

import numpy as np
import pytest

from fer_convert.file.artefact import golden_inputs
from fer_edge.shared.model.contract import InputSpec


def test_sixteen_different_crops_of_real_pixels():
    inputs = golden_inputs(InputSpec())
    assert (inputs.shape, inputs.dtype) == ((16, 48, 48), np.uint8)
    assert len({crop.tobytes() for crop in inputs}) == 16
    assert all(crop.std() > 15 for crop in inputs)


def test_they_are_the_same_every_time():
    assert (golden_inputs(InputSpec()) == golden_inputs(InputSpec())).all()


def test_mirrored_and_dark_ones_are_among_them():
    inputs = golden_inputs(InputSpec()).astype(float)
    assert (inputs[2] == inputs[0][:, ::-1]).all()
    assert inputs[1].std() < 0.7 * inputs[0].std()


@pytest.mark.parametrize(
    "spec", [InputSpec(height=32, width=40), InputSpec(equalise=True), InputSpec(crop_margin=0.2)]
)
def test_they_go_through_the_preprocessing_of_the_contract(spec):
    inputs = golden_inputs(spec)
    assert inputs.shape == (16, spec.height, spec.width)
    if inputs.shape == (16, 48, 48):
        assert (inputs != golden_inputs(InputSpec())).any()
