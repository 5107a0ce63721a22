"""The model file: what is written is read, and nothing else is."""

import dataclasses
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from builders import SEVEN, a_contract
from tiny_model import tiny_flatbuffer, tiny_model

import fer_edge.models
from fer_edge import DEFAULT_MODEL
from fer_edge.models import open_model, shipped_models
from fer_edge.shared.errors import EXIT_CONFIG, ModelError
from fer_edge.shared.labels import label_set
from fer_edge.shared.model.contract import InputSpec, ModelContract, OutputSpec, check_tensors
from fer_edge.shared.model.model_file import (
    CONTRACT_NAME,
    FLATBUFFER_MAGIC,
    LABELS_NAME,
    parse_model,
    read_model,
    sha256_hex,
    write_model,
)

WHERE = "m.tflite"
FLATBUFFER = tiny_flatbuffer(a_contract())
GOLDEN = {"golden/inputs.npy": b"in", "golden/outputs.npy": b"out"}
SAMPLES = 150


@pytest.fixture(scope="module")
def data() -> bytes:
    return tiny_model()


def with_digest(body: bytes) -> bytes:
    return body + sha256_hex(body).encode()


def forged(contract: str | bytes, *, labels: str | None = None, more=()) -> bytes:
    """Return a model file with a right digest around whatever contract."""
    text = "".join(f"{label}\n" for label in SEVEN) if labels is None else labels
    contract = contract.encode() if isinstance(contract, str) else contract
    buffer = io.BytesIO(FLATBUFFER)
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, data in ((CONTRACT_NAME, contract), (LABELS_NAME, text), *more):
            archive.writestr(name, data)
        archive.comment = b"0" * 64
    return with_digest(buffer.getvalue()[:-64])


def changed(**changes) -> str:
    """Return contract JSON that fits the flatbuffer but for the changes; None drops a field."""
    raw = json.loads(a_contract(flatbuffer_sha256=sha256_hex(FLATBUFFER)).to_json())
    for name, value in changes.items():
        *path, last = name.split("__")
        target = raw
        for key in path:
            target = target[key]
        if value is None:
            del target[last]
        else:
            target[last] = value
    return json.dumps(raw)


def test_what_is_written_is_read():
    contract = a_contract(
        provenance={"recipe": "r", "metrics": {"accuracy": 0.5}},
        input=InputSpec(crop_margin=0.1, equalise=True, dtype="int8", zero_point=-128),
        output=OutputSpec(dtype="int8", scale=1 / 256, zero_point=-128, temperature=1.5),
        licence="MIT", intended_use="tests", limits="all",
    )  # fmt: skip
    model = parse_model(write_model(FLATBUFFER, contract, GOLDEN), where=WHERE)
    assert model.flatbuffer == FLATBUFFER
    sha256 = sha256_hex(FLATBUFFER)
    assert model.contract == dataclasses.replace(contract, flatbuffer_sha256=sha256)
    assert {name: model.members[name] for name in GOLDEN} == GOLDEN
    assert model.members[LABELS_NAME].decode().split() == list(SEVEN)


def test_the_same_arguments_give_the_same_bytes():
    assert write_model(FLATBUFFER, a_contract(), GOLDEN) == write_model(
        FLATBUFFER, a_contract(), GOLDEN
    )


def test_an_interpreter_sees_the_flatbuffer_first(data):
    assert data[4:8] == FLATBUFFER_MAGIC
    assert data.startswith(parse_model(data, where=WHERE).flatbuffer)


def test_any_zip_program_lists_it(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) >= {CONTRACT_NAME, LABELS_NAME}
        assert archive.read(LABELS_NAME).decode().split() == list(SEVEN)


def test_any_flipped_bit_is_found(data):
    start = len(parse_model(data, where=WHERE).flatbuffer)
    rng = np.random.default_rng(0)
    contract = data.index(b'"contract_version"')
    positions = {
        *rng.integers(0, start, SAMPLES),
        *rng.integers(start, len(data), SAMPLES),
        *range(8),  # the magic
        *range(contract - 60, contract + 60),
        *range(len(data) - 90, len(data)),  # the ZIP's end and the digest
    }
    for position in positions:
        flipped = bytearray(data)
        flipped[position] ^= 1 << rng.integers(8)
        with pytest.raises(ModelError):
            parse_model(bytes(flipped), where=WHERE)


def test_any_truncation_is_found(data):
    rng = np.random.default_rng(0)
    lengths = [*rng.integers(0, len(data), SAMPLES), *range(20), *range(len(data) - 90, len(data))]
    for length in lengths:
        with pytest.raises(ModelError):
            parse_model(data[:length], where=WHERE)


def test_anything_appended_is_found(data):
    with pytest.raises(ModelError, match="damaged"):
        parse_model(data + b"\n", where=WHERE)


