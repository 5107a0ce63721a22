"""A model file: a flatbuffer with a contract that says what its tensors say."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fer_convert.file.flatbuffer import Graph, Tensor
from fer_convert.file.golden import golden_members
from fer_convert.file.metadata import add_metadata
from fer_convert.targets import Target
from fer_edge.shared.model.contract import DType, ModelContract
from fer_edge.shared.model.model_file import ModelFile, parse_model, sha256_hex, write_model


@dataclass(frozen=True, slots=True)
class Artefact:
    """A finished model file, not yet on disk.

    Attributes:
        target: What it is.
        data: Its bytes.
        model: The same, read back as a device reads it.
    """

    target: Target
    data: bytes = field(repr=False)
    model: ModelFile

    @property
    def file_name(self) -> str:
        """Name under which it is written."""
        return self.target.file_name


def draft_model(
    flatbuffer: bytes, graph: Graph, contract: ModelContract, target: Target
) -> ModelFile:
    """Return a model that can be run and measured, before its contract is complete.

    Args:
        flatbuffer: As converted; gets its metadata entry here.
        graph: Its main graph; quantisation is taken from its tensors.
        contract: Of the network.
        target: What it is.
    """
    flatbuffer = add_metadata(flatbuffer, contract)
    given, answer = graph.inputs[0], graph.outputs[0]
    drafted = dataclasses.replace(
        contract,
        input=dataclasses.replace(contract.input, **_quantisation(given)),
        output=dataclasses.replace(contract.output, **_quantisation(answer)),
        flatbuffer_sha256=sha256_hex(flatbuffer),
    )
    return ModelFile(target.file_name, flatbuffer, drafted, {})


def finish(
    draft: ModelFile, graph: Graph, target: Target, gate: str | None, provenance: Mapping[str, Any]
) -> Artefact:
    """Complete a model file: provenance into its contract, golden vectors behind it.

    Args:
        draft: As `draft_model` returned it.
        graph: Its main graph.
        target: What it is.
        gate: The verdict in a word; None where it was not judged.
        provenance: What else `provenance.conversion` is to say.
    """
    conversion = {
        "target": target.value,
        "operators": graph.operator_counts(),
        **({} if gate is None else {"gate": gate}),
        **provenance,
    }
    contract = dataclasses.replace(
        draft.contract, provenance={**draft.contract.provenance, "conversion": conversion}
    )
    data = write_model(draft.flatbuffer, contract, golden_members(draft))
    return Artefact(target, data, parse_model(data, where=target.file_name))


def _quantisation(tensor: Tensor) -> dict[str, Any]:
    dtypes: dict[str, DType] = {
        "FLOAT32": "float32",
        "INT8": "int8",
        "INT16": "int16",
    }
    return {
        "dtype": dtypes[tensor.dtype],
        "scale": tensor.scales[0] if tensor.scales else 1.0,
        "zero_point": tensor.zero_points[0] if tensor.zero_points else 0,
    }
