"""Network streams: RTSP, and MJPEG, stills or whatever else FFmpeg plays over HTTP."""

import http.client
from collections.abc import Generator, Iterator
from functools import partial
from typing import Final

from fer_edge.shared.errors import PictureError, SourceUnavailableError
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Colour
from fer_edge.sources.addresses import PORTS, checked_parts, diagnose, without_secrets
from fer_edge.sources.capture import (
    LEAST_LIVE_PIXELS,
    MAX_DAMAGED_IN_A_ROW,
    Picture,
    decode_jpeg,
    decode_jpeg_colour,
    picture_now,
)
from fer_edge.sources.ffmpeg import DecoderError, FfmpegDecoder, decoder_threads
from fer_edge.sources.http_camera import HttpCamera, RefusedError
from fer_edge.sources.mjpeg import MOST_PICTURE_BYTES, JpegSplitter
from fer_edge.sources.newest import NewestFrameReader
from fer_edge.sources.stills import still_pictures

_START_SECONDS: Final = 8.0  # of a decoder's process, and two looks at why nothing comes
_OWN_SECONDS: Final = 1.0  # in which FFmpeg says itself that nothing came in time
_CHECK: Final = "check address, path, user name and password; restart it"
_FFMPEG_OPTIONS: Final = ("rtsp_transport;tcp",)
"""Over UDP, lost packets smear whole groups of pictures."""
_STAY: Final = "max_redirects;0"
_BARE_JPEGS: Final = frozenset({"video/x-motion-jpeg", "video/x-mjpeg", "video/mjpeg"})
_STOPPED: Final = "the stream has stopped"


