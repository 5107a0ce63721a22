"""Where tests keep from one run to the next what takes minutes to make, such as a Debian."""

import os
from pathlib import Path

VARIABLE = "FER_TESTS_KEPT"


def settle() -> None:
    """Decide on the place, before this process and its children get a cache for one run alone."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    os.environ.setdefault(VARIABLE, str(home))


def folder(name: str) -> Path:
    """Return $XDG_CACHE_HOME/NAME, or ~/.cache/NAME, as it was when the tests began."""
    settle()
    return Path(os.environ[VARIABLE]) / name
