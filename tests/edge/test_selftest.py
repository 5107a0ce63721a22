"""Golden vectors, read and run."""

import numpy as np
import pytest
from tiny_model import golden_files, npy, tiny_contract, tiny_model, with_golden

from fer_edge.shared.errors import EXIT_CONFIG, EXIT_FAILED, FerError, ModelError
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.model.model_file import (
    GOLDEN_INPUTS_NAME,
    GOLDEN_OUTPUTS_NAME,
    ModelFile,
    parse_model,
)
from fer_edge.shared.model.selftest import (
    FLOAT_TOLERANCE,
    accepted_difference,
    read_golden,
    run_selftest,
)


def a_model(dtype="int8") -> ModelFile:
    return parse_model(tiny_model(tiny_contract(dtype)), where="tiny.tflite")


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("labels", [(), ("sad", "happy")])
def test_a_sound_machine_passes(dtype, labels):
    model = parse_model(tiny_model(tiny_contract(dtype, labels=labels)), where="tiny.tflite")
    result = run_selftest(model)
    assert result.passed
    assert result.n == 16
    assert result.mismatches == ()
    assert result.worst_difference == 0
    result.require()


def test_result_as_json():
    model = a_model()
    assert run_selftest(model).to_json() == {
        "model": "tiny.tflite",
        "model_sha256": model.sha256,
        "n": 16,
        "exact": 16,
        "mismatches": 0,
        "worst_difference": 0.0,
        "tolerance": 1,
        "passed": True,
    }


def test_kernels_other_than_xnnpacks_may_round_an_int8_output_more_differently():
    output = tiny_contract().output
    assert LitertClassifier(a_model()).accelerated
    assert accepted_difference(output, has_xnnpack=True) == 1
    assert accepted_difference(output, has_xnnpack=False) == 32


@pytest.mark.parametrize(("steps", "passed"), [(1, True), (2, False)])
def test_two_steps_of_one_int8_output_are_a_mismatch_and_one_is_told(steps, passed):
    model = a_model()
    golden = read_golden(model)
    outputs = golden.outputs.copy()
    row, column = np.argwhere(outputs < 126)[-1]
    outputs[row, column] += steps
    result = run_selftest(with_golden(tiny_model(), golden_files(golden.inputs, outputs)))
    assert (result.passed, result.exact, result.worst_difference) == (passed, 15, steps)
    if passed:
        assert "15 of them exactly, the others within 1" in result.to_text()
        return
    assert result.mismatches == (row,)
    with pytest.raises(FerError, match=r"1 of 16 golden vectors differ, by up to 2;") as caught:
        result.require()
    assert caught.value.exit_code == EXIT_FAILED


@pytest.mark.parametrize(
    ("change", "passed"),
    [(FLOAT_TOLERANCE / 10, True), (FLOAT_TOLERANCE * 10, False), (np.nan, False)],
)
def test_float_outputs_may_differ_a_little(change, passed):
    data = tiny_model(tiny_contract("float32"))
    golden = read_golden(parse_model(data, where="tiny.tflite"))
    outputs = golden.outputs.copy()
    outputs[3, 2] += change
    result = run_selftest(with_golden(data, golden_files(golden.inputs, outputs)))
    assert result.passed is passed
    assert result.mismatches == (() if passed else (3,))


INPUTS = np.zeros((2, 48, 48), np.uint8)
OUTPUTS = np.zeros((2, 7), np.int8)


@pytest.mark.parametrize(
    ("golden", "found"),
    [
        ({}, "no golden/inputs.npy"),
        ({GOLDEN_INPUTS_NAME: npy(INPUTS)}, "no golden/outputs.npy"),
        ({GOLDEN_INPUTS_NAME: b"", GOLDEN_OUTPUTS_NAME: b""}, "inputs.npy cannot be read"),
        ({GOLDEN_INPUTS_NAME: npy(INPUTS)[:-1]}, "inputs.npy cannot be read"),
        ({GOLDEN_INPUTS_NAME: b"text, not numbers"}, "inputs.npy cannot be read"),
        ({GOLDEN_INPUTS_NAME: npy(INPUTS).replace(b"}", b"(")}, "inputs.npy cannot be read"),
        (golden_files(INPUTS[:1], OUTPUTS), "1 golden inputs and 2 outputs"),
        (golden_files(INPUTS[:0], OUTPUTS[:0]), "0 golden inputs and 0 outputs"),
        (golden_files(INPUTS[:, :24], OUTPUTS), r"uint8\[2, 24, 48\] where uint8\[N, 48, 48\]"),
        (golden_files(INPUTS.astype(np.float32), OUTPUTS), r"float32\[2, 48, 48\]"),
        (golden_files(INPUTS, OUTPUTS[:, :6]), r"int8\[2, 6\] where int8\[N, 7\]"),
        (golden_files(INPUTS, OUTPUTS.astype(np.float32)), r"float32\[2, 7\]"),
        (golden_files(INPUTS[0, 0, 0], OUTPUTS), r"uint8\[\]"),
    ],
)
def test_unfit_golden_vectors_are_refused(golden, found):
    with pytest.raises(ModelError, match=found) as caught:
        run_selftest(with_golden(tiny_model(), golden))
    assert caught.value.exit_code == EXIT_CONFIG
    assert "fer-convert RUN --int8" in caught.value.fix


def test_pickled_golden_vectors_are_not_unpickled():
    pickled = npy(np.array([{"a": 1}], dtype=object))
    with pytest.raises(ModelError, match="pickle"):
        run_selftest(with_golden(tiny_model(), {GOLDEN_INPUTS_NAME: pickled}))
