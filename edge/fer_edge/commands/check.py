"""The command `fer-edge config check`: what `run` would say to settings, without a run."""

import errno
import os
from pathlib import Path

from fer_edge.assemble.checking import check_settings
from fer_edge.assemble.event_sinks import broker_endpoint, mqtt_versions
from fer_edge.assemble.parts import make_pipeline
from fer_edge.assemble.sources import frames_of, make_source
from fer_edge.commands.as_service import as_service
from fer_edge.models.choice import SlotReader
from fer_edge.settings import Settings
from fer_edge.settings.names import spool_path
from fer_edge.shared.errors import OutputError
from fer_edge.sinks.spool.lock import try_spool


def check(settings: Settings, *, on_device: bool, user: str = "") -> None:
    """Say of settings what a run would.

    Args:
        settings: To be checked.
        on_device: Whether to open what they name, too: outputs, port, broker, camera.
        user: Whose rights to give all others up for; "" keeps them.

    Raises:
        FerError: As a run would.
    """
    with as_service(user):
        check_settings(settings)
        chosen = SlotReader().fill_in(settings)
        with make_pipeline(chosen, frames=frames_of(settings.source)):
            pass
        if on_device:
            _open_all(settings)


def _open_all(settings: Settings) -> None:
    """Open what a run would, in its order; leave nothing behind."""
    for key, name in (
        ("output.file", settings.output.file.removeprefix("-")),
        ("events.file", settings.events.file),
    ):
        if name:
            _try_output(Path(name), key)
    if settings.mqtt.host:
        try_spool(spool_path(settings))
    if settings.web.port:
        from fer_edge.sinks.web.http_server import try_port  # noqa: PLC0415 - few runs need it

        try_port(settings.web.address, settings.web.port)
    if settings.mqtt.host:
        from fer_edge.sinks.mqtt.connection import try_broker  # noqa: PLC0415 - paho where wanted

        try_broker(broker_endpoint(settings), mqtt_versions(settings.mqtt))
    with make_source(settings.source) as source:
        source.read(settings.source.open_timeout_seconds)


def _try_output(path: Path, key: str) -> None:
    """Find out that a file can be appended to; one that is not there is not made."""
    try:
        if path.exists():
            os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC))
        elif not path.parent.is_dir():
            raise _error(errno.ENOENT)
        elif not os.access(path.parent, os.W_OK | os.X_OK):
            raise _error(errno.EACCES)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror})",
            expected="a file in a folder that exists and may be written",
            fix=f"check the path given as {key}",
        ) from error


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
