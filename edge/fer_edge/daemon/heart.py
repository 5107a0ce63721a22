"""What systemd is told: ready, alive, the status line (sd_notify(3)), over its datagram socket."""

import logging
import os
import socket
import time
from collections.abc import Mapping
from typing import Final

_log = logging.getLogger(__name__)
_BEATS_PER_DEADLINE: Final = 4


class Heart:
    """Tells systemd how the daemon does; says nothing where no systemd asked.

    Only the loop calls `beat`, and only where it has delivered a frame or knowingly waits, so a
    loop that hangs misses its deadline and is restarted.

    Args:
        environment: The process's: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._period = _watchdog_seconds(environment) / _BEATS_PER_DEADLINE
        self._due = 0.0
        self._ready = False
        self._status = ""

    def ready(self) -> None:
        """Say once that the start is over."""
        if not self._ready:
            self._ready = True
            self._say("READY=1")

    def beat(self) -> None:
        """Feed the watchdog, if it is time to."""
        now = time.monotonic()
        if self._period and now >= self._due:
            self._due = now + self._period
            self._say("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Set the line that `systemctl status` shows."""
        if text != self._status:
            self._status = text
            self._say("STATUS=" + " ".join(text.split()))

    def reloading(self) -> None:
        """Say that settings are being read anew; `reloaded` must follow."""
        self._say(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def reloaded(self) -> None:
        """Say that this is over."""
        self._say("READY=1")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._say("STOPPING=1")

    def _say(self, message: str) -> None:
        if not self._address:
            return
        # A leading @ stands for the null byte of an abstract socket.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(1.0)
                channel.sendto(message.encode(), address)
        except OSError as error:
            _log.warning("systemd cannot be told %s (%s)", message.partition("=")[0], error)


def _watchdog_seconds(environment: Mapping[str, str]) -> float:
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    try:
        return int(environment.get("WATCHDOG_USEC", "0")) / 1e6
    except ValueError:
        return 0.0
