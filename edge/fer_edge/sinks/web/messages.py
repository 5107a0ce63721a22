"""What is asked and answered over HTTP/1.1, as records and as bytes."""

import http
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

MOST_REQUEST_BYTES: Final = 8192
END: Final = b"\r\n\r\n"
JSON: Final = "application/json"

_VERSIONS: Final = frozenset({"HTTP/1.0", "HTTP/1.1"})
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ONCE: Final = frozenset(
    {
        "authorization", "content-length", "cookie", "host", "origin", "sec-fetch-mode",
        "sec-fetch-site", "transfer-encoding",
    }
)  # fmt: skip
"""Who sends one of these twice wants two readers to understand two things."""
_OF_EVERY_ANSWER: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src 'self' blob: data:; "
    "script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'self'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    Attributes:
        path: Without what follows a question mark.
        headers: By name in lower case; of several alike, the last.
        method: In capitals.
        body: All of it; empty until it has been read.
        peer: Address of whoever asks, or of the proxy before them.
        secure: Whether it came over TLS.
    """

    path: str
    headers: Mapping[str, str]
    method: str = "GET"
    body: bytes = b""
    peer: str = ""
    secure: bool = False

    def cookie(self, name: str) -> str:
        """Return a cookie's value; "" where there is none."""
        for pair in self.headers.get("cookie", "").split(";"):
            key, _, value = pair.strip().partition("=")
            if key == name:
                return value
        return ""


class Stream(Protocol):
    """A body that has no end: its parts are sent as they come, until one side leaves.

    Each part is asked for once the part before has been taken, so what a slow reader misses is
    for the stream to choose. It is always closed, even where not one part was asked for.
    """

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return the parts."""
        ...

    async def aclose(self) -> None:
        """Take in that nobody reads any more; may be called twice."""
        ...


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered.

    Attributes:
        status: Such as 200.
        body: All of it, unless there is a stream.
        content_type: Of the body.
        headers: Further ones; they replace those that every answer has.
        stream: A body without an end.
    """

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: Stream | None = None


Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
"""Makes the answer to a request, in the listener's thread: what takes long there keeps everybody
waiting, so work goes to a thread or process that is awaited."""


@dataclass(frozen=True, slots=True)
class Work:
    """What an answer still needs: a body that is read first, or time.

    Attributes:
        handle: Called with the request and its body.
        most_body_bytes: A larger body is refused before it is read; 0 is none at all.
    """

    handle: Handler
    most_body_bytes: int = 0


def plain(status: int, **headers: str) -> Response:
    """Return a response that says what its status means, and no more."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, f"{http.HTTPStatus(status).phrase}\n".encode(), headers=named)


def answer_json(told: Mapping[str, Any], *, status: int = 200) -> Response:
    """Return a JSON object as a response."""
    return Response(status, json.dumps(told).encode() + b"\n", JSON)


def problem(
    status: int, message: str, *, expected: str = "", fix: str = "", **headers: str
) -> Response:
    """Return what every JSON address answers where it cannot do what is asked."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    told = {"message": message, "expected": expected, "fix": fix}
    return Response(status, json.dumps(told).encode() + b"\n", JSON, headers=named)


def redirect(place: str, **headers: str) -> Response:
    """Return what sends a browser elsewhere, to be asked with GET."""
    return plain(303, Location=place, **headers)


def parse(head: bytes, *, peer: str = "", secure: bool = False) -> Request | None:
    """Return the request of a whole head, which ends in an empty line; None where it is none."""
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    words = first.split(" ")
    if len(words) != 3 or words[2] not in _VERSIONS or words[1][:1] != "/":
        return None
    if not _TOKEN.fullmatch(words[0]):
        return None
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        key = name.lower()
        if not colon or not _TOKEN.fullmatch(name) or (key in _ONCE and key in headers):
            return None
        headers[key] = value.strip()
    return Request(words[1].partition("?")[0], headers, words[0], peer=peer, secure=secure)


def body_length(request: Request, *, most: int) -> int | Response:
    """Return how many bytes of body follow a head, or what it is refused with.

    Args:
        request: As its head says.
        most: That are read of it.
    """
    if "transfer-encoding" in request.headers:
        return problem(
            411,
            "the length of what is sent is not said",
            expected="a Content-Length",
            fix="send it in one piece; a proxy must buffer requests",
        )
    told = request.headers.get("content-length", "0")
    if not (told.isascii() and told.isdecimal() and len(told) <= 18):
        return plain(400)
    length = int(told)
    if length > most:
        return problem(
            413,
            f"{_size(length)} are sent",
            expected=f"at most {_size(most)}" if most else "none",
            fix="send less",
        )
    return length


def _size(count: int) -> str:
    return f"{count} bytes" if count < 2**20 else f"{count / 2**20:.1f} MiB"


def serialise(response: Response) -> bytes:
    """Return a response's head, with the empty line that ends it."""
    headers = {
        "Content-Type": response.content_type,
        **({} if response.stream else {"Content-Length": str(len(response.body))}),
        **_OF_EVERY_ANSWER,
        "Connection": "close",
        **response.headers,
    }
    lines = [f"HTTP/1.1 {response.status} {http.HTTPStatus(response.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
