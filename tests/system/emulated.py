"""Raspberry Pis without a board: Debian's Python and the real wheels, under QEMU's user mode.

What is downloaded is kept in a folder outside the repository: $XDG_CACHE_HOME/fer-edge-arm, or
~/.cache/fer-edge-arm. Of everything the two versions used last stay there.
"""

import fcntl
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Final

import lasting_cache
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[2]
OLDEST_QEMU: Final = 10
"""QEMU 7.2, Debian bookworm's own, crashes in LiteRT's interpreter."""

_PYTHON: Final = ("python3-minimal", "libpython3-stdlib", "libstdc++6", "zlib1g")
_NEEDLESS: Final = ("doc", "locale", "man", "proj", "fonts", "X11", "gdcm-3.0")
_KEPT: Final = 2


class MissingError(Exception):
    """What the emulation needs is not there; says how to get it."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A Debian on a processor.

    Attributes:
        architecture: As Debian calls it.
        processor: As Python calls it.
        release: Of Debian.
        python: Of that release.
        glibc: The newest wheels' that fit.
        packages: Of Debian, beside Python.
        provides: Distributions of PyPI that these stand for.
    """

    architecture: str
    processor: str
    release: str
    python: str
    glibc: tuple[str, ...]
    packages: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.release}-{self.architecture}"

    @property
    def qemu(self) -> str:
        return "qemu-aarch64" if self.architecture == "arm64" else "qemu-arm"

    @property
    def markers(self) -> dict[str, str]:
        """What decides over requirements there."""
        return {
            "platform_machine": self.processor,
            "platform_system": "Linux",
            "sys_platform": "linux",
            "os_name": "posix",
            "platform_python_implementation": "CPython",
            "implementation_name": "cpython",
            "python_version": self.python,
            "python_full_version": f"{self.python}.0",
            "extra": "",
        }


