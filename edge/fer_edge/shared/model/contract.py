"""What a model promises about itself: labels, input, output, origin."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from fer_edge.shared.errors import LabelError, ModelError
from fer_edge.shared.labels import Vocabulary, as_label, check_labels
from fer_edge.shared.model.words import as_lines, complaints
from fer_edge.shared.strict_json import parse_json
from fer_edge.shared.typed_tables import TableError, from_table

CONTRACT_VERSION: Final = 1
LEAST_PROBABILITY: Final = 0.4
"""From which a label is given where a contract, made before it could, does not say."""
BALANCE: Final = 0.2
"""Of the answers where a contract does not say; docs/log/people.md tells how it was chosen."""
_ADDED: Final = frozenset({"least_probability", "class_shares", "balance", "merged", "dropped"})
"""Fields that contracts made earlier lack."""
_WHERE_SAID: Final = ("merged", "dropped")
"""Fields that are written only where they say something: earlier versions do not know them."""
MOST_NAMES: Final = 256
LONGEST_NAME: Final = 80
RECONVERT: Final = "convert the training run again with `fer-convert RUN --int8 --out DIR`"
_LARGEST_SIDE: Final = 1024
"""Of the input, in pixels; faces are far smaller."""
_HOTTEST: Final = 100.0
"""Of temperatures; 1 over it is the coldest."""
Filter = Literal["area", "linear"]
Task = Literal["multiclass", "binary"]
Colour = Literal["grey", "rgb"]
DType = Literal["int8", "uint8", "int16", "float32"]


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What the model wants to be fed.

    Attributes:
        height: Rows of the input tensor.
        width: Columns of the input tensor.
        channels: 1 of grey, 3 of colour.
        colour: "grey", or "rgb": red, green, blue.
        dtype: Of the input tensor.
        scale: Pixel value (0-255) per quantisation step; 1.0 where raw pixels are fed.
        zero_point: Quantised value that stands for pixel 0.
        crop_margin: Fraction of a face box's side added at each edge before cutting.
        resize_filter: "area" for shrinking (linear when growing), or "linear".
        equalise: Whether the crop's histogram is equalised; of grey only.
    """

    height: int = 48
    width: int = 48
    channels: int = 1
    colour: Colour = "grey"
    dtype: DType = "float32"
    scale: float = 1.0
    zero_point: int = 0
    crop_margin: float = 0.0
    resize_filter: Filter = "area"
    equalise: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels

    @property
    def picture_shape(self) -> tuple[int, ...]:
        """Of a picture as it is handed around: (height, width), with 3 behind of colour."""
        return self.shape if self.is_colour else (self.height, self.width)

    @property
    def is_colour(self) -> bool:
        """Whether the network looks at colours."""
        return self.colour == "rgb"


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """What the model answers.

    Attributes:
        kind: "softmax" (one probability a label) or "sigmoid" (probability of the second label).
        dtype: Of the output tensor.
        scale: Probability per quantisation step.
        zero_point: Quantised value that stands for probability 0.
        temperature: Probabilities are raised to 1/temperature and normalised.
    """

    kind: Literal["softmax", "sigmoid"] = "softmax"
    dtype: DType = "float32"
    scale: float = 1.0
    zero_point: int = 0
    temperature: float = 1.0


