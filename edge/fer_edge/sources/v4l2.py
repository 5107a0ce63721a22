"""Cameras of the Linux kernel (Video4Linux): USB cameras, mostly."""

import dataclasses
import errno
import functools
import logging
import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fer_edge.shared.errors import SourceUnavailableError
from fer_edge.shared.opencv import cv2
from fer_edge.sources.capture import Picture, SensorClock, live_pixels, read_picture, reduction
from fer_edge.sources.newest import NewestFrameReader
from fer_edge.sources.pixel_formats import JPEG_FORMATS, choose_decoder

_log = logging.getLogger(__name__)

_DEVICES: Final = Path("/dev")
_NAMES: Final = Path("/sys/class/video4linux")
_NEARLY: Final = 0.9
_MOST_LISTED: Final = 8  # a Pi has a dozen nodes of codecs beside its cameras

# The longest one read takes; OpenCV's own 10 s would keep a stalled camera busy when it is opened
# again. Whole seconds; OpenCV reads it once, at the first capture.
_SELECT_TIMEOUT_SECONDS: Final = 2
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(_SELECT_TIMEOUT_SECONDS))


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What a camera has settled on.

    Attributes:
        format: Four characters, as Video4Linux names it.
        width: In pixels, as the camera delivers it.
        height: The same.
        frames_per_second: As the driver says; 0 where it does not.
        reduced_by: By how much pictures are shrunk while they are decoded.
    """

    format: str
    width: int
    height: int
    frames_per_second: float
    reduced_by: int = 1

    def __str__(self) -> str:
        reduced = f", decoded at 1/{self.reduced_by}" if self.reduced_by > 1 else ""
        return (
            f"{self.format} {self.width}x{self.height} at {self.frames_per_second:g} "
            f"frames a second{reduced}"
        )


class V4l2Camera(NewestFrameReader):
    """The newest frame of a camera, in grey, stamped with the driver's own clock.

    Motion JPEG is asked for, because uncompressed pictures do not fit through USB 2 at full
    rate; where the camera settles on something else, that is logged as a warning. Pictures more
    than twice as large as asked for are shrunk while they are decoded.

    Args:
        device: Index of /dev/videoN, or a path such as /dev/v4l/by-id/...
        width: Of the pictures to ask for, in pixels.
        height: The same.
        frames_per_second: To ask for.
        open_timeout_seconds: In which the first frame must come.
        buffers: Of the driver. The capture thread empties them at once, so more do not help;
            with a single one the driver has nowhere to put a frame while one is decoded, and
            the rate halves.
        colour: Whether frames keep their colours, for whoever asks for them.

    Attributes:
        negotiated: What the camera has settled on.

    Raises:
        SourceUnavailableError: No such camera, no permission, or no frame from it.
    """

    def __init__(
        self,
        device: int | str,
        *,
        width: int = 640,
        height: int = 480,
        frames_per_second: float = 30.0,
        open_timeout_seconds: float = 8.0,
        buffers: int = 2,
        colour: bool = False,
    ) -> None:
        self._path = _DEVICES / f"video{device}" if isinstance(device, int) else Path(device)
        self._asked = Negotiated("MJPG", width, height, frames_per_second)
        self._buffers = buffers
        self._colour = colour
        self.negotiated: Negotiated | None = None
        super().__init__(
            self._pictures,
            name=f"camera {self._path}",
            open_timeout_seconds=open_timeout_seconds,
            fix="unplug it and plug it in again, or stop the program that uses it",
        )

    def _pictures(self) -> Generator[Picture, None, None]:
        _prove_openable(self._path)
        capture = cv2.VideoCapture(str(self._path), cv2.CAP_V4L2)
        try:
            self._ask(capture)
            self.negotiated = self._find_negotiated(capture)
            decoding = choose_decoder(
                capture,
                self.negotiated.format,
                height=self.negotiated.height,
                reduced_by=self.negotiated.reduced_by,
                most_pixels=live_pixels(self._asked.width, self._asked.height),
            )
            read = functools.partial(
                read_picture,
                capture,
                decode=decoding.grey,
                colour=decoding.colour if self._colour else None,
                patience_seconds=_SELECT_TIMEOUT_SECONDS,
                sensor_clock=SensorClock(),
            )
            # isOpened() is true for a camera that has gone: only a frame proves one.
            picture = read()
            if picture is None:
                raise _no_frame(self._path)
            self._report(self.negotiated)
            while picture is not None:
                yield picture
                picture = read()
            raise SourceUnavailableError(
                f"camera {self._path} has stopped",
                expected="frame after frame",
                fix="check its cable and power; open it again",
            )
        finally:
            capture.release()

    def _ask(self, capture: cv2.VideoCapture) -> None:
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*self._asked.format))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._asked.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._asked.height)
        capture.set(cv2.CAP_PROP_FPS, self._asked.frames_per_second)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, self._buffers)

    def _find_negotiated(self, capture: cv2.VideoCapture) -> Negotiated:
        found = Negotiated(
            _format_of(capture),
            int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
            capture.get(cv2.CAP_PROP_FPS),
        )
        if found.format not in JPEG_FORMATS:
            return found
        size, wanted = (found.width, found.height), (self._asked.width, self._asked.height)
        return dataclasses.replace(found, reduced_by=reduction(size, wanted))

    def _report(self, found: Negotiated) -> None:
        _log.info("%s delivers %s", self.name, found)
        slow = 0 < found.frames_per_second < _NEARLY * self._asked.frames_per_second
        if slow or found.format not in JPEG_FORMATS:
            _log.warning(
                "%s gives %s where %s was asked for; `v4l2-ctl -d %s --list-formats-ext` lists "
                "what it can do", self.name, found, self._asked, self._path,
            )  # fmt: skip


def list_cameras() -> list[str]:
    """Return the video devices here, each as "/dev/videoN (name)", in the order of N."""
    paths = sorted(_DEVICES.glob("video[0-9]*"), key=lambda path: (len(path.name), path.name))
    return [f"{path} ({_device_name(path)})" for path in paths]


def explain_failure(path: Path, error: OSError) -> SourceUnavailableError:
    """Turn the system's refusal to open a device into what to do about it."""
    if isinstance(error, PermissionError):
        return SourceUnavailableError(
            f"camera {path}: no permission to open it",
            expected="a user in the group that owns the device",
            fix="run `sudo usermod -aG video $USER` and log in again (a service: "
            "SupplementaryGroups=video)",
        )
    if error.errno == errno.EBUSY:
        return SourceUnavailableError(
            f"camera {path} is in use",
            expected="a free camera",
            fix=f"stop the program that holds it (`fuser -v {path}` names it)",
        )
    found = "does not exist" if isinstance(error, FileNotFoundError) else f"({error.strerror})"
    cameras = list_cameras()
    listed = ", ".join(cameras[:_MOST_LISTED]) + (", ..." if len(cameras) > _MOST_LISTED else "")
    return SourceUnavailableError(
        f"camera {path} {found}",
        expected=f"one of the video devices here: {listed}" if cameras else "a camera",
        fix="choose one of them" if cameras else "connect one (this machine has no /dev/video*)",
    )


def _prove_openable(path: Path) -> None:
    """Open and close the device, because the system says what is wrong and OpenCV does not."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
    except OSError as error:
        raise explain_failure(path, error) from error


def _no_frame(path: Path) -> SourceUnavailableError:
    return SourceUnavailableError(
        f"camera {path} opens but delivers no frame",
        expected="a camera that captures (one camera may own several devices)",
        fix="try the next device, or stop the program that uses it; here are "
        + (", ".join(list_cameras()[:_MOST_LISTED]) or "no video devices"),
    )


def _device_name(path: Path) -> str:
    try:
        return (_NAMES / path.name / "name").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "unnamed"


def _format_of(capture: cv2.VideoCapture) -> str:
    code = int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
    return code.to_bytes(4, "little").decode("ascii", "replace")