def test_a_damaged_zip_with_a_right_digest_raises_nothing_else(data):
    start = len(parse_model(data, where=WHERE).flatbuffer)
    rng = np.random.default_rng(0)
    for position in [
        *rng.integers(start, len(data) - 64, 2 * SAMPLES),
        *range(len(data) - 400, len(data) - 64),
    ]:
        flipped = bytearray(data[:-64])
        flipped[position] ^= 1 << rng.integers(8)
        try:
            model = parse_model(with_digest(bytes(flipped)), where=WHERE)
        except ModelError:
            continue
        # What no reader heeds, such as a time stamp, may change; what the model is may not.
        assert model.contract.labels == SEVEN
        assert sha256_hex(model.flatbuffer) == model.contract.flatbuffer_sha256


def test_the_contract_is_bound_to_its_flatbuffer():
    other = forged(changed(flatbuffer_sha256="0" * 64))
    with pytest.raises(ModelError, match="the contract belongs to another model"):
        parse_model(other, where=WHERE)


@pytest.mark.parametrize("labels", ["", "angry\n", "\n".join(reversed(SEVEN))])
def test_labels_txt_must_agree(labels):
    assert parse_model(forged(changed()), where=WHERE).contract.labels == SEVEN
    with pytest.raises(ModelError, match=r"labels\.txt says"):
        parse_model(forged(changed(), labels=labels), where=WHERE)


@pytest.mark.parametrize(
    ("contract", "found"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('{"temperature": NaN}', "NaN is no number"),
        ('{"provenance": {"accuracy": 1e999}}', "1e999 is no number"),
        ("[]", "the contract is a list"),
        ('{"contract_version": 1, "contract_version": 1}', "occurs twice"),
        ("{}", "contract version None"),
        (changed(contract_version=2), "contract version 2"),
        (changed(contract_version=None), "contract version None"),
        (changed(contract_version="1"), "contract version '1'"),
        (changed(contract_version=True), "'contract_version' is true"),
        (changed(labels=None), r"missing \['labels'\]"),
        (changed(input__scale=None), r"missing \['scale'\]"),
        (changed(colour="grey"), r"unknown \['colour'\]"),
        (changed(output__bias=1), r"unknown \['bias'\]"),
        (changed(labels="angry"), "'labels' is 'angry'"),
        (changed(labels=[1, 2]), "'labels' is"),
        (changed(input=[]), "'input' is"),
        (changed(input__height=48.0), "'height' is 48.0"),
        (changed(input__height=True), "'height' is true"),
        (changed(input__equalise=1), "'equalise' is 1"),
        (changed(input__scale="1"), "'scale' is '1'"),
        (changed(input__scale=10**400), "'scale' is 1000"),
        (changed(input__dtype="int4"), "'dtype' is 'int4'"),
        (changed(input__colour="rgb"), "1 channels of input, and its colour is rgb"),
        (changed(input__resize_filter=["area"]), "'resize_filter' is"),
        (changed(provenance=[]), "'provenance' is"),
        (changed(labels=["angry", "a/b"]), "label 'a/b' has '/'"),
        (changed(labels=["angry", "angry"]), "'angry' occurs twice"),
        (changed(labels=["angry", "Uncertain"]), "said where there is no label"),
        (changed(labels=["happy"]), "1 label;"),
        (changed(labels=[]), "0 labels"),
        (changed(merged={"glad": ["happy"]}), "merged or dropped that are none"),
        (changed(dropped=["two\nlines"]), "merged or dropped that are none"),
        (changed(task="binary"), "task 'binary' with 7 labels"),
        (changed(output__kind="sigmoid"), "a sigmoid output"),
        (changed(input__channels=3), "3 channels of input, and its colour is grey"),
        (changed(input__width=0), r"input shape \(48, 0, 1\)"),
        (changed(input__crop_margin=-0.1), "crop margin -0.1"),
        (changed(input__crop_margin=float("nan")), "NaN is no number"),
        (changed(output__temperature=0), "temperature 0"),
        (changed(output__temperature=float("inf")), "Infinity is no number"),
        (changed(threshold=1.5), "threshold 1.5"),
        (changed(least_probability=-0.1), "least probability -0.1"),
        (changed(balance=1.5), "balance 1.5"),
        (changed(class_shares={"happy": 1.0}), "shares of classes"),
        (changed(class_shares=dict.fromkeys(SEVEN, 0.2)), "shares of classes"),
    ],
)  # fmt: skip
def test_a_contract_that_makes_no_sense(contract, found):
    with pytest.raises(ModelError, match=found) as caught:
        parse_model(forged(contract), where=WHERE)
    assert caught.value.exit_code == EXIT_CONFIG
    assert str(caught.value).startswith(WHERE)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_in_the_zip():
    with pytest.raises(ModelError, match="holds a name twice"):
        parse_model(forged(changed(), more=[(LABELS_NAME, "x")]), where=WHERE)


