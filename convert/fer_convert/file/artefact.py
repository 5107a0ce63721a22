"""A model file: a flatbuffer, a contract that says what its tensors say, and golden vectors.

Golden vectors are crops of a portrait that may be shipped, and the model's answers to them.
"""

import dataclasses
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fer_convert.file.flatbuffer import Graph, Tensor
from fer_convert.file.metadata import add_metadata
from fer_convert.targets import Target
from fer_edge.shared.data.pictures import decode_picture
from fer_edge.shared.model.contract import DType, InputSpec, ModelContract
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.model.model_file import (
    GOLDEN_INPUTS_NAME,
    GOLDEN_OUTPUTS_NAME,
    ModelFile,
    parse_model,
    sha256_hex,
    write_model,
)
from fer_edge.shared.model.preprocess import cut_face
from fer_edge.shared.records import Box, Face, Image

PORTRAIT_NAME: Final = "assets/portrait.jpg"
FACE: Final = Box(176, 66, 97, 97)
"""Where the face is in the portrait, as OpenCV's default frontal cascade finds it."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a crop lies: moved by fractions of the face's side, and scaled about its centre."""

    right: float
    down: float
    scale: float


@dataclass(frozen=True, slots=True)
class Light:
    """How bright a crop is: values times `gain`, plus `offset`."""

    gain: float
    offset: float


PLACEMENTS: Final = (
    Placement(0.0, 0.0, 1.0),
    Placement(0.12, -0.06, 0.85),
    Placement(-0.1, 0.08, 1.2),
    Placement(0.04, 0.15, 1.45),
)
LIGHTS: Final = (Light(1.0, 0.0), Light(0.55, 20.0))


def golden_inputs(spec: InputSpec) -> NDArray[np.uint8]:
    """Cut the golden inputs for a network.

    Every placement comes upright and mirrored, as it is and in poor light.

    Returns:
        uint8, shape (16, *spec.picture_shape).
    """
    data = (files("fer_edge") / PORTRAIT_NAME).read_bytes()
    portrait = decode_picture(data, where=PORTRAIT_NAME, colour=spec.is_colour)
    return np.stack(
        [
            _relight(_cut(portrait, placement, spec, mirrored=mirrored), light)
            for placement, mirrored, light in product(PLACEMENTS, (False, True), LIGHTS)
        ]
    )


def golden_members(model: ModelFile) -> dict[str, bytes]:
    """Return a model's golden vectors as `write_model` takes them: `.npy` bytes by name."""
    classifier = LitertClassifier(model)
    inputs = golden_inputs(model.contract.input)
    outputs = np.stack([classifier.raw_output(pixels) for pixels in inputs])
    return {GOLDEN_INPUTS_NAME: _npy(inputs), GOLDEN_OUTPUTS_NAME: _npy(outputs)}


def _cut(portrait: Image, place: Placement, spec: InputSpec, *, mirrored: bool) -> Image:
    side = round(FACE.width * place.scale)
    box = Box(
        FACE.x + round(FACE.width * place.right) + (FACE.width - side) // 2,
        FACE.y + round(FACE.height * place.down) + (FACE.height - side) // 2,
        side,
        side,
    )
    crop = cut_face(portrait, Face(box, 1.0), spec)
    return crop[:, ::-1] if mirrored else crop


def _relight(crop: Image, light: Light) -> Image:
    relit: Image = np.clip(np.rint(crop * light.gain + light.offset), 0, 255).astype(np.uint8)
    return relit


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


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
