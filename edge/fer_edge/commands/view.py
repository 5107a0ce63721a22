"""What `fer-edge run --view` adds to the settings, and what it says at the start."""

import contextlib
import dataclasses
import getpass
import platform
import socket
from typing import Final

from fer_edge.assemble.window import own_address
from fer_edge.settings import ResolvedSettings, Settings, WebSettings
from fer_edge.shared.terminal.tables import format_fields

USUAL_PORT: Final = 9834
_EVERYWHERE: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - to be compared with


def choose_port(settings: Settings) -> int:
    """Return the port of the page: what the settings say, the usual one, or any that is free."""
    if settings.web.port:
        return settings.web.port
    for port in (USUAL_PORT, 0):
        with contextlib.suppress(OSError), socket.socket() as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            attempt.bind(("127.0.0.1", port))
            return int(attempt.getsockname()[1])
    return USUAL_PORT


def with_page(resolved: ResolvedSettings, settings: Settings, *, port: int) -> Settings:
    """Return settings with a page, which shows the picture unless they say boxes.

    A clip is read at its own pace, or it would be over before anybody looks.

    Args:
        resolved: Tells where values came from.
        settings: Of all parts.
        port: Of the page.
    """
    web, source = settings.web, settings.source
    view = "picture" if web.view == "off" else web.view
    if resolved.origins["source.pace"] == "default":
        source = dataclasses.replace(source, pace="own")
    return dataclasses.replace(
        settings, source=source, web=dataclasses.replace(web, view=view, port=port)
    )


def page_note(settings: WebSettings) -> str:
    """Return where the page is, and how it is seen from another machine."""
    scheme = "https" if settings.certificate else "http"
    host, port = _host(settings), settings.port
    page = ("page", f"{scheme}://{host}:{port}/")
    if not _is_here(settings.address):
        return format_fields([page, ("log in", "with the token of this device")])
    there = f"{getpass.getuser()}@{platform.node() or 'HOST'}"
    return format_fields(
        [
            page,
            ("elsewhere", f"ssh -L {port}:{host}:{port} {there}  and the same address there;"),
            ("", "or web.address and a token (docs/guide/window.md)"),
        ]
    )


def _is_here(address: str) -> bool:
    from fer_edge.sinks.web.guard import is_loopback  # noqa: PLC0415 - few runs need it

    return is_loopback(address)


def _host(settings: WebSettings) -> str:
    named = settings.names.partition(",")[0].strip()
    address = settings.address
    if named and not _is_here(address):
        address = named
    elif address in _EVERYWHERE:
        address = own_address()
    return f"[{address}]" if ":" in address else address
