"""What the two processes tell each other: files in one folder. Needs no TensorFlow."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from fer_convert.targets import Target
from fer_edge.shared import errors
from fer_edge.shared.errors import FerError, ModelError
from fer_edge.shared.model.contract import ModelContract

_JOB: Final = "job.json"
_PICTURES: Final = "pictures.npy"
_ARRAYS: Final = "arrays"
_NETWORK: Final = "network.json"
_MOVES: Final = "moves.json"
_RANGES: Final = "ranges.json"
_PROBES: Final = "probes.npz"
_ERROR: Final = "error.json"
ONNX_NAME: Final = "network.onnx"


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What is to be done.

    Attributes:
        model: The Keras file: `.keras`, or HDF5 with the network or only its weights.
        contract: What the network promises.
        targets: To translate it to.
        pictures: To calibrate on; uint8, as `Pictures` says.
        architecture: The network's JSON, where `model` holds only weights.
        pixels: What the network takes, where it does not rescale raw pixels itself.
        is_foreign: Whether it is to be looked up whether it does.
        kind: Name of the module in this package that does the job.
        options: Whatever else that module takes; JSON.
        arrays: Whatever arrays it takes, by name.
    """

    model: Path
    contract: ModelContract
    targets: tuple[Target, ...]
    pictures: NDArray[np.uint8]
    architecture: Path | None = None
    pixels: str | None = None
    is_foreign: bool = False
    kind: str = "translate"
    options: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write the job into an empty folder."""
        np.save(folder / _PICTURES, self.pictures, allow_pickle=False)
        (folder / _ARRAYS).mkdir()
        for name, array in self.arrays.items():
            np.save(folder / _ARRAYS / f"{name}.npy", array, allow_pickle=False)
        job = {
            "model": str(self.model),
            "contract": self.contract.to_json(),
            "targets": [target.value for target in self.targets],
            "architecture": None if self.architecture is None else str(self.architecture),
            "pixels": self.pixels,
            "is_foreign": self.is_foreign,
            "kind": self.kind,
            "options": dict(self.options),
        }
        (folder / _JOB).write_text(json.dumps(job), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what `write` wrote."""
        job = json.loads((folder / _JOB).read_text(encoding="utf-8"))
        return cls(
            model=Path(job["model"]),
            contract=ModelContract.from_json(job["contract"], where=_JOB),
            targets=tuple(map(Target, job["targets"])),
            pictures=np.load(folder / _PICTURES, allow_pickle=False),
            architecture=None if job["architecture"] is None else Path(job["architecture"]),
            pixels=job["pixels"],
            is_foreign=job["is_foreign"],
            kind=job["kind"],
            options=job["options"],
            arrays={
                path.stem: np.load(path, allow_pickle=False)
                for path in (folder / _ARRAYS).glob("*.npy")
            },
        )


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """One layer of a Keras network: its name and class."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class NetworkSummary:
    """What the other process has to know of a loaded network.

    Attributes:
        layers: In their order, those of nested networks included.
        versions: Of the packages that translate it.
    """

    layers: tuple[LayerSummary, ...]
    versions: dict[str, str]

    @property
    def kinds(self) -> dict[str, str]:
        """Class by name of the layers."""
        return {layer.name: layer.kind for layer in self.layers}

    def write(self, folder: Path) -> None:
        """Write the summary into the job's folder."""
        (folder / _NETWORK).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Read what `write` wrote; None where the network has not been loaded."""
        path = folder / _NETWORK
        if not path.exists():
            return None
        raw = json.loads(path.read_text(encoding="utf-8"))
        return cls(tuple(LayerSummary(**layer) for layer in raw["layers"]), raw["versions"])


def write_moves(moves: Sequence[str], folder: Path) -> None:
    """Write where batch norms went into the job's folder."""
    (folder / _MOVES).write_text(json.dumps(list(moves)), encoding="utf-8")


def read_moves(folder: Path) -> tuple[str, ...]:
    """Read what `write_moves` wrote."""
    return tuple(json.loads((folder / _MOVES).read_text(encoding="utf-8")))


def write_ranges(ranges: Mapping[str, Any], folder: Path) -> None:
    """Write how int8's ranges were found into the job's folder."""
    (folder / _RANGES).write_text(json.dumps(dict(ranges)), encoding="utf-8")


def read_ranges(folder: Path) -> dict[str, Any]:
    """Read what `write_ranges` wrote; nothing where int8 was not asked for."""
    path = folder / _RANGES
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


@dataclass(frozen=True, slots=True, eq=False)
class Probes:
    """What a network as its file holds it says of random pictures.

    Attributes:
        pictures: uint8, as `Pictures` says.
        answers: float32, shape (N, outputs).
    """

    pictures: NDArray[np.uint8]
    answers: NDArray[np.float32]


def write_probes_file(probes: Probes, folder: Path) -> None:
    """Write what the network says into the job's folder."""
    np.savez(folder / _PROBES, pictures=probes.pictures, answers=probes.answers)


def read_probes(folder: Path) -> Probes:
    """Read what `write_probes_file` wrote."""
    with np.load(folder / _PROBES, allow_pickle=False) as arrays:
        return Probes(arrays["pictures"], arrays["answers"])


def write_error(error: FerError, folder: Path) -> None:
    """Write an error into the job's folder."""
    fields = {
        "kind": type(error).__name__,
        "found": error.found,
        "expected": error.expected,
        "fix": error.fix,
    }
    (folder / _ERROR).write_text(json.dumps(fields), encoding="utf-8")


def read_error(folder: Path) -> FerError | None:
    """Return the error that the other process wrote, of its own class."""
    path = folder / _ERROR
    if not path.exists():
        return None
    raw = json.loads(path.read_text(encoding="utf-8"))
    kind = getattr(errors, raw.pop("kind"), ModelError)
    error: FerError = kind(raw["found"], expected=raw["expected"], fix=raw["fix"])
    return error
