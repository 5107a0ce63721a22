"""Read NumPy's files as what they are: data that may be damaged, or made to harm."""

import sys
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
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
    with _one_kind_of_error():
        return _checked(np.load(file, allow_pickle=False), "the file")


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read a `.npz` file whole.

    Raises:
        OSError: It cannot be read.
        ValueError: It is damaged, holds objects or something else than arrays, or is one array.
    """
    # Opened here, because NumPy leaves a file open that turns out to be no archive.
    with path.open("rb") as file, _one_kind_of_error():
        archive = np.load(file, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise ValueError("one array, no archive")  # noqa: TRY004 - the content is wrong, not a type
        return {name: _checked(archive[name], name) for name in archive.files}


@contextmanager
def _one_kind_of_error() -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error


def _checked(found: Any, name: str) -> NDArray[Any]:
    """Refuse what is no array, and text that is none: NumPy notices only when it is read."""
    if not isinstance(found, np.ndarray):
        raise ValueError(f"{name} is no array")  # noqa: TRY004 - as above
    if found.dtype.kind == "U":
        codes = np.dtype(np.uint32).newbyteorder(found.dtype.byteorder)
        if np.frombuffer(found.tobytes(), codes).max(initial=0) > sys.maxunicode:
            raise ValueError(f"{name} is text of codes that are no characters")
    return found
