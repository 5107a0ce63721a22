"""A run's status socket for the time of the run."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from fer_edge import __version__
from fer_edge.daemon.status.place import own_folder
from fer_edge.daemon.status.socket import StatusSocket
from fer_edge.settings import Settings
from fer_edge.shared.errors import OutputError
from fer_edge.sources.addresses import shown_source
from fer_edge.state.records import CameraHealth, DaemonState, Tell

_log = logging.getLogger(__name__)


@contextmanager
def announcing(settings: Settings) -> Iterator[Tell]:
    """Tell whoever asks how the daemon does, from before its camera is opened to its end.

    A run that can have no socket does its work all the same, and says why nobody can ask it.

    Yields:
        What takes each new state.

    Raises:
        SettingsError: Another run has this name.
    """
    try:
        socket = StatusSocket(own_folder(), settings.daemon.name, starting(settings))
    except (OutputError, OSError) as error:
        _log.warning("`fer-edge status` cannot ask this run: %s", error)
        yield lambda _state: None
        return
    with socket:
        yield socket.show


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
