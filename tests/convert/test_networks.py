"""Which networks convert, to what, and what is said of those that do not."""

import pytest
from toy_run import TOY_AGREEMENT

from fer_convert.conversion import Conversion
from fer_convert.flatbuffer import read_graphs
from fer_convert.targets import Target
from fer_edge.errors import EXIT_CONFIG, ModelError
from fer_edge.model_file import parse_model
from fer_edge.selftest import run_selftest

GOOD = ("toy", "residual", "flatten", "binary")


def artefact(outcome, target):
    assert isinstance(outcome, Conversion), outcome
    return next(a for a in outcome.artefacts if a.target is target)


def main_graph(outcome, target=Target.INT8):
    return read_graphs(artefact(outcome, target).model.flatbuffer)[0]


@pytest.mark.parametrize("name", GOOD)
def test_int8_is_int8_from_end_to_end(outcomes, name):
    graph = main_graph(outcomes[name])
    assert {tensor.dtype for tensor in graph.tensors} <= {"INT8", "INT32"}
    assert not {"QUANTIZE", "DEQUANTIZE", "VAR_HANDLE"} & set(graph.operator_counts())
    (pixels,), (answer,) = graph.inputs, graph.outputs
    assert (pixels.shape, pixels.dtype) == ((1, 48, 48, 1), "INT8")
    assert (pixels.scales, pixels.zero_points) == ((1.0,), (-128,))
    assert (answer.scales, answer.zero_points) == ((1 / 256,), (-128,))


@pytest.mark.parametrize("target", Target)
@pytest.mark.parametrize("name", GOOD)
def test_every_file_passes_its_selftest_on_the_device_code(outcomes, name, target):
    result = run_selftest(artefact(outcomes[name], target).model)
    assert result.passed
    assert result.n >= 16


def test_a_flattening_network_reshapes_without_computing_shapes(outcomes):
    assert not {"SHAPE", "PACK", "STRIDED_SLICE"} & set(
        main_graph(outcomes["flatten"]).operator_counts()
    )


def test_batch_norm_folds_into_the_convolutions(outcomes):
    assert main_graph(outcomes["toy"]).operator_counts() == {
        "CONV_2D": 2,
        "FULLY_CONNECTED": 1,
        "MEAN": 1,
        "SOFTMAX": 1,
    }
    residual = main_graph(outcomes["residual"]).operator_counts()
    # One MUL and one ADD of Rescaling, whose offset does not fold; three ADDs of the blocks.
    assert residual == {
        "ADD": 4, "CONV_2D": 10, "FULLY_CONNECTED": 1, "MEAN": 1, "MUL": 1, "SOFTMAX": 1,
    }  # fmt: skip


def test_the_shipped_kind_of_network_stays_under_its_size(outcomes):
    assert len(artefact(outcomes["residual"], Target.INT8).data) < 600_000


def test_the_toy_is_right_and_int8_agrees_with_float(converted):
    float32, int8 = (converted.measurements[t] for t in (Target.FLOAT32, Target.INT8))
    assert float32.scores.accuracy > 0.9
    assert abs(int8.scores.accuracy - float32.scores.accuracy) <= 1 - TOY_AGREEMENT
    assert int8.drift.agreement >= TOY_AGREEMENT
    assert 0 < int8.drift.mean_shift < 0.02
    assert int8.drift.mean_shift < int8.drift.worst_shift < 0.4
    assert float32.drift is None


def test_a_binary_network_keeps_its_task(outcomes):
    contract = artefact(outcomes["binary"], Target.INT8).model.contract
    assert contract.task == "binary"
    assert contract.labels == ("sad", "happy")
    assert contract.output_size == 1


def test_the_contract_says_what_the_tensors_say(converted):
    for produced in converted.artefacts:
        contract = parse_model(produced.data, where=produced.file_name).contract
        int8 = produced.target is Target.INT8
        assert contract.input.dtype == contract.output.dtype == produced.target.value
        assert (contract.input.scale, contract.input.zero_point) == (1.0, -128 if int8 else 0)
        assert contract.output.scale == (1 / 256 if int8 else 1.0)
        assert contract.labels == (
            "angry",
            "disgust",
            "fear",
            "happy",
            "sad",
            "surprise",
            "neutral",
        )


def test_the_contract_records_the_conversion(converted):
    provenance = converted.artefacts[0].model.contract.provenance
    assert provenance["recipe"] == "toy"
    conversion = provenance["conversion"]
    assert set(conversion["versions"]) == {"fer-convert", "tensorflow", "keras", "ai-edge-litert"}
    calibration = conversion["calibration"]
    assert calibration["count"] == 420
    assert set(calibration["by_label"].values()) == {60}
    assert calibration["seed"] == 0
    assert calibration["source"] == "samples/representative.npz"
    assert len(calibration["sha256"]) == len(conversion["network_sha256"]) == 64
    assert conversion["metrics"]["int8"]["n"] == conversion["held_out"]["n"] == 210
    assert conversion["metrics"]["float32"]["accuracy"] > 0.9
    assert conversion["operators"]["CONV_2D"] == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("erf", r"layer 'erf' \(Erf\) cannot be converted .*no TFLite operator for Erf"),
        ("group_norm", r"operator DEQUANTIZE .*from layer 'uneven' \(GroupNormalization\)"),
        ("lstm", r"converter crashed \(SIG\w+\).*'memory' \(LSTM\)"),
        ("custom", r"cannot be loaded .*Could not locate class 'Shy'"),
        ("logits", r"ends with operator FULLY_CONNECTED .*expected SOFTMAX"),
        ("not_a_number", r"answer/bias holds numbers that are not finite"),
        ("small-input", r"takes \[N, 48, 48, 1\]; expected \[N, 32, 32, 1\]"),
    ],
)
def test_a_network_that_cannot_be_converted_is_refused_by_name(outcomes, name, said):
    error = outcomes[name]
    assert isinstance(error, ModelError)
    assert error.exit_code == EXIT_CONFIG
    with pytest.raises(ModelError, match=said):
        raise error
    assert "\n" not in str(error)
