"""Network streams: RTSP, and MJPEG or whatever else FFmpeg plays over HTTP."""

import http.client
import os
import socket
import time
from collections.abc import Generator, Iterator
from typing import Final
from urllib.parse import SplitResult, urlsplit

import numpy as np

from fer_edge.shared.errors import SettingsError, SourceUnavailableError
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import GreyImage
from fer_edge.sources.capture import MAX_DAMAGED_IN_A_ROW, Picture, decode_jpeg, read_picture
from fer_edge.sources.mjpeg import MjpegConnection, RefusedError, open_mjpeg
from fer_edge.sources.newest import NewestFrameReader

PORTS: Final = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}
"""Schemes that are opened, with their ports. FFmpeg knows many more, some of which read files."""

_FFMPEG_OPTIONS: Final = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_DIAGNOSIS_SECONDS: Final = 1.0


class NetworkStream(NewestFrameReader):
    """The newest frame of a stream, in grey. RTSP goes over TCP.

    Motion JPEG over http is taken apart and decoded to grey here; everything else is FFmpeg's.
    A stream that ends counts as a failure, because a camera's does not.

    Args:
        url: rtsp://, rtsps://, http:// or https://, with user:password@ where needed.
        open_timeout_seconds: For connecting and finding the video in what comes.
        read_timeout_seconds: The longest pause between two frames, the first included.
        decoder_threads: More decode large pictures in time; each may hold back a frame.

    Raises:
        SettingsError: Not a URL of these schemes.
        SourceUnavailableError: No frame within the two times together and a little more.
    """

    def __init__(
        self,
        url: str,
        *,
        open_timeout_seconds: float = 3.0,
        read_timeout_seconds: float = 2.0,
        decoder_threads: int = 1,
    ) -> None:
        self._parts = _checked_parts(url)
        self._name = without_secrets(url)
        self._url = f"{self._parts.scheme}:{url.partition(':')[2]}"
        self._open_timeout_seconds = open_timeout_seconds
        self._read_timeout_seconds = read_timeout_seconds
        self._parameters = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, round(open_timeout_seconds * 1000),
            cv2.CAP_PROP_READ_TIMEOUT_MSEC, round(read_timeout_seconds * 1000),
            cv2.CAP_PROP_N_THREADS, decoder_threads,
        ]  # fmt: skip
        self._connection: MjpegConnection | None = None
        _ask_for_tcp()
        super().__init__(
            self._pictures,
            name=self._name,
            open_timeout_seconds=open_timeout_seconds
            + read_timeout_seconds
            + 2 * _DIAGNOSIS_SECONDS,
            fix="check the camera and the network",
        )

    def interrupt(self) -> None:
        """End a wait for Motion JPEG; FFmpeg ends its own after the read time-out."""
        if self._connection is not None:
            self._connection.interrupt()

    def _pictures(self) -> Generator[Picture, None, None]:
        connection = self._open_mjpeg() if self._parts.scheme == "http" else None
        self._connection = connection
        if connection is None:
            yield from self._ffmpeg_pictures()
        else:
            with connection:
                yield from self._mjpeg_pictures(connection)
        raise self._unavailable("the stream has stopped", fix="check the camera; open it again")

    def _open_mjpeg(self) -> MjpegConnection | None:
        try:
            return open_mjpeg(self._parts, timeout_seconds=self._open_timeout_seconds)
        except RefusedError as error:
            raise self._unavailable(str(error)) from None
        except OSError:
            raise self._unavailable(_diagnose(self._parts)) from None

    def _mjpeg_pictures(self, connection: MjpegConnection) -> Iterator[Picture]:
        damaged = 0
        try:
            for data in connection.jpegs(timeout_seconds=self._read_timeout_seconds):
                captured_ns = time.monotonic_ns()
                grey = _decode(data)
                damaged = damaged + 1 if grey is None else 0
                if damaged == MAX_DAMAGED_IN_A_ROW:
                    break
                if grey is not None:
                    yield Picture(grey, captured_ns)
        except (OSError, http.client.HTTPException):
            pass  # it has stopped, as the caller says

    def _ffmpeg_pictures(self) -> Iterator[Picture]:
        capture = cv2.VideoCapture(self._url, cv2.CAP_FFMPEG, self._parameters)
        try:
            if not capture.isOpened():
                raise self._unavailable(_diagnose(self._parts))
            while picture := read_picture(capture, patience_seconds=self._read_timeout_seconds):
                yield picture
        finally:
            capture.release()

    def _unavailable(
        self, reason: str, *, fix: str = "check address, path, user name and password; restart it"
    ) -> SourceUnavailableError:
        return SourceUnavailableError(
            f"{self._name}: {reason}", expected="a stream of pictures", fix=fix
        )


def _decode(jpeg: bytes) -> GreyImage | None:
    try:
        return decode_jpeg(np.frombuffer(jpeg, np.uint8))
    except cv2.error:  # of a size beyond OpenCV's limits
        return None


def without_secrets(url: str) -> str:
    """Return a URL for people to read, without whatever may be a password in it.

    Cameras take passwords before the host, in the query, and some in the path; a password that
    should have been percent-encoded may hold any of the separators. So only what is surely none
    is shown.
    """
    scheme, _, rest = url.partition("://")
    _, at, address = rest.rpartition("@")
    host, slash, path = address.partition("/")
    path, query, _ = path.partition("?")
    shown = "***" if "=" in path else path
    return f"{scheme}://{at and '***@'}{host}{slash}{shown}{query and '?***'}"


def check_url(url: str) -> None:
    """Refuse what is no stream that can be opened, without opening it.

    Raises:
        SettingsError: Not a URL of the schemes in `PORTS`.
    """
    _checked_parts(url)


def _checked_parts(url: str) -> SplitResult:
    expected = f"a URL that starts with {', '.join(f'{scheme}://' for scheme in sorted(PORTS))}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in PORTS and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        usable = None
    if not usable or not url[len(parts.scheme) :].startswith("://"):
        shown = without_secrets(url) if "://" in url else f"{url.partition(':')[0]}:..."
        raise SettingsError(
            f"{shown} is no stream that can be opened",
            expected=expected,
            fix="correct it; in a user name or password write / : @ ? # % as %2F %3A %40 ...",
        )
    return parts


def _ask_for_tcp() -> None:
    """Have FFmpeg take RTSP over TCP: over UDP, lost packets smear whole groups of pictures.

    OpenCV hands options over in an environment variable only; what the user set there stays.
    """
    options = os.environ.get(_FFMPEG_OPTIONS, "")
    if "rtsp_transport" not in options and "rtsp_flags" not in options:
        os.environ[_FFMPEG_OPTIONS] = "|".join(filter(None, [options, "rtsp_transport;tcp"]))


def _diagnose(parts: SplitResult) -> str:
    """Say why a stream could not be opened, which OpenCV does not."""
    host, port = str(parts.hostname), parts.port or PORTS[parts.scheme]
    try:
        socket.create_connection((host, port), timeout=_DIAGNOSIS_SECONDS).close()
    except socket.gaierror:
        return f"no host named {host} was found"
    except ConnectionRefusedError:
        return f"nothing listens on port {port} of {host}"
    except TimeoutError:
        return f"{host} does not answer on port {port}"
    except OSError as error:
        return f"{host} cannot be reached ({error.strerror})"
    return f"port {port} of {host} answers, but not with a video"


def shown_source(uri: str) -> str:
    """Return a source for people to read, without passwords."""
    return without_secrets(uri) if "://" in uri else uri
