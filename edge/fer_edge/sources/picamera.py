"""Cameras of the Raspberry Pi's connector, through picamera2 and libcamera."""

import importlib
import logging
import os
from collections.abc import Generator, Iterator
from concurrent.futures import CancelledError
from contextlib import closing
from typing import Any, Final

import numpy as np

from fer_edge.shared.errors import DependencyError, SourceUnavailableError
from fer_edge.shared.installing import pip_install
from fer_edge.sources.camera_buffers import BufferLender
from fer_edge.sources.capture import Picture
from fer_edge.sources.newest import NewestFrameReader
from fer_edge.sources.orientation import Orientation
from fer_edge.sources.picamera_setup import NUMPY_1, REINSTALL, is_from_apt, line_to_type

_log = logging.getLogger(__name__)

SCHEME: Final = "picamera"
_STREAM: Final = "lores"
_GREY_FIRST: Final = frozenset({"YUV420", "YVU420", "NV12", "NV21"})
"""Formats that begin with a whole grey picture."""
_BUFFERS: Final = 6
_NOT_LENT: Final = 3
"""Buffers that frames in use never hold: picamera2 keeps one, and the camera fills two in turn."""


class PiCamera(NewestFrameReader):
    """The newest frame of a camera of libcamera, in grey, stamped with the sensor's own clock.

    The grey picture is the Y plane of a small YUV420 stream, where it lies in the camera's own
    buffer: read only, and not copied unless several frames are kept at once.

    Args:
        number: As `fer-edge sources` and `rpicam-hello --list-cameras` count them.
        width: Of the pictures to ask for, in pixels; made even.
        height: The same.
        frames_per_second: To ask for; the exposure is kept short enough for it.
        orientation: What the camera can do of it costs nothing.
        open_timeout_seconds: In which the first frame must come.
        stall_timeout_seconds: After which a camera that delivers nothing is given up.
        colour: Whether frames keep their colours, for whoever asks for them.

    Raises:
        DependencyError: picamera2 is not installed, or does not fit the numpy here.
        SourceUnavailableError: No such camera, it is in use, or no frame comes from it.
    """

    def __init__(  # noqa: PLR0913 - each is a setting
        self,
        number: int = 0,
        *,
        width: int = 640,
        height: int = 480,
        frames_per_second: float = 30.0,
        orientation: Orientation = Orientation(),  # noqa: B008 - frozen
        open_timeout_seconds: float = 8.0,
        stall_timeout_seconds: float = 2.0,
        colour: bool = False,
    ) -> None:
        self._number = number
        self._size = (width - width % 2, height - height % 2)
        self._rate = frames_per_second
        self._orientation = orientation
        self._open_timeout_seconds = open_timeout_seconds
        self._stall_timeout_seconds = stall_timeout_seconds
        self._colour = colour
        self._camera: Any = None
        super().__init__(
            self._pictures,
            name=f"camera {SCHEME}:{number}",
            open_timeout_seconds=open_timeout_seconds,
            close_timeout_seconds=stall_timeout_seconds + 1.0,
            fix="check that its cable sits firmly at both ends, then restart the machine",
        )

    def interrupt(self) -> None:
        """End a wait for a frame that does not come."""
        camera = self._camera
        if camera is not None:
            camera.cancel_all_and_flush()

    def _pictures(self) -> Generator[Picture, None, None]:
        library = load_library()
        try:
            with closing(self._opened(library)) as camera:
                turn = self._configure(camera)
                camera.start()
                _log.info("%s delivers %s", self.name, _negotiated(camera, self._rate))
                self._camera = camera
                lender = BufferLender(
                    library,
                    stream=_STREAM,
                    most=_buffers(camera) - _NOT_LENT,
                    colour=self._colour,
                )
                try:
                    for request in self._requests(camera):
                        picture = lender.lend(request)
                        grey, captured_ns, colour = picture
                        colour = None if colour is None else colour.then(turn.turn)
                        yield Picture(turn.turn(grey), captured_ns, colour)
                        # Or its buffer would be held while the next one is awaited.
                        del picture, grey, colour
                finally:
                    self._camera = None
                    lender.take_back()
                    # A request still waited for would be handed to nobody and its buffer lost.
                    camera.cancel_all_and_flush()
        except (RuntimeError, IndexError) as error:  # what picamera2 and libcamera raise
            raise SourceUnavailableError(
                f"{self.name} cannot be used ({_root_cause(error)})",
                expected="a free camera that works",
                fix="stop the program that uses it (`fuser -v /dev/media*` names it), "
                "or check its cable",
            ) from error

    def _opened(self, library: Any) -> Any:
        cameras = library.Picamera2.global_camera_info()
        if self._number >= len(cameras):
            raise SourceUnavailableError(
                f"{self.name} does not exist: libcamera finds {len(cameras)} here",
                expected="one of these: " + ", ".join(f"{SCHEME}:{i}" for i in range(len(cameras)))
                if cameras
                else "a camera",
                fix="switch the machine off, check the camera's cable at both ends, and run "
                "`rpicam-hello --list-cameras`; a USB camera is --source 0",
            )
        return _open(library.Picamera2, self._number)

    def _configure(self, camera: Any) -> Orientation:
        """Set up the camera and return what is left to turn.

        A camera can mirror and turn by 180 degrees, for nothing; USB cameras cannot.
        """
        wanted = self._orientation
        vflip = wanted.rotation == 180
        hflip = wanted.mirror != vflip
        if wanted.rotation in {90, 270}:
            hflip = vflip = False  # a copy must be made anyway, and does both at once
        camera.configure(self._configuration(camera, hflip=hflip, vflip=vflip))
        got = camera.camera_configuration()["transform"]
        if (got.hflip, got.vflip, got.transpose) != (hflip, vflip, False):
            camera.configure(self._configuration(camera))
        elif hflip or vflip:
            wanted = Orientation()
        form = camera.camera_configuration()[_STREAM]["format"]
        if form not in _GREY_FIRST:
            raise SourceUnavailableError(
                f"{self.name} delivers {form}",
                expected="one of " + ", ".join(sorted(_GREY_FIRST)),
                fix="a USB camera is read without libcamera: `fer-edge sources` shows its number",
            )
        return wanted

    def _configuration(self, camera: Any, **flip: bool) -> dict[str, Any]:
        transform = importlib.import_module("libcamera").Transform
        stream = {"size": self._size, "format": "YUV420"}
        configuration: dict[str, Any] = camera.create_video_configuration(
            main=dict(stream),  # there must be one, and this is the smallest
            lores=dict(stream),
            raw=None,
            transform=transform(**flip),
            buffer_count=_BUFFERS,
            controls=_controls(camera, self._rate),
            display=None,
            encode=None,
            **_sensor(camera, self._rate),
        )
        return configuration

    def _requests(self, camera: Any) -> Iterator[Any]:
        timeout_seconds = self._open_timeout_seconds
        while True:
            try:
                request = camera.capture_request(wait=timeout_seconds)
            except CancelledError:
                return
            except TimeoutError:
                raise SourceUnavailableError(
                    f"{self.name} has stopped: no frame for {timeout_seconds:g} s",
                    expected="frame after frame",
                    fix="open it again; if that does not help, check its cable and its power",
                ) from None
            yield request
            timeout_seconds = self._stall_timeout_seconds


