"""A small browser for tests: it keeps a cookie, and looks at pictures and pages without end."""

import http.client
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

GIVE_UP_SECONDS = 20.0


class Answered(NamedTuple):
    status: int
    body: bytes
    headers: http.client.HTTPMessage

    def json(self) -> Any:
        return json.loads(self.body)


def everything(channel: socket.socket) -> bytes:
    """Return what comes until the other side ends, or cuts off."""
    received = b""
    try:
        while part := channel.recv(65536):
            received += part
    except ConnectionError:
        pass
    return received


class Browser:
    """Asks one listener, and sends the cookie that it was given."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self.port = port
        self.cookie = ""
        self._tls = tls

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> Answered:
        """Ask; a header's underscores become dashes."""
        if self._tls is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        else:
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=10, context=self._tls
            )
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            named["Cookie"] = self.cookie
        try:
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            found = Answered(answer.status, answer.read(), answer.headers)
        finally:
            connection.close()
        given = found.headers.get("Set-Cookie")
        if given is not None:
            self.cookie = given.partition(";")[0]
        return found

    def log_in(self, token: str, **headers: str) -> Answered:
        form = "application/x-www-form-urlencoded"
        return self.ask("/login", "POST", f"token={token}".encode(), Content_Type=form, **headers)

    def watch(self, path: str) -> "Watching":
        return Watching(self.port, path, self.cookie, tls=self._tls)


class Watching:
    """One answer without an end, which is read only when it is asked for its parts."""

    def __init__(
        self, port: int, path: str, cookie: str = "", *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._channel = socket.create_connection(("127.0.0.1", port), timeout=GIVE_UP_SECONDS)
        if tls is not None:
            self._channel = tls.wrap_socket(self._channel, server_hostname="127.0.0.1")
        asked = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n"
        self._channel.sendall(asked.encode())
        self._received = b""

    def head(self) -> str:
        return self._until(b"\r\n\r\n").decode()

    def pictures(self) -> Iterator[tuple[int, bytes]]:
        """Yield number and bytes of each picture, once the head after it has come."""
        head = b"--frame\r\nContent-Type: image/jpeg\r\n"
        self._until(head + b"\r\n")
        while True:
            picture = self._until(b"\r\n" + head + b"X-After: ")
            yield int(self._until(b"\r\n\r\n")), picture

    def messages(self) -> Iterator[tuple[str, Any]]:
        """Yield name and data of each message that a server sends; none for other lines."""
        while True:
            lines = self._until(b"\n\n").decode().split("\n")
            fields = dict(line.split(": ", 1) for line in lines if ": " in line)
            if "event" in fields:
                yield fields["event"], json.loads(fields["data"])

    def everything(self) -> bytes:
        """Return what comes until the other side ends, or cuts off."""
        self._received += everything(self._channel)
        return self._received

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> "Watching":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _until(self, end: bytes) -> bytes:
        while end not in self._received:
            part = self._channel.recv(65536)
            if not part:
                raise EOFError(self._received[:200])
            self._received += part
        found, _, self._received = self._received.partition(end)
        return found


def until(condition: Callable[[], bool], act: Callable[[], None] = lambda: None) -> None:
    """Act again and again, until a condition holds."""
    give_up = time.monotonic() + GIVE_UP_SECONDS
    while not condition():
        assert time.monotonic() < give_up
        act()
        time.sleep(0.002)
