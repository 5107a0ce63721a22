"""ONNX for those who serve a network elsewhere: named tensors, and the contract in its metadata."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Final

from fer_convert.targets import ONNX
from fer_edge.shared.errors import DependencyError, ModelError
from fer_edge.shared.installing import pip_install
from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.model.model_file import sha256_hex

FILE_NAME: Final = "emotion.onnx"
INPUT: Final = "pixels"
"""Raw pixels, float32 of 0 to 255, shape (N, height, width, channels)."""

OUTPUT: Final = "probabilities"
"""Before the contract's temperature; float32, shape (N, outputs)."""

METADATA: Final = "fer.contract"
"""Key under which the contract's JSON stands among the file's metadata."""

PACKAGES: Final = ("onnx", "onnxruntime", "tf2onnx")


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """A finished ONNX file, not yet on disk.

    Attributes:
        data: Its bytes.
        contract: What its metadata says of it.
        operators: How often each occurs.
    """

    data: bytes = field(repr=False)
    contract: ModelContract
    operators: Mapping[str, int]

    @property
    def file_name(self) -> str:
        """Name under which it is written."""
        return FILE_NAME

    @property
    def sha256(self) -> str:
        """Of its bytes."""
        return sha256_hex(self.data)


def require_onnx() -> None:
    """Find out whether ONNX can be written and run, before minutes are spent on other targets.

    Raises:
        DependencyError: A package is not installed.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise DependencyError(
            f"ONNX needs {' and '.join(missing)}, which are not installed",
            expected=", ".join(PACKAGES),
            fix="run `" + pip_install("'fer-convert[onnx]'") + "`",
        )


def onnx_versions() -> dict[str, str]:
    """Return the versions of the packages that write ONNX and run it."""
    return {name: version(name) for name in PACKAGES}


def finish_onnx(
    exported: bytes, contract: ModelContract, provenance: Mapping[str, Any], *, where: str
) -> OnnxFile:
    """Complete an ONNX file: its tensors get names, the contract goes into its metadata.

    Args:
        exported: As the worker process wrote it.
        contract: Of the network.
        provenance: What `provenance.conversion` is to say.
        where: The network's file, for messages.

    Raises:
        ModelError: It needs operators that not every runtime has.
    """
    import onnx  # noqa: PLC0415 - only where ONNX was asked for

    model = onnx.load_model_from_string(exported)
    graph = model.graph
    foreign = sorted({node.op_type for node in graph.node if node.domain not in ("", "ai.onnx")})
    if foreign:
        raise ModelError(
            f"{where}: ONNX has no operator for {', '.join(foreign)}",
            expected="operators of ONNX itself, which every runtime has",
            fix="leave out --onnx, or replace the layer and train again",
        )
    _rename(graph, graph.input[0].name, INPUT)
    _rename(graph, graph.output[0].name, OUTPUT)
    for tensor in (graph.input[0], graph.output[0]):
        tensor.type.tensor_type.shape.dim[0].dim_param = "N"
    operators = dict(sorted(Counter(node.op_type for node in graph.node).items()))
    told = dataclasses.replace(
        contract,
        provenance={
            **contract.provenance,
            "conversion": {"target": ONNX, "operators": operators, **provenance},
        },
    )
    graph.name, graph.doc_string = contract.name, ""
    model.producer_name, model.producer_version, model.doc_string = "fer-convert", "", ""
    del model.metadata_props[:]
    model.metadata_props.add(key=METADATA, value=told.to_json())
    onnx.checker.check_model(model)
    return OnnxFile(model.SerializeToString(deterministic=True), told, operators)


def _rename(graph: Any, old: str, new: str) -> None:
    """Give a tensor another name, wherever it is written or read."""
    for tensor in (*graph.input, *graph.output):
        if tensor.name == old:
            tensor.name = new
    for node in graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == old:
                    names[place] = new
