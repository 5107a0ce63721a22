"""A Debian that really boots systemd, in a container of systemd-nspawn, with fer-edge in it.

The root file system is made once and kept in $XDG_CACHE_HOME/fer-edge-booted, or
~/.cache/fer-edge-booted; every boot gets it fresh, with an overlay in memory for what it writes.
fer-edge and what it depends on are not installed: they are shown in it, read-only, from where this
Python has them.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

import lasting_cache
from packaging.requirements import Requirement
from system.emulated import MissingError, mirror

REPOSITORY: Final = Path(__file__).parents[2]
SYSTEMD: Final = REPOSITORY / "systemd"
UNIT: Final = "fer-edge.service"
VENV: Final = Path("/opt/fer-edge/venv")
PYTHON: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"

_RELEASES: Final = {(3, 11): "bookworm", (3, 13): "trixie"}
"""Debian's releases, by the Python they have: wheels of another one do not load there."""
PACKAGED: Final = ("systemd", "systemd-sysv", "dbus", "python3", "libstdc++6", "zlib1g")
_TOOLS: Final = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
}
_RECIPE: Final = 1
"""To be raised where what is made of the packages changes."""
_BOOT_SECONDS: Final = 30.0
_HALT: Final = signal.SIGRTMIN + 4
"""What asks PID 1 to power off."""


