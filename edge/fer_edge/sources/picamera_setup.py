"""How this environment comes to have picamera2, in one line to type."""

import shlex
import sys
from pathlib import Path
from typing import Final

import fer_edge

INSTALL: Final = "sudo apt install -y python3-picamera2"
REINSTALL: Final = "sudo apt install --reinstall -y python3-picamera2"
NUMPY_1: Final = "'numpy<2' 'opencv-python-headless>=4.10,<4.12'"
"""Versions that go with what apt of Raspberry Pi OS bookworm built."""

_FROM_APT: Final = "usr/lib/python3/dist-packages"
_DAEMON: Final = Path("/opt/fer-edge")
_ANOTHER: Final = "~/fer-edge-venv"
_CHECKOUT: Final = Path(fer_edge.__file__).parents[2]


def is_from_apt(root: Path = Path("/")) -> bool:
    """Return whether apt has installed picamera2.

    Args:
        root: Where the system's files are.
    """
    return (root / _FROM_APT / "picamera2").exists()


def line_to_type(root: Path = Path("/"), *, environment: Path | None = None) -> str:
    """Return the line after which an environment has picamera2; "" where nothing is missing.

    Args:
        root: Where the system's files are.
        environment: The running one where it is not named.
    """
    environment = environment or Path(sys.prefix)
    steps = ["" if is_from_apt(root) else INSTALL, _line_to_see_it(root, environment)]
    return " && ".join(filter(None, steps))


def _line_to_see_it(root: Path, environment: Path) -> str:
    """Return the line after which an environment sees apt's packages; "" where it does."""
    if _sees_apt(environment) and _is_the_systems_python(root):
        return ""
    if environment.is_relative_to(_DAEMON):
        return "sudo deploy/install.sh --camera picamera2"
    if environment.parent == _CHECKOUT:  # .venv-edge, which is then to be used
        return f"make -B -C {shlex.quote(str(_CHECKOUT))} PYTHON=/usr/bin/python3 demo"
    folder = shlex.quote(str(environment))
    make = "/usr/bin/python3 -m venv --system-site-packages"
    if not _is_the_systems_python(root):
        return f"{make} {_ANOTHER} && {_ANOTHER}/bin/pip install {_source()}"
    numpy = f" && {folder}/bin/pip install {NUMPY_1}" if _has_numpy_1(root) else ""
    return f"{make} {folder}{numpy}"


def _source() -> str:
    project = _CHECKOUT / "edge"
    return shlex.quote(str(project)) if (project / "pyproject.toml").exists() else "fer-edge"


def _sees_apt(environment: Path) -> bool:
    try:
        settings = (environment / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return True  # no virtual environment
    return "include-system-site-packages = true" in settings


def _is_the_systems_python(root: Path) -> bool:
    name = (root / "usr" / "bin" / "python3").resolve().name
    return name == f"python{sys.version_info.major}.{sys.version_info.minor}"


def _has_numpy_1(root: Path) -> bool:
    return any((root / _FROM_APT).glob("numpy-1.*-info"))
