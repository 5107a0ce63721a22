"""Cameras of the Linux kernel (Video4Linux): USB cameras, mostly."""

import errno
import functools
import logging
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Final

from fer_edge.errors import SourceUnavailableError
from fer_edge.opencv import cv2
from fer_edge.records import GreyImage
from fer_edge.sources.capture import Picture, SensorClock, decode_jpeg, read_picture, to_grey
from fer_edge.sources.newest import NewestFrameReader

_log = logging.getLogger(__name__)

_DEVICES: Final = Path("/dev")
_NAMES: Final = Path("/sys/class/video4linux")
_JPEG_FORMATS: Final = frozenset({"MJPG", "JPEG"})
_MOST_LISTED: Final = 8  # a Pi has a dozen nodes of codecs beside its cameras

# The longest one read takes; OpenCV's own 10 s would keep a stalled camera busy when it is opened
# again. Whole seconds; OpenCV reads it once, at the first capture.
_SELECT_TIMEOUT_SECONDS: Final = 2
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(_SELECT_TIMEOUT_SECONDS))


class V4l2Camera(NewestFrameReader):
    """The newest frame of a camera, in grey, stamped with the driver's own clock.

    Motion JPEG is asked for, because uncompressed pictures do not fit through USB 2 at full
    rate; what the camera settles on is logged.

    Args:
        device: Index of /dev/videoN, or a path such as /dev/v4l/by-id/...
        width: Of the pictures to ask for, in pixels.
        height: The same.
        frames_per_second: To ask for.
        open_timeout_seconds: In which the first frame must come.
        buffers: Of the driver. The capture thread empties them at once, so more do not help;
            with a single one the driver has nowhere to put a frame while one is decoded, and
            the rate halves.

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
    ) -> None:
        self._path = _DEVICES / f"video{device}" if isinstance(device, int) else Path(device)
        self._asked = (
            (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
            (cv2.CAP_PROP_FRAME_WIDTH, width),
            (cv2.CAP_PROP_FRAME_HEIGHT, height),
            (cv2.CAP_PROP_FPS, frames_per_second),
            (cv2.CAP_PROP_BUFFERSIZE, buffers),
        )
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
            for setting, value in self._asked:
                capture.set(setting, value)
            read = functools.partial(
                read_picture,
                capture,
                decode=_choose_decoder(capture),
                patience_seconds=_SELECT_TIMEOUT_SECONDS,
                sensor_clock=SensorClock(),
            )
            # isOpened() is true for a camera that has gone: only a frame proves one.
            picture = read()
            if picture is None:
                raise _no_frame(self._path)
            _log.info("camera %s delivers %s", self._path, _negotiated(capture))
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


def _choose_decoder(capture: cv2.VideoCapture) -> Callable[[cv2.typing.MatLike], GreyImage | None]:
    """Have a camera's JPEGs handed over as they are; leave other formats to OpenCV.

    Where OpenCV cannot decode a JPEG it hands out the picture before it once more, or a black
    one, and says that all is well. Decoding to grey is cheaper than to colour as well.
    """
    if _format_of(capture) not in _JPEG_FORMATS:
        return to_grey
    capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
    return decode_jpeg


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


def _negotiated(capture: cv2.VideoCapture) -> str:
    width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    rate = capture.get(cv2.CAP_PROP_FPS)
    return f"{_format_of(capture)} {width:.0f}x{height:.0f} at {rate:g} frames a second"