class Booted:
    """A running system.

    Args:
        files: Gives Debian's, and keeps them for as long as they are used.
        shown: Folders and files shown in it, read-only, by their path there.

    Raises:
        MissingError: It does not boot here.
    """

    def __init__(
        self, files: contextlib.AbstractContextManager[Path], shown: dict[Path, Path]
    ) -> None:
        self._held = contextlib.ExitStack()
        root = self._held.enter_context(files)
        self._console = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this
        self._nspawn = subprocess.Popen(
            [
                *("systemd-nspawn", "--quiet", f"--directory={root}", "--volatile=overlay"),
                *("--boot", "--register=no", "--keep-unit", "--console=pipe"),
                # Cameras and brokers of the tests listen here; so the network is shared.
                *("--resolv-conf=off", "--timezone=off", "--link-journal=no"),
                *(f"--bind-ro={here}:{there}" for there, here in shown.items()),
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._console,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            self.leader = self._wait_for(self._find_leader)
            self._wait_for(self._is_up)
        except BaseException:
            self.close()
            raise

    def path(self, path: str | Path) -> Path:
        """Return where a file of the system is seen from outside."""
        return Path(f"/proc/{self.leader}/root") / str(path).lstrip("/")

    def run(
        self, *command: object, check: bool = True, timeout: float = 120
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command in it, as root; fail where it fails, unless `check` is off."""
        done = subprocess.run(
            [
                *("nsenter", f"--target={self.leader}", "--all", "--root"),
                *("env", "--chdir=/", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"),
                *map(str, command),
            ],
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{command} gave {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def systemctl(self, *arguments: object, check: bool = True) -> str:
        """Run systemctl and return what it says."""
        return self.run("systemctl", *arguments, check=check).stdout.strip()

    def properties(self, *names: str, unit: str = UNIT) -> list[str]:
        """Return properties of a unit."""
        told = self.systemctl("show", unit, *(f"--property={name}" for name in names))
        found = dict(line.split("=", 1) for line in told.splitlines())
        return [found[name] for name in names]

    def write(self, path: str, text: str, *, mode: int = 0o644) -> None:
        """Write a file there, as root, and the folders above it."""
        there = self.path(path)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.touch(mode=mode)
        there.chmod(mode)
        there.write_text(text)

    def journal(self, *, priority: str = "debug") -> str:
        """Return what the unit has said so far that is at least so grave."""
        self.run("journalctl", "--sync")
        wanted = (f"--unit={UNIT}", f"--priority={priority}")
        return self.run("journalctl", *wanted, "--output=cat").stdout

    def close(self) -> None:
        """Power it off; may be called twice."""
        if self._nspawn.poll() is None:
            # Killed, nspawn leaves mounts and control groups behind.
            with contextlib.suppress(ProcessLookupError, AttributeError):
                os.kill(self.leader, _HALT)
            try:
                self._nspawn.wait(20)
            except subprocess.TimeoutExpired:
                self._nspawn.terminate()
                self._nspawn.wait(20)
        self._console.close()
        self._held.close()

    def _find_leader(self) -> int | None:
        """Return its first process, as it is numbered out here."""
        pid = self._nspawn.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            status = Path(f"/proc/{child}/status").read_text()
            if re.search(r"^NSpid:\s+\d+\s+1$", status, re.MULTILINE):
                return int(child)
        return None

    def _is_up(self) -> bool:
        state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        return state in {"running", "degraded"}

    def _wait_for(self, found: "Callable[[], object]") -> "int":
        deadline = time.monotonic() + _BOOT_SECONDS
        while time.monotonic() < deadline and self._nspawn.poll() is None:
            with contextlib.suppress(OSError):
                if answer := found():
                    return int(answer)  # type: ignore[call-overload]
            time.sleep(0.1)
        self._console.seek(0)
        said = self._console.read().decode(errors="replace").strip().splitlines() or ["no word"]
        raise MissingError(f"systemd does not boot in a container here: {said[-1]}")


def boot() -> Booted:
    """Boot a system that has fer-edge's program, user and unit; the unit is not started.

    Raises:
        MissingError: That is impossible here.
    """
    check_tools()
    release = _RELEASES.get(sys.version_info[:2])
    if release is None:
        raise MissingError(f"no Debian has {PYTHON}, which the wheels here are for")
    system = Booted(_root(release), _shown())
    install_unit(system)
    return system


def check_tools() -> None:
    """Find what a container needs.

    Raises:
        MissingError: A tool or a right is missing.
    """
    if os.geteuid():
        raise MissingError("a container that boots systemd needs root")
    missing = [package for tool, package in _TOOLS.items() if not shutil.which(tool)]
    if missing:
        raise MissingError(f"no container: apt-get install -y {' '.join(missing)}")


def install_unit(system: Booted) -> None:
    """Install the shipped unit and its user; it is not started."""
    system.write(f"/etc/systemd/system/{UNIT}", (SYSTEMD / UNIT).read_text())
    system.write("/usr/lib/sysusers.d/fer-edge.conf", (SYSTEMD / "fer-edge.sysusers").read_text())
    system.run("systemd-sysusers")
    system.systemctl("daemon-reload")


def _shown() -> dict[Path, Path]:
    """Return what makes up fer-edge and its dependencies, by the path in the system."""
    site = VENV / "lib" / PYTHON / "site-packages"
    shown = {site / "fer_edge": REPOSITORY / "edge" / "fer_edge"}
    for found in _dependencies():
        for name in {file.parts[0] for file in found.files or () if file.parts[0] != ".."}:
            if name != "__pycache__" and (path := Path(str(found.locate_file(name)))).exists():
                shown[site / name] = path
    return shown


def _dependencies() -> Iterator[Distribution]:
    project = tomllib.loads((REPOSITORY / "edge" / "pyproject.toml").read_text())["project"]
    wanted, seen = list(project["dependencies"]), set[str]()
    while wanted:
        requirement = Requirement(wanted.pop())
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if not applies or requirement.name in seen:
            continue
        seen.add(requirement.name)
        try:
            found = distribution(requirement.name)
        except PackageNotFoundError:
            raise MissingError(f"{requirement.name} is not installed here") from None
        wanted += found.requires or []
        yield found


@contextlib.contextmanager
def _root(release: str) -> Iterator[Path]:
    """Give Debian's files with an empty virtual environment, made where they are not yet.

    While they are in use nobody removes them; those of other recipes go when nobody uses them.
    """
    folder = lasting_cache.folder("fer-edge-booted")
    folder.mkdir(parents=True, exist_ok=True)
    recipe = repr((_RECIPE, PACKAGED, PYTHON, VENV))
    root = folder / f"{release}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    with contextlib.ExitStack() as making:
        _lock(making, folder / "lock", fcntl.LOCK_EX)
        for old in folder.iterdir():
            if old.is_dir() and (old.suffix == ".making" or old != root):
                _remove_unused(old)
        if not root.exists():
            unfinished = root.with_suffix(".making")
            _make_root(release, unfinished)
            unfinished.rename(root)
        in_use = contextlib.ExitStack()
        _lock(in_use, root.with_suffix(".lock"), fcntl.LOCK_SH)
    with in_use:
        yield root


def _lock(stack: contextlib.ExitStack, path: Path, kind: int) -> None:
    file = stack.enter_context(path.open("w"))
    fcntl.flock(file, kind)


def _remove_unused(root: Path) -> None:
    with contextlib.ExitStack() as stack, contextlib.suppress(BlockingIOError):
        _lock(stack, root.with_suffix(".lock"), fcntl.LOCK_EX | fcntl.LOCK_NB)
        _unmount_below(root)
        shutil.rmtree(root)


def _unmount_below(root: Path) -> None:
    """Unmount what a killed mmdebstrap left mounted; to remove files through it would be wrong."""
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for place in reversed(mounted):
        if Path(place).is_relative_to(root):
            subprocess.run(["umount", "--lazy", place], check=True)


def _make_root(release: str, root: Path) -> None:
    done = subprocess.run(
        [
            *("mmdebstrap", "--quiet", "--variant=essential", f"--include={','.join(PACKAGED)}"),
            *("--aptopt=Acquire::Retries 3", release, root, mirror()),
        ],
        check=False, capture_output=True, text=True, timeout=1800,
    )  # fmt: skip
    if done.returncode:
        _unmount_below(root)
        shutil.rmtree(root, ignore_errors=True)
        said = [line for line in done.stderr.splitlines() if line.startswith("E:")] or ["no word"]
        raise MissingError(f"mmdebstrap cannot get {release}: {said[0]}")
    venv = root / VENV.relative_to("/")
    (venv / "bin").mkdir(parents=True)
    (venv / "lib" / PYTHON / "site-packages").mkdir(parents=True)
    (venv / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    (venv / "bin" / "python").symlink_to("/usr/bin/python3")
    program = venv / "bin" / "fer-edge"
    program.write_text(f"#!{VENV}/bin/python\nfrom fer_edge.cli import main\nmain()\n")
    program.chmod(0o755)
