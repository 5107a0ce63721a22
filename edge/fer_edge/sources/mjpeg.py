"""Motion JPEG over HTTP, taken apart here: a JPEG decodes to grey for half of what colour costs."""

import contextlib
import http.client
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import SplitResult, unquote

from fer_edge.shared.closing import Closing

_MOST_LINE_BYTES: Final = 65536
_MOST_PICTURE_BYTES: Final = 64 * 2**20
_JPEG_START: Final = b"\xff\xd8"
_LENGTH: Final = b"content-length:"


class RefusedError(Exception):
    """The server answers with an error; the message says which."""


class MjpegConnection(Closing):
    """The JPEGs of a multipart answer, one after the other.

    Args:
        answer: Of the server; closed with this.
        boundary: Between the parts, without dashes.
        client: What the answer came through.
    """

    def __init__(self, answer: Any, *, boundary: str, client: "_Client") -> None:
        self._answer = answer
        self._boundary = boundary.encode()
        self._client = client
        self._unread = b""

    def jpegs(self, *, timeout_seconds: float) -> Iterator[bytes]:
        """Yield what may be JPEGs until the connection ends.

        Args:
            timeout_seconds: The longest pause between two of them.

        Raises:
            OSError: The connection breaks, or nothing comes in time.
            http.client.HTTPException: What comes breaks the protocol.
        """
        self._client.set_timeout(timeout_seconds)
        give_up = time.monotonic() + timeout_seconds
        while line := self._read_line(give_up):
            if self._is_boundary(line):
                data = self._read_part(self._read_length(give_up), give_up)
                if data.startswith(_JPEG_START):
                    yield data
                    give_up = time.monotonic() + timeout_seconds

    def interrupt(self) -> None:
        """End a read that waits on another thread."""
        self._client.interrupt()

    def close(self) -> None:
        """Close the connection; may be called twice."""
        self._answer.close()

    def _read_length(self, give_up: float) -> int:
        """Read a part's headers; return the length they state, or 0."""
        length = 0
        while (line := self._read_line(give_up).strip().lower()) and not self._is_boundary(line):
            if line.startswith(_LENGTH) and (stated := line[len(_LENGTH) :].strip()).isdigit():
                length = min(int(stated), _MOST_PICTURE_BYTES)
        return length

    def _read_part(self, length: int, give_up: float) -> bytes:
        """Return a part's content, to the next boundary where its length is not stated."""
        if length:
            return bytes(self._answer.read(length))
        data = bytearray()
        while line := self._read_line(give_up):
            if self._is_boundary(line):
                self._unread = line
                break
            data += line
            if len(data) > _MOST_PICTURE_BYTES:
                break
        return bytes(data)

    def _read_line(self, give_up: float) -> bytes:
        line, self._unread = self._unread, b""
        if not line:
            line = self._answer.readline(_MOST_LINE_BYTES)
        if time.monotonic() > give_up:
            raise TimeoutError
        return line

    def _is_boundary(self, line: bytes) -> bool:
        # Cameras write it with any number of dashes.
        return line.startswith(b"--") and line.strip().strip(b"-") == self._boundary


def open_mjpeg(parts: SplitResult, *, timeout_seconds: float) -> MjpegConnection | None:
    """Ask for a stream of Motion JPEG.

    Args:
        parts: Of an http URL; user name and password are sent if the server asks for them.
        timeout_seconds: For connecting, and for each answer.

    Returns:
        The connection; None where the server answers with something else, which FFmpeg may know,
        or in a way that Python's HTTP does not take.

    Raises:
        OSError: It cannot be reached, or does not answer in time.
        RefusedError: It answers with an error.
    """
    host = parts.netloc.rpartition("@")[2]
    url = parts._replace(netloc=host, fragment="").geturl()
    client = _Client()
    try:
        answer = _opener(client, url, parts).open(url, timeout=timeout_seconds)
    except urllib.error.HTTPError as error:
        error.close()
        raise RefusedError(f"the server answers {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, OSError):
            raise error.reason from None
        return None  # it sends us elsewhere, for instance to https, which is FFmpeg's
    except (http.client.HTTPException, ValueError):
        return None
    boundary = str(answer.headers.get_param("boundary", "")).strip('"').strip("-")
    if answer.headers.get_content_type() == "multipart/x-mixed-replace" and boundary:
        return MjpegConnection(answer, boundary=boundary, client=client)
    answer.close()
    return None


class _Client(urllib.request.HTTPHandler):
    """Remembers the socket of the last answer: its time-out changes once pictures flow."""

    def __init__(self) -> None:
        super().__init__()
        self.socket: socket.socket | None = None

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection, request)

    def set_timeout(self, seconds: float) -> None:
        if self.socket is not None:
            self.socket.settimeout(seconds)

    def interrupt(self) -> None:
        if self.socket is not None:
            with contextlib.suppress(OSError):  # it has just been closed
                self.socket.shutdown(socket.SHUT_RDWR)

    def _connection(self, host: str, **options: Any) -> http.client.HTTPConnection:
        connection = _Connection(host, **options)
        connection.client = self
        return connection


class _Connection(http.client.HTTPConnection):
    client: _Client

    def connect(self) -> None:
        super().connect()
        self.client.socket = self.sock


class _AnswerCloser(urllib.request.BaseHandler):
    """Closes the answer that asks for a password, which urllib leaves to the garbage collector."""

    handler_order = 0

    def http_error_401(self, _request: Any, answer: Any, *_rest: Any) -> None:
        answer.close()


def _opener(client: _Client, url: str, parts: SplitResult) -> urllib.request.OpenerDirector:
    """Return what opens http and nothing else, with the user's name and password for this URL."""
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    if parts.username is not None:
        passwords.add_password(None, url, unquote(parts.username), unquote(parts.password or ""))
    opener = urllib.request.OpenerDirector()
    for handler in (
        client,
        _AnswerCloser(),
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPBasicAuthHandler(passwords),
        urllib.request.HTTPDigestAuthHandler(passwords),
    ):
        opener.add_handler(handler)
    return opener
