"""A finished training run, as `fer-train` leaves it: the network, its contract, its pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fer_convert.samples import Samples, read_data_set, read_samples
from fer_edge.contract import ModelContract
from fer_edge.errors import DataError, ModelError
from fer_edge.model_file import CONTRACT_NAME, sha256_hex

MODEL_NAME: Final = "model.keras"
REPRESENTATIVE_NAME: Final = "samples/representative.npz"
HELD_OUT_NAME: Final = "samples/heldout.npz"

_EXPECTED: Final = "a run folder of fer-train, or a .keras file with contract.json beside it"


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """A run folder, or a `.keras` file with its contract beside it.

    Attributes:
        model: The Keras file.
        contract: What the network promises; float32.
    """

    model: Path
    contract: ModelContract

    @property
    def model_sha256(self) -> str:
        """Of the Keras file."""
        return sha256_hex(self.model.read_bytes())

    def read_pictures(self, data: Path | None, *, seed: int) -> tuple[Samples, Samples]:
        """Return the pictures to calibrate on and those to compare on.

        Both are the run's own, unless `data` is given: then calibration pictures come from it, and
        the compared ones too where the run has kept none.

        Args:
            data: Labelled face crops instead of the run's own.
            seed: Decides which pictures of a data set without splits are held out.

        Raises:
            DataError: They are missing, damaged or do not fit the contract.
            FerError: As `read_data_set` says.
        """
        folder = self.model.parent
        held_out_path = folder / HELD_OUT_NAME
        if data is None:
            pool = read_samples(folder / REPRESENTATIVE_NAME, self.contract)
            return pool, _some(read_samples(held_out_path, self.contract))
        pool, held_out = read_data_set(data, self.contract, seed=seed)
        if held_out_path.exists():
            held_out = read_samples(held_out_path, self.contract)
        return pool, _some(held_out)


def open_run(path: Path) -> TrainingRun:
    """Open a run folder or a `.keras` file.

    Raises:
        ModelError: No model or no contract there, or a contract that is not of a float network.
    """
    if not path.exists():
        raise ModelError(f"{path} does not exist", expected=_EXPECTED, fix="check the path")
    model = path / MODEL_NAME if path.is_dir() else path
    if path.is_dir() and not model.is_file():
        raise ModelError(
            f"{path} holds no {MODEL_NAME}",
            expected=_EXPECTED,
            fix="let `fer-train fit RECIPE DATA --out RUN` finish (--resume carries on)",
        )
    if model.suffix != ".keras":
        raise ModelError(f"{path} is no .keras file", expected=_EXPECTED, fix="name the run folder")
    contract = _read_contract(model.with_name(CONTRACT_NAME))
    return TrainingRun(model, contract)


def _read_contract(path: Path) -> ModelContract:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ModelError(
            f"{path} cannot be read ({reason})",
            expected=_EXPECTED,
            fix="copy contract.json from the run that trained the network",
        ) from error
    contract = ModelContract.from_json(text, where=str(path))
    if contract.input.dtype != "float32" or contract.output.dtype != "float32":
        raise ModelError(
            f"{path} describes a network of {contract.input.dtype} pictures "
            f"and {contract.output.dtype} answers",
            expected="float32, as fer-train writes it",
            fix="convert the training run, not a converted model",
        )
    return contract


def _some(samples: Samples) -> Samples:
    if not len(samples):
        raise DataError(
            f"{samples.source} holds no pictures to compare on",
            expected="at least one held-out picture",
            fix="give labelled crops with --calibration-data FOLDER_OR_ZIP",
        )
    return samples
