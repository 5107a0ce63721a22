"""Where a model comes from: versions and revision, for its contract."""

import subprocess
from pathlib import Path

import fer_edge
from fer_trainer import __version__
from fer_trainer.backend import keras


def versions() -> dict[str, str]:
    """Return the versions of what trained."""
    return {
        "fer_trainer": __version__,
        "fer_edge": fer_edge.__version__,
        "keras": str(keras.__version__),
        "backend": f"{keras.backend.backend()} {_backend_version()}",
    }


def git_revision() -> str | None:
    """Return the revision of the source tree this package runs from; None when installed.

    A tree with uncommitted changes to the package is marked "-modified".
    """
    package = Path(__file__).parent
    # An installed package may lie inside somebody else's repository, which does not track it.
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    revision = _git(package, "rev-parse", "HEAD")
    changed = _git(package, "status", "--porcelain", "--", ".")
    return f"{revision}-modified" if revision and changed else revision


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _backend_version() -> str:
    backend = keras.backend.backend()
    module = __import__(backend)
    return str(module.__version__)
