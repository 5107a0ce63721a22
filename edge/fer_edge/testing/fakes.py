"""Sources and servers that fail on command, for tests of whatever reads a camera."""

import base64
import http.server
import itertools
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import SourceUnavailableError
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Frame, GreyImage
from fer_edge.sources.capture import picture_now, to_frame

LEVEL_STEP: Final = 5
LEVELS: Final = 50


@dataclass(frozen=True, slots=True)
class Stall:
    """A step of a script: nothing comes for so long, counted from the read that meets it."""

    seconds: float


Step: TypeAlias = GreyImage | Stall | Exception
Behaviour: TypeAlias = Literal[
    "stream", "stall", "garbage", "damaged", "end", "silent", "frozen", "black"
]


def numbered_picture(number: int, *, width: int = 160, height: int = 120) -> GreyImage:
    """Return a plain picture whose grey level tells its number (modulo 50), even as JPEG."""
    return np.full((height, width), number % LEVELS * LEVEL_STEP, np.uint8)


def number_of(picture: GreyImage) -> int:
    """Return the number (modulo 50) of a `numbered_picture`."""
    return round(float(picture.mean()) / LEVEL_STEP)


def noisy_picture(
    number: int, *, width: int = 160, height: int = 120, level: int = 120
) -> GreyImage:
    """Return a plain picture with a sensor's noise, another one for each number."""
    noise = np.random.default_rng(number).normal(0, 4, (height, width))
    return np.clip(level + noise, 0, 255).astype(np.uint8)


def encode_jpeg(picture: GreyImage) -> bytes:
    """Return a picture as a camera sends it."""
    return cv2.imencode(".jpg", picture)[1].tobytes()


class ScriptedSource(Closing):
    """A source that follows a script.

    Args:
        script: What the reads meet in turn: a picture becomes a frame, a `Stall` a pause, an
            error is raised. May be endless.
        live: What to say of itself.

    Attributes:
        closed: Whether `close` was called.
        live: As said at construction.
    """

    def __init__(self, script: Iterable[Step], *, live: bool = False) -> None:
        self.closed = False
        self.live = live
        self._steps = iter(script)
        self._count = 0
        self._quiet_until = 0.0

    def read(self, timeout_seconds: float) -> Frame | None:
        """Do the next step; None after the last one or once closed.

        Raises:
            SourceUnavailableError: A stall lasts longer than the time.
            Exception: The script says so.
        """
        deadline = time.monotonic() + timeout_seconds
        while not self.closed:
            self._sit_out_stall(deadline, timeout_seconds)
            step = next(self._steps, None)
            if step is None:
                break
            if isinstance(step, Exception):
                raise step
            if isinstance(step, Stall):
                self._quiet_until = time.monotonic() + step.seconds
                continue
            self._count += 1
            return to_frame(picture_now(step), index=self._count - 1)
        return None

    def close(self) -> None:
        """End; may be called twice."""
        self.closed = True

    def _sit_out_stall(self, deadline: float, timeout_seconds: float) -> None:
        time.sleep(max(0.0, min(self._quiet_until, deadline) - time.monotonic()))
        if self._quiet_until > deadline:
            raise SourceUnavailableError(
                f"the scripted source delivered no frame within {timeout_seconds:g} s",
                expected="a frame in that time",
                fix="read again",
            )


class MjpegServer(Closing):
    """A network camera on 127.0.0.1: Motion JPEG over HTTP, and the ways it goes wrong.

    Behaviours: "stream"; "stall", the connection stays and nothing comes; "garbage", random
    bytes instead of pictures; "damaged", every other picture is cut off; "end", the connection
    is closed; "silent", connections are taken and never answered; "frozen", the first picture
    over and over; "black", pictures without any light.

    Args:
        pictures: Sent over and over; numbered ones if none are given.
        frames_per_second: Of the stream.
        credentials: "user:password" that a client must send; none if empty.
        content_type: As the server states it; cameras differ in how they write the boundary.
        stated_lengths: Whether each picture is preceded by its length.
        port: To listen on; any free one if 0.

    Attributes:
        behaviour: May be set at any time.
        period_seconds: Between two pictures; may be set at any time.
        jpegs: The pictures; may be set at any time.
    """

    def __init__(
        self,
        pictures: Sequence[GreyImage] = (),
        *,
        frames_per_second: float = 50.0,
        credentials: str = "",
        content_type: str = "multipart/x-mixed-replace; boundary=frame",
        stated_lengths: bool = True,
        port: int = 0,
    ) -> None:
        self.behaviour: Behaviour = "stream"
        self.credentials = credentials
        self.content_type = content_type
        self.stated_lengths = stated_lengths
        self.period_seconds = 1 / frames_per_second
        chosen = pictures or [numbered_picture(number) for number in range(LEVELS)]
        self.jpegs = [encode_jpeg(picture) for picture in chosen]
        self.port = port
        self._server: _Server | None = None
        self.start()

    @property
    def url(self) -> str:
        """Address of the stream, without credentials."""
        return f"http://127.0.0.1:{self.port}/stream"

    def start(self) -> None:
        """Listen, on the same port as before where there was one."""
        self._server = _Server(self)
        self.port = self._server.server_port
        threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="mjpeg server", daemon=True
        ).start()

    def stop(self) -> None:
        """Close all connections and listen no more; may be called twice."""
        server, self._server = self._server, None
        if server is not None:
            server.stopping.set()
            server.shutdown()
            server.server_close()

    def close(self) -> None:
        """End for good; may be called twice."""
        self.stop()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, camera: MjpegServer) -> None:
        self.camera = camera
        self.stopping = threading.Event()
        super().__init__(("127.0.0.1", camera.port), _Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        camera = self.server.camera
        try:
            self._pause_while("silent")
            if camera.credentials and not self._authorised(camera.credentials):
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Type", camera.content_type)
            self.end_headers()
            self._stream(camera)
        except OSError:
            pass  # the client has gone

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the base
        """Say nothing: what the client shows is under test."""

    def _stream(self, camera: MjpegServer) -> None:
        noise = np.random.default_rng(0)
        for number in itertools.count():
            self._pause_while("stall")
            if self.server.stopping.wait(camera.period_seconds) or camera.behaviour == "end":
                return
            jpeg = camera.jpegs[number % len(camera.jpegs)]
            if camera.behaviour == "garbage":
                self.wfile.write(noise.bytes(2000))
            elif camera.behaviour == "frozen":
                self._send(camera.jpegs[0])
            elif camera.behaviour == "black":
                self._send(encode_jpeg(numbered_picture(0)))
            elif camera.behaviour == "damaged" and number % 2:
                self._send(jpeg[: len(jpeg) // 2])
            else:
                self._send(jpeg)

    def _send(self, jpeg: bytes) -> None:
        stated = self.server.camera.stated_lengths
        length = b"Content-Length: %d\r\n" % len(jpeg) if stated else b""
        self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n" + length + b"\r\n")
        self.wfile.write(jpeg + b"\r\n")

    def _pause_while(self, behaviour: Behaviour) -> None:
        while self.server.camera.behaviour == behaviour and not self.server.stopping.wait(0.02):
            pass

    def _authorised(self, credentials: str) -> bool:
        sent = self.headers.get("Authorization", "")
        return sent == "Basic " + base64.b64encode(credentials.encode()).decode()
