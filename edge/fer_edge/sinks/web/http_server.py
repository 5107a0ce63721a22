"""A small HTTP/1.1 server whose use of memory, time and connections is bounded."""

import asyncio
import contextlib
import dataclasses
import functools
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import OutputError
from fer_edge.sinks.web.messages import (
    END,
    MOST_REQUEST_BYTES,
    Request,
    Response,
    Stream,
    Work,
    body_length,
    parse,
    plain,
    problem,
    serialise,
)

MOST_CONNECTIONS: Final = 16
MOST_UPLOADS: Final = 2
"""Bodies of more than a few kilobytes that are read, or worked at, at once."""
_ALL: Final = "::"
"""All addresses, those of IPv4 as well: by one of them the device is known to most."""
_BACKLOG: Final = 128
"""Who knocks while one is let in: whoever is turned away there tries again a second later."""
_FAREWELL_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 1.0
_SMALL_BODY_BYTES: Final = 16 * 1024
_UPLOAD_SECONDS: Final = 30.0
_REFUSED: Final = 400
_EXPECTED: Final = "100-continue"
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_PIECE_BYTES: Final = 256 * 1024
_STREAM_BUFFER_BYTES: Final = 64 * 1024
"""What the system keeps for a viewer: pictures that wait there are old when they are seen."""
_LINGER_SECONDS: Final = 2.0
_LINGER_BYTES: Final = 8 * 2**20

Answer: TypeAlias = Callable[[Request], Response | Work]
"""Called in the listener's thread with a request's head; returns at once."""


