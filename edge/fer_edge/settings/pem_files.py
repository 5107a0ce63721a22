"""Certificates and keys that settings name."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from fer_edge.shared.errors import SettingsError
from fer_edge.shared.named_files import require_file


@contextlib.contextmanager
def usable_pem(*names: str, what: str, fix: str) -> Iterator[None]:
    """Load files inside: what is wrong with them is said as what is wrong with the settings.

    Args:
        names: Paths of the files; empty ones are not set.
        what: They are, for the message.
        fix: Which settings to look at.

    Raises:
        SettingsError: One is no file that can be read, or loading them inside failed.
    """
    named = [name for name in names if name]
    try:
        for name in named:
            require_file(Path(name))
        yield
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{what} ({', '.join(named)}) cannot be used"
            f" ({error.strerror if isinstance(error, OSError) else error})",
            expected="readable PEM files that belong together",
            fix=fix,
        ) from error
