"""What answers in a camera's place."""

import contextlib
import random
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import numpy as np

from fer_edge.assemble.sources import make_source
from fer_edge.settings import SourceSettings
from fer_edge.shared.data.jpeg import END, START
from fer_edge.shared.errors import FerError
from fer_edge.shared.opencv import cv2
from fer_edge.sources.http_camera import HttpCamera, RefusedError
from fer_edge.sources.mjpeg import MOST_PICTURE_BYTES, JpegSplitter
from hostile.changes import ODD_NUMBERS, spoil
from hostile.child import Case

_NOISE = np.random.default_rng(0).integers(0, 256, (120, 160), np.uint8)
_JPEG = cv2.imencode(".jpg", _NOISE)[1].tobytes()
_BOUNDARIES = ["frame", "--frame", '"frame"', "", "x" * 300, "a b", "\xff"]
_TYPES = [
    "multipart/x-mixed-replace; boundary=", "multipart/x-mixed-replace; boundary=",
    "multipart/x-mixed-replace", "image/jpeg", "image/png", "video/mp4", "text/html", "",
    "multipart/" + "x" * 9000, "image/jpeg; " + "a=b; " * 500, "/", ";;;", "image/jpeg\xe9",
]  # fmt: skip
_PLACES = [
    "/", "//", "http://[::1", "rtsp:///x", "file:///etc/passwd", "ftp://127.0.0.1/", "http://",
    "http://127.0.0.2/", "/" + "a" * 9000, "http://127.0.0.1:99999/", "\xff", "?", "javascript:1",
]  # fmt: skip
_DIGEST = [
    'realm="r"', 'nonce="n"', 'qop="auth"', 'qop="auth-int"', "qop=", "algorithm=MD5",
    "algorithm=SHA-256", "algorithm=ROT13", "algorithm=", 'opaque="o"', "stale=true", 'nonce="',
    'realm="' + "r" * 5000 + '"', 'domain="//"', "=", ",,", 'nonce="\\"', "nonce", 'charset="x"',
]  # fmt: skip
_STEP_SECONDS = 0.3
_MOST_SECONDS = 15.0


def camera(rng: random.Random) -> Case:
    """An HTTP camera whose answer breaks the protocol somewhere, read as the daemon reads it."""
    answer = an_answer(rng)
    return Case(lambda: read_as_the_daemon(answer), answer)


def an_answer(rng: random.Random) -> bytes:
    """Return what a camera sends: status line, headers, pictures."""
    if rng.random() < 0.05:
        return rng.randbytes(rng.choice([0, 1, 500, 70_000]))
    status = rng.choice(
        ["HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "HTTP/1.0 200", "HTTP/9 200 OK",
         "200 OK", "HTTP/1.1 999 x", "HTTP/1.1 -1 x", "HTTP/1.1 302 Moved", "HTTP/1.1 401 No",
         "HTTP/1.1 100 Continue", "HTTP/1.1 204 None", "HTTP/1.1 200 " + "x" * 70_000]
    )  # fmt: skip
    boundary = rng.choice(_BOUNDARIES)
    headers = [f"Content-Type: {rng.choice(_TYPES)}{boundary}"]
    headers += rng.sample(
        [f"Content-Length: {rng.choice(ODD_NUMBERS)}", "Transfer-Encoding: chunked",
         "Transfer-Encoding: gzip, chunked", "Content-Encoding: gzip", "Connection: keep-alive",
         f"Location: {rng.choice(_PLACES)}", f"WWW-Authenticate: Digest {_some(_DIGEST, rng)}",
         "WWW-Authenticate: Basic", "WWW-Authenticate: Digest", "X: " + "y" * 70_000, ": ", "X",
         *["Set-Cookie: a=b"] * 3, "\x00: \x01", " folded"],
        rng.choice([0, 0, 1, 2, 4]),
    )  # fmt: skip
    if "401" in status:
        headers.append(f"WWW-Authenticate: Digest {_some(_DIGEST, rng)}")
    if "302" in status:
        headers.append(f"Location: {rng.choice(_PLACES)}")
    if rng.random() < 0.02:
        headers += ["A: b"] * 200
    body = b"".join(_part(boundary, rng) for _ in range(rng.choice([0, 1, 2, 5])))
    if "Transfer-Encoding: chunked" in headers:
        body = _chunked(body, rng)
    head = "\r\n".join([status, *headers, "", ""]).encode("latin-1")
    return spoil(head, rng) + body if rng.random() < 0.1 else head + body


def pieces_of(answer: bytes, rng: random.Random) -> list[bytes]:
    """Return the same bytes as they may come."""
    ends = sorted(rng.randrange(len(answer) + 1) for _ in range(rng.choice([0, 1, 3])))
    return [answer[begin:end] for begin, end in zip([0, *ends], [*ends, len(answer)], strict=True)]


