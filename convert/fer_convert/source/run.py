"""What is converted: a network, its contract and its pictures, from one of three sources.

A run folder of `fer-train`; a `.keras` file with its contract; or what older programs leave, an
HDF5 file with the network or only its weights, for which the caller says what is written nowhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from fer_convert.source.description import (
    HDF5_SUFFIXES,
    Description,
    check_description,
    check_shape,
    is_hdf5,
    read_description,
)
from fer_convert.source.job import Job
from fer_convert.source.legacy import PIXELS, contract_of_labels, read_labels, rescaling_of
from fer_convert.source.partition import OTHER_PICTURES, read_data_set, split_archive
from fer_convert.source.saved_model import GRAPH_NAME, hash_of, is_saved_model, read_signature
from fer_convert.targets import Target
from fer_edge.shared.data.samples import Samples, read_samples
from fer_edge.shared.errors import DataError, ModelError
from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.model.model_file import CONTRACT_NAME, sha256_hex
from fer_edge.shared.named_files import kind_of, read_named

MODEL_NAME: Final = "model.keras"
HEADS_NAME: Final = "heads"
REPRESENTATIVE_NAME: Final = "samples/representative.npz"
HELD_OUT_NAME: Final = "samples/heldout.npz"
_MOST_CONTRACT_BYTES: Final = 2**20

_EXPECTED: Final = (
    "a run folder of fer-train, a .keras file with contract.json beside it, or an .h5 file or a "
    "SavedModel with --labels or --contract"
)


@dataclass(frozen=True, slots=True)
class Pictures:
    """What a conversion needs pictures for.

    Attributes:
        pool: To choose those from that are calibrated on; none of them is held out.
        held_out: To compare on.
        copies: Pictures left out of the pool because they are held out, too.
    """

    pool: Samples
    held_out: Samples
    copies: int


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """A network with what belongs to it.

    Attributes:
        model: The Keras file.
        contract: What the network promises; float32.
        architecture: The network's JSON, where `model` holds only weights.
        pixels: What the network takes, where it does not rescale raw pixels itself.
        is_foreign: Whether another program has made it: then it is looked up whether it rescales.
    """

    model: Path
    contract: ModelContract
    architecture: Path | None = None
    pixels: str | None = None
    is_foreign: bool = False

    @property
    def model_sha256(self) -> str:
        """Of the Keras file, and of the architecture where that is a file of its own."""
        if self.model.is_dir():
            return hash_of(self.model)
        parts = (self.model, *([self.architecture] if self.architecture else []))
        return sha256_hex(b"".join(path.read_bytes() for path in parts))

    def job(
        self,
        targets: tuple[Target, ...],
        pictures: NDArray[Any],
        *,
        kind: str = "translate",
        options: Mapping[str, Any] | None = None,
        arrays: Mapping[str, NDArray[Any]] | None = None,
    ) -> Job:
        """Return a job for the worker process."""
        return Job(
            model=self.model,
            contract=self.contract,
            targets=targets,
            pictures=pictures,
            architecture=self.architecture,
            pixels=self.pixels,
            is_foreign=self.is_foreign,
            kind=kind,
            options=options or {},
            arrays=arrays or {},
        )

    def read_pictures(self, data: Path | None, *, seed: int) -> Pictures:
        """Return the pictures to calibrate on and those to compare on.

        Both are the run's own, unless `data` is given: then calibration pictures come from it, and
        the compared ones too where the run has kept none. Data sets hold copies: those that a
        training part shares with the held-out part are left out.

        Args:
            data: Labelled face crops instead of the run's own: folders, a ZIP, or an `.npz`.
            seed: Decides which pictures of a data set without splits are held out.

        Raises:
            DataError: They are missing, damaged or do not fit the contract, or `data` without a
                training part holds pictures that are compared on.
            FerError: As `read_data_set` says.
        """
        is_training_part, keeps_own = True, (self.model.parent / HELD_OUT_NAME).exists()
        if data is None:
            pool, held_out = self._kept(REPRESENTATIVE_NAME), self._kept(HELD_OUT_NAME)
        else:
            read = split_archive if data.suffix == ".npz" else read_data_set
            pool, held_out, is_training_part = read(data, self.contract, seed=seed)
            if keeps_own:
                held_out = self._kept(HELD_OUT_NAME)
        _require_some(held_out)
        copies = pool.find_in(held_out)
        if copies and not is_training_part and keeps_own:
            raise _held_out_again(pool, copies)
        return Pictures(pool.without(copies), held_out, len(copies))

    def _kept(self, name: str) -> Samples:
        return read_samples(self.model.parent / name, self.contract, fix=OTHER_PICTURES)


def open_run(
    path: Path,
    *,
    head: str | None = None,
    architecture: Path | None = None,
    contract: Path | None = None,
    labels: Sequence[str] = (),
    pixels: str | None = None,
) -> TrainingRun:
    """Open a run folder, a `.keras` file, an `.h5` file or a SavedModel.

    Args:
        path: Of it; of a SavedModel its folder.
        head: Which one, of a run whose network has several.
        architecture: The network's JSON, where `path` holds only weights.
        contract: Instead of the `contract.json` beside the file.
        labels: In the order of the output, where there is no contract.
        pixels: What the network takes, where it does not rescale raw pixels itself.

    Raises:
        ModelError: No model or no contract there, or a contract that is not of a float network.
    """
    for needed in filter(None, (path, architecture)):
        if not needed.exists():
            raise ModelError(f"{needed} does not exist", expected=_EXPECTED, fix="check the path")
        if (what := kind_of(needed.stat().st_mode)) and not needed.is_dir():
            raise ModelError(f"{needed} is {what}", expected=_EXPECTED, fix="name a file")
    path = _of_head(path, head)
    if pixels is not None:
        rescaling_of(pixels)
    if labels and contract is not None:
        raise ModelError(
            "both --labels and --contract are given",
            expected="one of them",
            fix="leave out --labels: a contract names its own",
        )
    if is_saved_model(path) or path.name == GRAPH_NAME:
        folder = path.parent if path.name == GRAPH_NAME else path
        return _open_saved_model(
            folder, architecture=architecture, contract=contract, labels=labels, pixels=pixels
        )
    model = path / MODEL_NAME if path.is_dir() else path
    _check_kind(path, model)
    hdf5 = is_hdf5(model)
    if labels:
        names = read_labels(labels)
        described = _describe(model, architecture)
        promised = contract_of_labels(model.stem, names, described)
    else:
        promised = _read_contract(contract or model.with_name(CONTRACT_NAME))
        if hdf5 or architecture is not None:
            _describe(model, architecture)
    return TrainingRun(model, promised, architecture, pixels, is_foreign=bool(labels) or hdf5)


def _open_saved_model(
    folder: Path,
    *,
    architecture: Path | None,
    contract: Path | None,
    labels: Sequence[str],
    pixels: str | None,
) -> TrainingRun:
    if architecture is not None:
        raise ModelError(
            f"--architecture is given, and {folder} is a SavedModel",
            expected="a file of weights for --architecture",
            fix="leave it out: a SavedModel holds its own graph",
        )
    signature = read_signature(folder)
    check_shape(signature.shape, where=folder)
    if pixels is None:
        raise ModelError(
            f"{folder} is a SavedModel, whose layers cannot be looked up: it is not known whether "
            "it rescales pixels itself",
            expected="--pixels for every SavedModel",
            fix=f"give one of --pixels {', '.join(PIXELS)}: what it was trained on; 0..255 where "
            "it rescales raw pixels itself",
        )
    if labels:
        promised = contract_of_labels(folder.resolve().name, read_labels(labels), signature)
    else:
        promised = _read_contract(contract or folder / CONTRACT_NAME)
    return TrainingRun(folder, promised, None, pixels, is_foreign=True)


def _check_kind(path: Path, model: Path) -> None:
    if model.suffix == ".onnx":
        raise ModelError(
            f"{path} is ONNX, which no maintained library turns into layers of Keras",
            expected=_EXPECTED,
            fix="where onnx2tf is installed run `onnx2tf -i FILE -o FOLDER -osd`, and name FOLDER",
        )
    if path.is_dir() and not model.is_file():
        raise ModelError(
            f"{path} holds no {MODEL_NAME}",
            expected=_EXPECTED,
            fix="let `fer-train fit RECIPE DATA --out RUN` finish (--resume carries on)",
        )
    if model.suffix not in (".keras", *HDF5_SUFFIXES):
        fix = "name the run folder, or the file itself that Keras saved"
        if model.suffix == ".json":
            fix = "name the .h5 file of the weights, and give a network's JSON with --architecture"
        raise ModelError(f"{path} is no .keras and no .h5 file", expected=_EXPECTED, fix=fix)


def _describe(model: Path, architecture: Path | None) -> Description:
    """Return what is known of another program's network, which is enough to convert it."""
    described = read_description(model, architecture)
    if described is None and not is_hdf5(model):
        raise ModelError(
            f"{model} is no .keras file, or damaged", expected=_EXPECTED, fix="copy it again"
        )
    if described is None:
        raise ModelError(
            f"{model} holds weights alone, and not the network that they belong to",
            expected="the whole network, or its weights and their architecture",
            fix="give the JSON that its to_json() wrote with --architecture",
        )
    check_description(described, where=architecture or model)
    return described


