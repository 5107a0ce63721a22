"""A Debian of one's own: a root file system to install into, by chroot or booted with systemd.

What is downloaded is kept in $XDG_CACHE_HOME/fer-edge-debian, or ~/.cache/fer-edge-debian.
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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import lasting_cache

ROOT: Final = Path(__file__).parents[2]

_RELEASES: Final = {(3, 11): "bookworm", (3, 13): "trixie"}
"""By their Python, so that wheels for this one fit."""
_PACKAGES: Final = (
    "systemd", "systemd-sysv", "dbus", "passwd", "python3", "python3-venv", "libstdc++6",
    "python3-numpy", "python3-bottleneck",  # bottleneck is built for Debian's numpy
)  # fmt: skip
_TOOLS: Final = {"mmdebstrap": "mmdebstrap", "systemd-nspawn": "systemd-container"}
_ENVIRONMENT: Final = (
    *("env", "--chdir=/", "-i", "HOME=/root", "LANG=C.UTF-8"),
    "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
)
_BOOT_SECONDS: Final = 40.0
_HALT: Final = signal.SIGRTMIN + 4
"""What asks PID 1 to power off."""

Answer = subprocess.CompletedProcess[str]


class MissingError(Exception):
    """There can be no such Debian here; says why, and what would help."""


def debian(folder: Path) -> Path:
    """Unpack a fresh root file system into a folder; return it.

    Raises:
        MissingError: A tool, a right or the network is missing.
    """
    if os.geteuid():
        raise MissingError("only root can install into a Debian of its own")
    missing = [package for tool, package in _TOOLS.items() if not shutil.which(tool)]
    if missing:
        raise MissingError(f"apt-get install -y {' '.join(missing)}")
    release = _RELEASES.get(sys.version_info[:2])
    if release is None:
        raise MissingError("no Debian has this Python, which the wheels are for")
    archive = kept(f"{release}.tar", repr(_PACKAGES), lambda path: _download(release, path))
    folder.mkdir(parents=True)
    subprocess.run(["tar", "-xf", archive, "-C", folder], check=True, timeout=120)
    return folder


def kept(name: str, recipe: str, make: Callable[[Path], None]) -> Path:
    """Return a file or folder of the cache, made if it is not there; older ones go."""
    path = _place(name, recipe)
    cache, stem = path.parent, Path(name).stem
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{stem}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            for old in cache.glob(f"{stem}-*"):
                shutil.rmtree(old) if old.is_dir() else old.unlink()
            part = cache / f"part-{name}"
            make(part)
            part.rename(path)
    return path


def cached(name: str, recipe: str) -> bool:
    """Tell whether the cache has a file or folder."""
    return _place(name, recipe).exists()


def _place(name: str, recipe: str) -> Path:
    cache = lasting_cache.folder("fer-edge-debian")
    stem, suffix = Path(name).stem, Path(name).suffix
    return cache / f"{stem}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}{suffix}"


def _download(release: str, path: Path) -> None:
    mirror = [told] if (told := os.environ.get("DEBIAN_MIRROR")) else []
    done = subprocess.run(
        [
            "mmdebstrap", "--quiet", "--variant=essential", f"--include={','.join(_PACKAGES)}",
            release, path, *mirror,
        ],
        check=False, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    if done.returncode:
        path.unlink(missing_ok=True)
        said = [line for line in done.stderr.splitlines() if line.startswith("E:")] or ["?"]
        raise MissingError(f"Debian's packages cannot be had: {said[0]}")


class Chroot:
    """A root file system in which commands run, without systemd.

    Args:
        root: Of it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        subprocess.run(["mount", "-t", "proc", "proc", root / "proc"], check=True)

    def run(self, *command: object, timeout: float = 240) -> Answer:
        """Run a command there as root."""
        return _run(["chroot", self.root, *_ENVIRONMENT, *command], timeout=timeout)

    def close(self) -> None:
        """Let go of it; may be called twice."""
        if (self.root / "proc/self").exists():
            subprocess.run(["umount", self.root / "proc"], check=True)


class Booted:
    """A root file system whose systemd runs, with this machine's network.

    Args:
        root: Of it.

    Raises:
        MissingError: It does not boot here.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._console = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this
        self._nspawn = subprocess.Popen(
            [
                "systemd-nspawn", "--quiet", f"--directory={root}", "--boot", "--register=no",
                "--keep-unit", "--console=pipe", "--resolv-conf=off", "--timezone=off",
                "--link-journal=no",
            ],
            stdin=subprocess.DEVNULL, stdout=self._console, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            self._leader = self._wait_for(self._find_leader)
            self._wait_for(self._is_up)
        except BaseException:
            self.close()
            raise

    def run(self, *command: object, timeout: float = 240) -> Answer:
        """Run a command there as root."""
        enter = ["nsenter", f"--target={self._leader}", "--all", "--root"]
        return _run([*enter, *_ENVIRONMENT, *command], timeout=timeout)

    def close(self) -> None:
        """Power it off; may be called twice."""
        if self._nspawn.poll() is None:
            with contextlib.suppress(ProcessLookupError, AttributeError):
                os.kill(self._leader, _HALT)  # nspawn itself, killed, would leave mounts behind
            try:
                self._nspawn.wait(20)
            except subprocess.TimeoutExpired:
                self._nspawn.terminate()
                self._nspawn.wait(20)
        self._console.close()

    def _find_leader(self) -> int:
        pid = self._nspawn.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if re.search(r"^NSpid:\s+\d+\s+1$", Path(f"/proc/{child}/status").read_text(), re.M):
                return int(child)
        return 0

    def _is_up(self) -> bool:
        return self.run("systemctl", "is-system-running").stdout.strip() in {"running", "degraded"}

    def _wait_for(self, found: Callable[[], int]) -> int:
        end = time.monotonic() + _BOOT_SECONDS
        while time.monotonic() < end and self._nspawn.poll() is None:
            with contextlib.suppress(OSError):
                if answer := found():
                    return answer
            time.sleep(0.1)
        self._console.seek(0)
        said = self._console.read().decode(errors="replace").strip().splitlines() or ["no word"]
        raise MissingError(f"systemd does not boot in a container here: {said[-1]}")


def files(root: Path) -> Iterator[tuple[str, str]]:
    """Yield every path that outlives a reboot with what it holds: mode, owner, hash or target."""
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        if here == root:
            folders[:] = [name for name in folders if name not in {"proc", "run", "sys", "tmp"}]
        for path in [here / name for name in (*folders, *names)]:
            state = path.lstat()
            what = f"{state.st_mode:o} {state.st_uid}:{state.st_gid}"
            if path.is_symlink():
                what = f"link to {path.readlink()}"
            elif path.is_file():
                what += " " + hashlib.sha256(path.read_bytes()).hexdigest()
            yield str(path.relative_to(root)), what


def _run(command: list[object], *, timeout: float) -> Answer:
    return subprocess.run(
        [str(word) for word in command],
        cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
        check=False, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )  # fmt: skip
