"""What `fer-edge model install` says of a model by the figures in its own contract."""

import dataclasses
from typing import Any

import pytest
from tiny_model import tiny_model

from fer_edge.models.changing import install
from fer_edge.models.slots import ModelSlots
from fer_edge.models.worth import find_remarks
from fer_edge.shared.model.model_file import (
    GOLDEN_INPUTS_NAME,
    GOLDEN_OUTPUTS_NAME,
    ModelFile,
    parse_model,
    write_model,
)

GOLDEN = (GOLDEN_INPUTS_NAME, GOLDEN_OUTPUTS_NAME)
POOR = "FLOAT32 IS NO BETTER THAN CHANCE: 14.00% of 1,000 pictures right, and 14.29% are by chance"


def a_model(
    accuracy: float, *, seed: int = 1, pictures: str = "same", **recorded: Any
) -> ModelFile:
    model = parse_model(tiny_model(seed=seed), where="")
    conversion = {
        "target": "int8",
        "held_out": {"n": 1000, "sha256": pictures},
        "metrics": {"int8": {"n": 1000, "accuracy": accuracy, **recorded.pop("metrics", {})}},
        **recorded,
    }
    contract = dataclasses.replace(model.contract, provenance={"conversion": conversion})
    return dataclasses.replace(model, contract=contract)


def test_what_the_converter_remarked_is_repeated() -> None:
    assert find_remarks(a_model(0.14, remarks=[POOR]), None) == (POOR,)
    assert find_remarks(a_model(0.7, remarks=[]), None) == ()


def test_a_file_without_remarks_tells_one_answer_by_its_recalls() -> None:
    recalls = {"happy": 1.0, "sad": 0.0, "fear": 0.0}
    (remark,) = find_remarks(a_model(0.3, metrics={"recall": recalls}), None)
    assert remark == "THE NETWORK GIVES EVERY PICTURE THE SAME LABEL: happy"
    assert find_remarks(a_model(0.3, metrics={"recall": {**recalls, "sad": 0.1}}), None) == ()


def test_worse_than_what_serves_on_the_same_pictures() -> None:
    (remark,) = find_remarks(a_model(0.6), a_model(0.7))
    assert remark.startswith("WORSE THAN WHAT SERVES: 60.00% of 1,000 pictures right, and tiny has")
    assert find_remarks(a_model(0.69), a_model(0.7)) == (), "within what the pictures leave open"
    assert find_remarks(a_model(0.6), a_model(0.7, pictures="others")) == ()


@pytest.mark.parametrize("conversion", [None, [], {"held_out": 5, "metrics": 7, "remarks": 3}])
def test_whatever_stands_in_a_contract_is_no_remark(conversion: object) -> None:
    model = a_model(0.7)
    contract = dataclasses.replace(model.contract, provenance={"conversion": conversion})
    assert find_remarks(dataclasses.replace(model, contract=contract), model) == ()


def test_installing_tells_it(tmp_path) -> None:
    good, bad = a_model(0.7, seed=1), a_model(0.14, seed=2, remarks=[POOR])
    slots, told = ModelSlots(tmp_path), []
    for model in (good, bad, bad):
        path = tmp_path / "given.tflite"
        golden = {name: data for name, data in model.members.items() if name in GOLDEN}
        path.write_bytes(write_model(model.flatbuffer, model.contract, golden))
        told.append(install(path, slots).remarks)
    assert told[0] == ()
    assert [line[:12] for line in told[1]] == ["FLOAT32 IS N", "WORSE THAN W"]
    assert told[2] == (POOR,), "it serves already: there is nothing to compare with"