@dataclass(frozen=True, slots=True)
class ModelContract:
    """All that a program must know to use a model rightly.

    Attributes:
        name: Short name, for people: at most 64 letters, digits and " ._+-".
        labels: In the order of the output tensor: expressions, or any other words.
        input: See `InputSpec`.
        output: See `OutputSpec`.
        task: "multiclass", or "binary" with its threshold.
        threshold: P(second label) from which a binary model says the second label.
        least_probability: Below it no label should be given: the face, if it is one, is uncertain.
        class_shares: Of each label in training; empty where it is not said.
        balance: How far answers should be freed of these shares: 0 not at all, 1 wholly.
        merged: Names in data sets that count as one label, by label.
        dropped: Names in data sets whose pictures do not count.
        provenance: Recipe, data set and its hash, split, metrics, versions, git revision.
        licence: SPDX identifier of the weights.
        intended_use: One sentence.
        limits: What it must not be used for and where it fails.
        flatbuffer_sha256: Of the flatbuffer part: the network. "" before conversion.
        contract_version: Of this format.
    """

    name: str
    labels: tuple[str, ...]
    input: InputSpec = field(default_factory=InputSpec)
    output: OutputSpec = field(default_factory=OutputSpec)
    task: Task = "multiclass"
    threshold: float = 0.5
    least_probability: float = LEAST_PROBABILITY
    class_shares: Mapping[str, float] = field(default_factory=dict)
    balance: float = BALANCE
    merged: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    licence: str = "Apache-2.0"
    intended_use: str = ""
    limits: str = ""
    flatbuffer_sha256: str = ""
    contract_version: int = CONTRACT_VERSION

    @property
    def output_size(self) -> int:
        """Numbers in the output tensor for one picture."""
        return 1 if self.output.kind == "sigmoid" else len(self.labels)

    @property
    def vocabulary(self) -> Vocabulary:
        """Which label a name in a data set means."""
        return Vocabulary(self.labels, merged=self.merged, dropped=self.dropped)

    def to_json(self) -> str:
        """Return the contract as it stands in `contract.json`: sorted, indented, one newline.

        Texts of the provenance are brought on one line: it quotes names of files and data sets.
        """
        fields = self.to_table()
        fields["provenance"] = as_lines(fields["provenance"])
        return json.dumps(fields, indent=2, sort_keys=True, allow_nan=False) + "\n"

    def to_table(self) -> dict[str, Any]:
        """Return what `contract.json` holds: all fields, newer ones where they say something."""
        fields = dataclasses.asdict(self)
        return {name: value for name, value in fields.items() if value or name not in _WHERE_SAID}

    @staticmethod
    def from_json(text: str, *, where: str) -> "ModelContract":
        """Read `contract.json`.

        Args:
            text: The JSON.
            where: The file it comes from, for messages.

        Raises:
            ModelError: Not JSON, of another version, or a field is missing, unknown or wrong.
        """
        try:
            raw = parse_json(text, make_object=_without_duplicates)
        except ValueError as error:
            raise broken(f"{where}: the contract is not JSON ({error})") from error
        if not isinstance(raw, dict):
            raise broken(f"{where}: the contract is a {type(raw).__name__}")
        version = raw.get("contract_version")
        if version != CONTRACT_VERSION:
            raise ModelError(
                f"{where}: contract version {version!r}",
                expected=f"version {CONTRACT_VERSION}",
                fix="install the fer-edge that fits the model, or " + RECONVERT,
            )
        try:
            contract = from_table(ModelContract, raw, optional=_ADDED)
        except TableError as error:
            raise broken(f"{where}: contract {error}") from error
        _check(contract, where=where)
        return contract


def check_tensors(
    contract: ModelContract,
    inputs: Sequence[Mapping[str, Any]],
    outputs: Sequence[Mapping[str, Any]],
    *,
    where: str,
) -> None:
    """Compare a contract with what an interpreter says of the tensors.

    Args:
        contract: The promise.
        inputs: `get_input_details()` of a TFLite interpreter.
        outputs: `get_output_details()` of a TFLite interpreter.
        where: The file, for messages.

    Raises:
        ModelError: They differ.
    """
    found = [_describe_tensor(tensor) for tensor in (*inputs, *outputs)]
    given, answer = contract.input, contract.output
    expected = [
        ((1, *given.shape), given.dtype, given.scale, given.zero_point),
        ((1, contract.output_size), answer.dtype, answer.scale, answer.zero_point),
    ]
    if len(inputs) == len(outputs) == 1 and all(
        _same_tensor(f, e) for f, e in zip(found, expected, strict=True)
    ):
        return
    raise ModelError(
        f"{where}: the model's tensors are {_format_tensors(found)}",
        expected=f"{_format_tensors(expected)}, as its contract says",
        fix=RECONVERT,
    )


_Tensor = tuple[tuple[int, ...], str, float, int]