class NetworkStream(NewestFrameReader):
    """The newest frame of a stream. RTSP goes over TCP.

    Motion JPEG over http is taken apart and decoded to grey here; everything else is FFmpeg's,
    in a process of its own. A camera that answers with a single picture is asked for the next one
    after a while. A stream that ends counts as a failure, because a camera's does not.

    Args:
        url: rtsp://, rtsps://, http:// or https://, with user:password@ where needed.
        open_timeout_seconds: For connecting and finding the video in what comes.
        read_timeout_seconds: The longest pause between two frames, the first included.
        decoder_threads: More decode large pictures in time; each may hold back a frame.
        most_pixels: A picture may have; a larger JPEG is made smaller.
        interval_seconds: Between two single pictures.
        anywhere: Whether the camera may send us to another host.
        colour: Whether frames keep their colours, for whoever asks for them.

    Attributes:
        period_seconds: Between two pictures, where that is known; else 0.

    Raises:
        SettingsError: Not a URL of these schemes.
        SourceUnavailableError: No frame within the two times together and a little more.
    """

    def __init__(  # noqa: PLR0913 - each is a setting
        self,
        url: str,
        *,
        open_timeout_seconds: float = 3.0,
        read_timeout_seconds: float = 2.0,
        decoder_threads: int = 1,
        most_pixels: int = LEAST_LIVE_PIXELS,
        interval_seconds: float = 1.0,
        anywhere: bool = False,
        colour: bool = False,
    ) -> None:
        self._parts = checked_parts(url)
        self._name = without_secrets(url)
        self._url = f"{self._parts.scheme}:{url.partition(':')[2]}"
        self._open_timeout_seconds = open_timeout_seconds
        self._read_timeout_seconds = read_timeout_seconds
        self._decoder_threads = decoder_threads
        self._most_pixels = most_pixels
        self._interval_seconds = interval_seconds
        self._anywhere = anywhere
        self._colour = colour
        self._reading: HttpCamera | FfmpegDecoder | None = None
        self.period_seconds = 0.0
        super().__init__(
            self._pictures,
            name=self._name,
            open_timeout_seconds=open_timeout_seconds + read_timeout_seconds + _START_SECONDS,
            fix="check the camera and the network",
        )

    def interrupt(self) -> None:
        """End whatever the capture thread waits for."""
        if self._reading is not None:
            self._reading.interrupt()

    def _pictures(self) -> Generator[Picture, None, None]:
        address = self._url
        if self._parts.scheme == "http":
            with self._asked() as camera:
                kind, address = camera.media_type, camera.address
                if kind.startswith("multipart/") or kind in _BARE_JPEGS:
                    yield from self._decoded(self._jpegs(camera))
                    raise self._stopped()
                if kind.startswith("image/"):
                    yield from self._image_pictures(camera)
                    raise self._stopped()
        yield from self._ffmpeg_pictures(address)
        raise self._stopped()

    def _asked(self) -> HttpCamera:
        """Ask the camera.

        Raises:
            SourceUnavailableError: It does not answer, or with an error.
        """
        camera = HttpCamera(self._parts, anywhere=self._anywhere)
        self._take(camera)
        try:
            camera.open(self._open_timeout_seconds)
        except RefusedError as error:
            camera.close()
            raise self._unavailable(str(error)) from None
        except OSError as error:
            camera.close()
            raise self._unavailable(self._why_unanswered(camera, error)) from None
        return camera

    def _why_unanswered(self, camera: HttpCamera, error: OSError) -> str:
        if not (camera.connected and isinstance(error, TimeoutError)):
            return diagnose(self._parts)
        port = self._parts.port or PORTS[self._parts.scheme]
        return (
            f"port {port} of {self._parts.hostname} takes the connection, but does not answer "
            f"within {self._open_timeout_seconds:g} s"
        )

    def _jpegs(self, camera: HttpCamera) -> Iterator[bytes]:
        """Yield what may be JPEGs, each within the read time-out.

        Raises:
            SourceUnavailableError: The connection breaks, or nothing comes in time.
        """
        splitter = JpegSplitter()
        try:
            for piece in camera.pieces(self._read_timeout_seconds):
                for jpeg in splitter.feed(piece):
                    yield jpeg
                    camera.expect_within(self._read_timeout_seconds)
        except TimeoutError:
            raise self._stopped(f"no picture within {self._read_timeout_seconds:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            raise self._stopped(type(error).__name__) from None

    def _decoded(self, jpegs: Iterator[bytes]) -> Iterator[Picture]:
        """Yield the JPEGs that are whole; end where ten in a row are not.

        Raises:
            PictureError: They are too large; also said where nothing better came after one.
            SourceUnavailableError: They are damaged, or as `jpegs` says.
        """
        damaged, refused = 0, None
        try:
            for jpeg in jpegs:
                try:
                    grey = decode_jpeg(jpeg, most_pixels=self._most_pixels)
                except PictureError as error:
                    grey, refused = None, error
                if grey is not None:
                    damaged, refused = 0, None
                    yield picture_now(grey, self._colour_of(jpeg))
                    continue
                damaged += 1
                if damaged == MAX_DAMAGED_IN_A_ROW:
                    raise self._stopped("its pictures are damaged")
        except SourceUnavailableError:
            if refused is not None:
                raise refused from None
            raise

    def _colour_of(self, jpeg: bytes) -> Colour | None:
        if not self._colour:
            return None
        return Colour(partial(decode_jpeg_colour, jpeg, most_pixels=self._most_pixels))

    def _image_pictures(self, camera: HttpCamera) -> Iterator[Picture]:
        """Yield what comes of an answer that says it is a picture: JPEG after JPEG, or one."""
        count = 0
        try:
            for picture in self._decoded(self._jpegs(camera)):
                count += 1
                yield picture
        except SourceUnavailableError:
            if count != 1:
                raise
        if count > 1:
            return
        self.period_seconds = self._interval_seconds
        if not count or self._pause(self._interval_seconds):
            yield from still_pictures(
                self._still,
                pause=self._pause,
                interval_seconds=self._interval_seconds,
                most_pixels=self._most_pixels,
                colour=self._colour,
            )

    def _still(self) -> bytes:
        """Ask for one picture.

        Raises:
            SourceUnavailableError: The camera does not answer, or not in time.
        """
        splitter, body = JpegSplitter(), bytearray()
        with self._asked() as camera:
            try:
                for piece in camera.pieces(self._read_timeout_seconds):
                    for jpeg in splitter.feed(piece):
                        return jpeg
                    body += piece
                    if len(body) > MOST_PICTURE_BYTES:
                        break
            except (OSError, http.client.HTTPException) as error:
                raise self._stopped(type(error).__name__) from None
        return bytes(body)

    def _ffmpeg_pictures(self, address: str) -> Iterator[Picture]:
        """Yield what FFmpeg makes of it; a single picture again and again."""
        while True:
            count = 0
            with self._decoder(address) as decoder:
                for picture in self._read(decoder):
                    count += 1
                    yield picture
            if count != 1:
                return
            self.period_seconds = self._interval_seconds
            if not self._pause(self._interval_seconds):
                return

    def _decoder(self, address: str) -> FfmpegDecoder:
        decoder = FfmpegDecoder(
            address,
            parameters=[
                cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, round(self._open_timeout_seconds * 1000),
                cv2.CAP_PROP_READ_TIMEOUT_MSEC, round(self._read_timeout_seconds * 1000),
                *decoder_threads(self._decoder_threads),
            ],
            options=_FFMPEG_OPTIONS if self._anywhere else (*_FFMPEG_OPTIONS, _STAY),
            most_pixels=self._most_pixels,
            patience_seconds=self._read_timeout_seconds,
            colour=self._colour,
        )  # fmt: skip
        self._take(decoder)
        return decoder

    def _read(self, decoder: FfmpegDecoder) -> Iterator[Picture]:
        try:
            decoder.opened(self._open_timeout_seconds + _OWN_SECONDS)
            while picture := decoder.read(self._read_timeout_seconds + _OWN_SECONDS):
                yield picture
        except DecoderError as error:
            reason = str(error) if error.opened else diagnose(self._parts)
            raise self._unavailable(reason, fix=error.fix or _CHECK) from None

    def _take(self, reading: HttpCamera | FfmpegDecoder) -> None:
        """Let `interrupt` reach what is read now."""
        self._reading = reading
        if not self._pause(0.0):
            reading.interrupt()

    def _stopped(self, cause: str = "") -> SourceUnavailableError:
        return self._unavailable(
            f"{_STOPPED} ({cause})" if cause else _STOPPED, fix="check the camera; open it again"
        )

    def _unavailable(self, reason: str, *, fix: str = _CHECK) -> SourceUnavailableError:
        return SourceUnavailableError(
            f"{self._name}: {reason}", expected="a stream of pictures", fix=fix
        )
