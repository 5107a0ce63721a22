"""A Debian with the real picamera2 where apt puts it, and libcamera's virtual cameras.

As on a Raspberry Pi, picamera2 lies among the packages of the system's Python, and fer-edge in the
environment that `make demo` makes; which the daemon's path leads to as well. Debian's files and the
wheels are kept where `debian_root` keeps things.
"""

import contextlib
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Final

from system import debian_root, emulated
from system.booted import PACKAGED, Booted, check_tools, install_unit
from system.emulated import ROOT, MissingError, mirror

HERE: Final = Path(__file__).parent
CHECKOUT: Final = Path("/usr/src/fer-edge")
ENVIRONMENT: Final = CHECKOUT / ".venv-edge"
PICAMERA2: Final = Path("/usr/lib/python3/dist-packages/picamera2")
PICTURES: Final = Path("/opt/fer-edge/pictures")
"""What picamera:1 plays, by name, again and again."""
BEHAVIOUR: Final = Path("/opt/fer-edge/behaviour")
"""Holds "stall" while no frame of any camera is to arrive."""
PRELOADED: Final = (
    "LD_PRELOAD=/opt/fer-edge/heap.so",
    # libcamera 0.4's virtual camera does not set its frames' status: zero is success.
    "GLIBC_TUNABLES=glibc.malloc.perturb=255:glibc.malloc.tcache_count=0",
)
"""For every process that opens a camera."""

_MACHINE: Final = emulated.Machine(
    "amd64", "x86_64", "trixie", "3.13", ("2_17", "2_27", "2_28"),
    packages=("python3-libcamera", "python3-numpy", "python3-prctl", "python3-venv", "make"),
)  # fmt: skip
"""Bookworm's libcamera is built without the virtual camera."""
_PICAMERA2: Final = (
    "picamera2==0.3.38", "piexif==1.1.3", "pillow==13.0.0", "simplejpeg==1.9.0", "videodev2==0.0.4",
)  # fmt: skip
"""What importing it takes, beside what Debian has and what `virtual_camera` stands in for."""
_TOOLS: Final = ("hatchling", "pytest")
_BUILDS: Final = ("editables==0.5",)
"""What hatchling asks for beside its own requirements."""
_WHEELS: Final = Path("/opt/wheels")
_OFFLINE: Final = ("HOME=/root", "PIP_NO_INDEX=1", f"PIP_FIND_LINKS={_WHEELS}")
_SHOWN: Final = ("edge", "deploy", "tests", "constraints.txt", "pyproject.toml", "Makefile")


def boot(heap: Path) -> Booted:
    """Boot it, with the unit installed and no environment yet.

    Args:
        heap: The library of dma_heap.c.

    Raises:
        MissingError: That is impossible here.
    """
    check_tools()
    try:
        wheels = debian_root.kept("picamera2_wheels", _wheels_recipe(), _make_wheels)
        root = debian_root.kept("picamera2", repr((_MACHINE, PACKAGED, _PICAMERA2)), _make_root)
    except debian_root.MissingError as error:
        raise MissingError(str(error)) from error
    shown = {CHECKOUT / name: ROOT / name for name in _SHOWN}
    virtual = Path("/usr/share/libcamera/pipeline/virtual/virtual.yaml")
    stand_in = PICAMERA2.parent / "virtual_camera.py"
    shown |= {virtual: HERE / virtual.name, stand_in: HERE / stand_in.name}
    shown |= {_WHEELS: wheels, Path("/opt/fer-edge/heap.so"): heap}
    system = Booted(contextlib.nullcontext(root), shown)
    install_unit(system)
    start = system.path(PICAMERA2 / "__init__.py")
    start.write_text(f"import virtual_camera\n{start.read_text()}\nvirtual_camera.prepare()\n")
    return system


def make_demo(system: Booted) -> str:
    """Run `make demo` in the checkout there, without a network; return what it says."""
    done = system.run("env", *_OFFLINE, "make", "-C", CHECKOUT, "demo", timeout=400)
    return done.stdout + done.stderr


def install_pytest(system: Booted) -> None:
    """Put the tests' own tool into the environment."""
    system.run("env", *_OFFLINE, ENVIRONMENT / "bin/pip", "install", "--quiet", "pytest")


def _wheels_recipe() -> str:
    return repr((_MACHINE, _TOOLS, _BUILDS, emulated.needed_by_edge(), emulated.pinned(_MACHINE)))


def _make_wheels(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    emulated.fetch([*emulated.needed_by_edge(), *_TOOLS], _MACHINE, folder)
    emulated.download(list(_BUILDS), _MACHINE, folder)


def _make_root(root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    packages = ",".join((*PACKAGED, *_MACHINE.packages))
    done = subprocess.run(
        [
            *("mmdebstrap", "--quiet", "--variant=essential", f"--include={packages}"),
            *("--aptopt=Acquire::Retries 3", _MACHINE.release, root, mirror()),
        ],
        check=False, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("E:")] or ["no word"]
        raise MissingError(f"mmdebstrap cannot get {_MACHINE.name}: {said[0]}")
    wheels = root / "tmp" / "wheels"
    emulated.download(list(_PICAMERA2), _MACHINE, wheels)
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(root / PICAMERA2.parent.relative_to("/"))
    shutil.rmtree(wheels)
