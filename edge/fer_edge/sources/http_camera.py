"""Asking a camera over HTTP: one deadline over all of an answer, and never another host unasked."""

import contextlib
import http.client
import io
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import IO, Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from fer_edge.shared.closing import Closing
from fer_edge.sources.addresses import PORTS

_PIECE_BYTES: Final = 65536
_NEARLY_SECONDS: Final = 0.1
_BARE_REALM: Final = re.compile(r"""\b(realm=)([^\s"',][^"',]*)""", re.IGNORECASE)


class RefusedError(Exception):
    """The camera answers with an error, or sends us where we do not go; the message says which."""


class HttpCamera(Closing):
    """One request to a camera, and what comes of it.

    Args:
        parts: Of an http URL; user name and password are sent if the camera asks for them.
        anywhere: Whether it may send us to another host.

    Attributes:
        media_type: Of the answer, such as "image/jpeg"; "" where there is none we understand,
            which FFmpeg may.
        address: Where FFmpeg would have to ask, with user name and password.
    """

    def __init__(self, parts: SplitResult, *, anywhere: bool = False) -> None:
        self.media_type = ""
        self.address = parts.geturl()
        self._parts = parts
        self._anywhere = anywhere
        self._wire = _Wire()
        self._answer: Any = None

    def open(self, timeout_seconds: float) -> None:
        """Ask, and read the answer's header.

        Args:
            timeout_seconds: For all of it: connecting, redirections, passwords, header.

        Raises:
            OSError: It cannot be reached, or does not answer in time.
            RefusedError: It answers with an error, or sends us to another host.
        """
        self._wire.expect_within(timeout_seconds)
        host = self._parts.netloc.rpartition("@")[2]
        url = self._parts._replace(netloc=host, fragment="").geturl()
        redirects = _Redirects(str(self._parts.hostname), anywhere=self._anywhere)
        try:
            self._answer = _opener(self._wire, url, self._parts, redirects).open(
                url, timeout=timeout_seconds
            )
            self.media_type = self._answer.headers.get_content_type()
        except urllib.error.HTTPError as error:
            error.close()
            said = http.client.responses.get(error.code, "")  # the camera's own words may be any
            raise RefusedError(f"the server answers {error.code} {said}".rstrip()) from None
        except urllib.error.URLError as error:
            if isinstance(error.reason, OSError):
                raise error.reason from None
        except (http.client.HTTPException, ValueError, LookupError, ArithmeticError):
            pass  # what Python's HTTP does not take
        finally:
            self.address = self._for_ffmpeg(redirects.followed)

    @property
    def connected(self) -> bool:
        """Whether somebody has taken the connection."""
        return self._wire.connected

    def pieces(self, timeout_seconds: float) -> Iterator[bytes]:
        """Yield what comes until the answer ends.

        Args:
            timeout_seconds: For the first piece, until `expect_within` says otherwise.

        Raises:
            OSError: The connection breaks, or nothing comes in time.
            http.client.HTTPException: What comes breaks the protocol.
        """
        self._wire.expect_within(timeout_seconds)
        while data := self._answer.read1(_PIECE_BYTES):
            yield data

    def expect_within(self, seconds: float) -> None:
        """Wait for all that is read from now on until then, and no longer."""
        self._wire.expect_within(seconds)

    def interrupt(self) -> None:
        """End a wait on another thread."""
        self._wire.interrupt()

    def close(self) -> None:
        """Close the connection; may be called twice."""
        if self._answer is not None:
            self._answer.close()
        self._wire.close()

    def _for_ffmpeg(self, followed: str) -> str:
        """Return an address with the password in it, unless it is another host's."""
        found = urlsplit(followed or self._parts.geturl())
        if followed and found.hostname == self._parts.hostname:
            who, at, _ = self._parts.netloc.rpartition("@")
            found = found._replace(netloc=f"{who}{at}{found.netloc}")
        return found.geturl()


