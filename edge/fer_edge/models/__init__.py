"""The models that ship, and how a name or path becomes a model file."""

from pathlib import Path
from typing import Final

from fer_edge import DEFAULT_MODEL
from fer_edge.models.slots import SLOT, ModelSlots
from fer_edge.shared.errors import ModelError
from fer_edge.shared.model.model_file import ModelFile, read_model

_FOLDER: Final = Path(__file__).parent
_SUFFIX: Final = ".int8.tflite"


def shipped_models() -> list[str]:
    """Return the names of the models in the package."""
    return sorted(path.name.removesuffix(_SUFFIX) for path in _FOLDER.glob(f"*{_SUFFIX}"))


def open_model(name_or_path: str) -> ModelFile:
    """Read a shipped model by name, a model file by path, or with "slot" the model that serves.

    Raises:
        ModelError: There is neither, or the file breaks its contract.
    """
    if name_or_path == SLOT:
        slots = ModelSlots()
        place = slots.pointer().serving
        return open_model(DEFAULT_MODEL) if place == "shipped" else read_model(slots.path(place))
    if name_or_path in shipped_models():
        return read_model(_FOLDER / f"{name_or_path}{_SUFFIX}")
    path = Path(name_or_path)
    if path.suffix != ".tflite" and not _exists(path):
        raise ModelError(
            f"no model {name_or_path!r}",
            expected=f"a shipped model ({', '.join(shipped_models())}) or a .tflite file",
            fix="check the name or path; `fer-edge models` lists those that ship",
        )
    return read_model(path)


def require_trusted(path: str, sha256: str, trust: str) -> None:
    """Compare a file with the one that is trusted; nothing has loaded it yet.

    Args:
        path: Of the file, for messages.
        sha256: Of its content.
        trust: "sha256:" and the hash of the only file that may be used; "" trusts any.

    Raises:
        ModelError: It is another file.
    """
    if trust and trust != f"sha256:{sha256}":
        raise ModelError(
            f"{path} has the SHA-256 {sha256}",
            expected=f"{trust}, as model.trust says",
            fix="use the model that was meant; or, if you know where this one comes from, "
            "set model.trust to its hash",
        )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long, a folder that may not be searched
        return False
