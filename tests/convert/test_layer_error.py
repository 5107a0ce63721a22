"""Where quantisation errs."""

import numpy as np

from fer_convert.judgement.layer_error import LayerError, measure_layers, worst_layers
from fer_convert.targets import Target


def layer_errors(conversion, target):
    reference = conversion.drafts[Target.FLOAT32], conversion.graphs[Target.FLOAT32]
    model = conversion.drafts[target], conversion.graphs[target]
    return measure_layers(reference, model, conversion.held_out, conversion.network.kinds)


def test_every_operator_of_the_toy_is_measured(converted):
    errors = converted.layer_errors[Target.INT8]
    operators = [operator.name for operator in converted.graphs[Target.INT8].operators]
    assert [error.operator for error in errors] == operators
    assert errors[0].layer.startswith("layer ")
    assert all(10 < error.sqnr_db < 80 for error in errors), errors


def test_float_against_itself_has_no_noise(converted):
    errors = layer_errors(converted, Target.FLOAT32)
    assert {(error.sqnr_db, error.added) for error in errors} == {(None, 0.0)}


def test_sixteen_bits_are_quieter_than_eight(converted):
    """A little: the weights of both have eight, and the toy's activations lose nothing."""
    eight, sixteen = (converted.layer_errors[t] for t in (Target.INT8, Target.INT16X8))
    assert np.mean([e.sqnr_db for e in sixteen]) > np.mean([e.sqnr_db for e in eight])


def test_the_worst_layers_come_worst_first():
    errors = [LayerError(str(n), "CONV_2D", 20.0, added) for n, added in enumerate((0.1, 0, 0.3))]
    assert [error.layer for error in worst_layers(errors)] == ["2", "0"]


def test_the_report_tells_of_layers(converted):
    told = converted.to_json()["targets"]
    assert "layer_errors" not in told["float32"]
    assert set(told["int8"]["layer_errors"][0]) == {"layer", "operator", "sqnr_db", "noise_added"}
