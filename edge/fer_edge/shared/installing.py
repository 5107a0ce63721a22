"""What to type so that something is installed into the environment that runs."""

import shlex
import sys
from typing import Final

MADE_ANEW: Final = (
    "make the environment anew: `make -B demo` in the clone, or `sudo deploy/install.sh`"
)


def pip_install(words: str) -> str:
    """Return the line to type; it names this environment's own pip, for a shell may find another.

    Args:
        words: What stands behind `pip install`, quoted for a shell.
    """
    return f"{shlex.quote(f'{sys.prefix}/bin/pip')} install {words}"
