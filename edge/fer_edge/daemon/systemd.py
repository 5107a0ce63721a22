"""What systemd is told: ready, alive, the status line (sd_notify(3)), over its datagram socket."""

import contextlib
import faulthandler
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Final

_log = logging.getLogger(__name__)
_BEATS_PER_DEADLINE: Final = 4
_RELOAD_SECONDS: Final = 120.0
"""The watchdog's deadline during a reload: several models may have to be tried, each for half a
minute at most, and loading one takes seconds on a Pi 3."""
_SEND_SECONDS: Final = 1.0
_MOST_STATUS_CHARACTERS: Final = 300


class SystemdNotifier:
    """Tells systemd how the daemon does; says nothing where no systemd asked.

    Only the loop calls `beat`, and only where it has delivered a frame or knowingly waits, so a
    loop that hangs misses its deadline and is restarted.

    Args:
        environment: The process's: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID.

    Source: sd_notify(3) and sd_watchdog_enabled(3).
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._deadline = _watchdog_seconds(environment)
        self._period = self._deadline / _BEATS_PER_DEADLINE
        self._due = 0.0
        self._ready = False
        self._status = ""
        self._deaf = False

    @property
    def heard(self) -> bool:
        """Whether a service manager listens: then nobody sits in front of the program."""
        return bool(self._address)

    def ready(self) -> None:
        """Say once that the start is over."""
        if not self._ready:
            self._ready = True
            self._say("READY=1")

    def beat(self) -> None:
        """Feed the watchdog, if it is time to."""
        if time.monotonic() >= self._due:
            self._beat_now()

    def status(self, text: str) -> None:
        """Set the line that `systemctl status` shows."""
        text = " ".join(text.split())[:_MOST_STATUS_CHARACTERS]
        if text != self._status:
            self._status = text
            self._say(f"STATUS={text}")

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        """Say that settings are being read anew, and that this is over, however it ends.

        The watchdog waits longer meanwhile. Before the start is over nothing is said: systemd
        would take READY for its end.
        """
        if not self._ready:
            yield
            return
        self._beat_now()
        began = time.monotonic_ns() // 1000
        patient = self._within(max(_RELOAD_SECONDS, self._deadline))
        self._say(f"RELOADING=1\nMONOTONIC_USEC={began}{patient}")
        try:
            yield
        finally:
            self._say(f"READY=1{self._within(self._deadline)}")
            self._beat_now()

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._say("STOPPING=1")
        self.status("stopping")

    def _within(self, seconds: float) -> str:
        """Return what sets the watchdog's deadline, where there is a watchdog."""
        return f"\nWATCHDOG_USEC={round(seconds * 1e6)}" if self._deadline else ""

    def _beat_now(self) -> None:
        if self._period:
            self._due = time.monotonic() + self._period
            self._say("WATCHDOG=1")

    def _say(self, message: str) -> None:
        if not self._address:
            return
        # A leading @ stands for the null byte of an abstract socket.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(_SEND_SECONDS)
                channel.sendto(message.encode(errors="replace"), address)
        except OSError as error:
            if not self._deaf:
                _log.warning("systemd cannot be told %s (%s)", message.partition("=")[0], error)
            self._deaf = True
        else:
            self._deaf = False


def tell_where_it_hung() -> None:
    """Have a watchdog's SIGABRT, and a crash in native code, say where every thread was.

    Without it all that the journal has of a daemon that hung is that it did.
    """
    with contextlib.suppress(OSError, ValueError, AttributeError):  # no stderr that can be written
        faulthandler.enable(sys.stderr)


def _watchdog_seconds(environment: Mapping[str, str]) -> float:
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    try:
        return int(environment.get("WATCHDOG_USEC", "0")) / 1e6
    except ValueError:
        return 0.0