class HttpListener(Closing):
    """Answers from a thread of its own, one request a connection.

    Beyond `MOST_CONNECTIONS` at once the oldest is cut off: one that asks and reads quickly is
    served even while others hold on to theirs. Streams, and large bodies, are no part of that:
    whoever may have one is not thrown out by those who may not. `answer` bounds the streams.

    Args:
        address: Where to listen.
        port: 0 is any that is free.
        answer: What makes responses.
        tls: With which certificate to encrypt; None is not at all.
        patience_seconds: For a handshake, for a whole request without a large body, and again for
            each piece of a response, or part of a stream, to be taken.

    Attributes:
        tls: May be replaced: who comes from then on sees the new certificate.

    Raises:
        OutputError: The port cannot be listened at.
    """

    def __init__(
        self,
        address: str,
        port: int,
        answer: Answer,
        *,
        tls: ssl.SSLContext | None = None,
        patience_seconds: float = 5.0,
    ) -> None:
        self.tls = tls
        self._answer = answer
        self._patience_seconds = patience_seconds
        self._open: dict[asyncio.Task[None], None] = {}  # in the order of their coming
        self._kept: set[asyncio.Task[None]] = set()
        self._uploads = 0
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

    def soon(self, act: Callable[..., object], *arguments: Any) -> None:
        """Have something done in the listener's thread; nothing where it has ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(act, *arguments)

    def close(self) -> None:
        """Cut all connections off and listen no more; may be called twice."""
        self.soon(self._stop.set)
        self._thread.join(_FAREWELL_SECONDS)
        self._socket.close()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._listen()
        await self._stop.wait()
        self._loop.remove_reader(self._socket)
        ending = [*self._open, *self._kept]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    def _listen(self) -> None:
        self._loop.add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        try:
            channel, peer = self._socket.accept()
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
        task = self._loop.create_task(self._converse(channel, str(peer[0])))
        self._open[task] = None
        task.add_done_callback(functools.partial(self._ended, channel))

    def _ended(self, channel: socket.socket, task: asyncio.Task[None]) -> None:
        self._open.pop(task, None)
        self._kept.discard(task)
        channel.close()

    async def _converse(self, channel: socket.socket, peer: str) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(self._patience_seconds):
                reader, writer = await _begin(self._loop, channel, self.tls)
            try:
                with contextlib.suppress(asyncio.IncompleteReadError):  # it has gone again
                    await self._serve_one(reader, writer, peer)
                async with asyncio.timeout(self._patience_seconds):
                    writer.close()
                    await writer.wait_closed()
            finally:
                writer.transport.abort()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def _serve_one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str
    ) -> None:
        try:
            async with asyncio.timeout(self._patience_seconds):
                head = await reader.readuntil(END)
        except asyncio.LimitOverrunError:  # it need not have an end, or even a line
            await self._refuse(plain(431), reader, writer)
            return
        request = parse(head, peer=peer, secure=self.tls is not None)
        if request is None:
            await self._refuse(plain(400), reader, writer)
            return
        answer = self._answer(request)
        if isinstance(answer, Work):
            length = body_length(request, most=answer.most_body_bytes)
            if isinstance(length, int):
                if length and request.headers.get("expect", "").lower() == _EXPECTED:
                    writer.write(_CONTINUE)
                answer = await self._done(answer, request, reader, length)
            else:
                answer = length
        if request.method == "HEAD":
            writer.write(serialise(answer))
            if answer.stream is not None:
                await answer.stream.aclose()
        elif answer.stream is not None:
            await self._stream(answer, answer.stream, reader, writer)
        elif answer.status >= _REFUSED:
            await self._refuse(answer, reader, writer)
        else:
            await self._send(answer, writer)

    async def _done(
        self, work: Work, request: Request, reader: asyncio.StreamReader, length: int
    ) -> Response:
        """Read a body, and return what comes of it."""
        large = length > _SMALL_BODY_BYTES
        if large and self._uploads >= MOST_UPLOADS:
            return problem(
                503,
                "others send something at the same time",
                expected=f"at most {MOST_UPLOADS} at once",
                fix="try again in a few seconds",
                Retry_After="3",
            )
        if large:
            self._keep()
        self._uploads += large
        try:
            async with asyncio.timeout(_UPLOAD_SECONDS if large else self._patience_seconds):
                body = await reader.readexactly(length)
            return await work.handle(dataclasses.replace(request, body=body))
        finally:
            self._uploads -= large

    async def _send(self, response: Response, writer: asyncio.StreamWriter) -> None:
        """Send a response, of which each piece must be taken within the patience."""
        whole = memoryview(serialise(response) + response.body)
        writer.transport.set_write_buffer_limits(high=1, low=0)  # of 0 TLS makes a full buffer
        for begin in range(0, len(whole), _PIECE_BYTES):
            async with asyncio.timeout(self._patience_seconds):
                writer.write(whole[begin : begin + _PIECE_BYTES])
                await writer.drain()

    async def _refuse(
        self, response: Response, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Say no, and let whoever is still sending come to read it."""
        await self._send(response, writer)
        if writer.can_write_eof():
            writer.write_eof()
        left = _LINGER_BYTES
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(self._patience_seconds, _LINGER_SECONDS)):
                while left > 0 and (part := await reader.read(_PIECE_BYTES)):
                    left -= len(part)

    async def _stream(
        self,
        response: Response,
        stream: Stream,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Send parts as they come, until they end, or whoever gets them leaves or is stuck."""
        self._keep()
        sending = self._loop.create_task(self._send_parts(response, stream, writer))
        leaving = self._loop.create_task(reader.read(1))  # who gets a stream asks nothing more
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            sending.cancel()
            leaving.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            await stream.aclose()

    async def _send_parts(
        self, response: Response, stream: Stream, writer: asyncio.StreamWriter
    ) -> None:
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, _STREAM_BUFFER_BYTES
        )
        await self._send(response, writer)
        async for part in stream:
            async with asyncio.timeout(self._patience_seconds):
                writer.write(part)
                await writer.drain()

    def _keep(self) -> None:
        """Let this connection be cut off by nobody who comes later."""
        task = asyncio.current_task()
        if task is not None:
            self._open.pop(task, None)
            self._kept.add(task)


async def _begin(
    loop: asyncio.AbstractEventLoop, channel: socket.socket, tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return both ends of a connection, once hands are shaken."""
    # What is longer than this before its end comes is longer than a request may be.
    reader = asyncio.StreamReader(limit=MOST_REQUEST_BYTES - len(END), loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    shutdown = None if tls is None else _FAREWELL_SECONDS
    transport, _ = await loop.connect_accepted_socket(
        lambda: protocol, channel, ssl=tls, ssl_shutdown_timeout=shutdown
    )
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def try_port(address: str, port: int) -> None:
    """Find out whether a port is free.

    Raises:
        OutputError: It cannot be listened at.
    """
    _listen(address, port).close()


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    both = address == _ALL and socket.has_dualstack_ipv6()
    try:
        listening = socket.create_server(
            (address, port), family=family, backlog=_BACKLOG, dualstack_ipv6=both
        )
    except OSError as error:
        raise OutputError(
            f"port {port} of {address or 'all addresses'} cannot be listened at "
            f"({error.strerror or error})",
            expected="a free port and an address of this machine",
            fix="choose others as web.port and web.address",
        ) from error
    listening.setblocking(False)
    return listening
