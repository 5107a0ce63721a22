"""From settings to the page and the listener behind it.

What they need takes 0.1 s to import, and is imported only where there is a listener.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from fer_edge.settings import Settings
from fer_edge.shared.errors import SettingsError
from fer_edge.sinks.fan_out import FanOut, NamedSink

if TYPE_CHECKING:
    from fer_edge.sinks.web.sink import WebSink

NAME: Final = "web"
_OF_WINDOW: Final = ("web", "daemon")

_log = logging.getLogger(__name__)


def make_window(settings: Settings) -> "WebSink":
    """Open the listener that the section `web` describes; `check_settings` has checked it.

    Raises:
        SettingsError: As `WebSink` says.
        OutputError: Its port cannot be listened at.
    """
    from fer_edge.sinks.web.sink import WebSink  # noqa: PLC0415

    of_faces = settings.events.mode != "aggregate"
    return WebSink(settings.web, faces=of_faces, name=settings.daemon.name)


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
    except SettingsError as error:
        _log.error("the page keeps its old token and certificate: %s", error)


def _window(named: NamedSink) -> "WebSink":
    from fer_edge.sinks.web.sink import WebSink  # noqa: PLC0415

    assert isinstance(named.sink, WebSink)  # noqa: S101 - it is named so
    return named.sink
