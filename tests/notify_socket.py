"""The socket that systemd listens on, for what a daemon tells it."""

import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self


class NotifySocket:
    """Collects what is said to it.

    Args:
        path: Where it listens; "@name" is an abstract address.
    """

    def __init__(self, path: "Path | str") -> None:
        self.path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path.replace("@", "\0", 1))
        self._socket.setblocking(False)
        self._said: list[str] = []

    def environment(self, **more: str) -> dict[str, str]:
        return {"NOTIFY_SOCKET": self.path, **more}

    @property
    def said(self) -> list[str]:
        """All messages so far."""
        while True:
            try:
                self._said.append(self._socket.recv(8192).decode())
            except BlockingIOError:
                return self._said

    def count(self, message: str) -> int:
        """Return how many messages so far begin like this."""
        return sum(said.startswith(message) for said in self.said)

    def wait_for(self, message: str, *, times: int = 1, seconds: float = 20.0) -> None:
        """Wait until so many messages begin like this."""
        deadline = time.monotonic() + seconds
        while self.count(message) < times:
            assert time.monotonic() < deadline, f"not {times} {message} in {self.said}"
            time.sleep(0.02)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
