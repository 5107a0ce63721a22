"""From settings to the page and the listener behind it.

What they need takes 0.1 s to import, and is imported only where there is a listener.
"""

import contextlib
import logging
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from fer_edge.assemble.run_facts import RunFacts
from fer_edge.settings import Settings, WebSettings
from fer_edge.shared.errors import FerError
from fer_edge.sinks.fan_out import FanOut, NamedSink
from fer_edge.state.controls import Controls

if TYPE_CHECKING:
    from fer_edge.sinks.web.sink import WebSink

NAME: Final = "web"
_ANY_ADDRESS: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - to be compared with
_NOWHERE: Final = "192.0.2.1"
"""An address that is nobody's (RFC 5737): of which network it would be reached through is asked."""
_OF_WINDOW: Final = ("web", "daemon")

_log = logging.getLogger(__name__)


def make_window(settings: Settings, controls: Controls, facts: RunFacts) -> "WebSink":
    """Open the listener that the section `web` describes; `check_settings` has checked it.

    Args:
        settings: Of all parts.
        controls: What the page may ask of the daemon.
        facts: What the settings do not say of the run.

    Raises:
        FerError: As `make_desk` says.
        SettingsError: As `WebSink` says.
        OutputError: Its port cannot be listened at.
    """
    from fer_edge.assemble.desk import make_desk  # noqa: PLC0415
    from fer_edge.sinks.web.sink import WebSink  # noqa: PLC0415

    shows = settings.web.view != "off"
    return WebSink(
        settings.web,
        faces=settings.events.mode != "aggregate",
        name=settings.daemon.name,
        parts=[make_desk(settings, controls, facts)] if shows else [],
    )


def page_address(settings: WebSettings) -> str:
    """Return where others open the device's page; "" where they cannot, or it is not known.

    Of a device that listens to all addresses it is the first of its names, or the address by
    which it would itself reach others.
    """
    from fer_edge.sinks.web.guard import is_loopback  # noqa: PLC0415

    host = settings.address
    if host in _ANY_ADDRESS:
        host = settings.names.partition(",")[0].strip() or own_address()
    if not (settings.port and host) or settings.view == "off" or is_loopback(host):
        return ""
    scheme = "https" if settings.certificate else "http"
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"{scheme}://{host}:{settings.port}/"


def own_address() -> str:
    """Return the address that other machines know this one by, as far as it can be told."""
    with contextlib.suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as attempt:
        attempt.connect((_NOWHERE, 9))  # sends nothing
        return str(attempt.getsockname()[0])
    return "127.0.0.1"


def events_for(window: "WebSink | None", settings: Settings) -> Callable[[str], None] | None:
    """Return what takes events for the page; None where there is no page, or no events are."""
    if window is None or not window.shows or settings.tracker.mode == "each":
        return None
    return window.tell_event


def keep_window(sinks: FanOut, old: Settings, new: Settings) -> "WebSink | None":
    """Take the page out of the old sinks, where new settings leave it as it is.

    Whoever looks is then not cut off, and stays logged in.
    """
    same = all(getattr(old, section) == getattr(new, section) for section in _OF_WINDOW)
    named = sinks.find(NAME)
    if named is None or not same or old.events.mode != new.events.mode:
        return None
    sinks.release(named)
    return _window(named)


def renew_window(sinks: FanOut, settings: Settings) -> None:
    """Have the page take in settings that were read anew, with token and certificate."""
    named = sinks.find(NAME)
    if named is None:
        return
    try:
        _window(named).renew(settings)
    except FerError as error:
        _log.error("the page keeps its old token and certificate: %s", error)


def _window(named: NamedSink) -> "WebSink":
    from fer_edge.sinks.web.sink import WebSink  # noqa: PLC0415

    assert isinstance(named.sink, WebSink)  # noqa: S101 - it is named so
    return named.sink