def _open(kind: Any, number: int) -> Any:
    """Return an opened camera; leave nothing behind where that fails.

    picamera2's constructor then leaves a pipe open, and a camera in use is tried again for days.
    """
    camera = kind.__new__(kind)
    try:
        camera.__init__(number)
    except RuntimeError:
        camera.notifymeread.close()
        os.close(camera.notifyme_w)
        raise
    return camera


def load_library() -> Any:
    """Import picamera2.

    Raises:
        DependencyError: It is not installed, or was built for another numpy.
    """
    try:
        return importlib.import_module("picamera2")
    except ModuleNotFoundError as error:
        there = "; apt's picamera2 is there, but not for this environment"
        raise DependencyError(
            f"no {error.name} here{there if is_from_apt() and line_to_type() else ''}",
            expected="picamera2, which comes with Raspberry Pi OS and not from PyPI",
            fix=f"run `{line_to_type() or REINSTALL}`",
        ) from error
    except (ImportError, ValueError, AttributeError) as error:
        raise DependencyError(
            f"picamera2 cannot be imported ({error})",
            expected=f"one that fits the numpy here ({np.__version__})",
            fix="apt's picamera2 of Raspberry Pi OS bookworm wants numpy 1: "
            f"run `{pip_install(NUMPY_1)}`",
        ) from error


def list_pi_cameras() -> list[dict[str, Any]]:
    """Return what libcamera tells of each camera, in the order of their numbers.

    Raises:
        DependencyError: As `load_library` says.
    """
    return list(load_library().Picamera2.global_camera_info())


def _sensor(camera: Any, rate: float) -> dict[str, Any]:
    """Choose a mode of the sensor that sees the whole field and is quick enough.

    Left alone, picamera2 takes the mode nearest in size, which on many sensors shows the
    middle of the field only.
    """
    modes = [mode for mode in camera.sensor_modes if "crop_limits" in mode]
    if not modes:
        return {}  # a USB camera
    field = max(_area(mode["crop_limits"][2:]) for mode in modes)
    whole = [mode for mode in modes if _area(mode["crop_limits"][2:]) >= 0.9 * field]
    quick = [mode for mode in whole if mode["fps"] >= rate]
    if quick:
        mode = min(quick, key=lambda mode: (_area(mode["size"]), mode["bit_depth"]))
    else:
        mode = max(whole, key=lambda mode: mode["fps"])
    return {"sensor": {"output_size": mode["size"], "bit_depth": mode["bit_depth"]}}


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _controls(camera: Any, rate: float) -> dict[str, Any]:
    """Return the controls to set, of those that the camera has."""
    period_us = round(1e6 / rate)
    wanted: dict[str, Any] = {"FrameDurationLimits": (period_us, period_us)}
    if "AfMode" in camera.camera_controls:  # the lens would stay where it happens to be
        modes = importlib.import_module("libcamera").controls.AfModeEnum
        wanted["AfMode"] = modes.Continuous
    return {name: value for name, value in wanted.items() if name in camera.camera_controls}


def _buffers(camera: Any) -> int:
    """Return how many buffers there are; libcamera may give fewer than asked for."""
    return int(camera.libcamera_config.at(0).buffer_count)


def _negotiated(camera: Any, rate: float) -> str:
    stream = camera.camera_configuration()[_STREAM]
    width, height = stream["size"]
    return f"{stream['format']} {width}x{height} at {rate:g} frames a second"


def _root_cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
