"""Read NumPy's files as what they are: data that may be damaged, or made to harm."""

import sys
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

_BROKEN: Final = (
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    SyntaxError,
    tokenize.TokenError,
    MemoryError,
    OverflowError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What `numpy.load` raises besides OSError: it parses the header as Python and believes the size,
and its archive may be encrypted or of a compression that nobody knows."""


def read_array(file: IO[bytes]) -> NDArray[Any]:
    """Read a `.npy` file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is damaged, holds objects, or is an archive.
    """
    loaded = _load(file)
    if not isinstance(loaded, np.ndarray):
        raise ValueError("no single array")  # noqa: TRY004 - the content is wrong, not the call
    return _checked(loaded)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read a `.npz` file whole.

    Raises:
        OSError: It cannot be read.
        ValueError: It is damaged, holds objects or something else than arrays, or is one array.
    """
    # Opened here, because NumPy leaves a file open that turns out to be no archive.
    with path.open("rb") as file:
        archive = _load(file)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("one array, no archive")  # noqa: TRY004 - as above
        arrays: dict[str, NDArray[Any]] = {}
        for name in archive.files:
            arrays[name] = _member(archive, name)
    return arrays


def _load(file: IO[bytes]) -> Any:
    try:
        return np.load(file, allow_pickle=False)
    except _BROKEN as error:
        raise ValueError(_reason(error)) from error


def _member(archive: Any, name: str) -> NDArray[Any]:
    try:
        found = archive[name]
    except _BROKEN as error:
        raise ValueError(_reason(error)) from error
    if not isinstance(found, np.ndarray):
        raise ValueError(f"{name} is no array")  # noqa: TRY004 - as above
    return _checked(found)


def _checked(array: NDArray[Any]) -> NDArray[Any]:
    """Refuse text that is none, which NumPy notices only when it is read: with a SystemError."""
    if array.dtype.kind == "U":
        codes = np.frombuffer(
            array.tobytes(), np.dtype(np.uint32).newbyteorder(array.dtype.byteorder)
        )
        if codes.max(initial=0) > sys.maxunicode:
            raise ValueError("text of codes that are no characters")
    return array


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
