"""The Unix socket that tells whoever connects how the daemon does, for the time of a run."""

import contextlib
import fcntl
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from fer_edge import __version__
from fer_edge.daemon.status.place import own_folder, socket_name
from fer_edge.settings import Settings
from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import OutputError, SettingsError
from fer_edge.sources.addresses import shown_source
from fer_edge.state.health import Pulse
from fer_edge.state.records import CameraHealth, DaemonState, Tell

_MODE: Final = 0o660
_BACKLOG: Final = 8
_SEND_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 10.0

_log = logging.getLogger(__name__)


class StatusSocket(Closing):
    """Sends one JSON document to each who connects, and closes; nothing is read from them.

    The document is the newest state, with the name of the run and the age of the state in
    seconds, which grows while the loop hangs.

    A socket left behind by a daemon that was killed is replaced. Where a living one has the
    place of runs without a name, this one takes its process number for a name.

    Args:
        folder: Where to put it.
        name: Of the run.
        state: To tell before the first report.

    Raises:
        SettingsError: A living daemon has this name.
        OSError: The socket cannot be made.
    """

    def __init__(self, folder: Path, name: str, state: DaemonState) -> None:
        self._pulse = Pulse()
        self._pulse.beat(state)
        self._socket, self.path, self._name = _bind(folder, name)
        self._identity = _identity(self.path)
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="status", daemon=True)
        self._thread.start()

    def show(self, state: DaemonState) -> None:
        """Tell this state from now on."""
        self._pulse.beat(state)

    def close(self) -> None:
        """Take the socket away; may be called twice."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(OSError):
            if _identity(self.path) == self._identity:
                self.path.unlink()
        with contextlib.suppress(OSError):  # wakes the thread
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(2 * _SEND_SECONDS)
        self._socket.close()

    def _serve(self) -> None:
        while not self._closed:
            try:
                channel, _ = self._socket.accept()
            except OSError as error:  # too many open files, for instance
                if not self._closed:
                    _log.warning("the status socket fails (%s)", error)
                    time.sleep(_PAUSE_SECONDS)
                continue
            with channel, contextlib.suppress(OSError):
                channel.settimeout(_SEND_SECONDS)
                channel.sendall(json.dumps(self._document()).encode())

    def _document(self) -> dict[str, Any]:
        told = {} if self._pulse.state is None else self._pulse.state.to_json()
        return {**told, "name": self._name, "age_seconds": round(self._pulse.age_seconds, 3)}


def _bind(folder: Path, name: str) -> tuple[socket.socket, Path, str]:
    with _alone_in(folder):
        path = folder / socket_name(name)
        if _answers(path):
            if name:
                raise SettingsError(
                    f"a fer-edge named {name!r} runs already",
                    expected="a name that no other run on this machine has",
                    fix="give another one as --name, or stop that run",
                )
            name = str(os.getpid())
            path = folder / socket_name(name)
        path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.bind(str(path))
            path.chmod(_MODE)
            listening.listen(_BACKLOG)
        except OSError:
            listening.close()
            raise
    return listening, path, name


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other daemons from binding there meanwhile."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _answers(path: Path) -> bool:
    """Return whether a process listens there, be it stopped or slow.

    Raises:
        OSError: No socket can be there; the path is too long, for instance.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.setblocking(False)
        try:
            channel.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except (BlockingIOError, PermissionError):  # its queue is full, or it is another user's
            return True
    return True


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def announcing(settings: Settings) -> Iterator[Tell]:
    """Tell whoever asks how the daemon does, from before its camera is opened to its end.

    A run that can have no socket does its work all the same, and says why nobody can ask it.

    Yields:
        What takes each new state.

    Raises:
        SettingsError: Another run has this name.
    """
    try:
        announced = StatusSocket(own_folder(), settings.daemon.name, starting(settings))
    except (OutputError, OSError) as error:
        _log.warning("`fer-edge status` cannot ask this run: %s", error)
        yield lambda _state: None
        return
    with announced:
        yield announced.show


def starting(settings: Settings) -> DaemonState:
    """Return the state of a daemon that has no model and no camera yet."""
    return DaemonState(
        phase="starting",
        version=__version__,
        pid=os.getpid(),
        started_at=time.time(),
        uptime_seconds=0.0,
        source=shown_source(settings.source.uri),
        model=settings.model.path,
        model_sha256="",
        camera=CameraHealth(),
    )