class _Wire(urllib.request.HTTPHandler, Closing):
    """The sockets of a request, which all keep to one deadline."""

    def __init__(self) -> None:
        super().__init__()
        self._deadline = 0.0
        self._sockets: list[socket.socket] = []
        self._interrupted = False

    @property
    def connected(self) -> bool:
        return bool(self._sockets)

    def expect_within(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    def left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0 or self._interrupted:
            raise TimeoutError("timed out")
        return left

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        def connection(host: str, **options: Any) -> http.client.HTTPConnection:
            made = _Connection(host, **options)
            made.wire = self
            return made

        return self.do_open(connection, request)

    def connect(self, host: str, port: int) -> "_TimedSocket":
        failure: OSError = OSError("no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            plain = socket.socket(family, kind, protocol)
            try:
                plain.settimeout(self.left())
                plain.connect(address)
            except OSError as error:
                plain.close()
                failure = error
                continue
            self._sockets.append(plain)
            return _TimedSocket(plain, self)
        raise failure

    def interrupt(self) -> None:
        self._interrupted = True
        for plain in self._sockets:
            with contextlib.suppress(OSError):  # it has just been closed
                plain.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for plain in self._sockets:
            plain.close()


class _TimedSocket:
    """As much of a socket as http.client uses; the wire closes the socket itself."""

    def __init__(self, plain: socket.socket, wire: _Wire) -> None:
        self._plain = plain
        self._wire = wire

    def sendall(self, data: bytes) -> None:
        self._plain.settimeout(self._wire.left())
        self._plain.sendall(data)

    def makefile(self, _mode: str) -> IO[bytes]:
        return io.BufferedReader(_TimedReader(self._plain, self._wire))

    def close(self) -> None:
        pass


class _TimedReader(io.RawIOBase):
    def __init__(self, plain: socket.socket, wire: _Wire) -> None:
        self._plain = plain
        self._wire = wire
        self._set = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._wire.left()
        if not left <= self._set < left + _NEARLY_SECONDS:  # each change is a call of the system
            self._plain.settimeout(left)
            self._set = left
        return self._plain.recv_into(buffer)


class _Connection(http.client.HTTPConnection):
    wire: _Wire

    def connect(self) -> None:
        self.sock = self.wire.connect(self.host, self.port)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a camera to other addresses of its own host.

    Attributes:
        followed: The last of them; "" where there was none.
    """

    def __init__(self, host: str, *, anywhere: bool) -> None:
        self.followed = ""
        self._host = host.lower()
        self._anywhere = anywhere

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        to = urlsplit(newurl)
        if to.scheme not in PORTS or (to.hostname != self._host and not self._anywhere):
            raise RefusedError(
                "the camera sends us elsewhere (source.redirects = 'any' allows other hosts)"
            )
        self.followed = newurl
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _AnswerCloser(urllib.request.BaseHandler):
    """Closes the answer that asks for a password, which urllib leaves to the garbage collector."""

    handler_order = 0

    def http_error_401(self, _request: Any, answer: Any, *_rest: Any) -> None:
        answer.close()


class _BasicAuth(urllib.request.HTTPBasicAuthHandler):
    """Takes a realm without quotes, too, of which urllib would warn whoever reads our output."""

    def http_error_401(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        quoted = http.client.HTTPMessage()
        for name, value in headers.items():
            quoted[name] = _BARE_REALM.sub(r'\1"\2"', value)
        return super().http_error_401(req, fp, code, msg, quoted)


def _opener(
    wire: _Wire, url: str, parts: SplitResult, redirects: _Redirects
) -> urllib.request.OpenerDirector:
    """Return what opens http and nothing else, with the user's name and password for this URL."""
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    if parts.username is not None:
        passwords.add_password(None, url, unquote(parts.username), unquote(parts.password or ""))
    opener = urllib.request.OpenerDirector()
    for handler in (
        wire,
        _AnswerCloser(),
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        redirects,
        urllib.request.HTTPErrorProcessor(),
        _BasicAuth(passwords),
        urllib.request.HTTPDigestAuthHandler(passwords),
    ):
        opener.add_handler(handler)
    return opener