def test_a_zip_that_unpacks_to_more_than_the_file():
    bomb = zipfile.ZipInfo("golden/bomb")
    bomb.compress_type = zipfile.ZIP_DEFLATED
    with pytest.raises(ModelError, match="claims more than the file holds"):
        parse_model(forged(changed(), more=[(bomb, bytes(10**6))]), where=WHERE)


def test_a_zip_without_contract():
    buffer = io.BytesIO(FLATBUFFER)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("notes.txt", CONTRACT_NAME)
        archive.comment = b"0" * 64
    with pytest.raises(ModelError, match=r"holds \['notes.txt'\]"):
        parse_model(with_digest(buffer.getvalue()[:-64]), where=WHERE)


INPUT = {"shape": np.array([1, 48, 48, 1]), "dtype": np.int8, "quantization": (1.0, -128)}
OUTPUT = {"shape": np.array([1, 7]), "dtype": np.int8, "quantization": (1 / 256, -128)}


def test_tensors_as_promised():
    check_tensors(a_contract(), [INPUT], [OUTPUT], where=WHERE)


@pytest.mark.parametrize(
    ("inputs", "outputs", "found"),
    [
        ([], [OUTPUT], "tensors are int8[1, 7]"),
        ([INPUT, INPUT], [OUTPUT], "int8[1, 48, 48, 1] scale 1 zero point -128 -> int8[1, 48"),
        ([INPUT], [OUTPUT, OUTPUT], "-> int8[1, 7] scale 0.00390625 zero point -128 -> int8[1, 7]"),
        ([INPUT | {"shape": np.array([1, 64, 64, 1])}], [OUTPUT], "int8[1, 64, 64, 1]"),
        ([INPUT | {"shape": np.array([1, 48, 48, 3])}], [OUTPUT], "int8[1, 48, 48, 3]"),
        ([INPUT | {"dtype": np.uint8}], [OUTPUT], "uint8[1, 48, 48, 1]"),
        ([INPUT | {"quantization": (1 / 255, -128)}], [OUTPUT], "scale 0.00392157"),
        ([INPUT | {"quantization": (1.0, 0)}], [OUTPUT], "zero point 0"),
        ([INPUT], [OUTPUT | {"shape": np.array([1, 8])}], "int8[1, 8]"),
        ([INPUT], [OUTPUT | {"dtype": np.float32}], "float32[1, 7]"),
    ],
)
def test_tensors_against_the_promise(inputs, outputs, found):
    with pytest.raises(ModelError) as caught:
        check_tensors(a_contract(), inputs, outputs, where=WHERE)
    assert found in caught.value.found
    assert caught.value.expected == (
        "int8[1, 48, 48, 1] scale 1 zero point -128 -> int8[1, 7] scale 0.00390625 "
        "zero point -128, as its contract says"
    )


def test_too_large_to_be_a_model(tmp_path):
    path = tmp_path / "large.tflite"
    with path.open("wb") as file:
        file.truncate(2**27)  # sparse
    with pytest.raises(ModelError, match="larger than any model"):
        read_model(path)


def test_a_device_is_no_model(tmp_path):
    (tmp_path / "zero.tflite").symlink_to("/dev/zero")
    with pytest.raises(ModelError, match="larger than any model"):
        read_model(tmp_path / "zero.tflite")


def test_models_open_by_name_and_by_path(tmp_path, data):
    (tmp_path / "any.tflite").write_bytes(data)
    assert DEFAULT_MODEL in shipped_models()
    assert open_model("edge-small").contract.labels == SEVEN
    assert open_model("edge-small-ferplus").contract.labels == label_set("ferplus").labels
    assert open_model(str(tmp_path / "any.tflite")).path == str(tmp_path / "any.tflite")
    with pytest.raises(ModelError, match=r"a shipped model .*edge-small") as caught:
        open_model("edge-smal")
    assert caught.value.exit_code == EXIT_CONFIG


def test_json_of_a_contract_is_stable():
    text = a_contract().to_json()
    assert ModelContract.from_json(text, where=WHERE).to_json() == text
    assert text.endswith("}\n")


def test_a_contract_from_before_models_said_when_they_are_certain():
    older = json.loads(a_contract().to_json())
    for name in ("least_probability", "class_shares", "balance"):
        del older[name]
    read = ModelContract.from_json(json.dumps(older), where=WHERE)
    assert read == dataclasses.replace(a_contract(), least_probability=0.4)
    del older["threshold"]
    with pytest.raises(ModelError, match=r"missing \['threshold'\]"):
        ModelContract.from_json(json.dumps(older), where=WHERE)


@pytest.mark.parametrize("name", shipped_models())
def test_every_shipped_model_has_its_name_and_its_card(name):
    model = open_model(name)
    contract = model.contract
    assert contract.name == name
    card = (Path(fer_edge.models.__file__).parent / f"{name}.md").read_text("utf-8")
    assert model.sha256 in card
    assert all(f"| {label} | " in card for label in contract.labels)