def _describe_tensor(details: Mapping[str, Any]) -> _Tensor:
    dtype = str(details["dtype"].__name__)
    scale, zero_point = details["quantization"]
    if dtype == "float32":
        scale, zero_point = 1.0, 0
    return tuple(int(n) for n in details["shape"]), dtype, float(scale), int(zero_point)


def _same_tensor(found: _Tensor, expected: _Tensor) -> bool:
    return (
        found[:2] == expected[:2]
        and abs(found[2] - expected[2]) <= 1e-6 * abs(expected[2])
        and found[3] == expected[3]
    )


def _format_tensors(tensors: Sequence[_Tensor]) -> str:
    return " -> ".join(
        f"{dtype}{list(shape)} scale {scale:g} zero point {zero}"
        for shape, dtype, scale, zero in tensors
    )


def broken(found: str) -> ModelError:
    """Return the error for a contract that is no contract."""
    return ModelError(found, expected="a contract as fer-convert writes it", fix=RECONVERT)


def _check(contract: ModelContract, *, where: str) -> None:
    labels = contract.labels
    _check_names(contract, where=where)
    binary = contract.task == "binary"
    sigmoid = contract.output.kind == "sigmoid"
    if binary != sigmoid or (binary and len(labels) != 2):
        raise broken(
            f"{where}: task {contract.task!r} with {len(labels)} labels and a "
            f"{contract.output.kind} output"
        )
    wrong = complaints(
        name=contract.name,
        licence=contract.licence,
        texts={"intended_use": contract.intended_use, "limits": contract.limits},
        sha256=contract.flatbuffer_sha256,
        provenance=contract.provenance,
    )
    for what in wrong:
        raise broken(f"{where}: {what}")
    if not (min(contract.input.shape) >= 1 and max(contract.input.shape) <= _LARGEST_SIDE):
        raise broken(f"{where}: input shape {contract.input.shape}")
    if contract.input.channels != (3 if contract.input.is_colour else 1):
        given = contract.input
        raise broken(
            f"{where}: {given.channels} channels of input, and its colour is {given.colour}"
        )
    if contract.input.is_colour and contract.input.equalise:
        raise broken(f"{where}: the histogram of a colour picture is to be equalised")
    margin, temperature = contract.input.crop_margin, contract.output.temperature
    threshold, least = contract.threshold, contract.least_probability
    within = 0 <= margin <= 2 and 0 <= threshold <= 1 and 0 <= least <= 1
    if not (within and 1 / _HOTTEST <= temperature <= _HOTTEST):
        raise broken(
            f"{where}: crop margin {margin}, temperature {temperature}, threshold {threshold}, "
            f"least probability {least}"
        )
    _check_shares(contract, where=where)


def is_class_name(name: str) -> bool:
    """Say whether a contract can hold a name that a data set has for a class."""
    return 0 < len(name) <= LONGEST_NAME and name.isprintable()


def _check_names(contract: ModelContract, *, where: str) -> None:
    try:
        check_labels(contract.labels)
    except LabelError as error:
        raise broken(f"{where}: {error.found}") from error
    names = [*contract.dropped, *(name for each in contract.merged.values() for name in each)]
    strange = [label for label in contract.merged if label not in contract.labels]
    strange += [name for name in names if name != as_label(name) or not is_class_name(name)]
    if strange or len(names) > MOST_NAMES:
        raise broken(
            f"{where}: labels merged or dropped that are none: {strange[:1] or len(names)}"
        )


def _check_shares(contract: ModelContract, *, where: str) -> None:
    shares = contract.class_shares
    fit = set(shares) == set(contract.labels) and all(0 < share <= 1 for share in shares.values())
    if shares and not (fit and abs(sum(shares.values()) - 1) <= 0.01):
        raise broken(f"{where}: shares of classes {dict(shares)}")
    if not 0 <= contract.balance <= 1:
        raise broken(f"{where}: balance {contract.balance}")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object as a dictionary, refusing a name that it has twice."""
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError(f"a name occurs twice among {[name for name, _ in pairs]}")
    return values