def _of_head(path: Path, head: str | None) -> Path:
    """Return the folder of the head that is named; `path` where there are none and none is."""
    folder = path / HEADS_NAME
    heads = sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []
    if head is None and not heads:
        return path
    if head is None or head not in heads:
        named = "none is named" if head is None else f"none is called {head!r}"
        raise ModelError(
            f"{path} has {', '.join(f'the head {name}' for name in heads) or 'no heads'}, and "
            f"{named}",
            expected="one of its heads" if heads else "a run with several heads",
            fix=f"add --head {heads[0]}" if heads else "leave --head out",
        )
    return folder / head


def _read_contract(path: Path) -> ModelContract:
    try:
        text = read_named(path, most_bytes=_MOST_CONTRACT_BYTES).decode()
    except (OSError, ValueError) as error:
        reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else error
        reason = getattr(error, "strerror", None) or reason
        raise ModelError(
            f"{path} cannot be read ({reason})",
            expected=_EXPECTED,
            fix="copy contract.json from the run that trained the network, or say with --labels "
            "what its outputs mean, in their order",
        ) from error
    contract = ModelContract.from_json(text, where=str(path))
    if contract.input.dtype != "float32" or contract.output.dtype != "float32":
        raise ModelError(
            f"{path} describes a network of {contract.input.dtype} pictures "
            f"and {contract.output.dtype} answers",
            expected="float32, as fer-train writes it",
            fix="convert the training run, not a converted model",
        )
    return replace(contract, flatbuffer_sha256="")


def _require_some(samples: Samples) -> None:
    if not len(samples):
        raise DataError(
            f"{samples.source} holds no pictures to compare on",
            expected="at least one held-out picture",
            fix="give labelled crops with --calibration-data FOLDER_OR_ZIP",
        )


def _held_out_again(pool: Samples, copies: Sequence[int]) -> DataError:
    return DataError(
        f"{len(copies)} of the {len(pool)} pictures of {pool.source} are held out for the "
        f"comparison, pixel by pixel; the first is {pool.names[copies[0]]}",
        expected="calibration pictures of the training part only",
        fix="name the training part, or the whole data set with its train and test folders",
    )
