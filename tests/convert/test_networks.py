"""Which networks convert, to what, and what is said of those that do not."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from toy_run import TOY_AGREEMENT

from fer_convert.conversion import Conversion
from fer_convert.file.flatbuffer import find_leftovers, read_graphs
from fer_convert.judgement.reading import check_reading
from fer_convert.report.text import format_report
from fer_convert.source.job import Probes
from fer_convert.targets import Target
from fer_edge.shared.errors import EXIT_CONFIG, ModelError
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.model.model_file import parse_model
from fer_edge.shared.model.selftest import run_selftest

GOOD = ("toy", "residual", "loose_norms", "flatten", "binary")


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
    # Rescaling's offset does not fold into a convolution that pads; three ADDs of the blocks.
    assert residual == {
        "ADD": 3, "CONV_2D": 10, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1, "MEAN": 1,
        "SOFTMAX": 1,
    }  # fmt: skip


def test_batch_norms_behind_relu_fold_where_that_is_exact(outcomes):
    conversion = outcomes["loose_norms"]
    assert conversion.moves == (
        "padded as a 1x1 convolution behind thinned",
        "before_valid into valid",
        "negative as a 1x1 convolution behind negative",
        "flat into hidden",
        "dense into answer",
    )
    assert main_graph(conversion).operator_counts() == {
        "CONV_2D": 4, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "MAX_POOL_2D": 2,
        "RESHAPE": 1, "SOFTMAX": 1,
    }  # fmt: skip
    left = find_leftovers(main_graph(conversion))
    assert [(one.operator, one.elements) for one in left] == [
        ("DEPTHWISE_CONV_2D", 12 * 12 * 4), ("DEPTHWISE_CONV_2D", 10 * 10 * 4),
    ]  # fmt: skip


def test_folding_changes_no_answer(outcomes, networks):
    """Against the network as Keras itself computes it, before any folding."""
    expected = np.load(networks / "loose_norms.npy")
    with np.load(networks / "toy.npz") as samples:
        pictures = samples["pictures"][: len(expected)]
    classifier = LitertClassifier(artefact(outcomes["loose_norms"], Target.FLOAT32).model)
    answers = np.stack([classifier.raw_output(pixels) for pixels in pictures])
    assert np.abs(answers - expected).max() < 1e-5
    assert expected.std(axis=0).max() > 1e-3


@pytest.mark.parametrize("target", [Target.INT8, Target.FLOAT32])
@pytest.mark.parametrize("name", ["flatten", "loose_norms", "residual"])
def test_the_delegate_takes_a_network_in_one_piece(outcomes, name, target):
    interpreter = Interpreter(model_content=artefact(outcomes[name], target).data)
    interpreter.allocate_tensors()
    kinds = [operation["op_name"] for operation in interpreter._get_ops_details()]
    assert kinds.count("DELEGATE") == 1


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
        given, answer = contract.input, contract.output
        dtype, *expected = {
            Target.INT8: ("int8", 1.0, -128, 1 / 256),
            Target.INT16X8: ("int16", 255 / 32767, 0, 1 / 32768),
        }.get(produced.target, ("float32", 1.0, 0, 1.0))
        assert given.dtype == answer.dtype == dtype
        assert [given.scale, given.zero_point, answer.scale] == pytest.approx(expected)
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


def test_int8_that_our_own_ranges_break_has_the_converters(outcomes):
    conversion = outcomes["upsampling"]
    ranges = conversion.to_json()["int8_ranges"]
    assert ranges["percentile"] == 100
    assert ranges["because"].startswith("operator QUANTIZE that writes ")
    assert "(from layer 'larger' (UpSampling2D)) leaves int8" in ranges["because"]
    assert "int8 has the ranges of TensorFlow's converter, not ours: operator QUANTIZE" in (
        format_report(conversion)
    )
    assert {tensor.dtype for tensor in main_graph(conversion).tensors} <= {"INT8", "INT32"}
    assert run_selftest(artefact(conversion, Target.INT8).model).passed


def test_a_network_that_was_read_wrongly_is_refused(converted):
    """The answers that the network itself is said to give are those to other pictures."""
    model = artefact(converted, Target.FLOAT32).model
    pictures = converted.held_out.pictures[:32]
    answers = np.stack([LitertClassifier(model).raw_output(picture) for picture in pictures])
    check_reading(model, Probes(pictures, answers), where="a.h5")
    with pytest.raises(
        ModelError, match=r"a\.h5: converted to float32 it answers otherw"
    ) as caught:
        check_reading(model, Probes(pictures, answers[::-1].copy()), where="a.h5")
    assert caught.value.exit_code == EXIT_CONFIG
    answers[3] = np.nan
    with pytest.raises(ModelError, match="answers otherwise"):
        check_reading(model, Probes(pictures, answers), where="a.h5")


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