@dataclass(frozen=True, slots=True)
class Emulated:
    """A machine that is ready to run Python programs.

    Attributes:
        machine: Which.
        qemu: The emulator.
        root: Debian's files.
        site: The wheels.
        versions: Of every distribution in `site`.
        options: Further ones of the emulator.
    """

    machine: Machine
    qemu: str
    root: Path
    site: Path
    versions: dict[str, str]
    options: tuple[str, ...] = ()

    def run(self, cpu: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
        """Run its Python, which finds fer_edge and nothing else of this machine's packages."""
        return subprocess.run(
            [self._python(cpu), "-s", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": f"{ROOT / 'edge'}:{self.site}",
                "PYTHONPYCACHEPREFIX": str(self.site / "__pycache__"),
                "PYTHONHASHSEED": "0",  # so that counted instructions can be compared
                "OPENBLAS_NUM_THREADS": "1",  # idle ones spin, dearly
            },
        )

    def _python(self, cpu: str) -> Path:
        """Return a program that emulates its Python, and is what that takes itself for.

        So children that it starts by `sys.executable` are emulated, too.
        """
        folder = self.root / "usr" / "bin"
        program = folder / f"python-{cpu}"
        emulate = [self.qemu, "-cpu", cpu, "-L", self.root, "-0", program, *self.options]
        command = shlex.join(map(str, [*emulate, folder / f"python{self.machine.python}"]))
        program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        program.chmod(0o755)
        return program

    def fer_edge(self, cpu: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
        """Run the command line there."""
        return self.run(cpu, "-c", "from fer_edge.cli import main; main()", *arguments)


def emulate(machine: Machine) -> Emulated:
    """Prepare a machine, or take it from the cache.

    Raises:
        MissingError: A tool or the network is missing.
    """
    qemu = _find_qemu(machine.qemu)
    root = _kept(f"root-{machine.name}", repr(machine), lambda path: _extract(machine, path))
    site = _kept(f"site-{machine.name}", _recipe(machine), lambda path: _unpack(machine, path))
    versions = {
        canonicalize_name(found["Name"]): str(found["Version"]) for found in _metadata(site)
    }
    return Emulated(machine, qemu, root, site, versions)


def pinned(machine: Machine) -> dict[str, str]:
    """Return the versions that constraints.txt names for a machine."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in map(Requirement, lines)
        if _applies(pin, machine)
    }


def _find_qemu(program: str) -> str:
    variable = "FER_" + program.upper().replace("-", "_")
    found = os.environ.get(variable) or shutil.which(program) or shutil.which(f"{program}-static")
    get = (
        f"apt-get install -y qemu-user (on Debian bookworm from bookworm-backports), or name a "
        f"{program} of version {OLDEST_QEMU} or newer in {variable}"
    )
    if found is None:
        raise MissingError(f"no {program}: {get}")
    told = subprocess.run([found, "--version"], check=False, capture_output=True, text=True).stdout
    version = re.search(r"version (\d+)", told)
    if version is None or int(version[1]) < OLDEST_QEMU:
        raise MissingError(f"{found} is version {version[1] if version else '?'}: {get}")
    return found


def _cache() -> Path:
    folder = lasting_cache.folder("fer-edge-arm")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _kept(name: str, recipe: str, make: Callable[[Path], None]) -> Path:
    """Return a folder of the cache, made if it is not there."""
    cache = _cache()
    path = cache / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            part = cache / f"{name}.part"
            shutil.rmtree(part, ignore_errors=True)
            make(part)
            part.rename(path)
        os.utime(path)
        others = sorted(cache.glob(f"{name}-*"), key=lambda other: other.stat().st_mtime)
        for old in others[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
    return path


def _extract(machine: Machine, target: Path) -> None:
    """Unpack Debian packages without installing them."""
    if shutil.which("mmdebstrap") is None:
        raise MissingError("no mmdebstrap: apt-get install -y mmdebstrap debian-archive-keyring")
    packages = ",".join((*_PYTHON, *machine.packages))
    done = subprocess.run(
        [
            "mmdebstrap", "--quiet", "--variant=extract", f"--architectures={machine.architecture}",
            f"--include={packages}", machine.release, target, mirror(),
        ],
        check=False, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    if done.returncode:
        shutil.rmtree(target, ignore_errors=True)
        lines = [line for line in done.stderr.splitlines() if line.startswith("E:")] or ["?"]
        raise MissingError(f"mmdebstrap cannot get {machine.name}: {lines[0]}")
    try:
        _complete(target)
    except PermissionError as error:  # unpacked in a user name space of its own
        get = "apt-get install -y fakeroot fakechroot, or run as root"
        raise MissingError(f"{target} belongs to another user: {get}") from error


def _complete(target: Path) -> None:
    """Do what the packages' own scripts would do at installation; drop what nobody reads."""
    if not (target / "lib").exists():
        (target / "lib").symlink_to("usr/lib")
    libraries = next((target / "usr" / "lib").glob("*-linux-gnu*"))
    for name in ("blas", "lapack"):
        if (libraries / name / f"lib{name}.so.3").exists():
            (libraries / f"lib{name}.so.3").symlink_to(f"{name}/lib{name}.so.3")
    for name in _NEEDLESS:
        shutil.rmtree(target / "usr" / "share" / name, ignore_errors=True)


def _recipe(machine: Machine) -> str:
    return repr((machine, needed_by_edge(), sorted(pinned(machine).items())))


def needed_by_edge() -> list[str]:
    """Return the requirements of the lean distribution."""
    project = tomllib.loads((ROOT / "edge" / "pyproject.toml").read_text())["project"]
    return list(project["dependencies"])


def _unpack(machine: Machine, target: Path) -> None:
    """Unpack all wheels that the edge needs there, and what these need."""
    wheels = target.with_suffix(".wheels")
    shutil.rmtree(wheels, ignore_errors=True)
    fetch(needed_by_edge(), machine, wheels)
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target)
    shutil.rmtree(wheels)


def fetch(requirements: list[str], machine: Machine, wheels: Path) -> None:
    """Put the wheels of what a machine is to have, and of what these need, into a folder.

    Raises:
        MissingError: There is no package index.
    """
    pins = pinned(machine)
    _reach_index(wheels)
    done = set(machine.provides)
    wanted = _names(requirements, machine) - done
    while wanted:
        download([f"{name}=={pins[name]}" for name in sorted(wanted)], machine, wheels)
        done |= wanted
        wanted = _names(list(_needed_by(wheels)), machine) - done
    shutil.rmtree(wheels / "probe")


def _needed_by(wheels: Path) -> Iterator[str]:
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            (name,) = (name for name in archive.namelist() if re.fullmatch(r"[^/]+/METADATA", name))
            found = BytesHeaderParser().parsebytes(archive.read(name))
        yield from map(str, found.get_all("Requires-Dist", []))


def _reach_index(wheels: Path) -> None:
    probe = _pip("download", "--no-deps", "--no-cache-dir", "--dest", wheels / "probe", "click")
    if probe.returncode:
        why = probe.stderr.strip().splitlines()[-1]
        raise MissingError(f"no package index can be reached ({why})")


def download(requirements: list[str], machine: Machine, wheels: Path) -> None:
    """Put the wheels of pinned requirements, and of nothing else, into a folder."""
    platforms = [f"--platform=manylinux_{glibc}_{machine.processor}" for glibc in machine.glibc]
    abi = f"cp{machine.python.replace('.', '')}"
    done = _pip(
        "download", "--no-deps", "--only-binary=:all:", "--dest", wheels, *platforms,
        "--implementation=cp", f"--python-version={machine.python}",
        f"--abi={abi}", "--abi=abi3", "--abi=none", *requirements,
    )  # fmt: skip
    assert done.returncode == 0, f"no wheel for {machine.name}: {done.stderr}"


def _pip(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pip", *map(str, arguments)],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


def _names(requirements: list[str], machine: Machine) -> set[str]:
    return {
        canonicalize_name(needed.name)
        for needed in map(Requirement, requirements)
        if _applies(needed, machine)
    }


def _applies(requirement: Requirement, machine: Machine) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(machine.markers)


def _metadata(site: Path) -> Iterator[Message]:
    for path in sorted(site.glob("*.dist-info/METADATA")):
        with path.open("rb") as file:
            yield BytesHeaderParser().parse(file)


def mirror() -> str:
    """Return where Debian's packages come from: as told, or as this machine's own do."""
    told = os.environ.get("DEBIAN_MIRROR")
    if told:
        return told
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    if not listed.stdout.strip():
        raise MissingError("apt knows no source of packages: set DEBIAN_MIRROR")
    return listed.stdout.split()[0]
