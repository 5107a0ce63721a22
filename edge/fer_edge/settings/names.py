"""What a run is called, and what bears its name unless the settings name it themselves.

Several runs on one machine differ in it; so none takes the topics or the spool of another.
"""

import os
import platform
import re
from hashlib import sha256
from pathlib import Path
from typing import Final

from fer_edge.settings.resolving import Settings
from fer_edge.settings.secrets import read_secret
from fer_edge.shared.errors import SettingsError

_RUN: Final = re.compile(r"[A-Za-z0-9_-]{0,40}")
_NODE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LONGEST_NODE: Final = 64


def check_run_name(name: str) -> None:
    """Refuse a name that cannot stand in a file's name or a topic.

    Raises:
        SettingsError: It holds other than letters, digits, dashes and underscores.
    """
    if not _RUN.fullmatch(name):
        raise SettingsError(
            f"daemon.name = {name!r}",
            expected="up to 40 letters, digits, dashes and underscores",
            fix="correct it",
        )


def node_name(settings: Settings) -> str:
    """Return the device's name in topics: as the settings say, or the host's with the run's.

    Raises:
        SettingsError: It cannot stand in a topic.
    """
    node = settings.mqtt.node
    if not node:
        run = _ending(settings)
        host = re.sub(r"[^A-Za-z0-9_-]", "-", platform.node().partition(".")[0])
        return (host or "fer-edge")[: _LONGEST_NODE - len(run)] + run
    if not _NODE.fullmatch(node):
        raise SettingsError(
            f"mqtt.node = {node!r} cannot stand in a topic",
            expected=f"at most {_LONGEST_NODE} letters, digits, - and _",
            fix="correct it",
        )
    return node


def spool_path(settings: Settings) -> Path:
    """Return where undelivered events are kept: systemd's state folder, or the user's."""
    if settings.events.spool:
        return Path(settings.events.spool)
    return _state_folder() / f"events{_ending(settings)}.db"


def announced_path(settings: Settings) -> Path:
    """Return where is remembered what brokers keep of the device.

    Always in the state folder, for a spool may lie in memory; and of its own for each spool, which
    no two processes share.
    """
    spool = settings.events.spool
    ending = f"-{sha256(spool.encode()).hexdigest()[:12]}" if spool else _ending(settings)
    return _state_folder() / f"announced{ending}.json"


def place_baseline_path(settings: Settings) -> Path:
    """Return where is kept how faces look at rest at this place."""
    return _state_folder() / f"baseline{_ending(settings)}.json"


def switched_off_path(settings: Settings) -> Path | None:
    """Return the file that is there while the service is switched off; None at a prompt."""
    if not os.environ.get("STATE_DIRECTORY"):
        return None
    return _state_folder() / f"switched-off{_ending(settings)}"


def can_be_switched(settings: Settings) -> bool:
    """Return whether anybody could switch the device on: a broker's clients, or the page."""
    web = settings.web
    by_page = web.port and web.view != "off" and web.commands
    return bool(
        (settings.mqtt.host and settings.mqtt.commands)
        or (by_page and read_secret("web-token", file=web.token_file))
    )


def _state_folder() -> Path:
    folder = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if folder:
        return Path(folder)
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local/state") / "fer-edge"


def _ending(settings: Settings) -> str:
    return f"-{settings.daemon.name}" if settings.daemon.name else ""
