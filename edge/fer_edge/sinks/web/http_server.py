"""A small HTTP/1.1 server whose use of memory, time and connections is bounded."""

import asyncio
import contextlib
import functools
import http
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import OutputError

MOST_REQUEST_BYTES: Final = 8192
MOST_CONNECTIONS: Final = 16
_FAREWELL_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 1.0
_END: Final = b"\r\n\r\n"
_METHODS: Final = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    Attributes:
        path: Without what follows a question mark.
        headers: By name in lower case; of several alike, the last.
    """

    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered.

    Attributes:
        status: Such as 200.
        body: All of it.
        content_type: Of the body.
        headers: Further ones.
    """

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


Answer: TypeAlias = Callable[[Request], Response]
"""Called in the listener's thread; returns at once."""


class HttpListener(Closing):
    """Answers GET and HEAD from a thread of its own, one request a connection.

    Beyond `MOST_CONNECTIONS` at once the oldest is cut off: one that asks and reads quickly is
    served even while others hold on to theirs.

    Args:
        address: Where to listen.
        port: 0 is any that is free.
        answer: What makes responses.
        patience_seconds: For a whole request, and again for taking the whole response.

    Raises:
        OutputError: The port cannot be listened at.
    """

    def __init__(
        self, address: str, port: int, answer: Answer, *, patience_seconds: float = 5.0
    ) -> None:
        self._answer = answer
        self._patience_seconds = patience_seconds
        self._open: dict[asyncio.Task[None], None] = {}  # in the order of their coming
        self._socket = _listen(address, port)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._socket.getsockname()[1])

    @property
    def alive(self) -> bool:
        """Whether it still answers."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Cut all connections off and listen no more; may be called twice."""
        with contextlib.suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_FAREWELL_SECONDS)
        self._socket.close()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._listen()
        await self._stop.wait()
        self._loop.remove_reader(self._socket)
        ending = list(self._open)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    def _listen(self) -> None:
        self._loop.add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        try:
            channel, _ = self._socket.accept()
        except BlockingIOError:  # it has gone again
            return
        except OSError:  # too many open files, for instance
            self._loop.remove_reader(self._socket)
            self._loop.call_later(_PAUSE_SECONDS, self._listen)
            return
        channel.setblocking(False)
        if len(self._open) >= MOST_CONNECTIONS:
            oldest = next(iter(self._open))
            del self._open[oldest]  # it ends only later, and must not be taken twice
            oldest.cancel()
        task = self._loop.create_task(self._converse(channel))
        self._open[task] = None
        task.add_done_callback(functools.partial(self._ended, channel))

    def _ended(self, channel: socket.socket, task: asyncio.Task[None]) -> None:
        self._open.pop(task, None)
        channel.close()

    async def _converse(self, channel: socket.socket) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(self._patience_seconds):
                head = await self._receive(channel)
            if head is None:
                return
            if len(head) > MOST_REQUEST_BYTES:  # it need not have an end, or even a line
                method, response = "", plain(431)
            else:
                method, request = _parse(head)
                response = self._respond(method, request)
            async with asyncio.timeout(self._patience_seconds):
                sent = _serialise(response, body=method != "HEAD")
                await self._loop.sock_sendall(channel, sent)
            channel.shutdown(socket.SHUT_WR)

    async def _receive(self, channel: socket.socket) -> bytes | None:
        """Return a request's head, or more than it may hold; None where it ends before."""
        head = b""
        while _END not in head and len(head) <= MOST_REQUEST_BYTES:
            part = await self._loop.sock_recv(channel, MOST_REQUEST_BYTES)
            if not part:
                return None
            head += part
        end = head.find(_END)
        return head if end < 0 else head[: end + len(_END)]

    def _respond(self, method: str, request: Request | None) -> Response:
        if request is None:
            return plain(400)
        if method not in _METHODS:
            return plain(405, Allow=", ".join(_METHODS))
        return self._answer(request)


def plain(status: int, **headers: str) -> Response:
    """Return a response that says what its status means, and no more."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, f"{http.HTTPStatus(status).phrase}\n".encode(), headers=named)


def try_port(address: str, port: int) -> None:
    """Find out whether a port is free.

    Raises:
        OutputError: It cannot be listened at.
    """
    _listen(address, port).close()


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listening = socket.create_server((address, port), family=family, backlog=MOST_CONNECTIONS)
    except OSError as error:
        raise OutputError(
            f"port {port} of {address or 'all addresses'} cannot be listened at "
            f"({error.strerror or error})",
            expected="a free port and an address of this machine",
            fix="choose others as web.port and web.address",
        ) from error
    listening.setblocking(False)
    return listening


def _parse(head: bytes) -> tuple[str, Request | None]:
    """Return method and request of a whole head; no request where it is none of HTTP/1."""
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    words = first.split(" ")
    if len(words) != 3 or words[2] not in {"HTTP/1.0", "HTTP/1.1"} or words[1][:1] != "/":
        return "", None
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            return "", None
        headers[name.lower()] = value.strip()
    return words[0], Request(words[1].partition("?")[0], headers)


def _serialise(response: Response, *, body: bool) -> bytes:
    headers = {
        "Content-Type": response.content_type,
        "Content-Length": str(len(response.body)),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Connection": "close",
        **response.headers,
    }
    lines = [f"HTTP/1.1 {response.status} {http.HTTPStatus(response.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return head + response.body if body else head
