"""What NumPy raises where a file is none of its own; imports no NumPy."""

import tokenize
import zipfile
import zlib
from typing import Final

UNREADABLE: Final = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    SyntaxError,
    tokenize.TokenError,
    MemoryError,
    OverflowError,
    RuntimeError,
    SystemError,
    zipfile.BadZipFile,
    zlib.error,
)
"""Of `numpy.load` and of the members of what it returns: its header is parsed as Python, its size
is believed, its text may be of codes that are no characters, and its archive may be encrypted or
of a compression that nobody knows."""