def split(pieces: Sequence[bytes]) -> str:
    """Feed a splitter; what it finds and what it keeps must be within bounds."""
    splitter, found = JpegSplitter(), 0
    try:
        for piece in pieces:
            for jpeg in splitter.feed(piece):
                found += 1
                if not jpeg.startswith(START[:2]) or len(jpeg) > MOST_PICTURE_BYTES:
                    raise AssertionError(f"that is no picture: {jpeg[:20]!r}")
    except ValueError as error:
        return f"refused: {error}"
    if len(splitter._bytes) > MOST_PICTURE_BYTES + max(map(len, pieces), default=0):
        raise AssertionError(f"it keeps {len(splitter._bytes)} bytes")
    return f"{found} pictures"


def read_over_http(answer: bytes) -> str:
    """Ask as the source does, and read what comes, without FFmpeg."""
    with _served(answer) as port:
        address = f"http://me:geheim@127.0.0.1:{port}/video"
        with HttpCamera(urlsplit(address)) as asked:
            try:
                asked.open(_STEP_SECONDS)
            except (OSError, RefusedError) as error:
                return type(error).__name__
            if not asked.media_type:
                return "for FFmpeg"
            return _read(asked)


def read_as_the_daemon(answer: bytes) -> str:
    """Open the camera and read from it; a fault of it is an error of ours, and in time."""
    began = time.monotonic()
    with _served(answer) as port:
        settings = SourceSettings(
            uri=f"http://me:geheim@127.0.0.1:{port}/video",
            open_timeout_seconds=2 * _STEP_SECONDS,
            read_timeout_seconds=_STEP_SECONDS,
        )
        end, frames = "its end", 0
        try:
            with make_source(settings) as source:
                for _ in range(4):
                    if source.read(_STEP_SECONDS) is None:
                        break
                    frames += 1
        except FerError as error:
            if "geheim" in str(error):
                raise AssertionError("the password is shown") from error
            end = type(error).__name__
    if time.monotonic() - began > _MOST_SECONDS:
        raise AssertionError(f"it took {time.monotonic() - began:.1f} s")
    return f"{'frames' if frames else 'nothing'}, then {end}"


def _read(asked: HttpCamera) -> str:
    splitter, found = JpegSplitter(), 0
    try:
        for piece in asked.pieces(_STEP_SECONDS):
            found += len(list(splitter.feed(piece)))
    except Exception as error:  # noqa: BLE001 - the daemon's seam takes all of them as a fault
        return type(error).__name__
    return f"{found} pictures"


def _part(boundary: str, rng: random.Random) -> bytes:
    jpeg = rng.choice([_JPEG, _JPEG, spoil(_JPEG, rng), _claiming(rng), START + b"\x00" * 50, b""])
    if rng.random() < 0.2:
        jpeg = jpeg.removesuffix(END)
    length = rng.choice([str(len(jpeg)), str(len(jpeg)), *ODD_NUMBERS])
    head = rng.choice(
        [f"--{boundary}\r\nContent-Type: image/jpeg\r\nContent-Length: {length}\r\n\r\n",
         f"\r\n{boundary}\n\n", "", f"--{boundary}\r\ncontent-length:{length}\n" * 3, "X" * 9000]
    )  # fmt: skip
    return head.encode("latin-1") + jpeg + rng.choice([b"\r\n", b"", b"\n\n"])


def _claiming(rng: random.Random) -> bytes:
    """Return a JPEG that says it has another size."""
    frame = _JPEG.find(b"\xff\xc0") + 5
    sides = [0, 1, 8000, 65_535]
    size = rng.choice(sides).to_bytes(2, "big") + rng.choice(sides).to_bytes(2, "big")
    return _JPEG[:frame] + size + _JPEG[frame + 4 :]


def _chunked(body: bytes, rng: random.Random) -> bytes:
    sizes = [f"{len(body):x}", f"{len(body):x}", "-1", "f" * 30, "zz", "", "0x5", "5;" + "e" * 9000]
    return (
        rng.choice(sizes).encode() + b"\r\n" + body + rng.choice([b"\r\n0\r\n\r\n", b"", b"\r\n"])
    )


def _some(parts: Sequence[str], rng: random.Random) -> str:
    return rng.choice([", ", ",", " "]).join(rng.sample(parts, rng.randrange(1, 6)))


@contextlib.contextmanager
def _served(answer: bytes) -> Iterator[int]:
    """Give the same answer to everybody who connects."""
    with socket.create_server(("127.0.0.1", 0), backlog=8) as server:
        threading.Thread(target=_serve, args=(server, answer), daemon=True).start()
        yield server.getsockname()[1]


def _serve(server: socket.socket, answer: bytes) -> None:
    with contextlib.suppress(OSError):
        while True:
            channel, _ = server.accept()
            with channel, contextlib.suppress(OSError):
                channel.settimeout(_STEP_SECONDS)
                channel.recv(65536)
                channel.sendall(answer)
