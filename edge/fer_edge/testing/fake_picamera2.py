"""A stand-in for picamera2 and libcamera's bindings, for tests of what reads a Pi's camera.

It behaves as picamera2 0.3.38 does where that matters to a reader: jobs that wait in a queue, a
handful of buffers that are written again once released, rows padded to 64 bytes, what is refused
and with which error, threads and descriptors that only `close` gives back.
"""

import mmap
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar, Final, Literal, Self, TypeAlias

import numpy as np

from fer_edge.shared.closing import Closing
from fer_edge.shared.records import GreyImage
from fer_edge.testing.fakes import numbered_picture

PADDING: Final = 77
"""What fills the rows behind their last pixel."""
OVERWRITTEN: Final = 251
"""What fills a buffer that was given back."""
_ALIGNMENT: Final = 64
_STREAM_KEYS: Final = {"format", "size", "stride", "preserve_ar"}

PiBehaviour: TypeAlias = Literal["stream", "stall", "errors"]


@dataclass(frozen=True, slots=True)
class Transform:
    """As libcamera's: flips, and a transposition that no sensor does."""

    hflip: bool = False
    vflip: bool = False
    transpose: bool = False


@dataclass(frozen=True, slots=True)
class FakeSensor:
    """A camera that is plugged in.

    Attributes:
        model: Its name.
        flips: Whether it can mirror and turn by 180 degrees; USB cameras cannot.
        autofocus: Whether its lens moves.
        most_buffers: How many it gives at most.
        formats: Of the small stream.
        modes: As picamera2 lists them; none for a USB camera.
    """

    model: str = "imx708"
    flips: bool = True
    autofocus: bool = True
    most_buffers: int = 16
    formats: tuple[str, ...] = ("YUV420", "RGB888")
    modes: tuple[dict[str, Any], ...] = (
        {"size": (1536, 864), "bit_depth": 10, "fps": 120.1, "crop_limits": (768, 432, 3072, 1728)},
        {"size": (2304, 1296), "bit_depth": 10, "fps": 56.0, "crop_limits": (0, 0, 4608, 2592)},
        {"size": (4608, 2592), "bit_depth": 10, "fps": 14.3, "crop_limits": (0, 0, 4608, 2592)},
    )


@dataclass
class PiRig:
    """The cameras of a Pi that is not there.

    Behaviours: "stream"; "stall", no frame ends; "errors", every frame ends with an error, which
    picamera2 keeps to itself.

    Attributes:
        sensors: What is plugged in.
        behaviour: May be set at any time.
        clock: Of the sensor's time stamps: "monotonic", "boot", or "none" for no stamps.
        age_ms: How old a frame is when it is handed over.
        draw: Draws the picture of a number, width and height.
        busy: Numbers of the cameras that another program uses.
        opened: Every camera that was opened.
    """

    sensors: Sequence[FakeSensor] = (FakeSensor(),)
    behaviour: PiBehaviour = "stream"
    clock: Literal["monotonic", "boot", "none"] = "monotonic"
    age_ms: float = 30.0
    draw: Callable[[int, int, int], GreyImage] = lambda number, width, height: numbered_picture(
        number, width=width, height=height
    )
    busy: set[int] = field(default_factory=set)
    opened: list["FakePicamera2"] = field(default_factory=list)

    def modules(self) -> dict[str, ModuleType]:
        """Return what `sys.modules` is to hold so that these cameras are found."""
        picamera2, libcamera = ModuleType("picamera2"), ModuleType("libcamera")
        camera = type("Picamera2", (FakePicamera2,), {"rig": self})
        vars(picamera2).update(Picamera2=camera, MappedArray=MappedArray)
        modes = SimpleNamespace(Manual=0, Auto=1, Continuous=2)
        vars(libcamera).update(Transform=Transform, controls=SimpleNamespace(AfModeEnum=modes))
        return {"picamera2": picamera2, "libcamera": libcamera}


class Request:
    """A completed request: a picture in a buffer, to be released exactly once."""

    def __init__(self, camera: "FakePicamera2", buffer: mmap.mmap, number: int) -> None:
        self.config: dict[str, Any] = dict(camera.camera_configuration())
        self.buffer = buffer
        self._camera = camera
        self._references = 1
        self._metadata = {"FrameDuration": 33333, "ExposureTime": 20000, "SensorGain": 1.0}
        clock = {"monotonic": time.CLOCK_MONOTONIC, "boot": time.CLOCK_BOOTTIME}
        if camera.rig.clock != "none":
            now = time.clock_gettime_ns(clock[camera.rig.clock])
            self._metadata["SensorTimestamp"] = now - round(camera.rig.age_ms * 1e6)
        camera.write_picture(buffer, number)

    def get_metadata(self) -> dict[str, Any]:
        """Return what the camera says of the frame."""
        assert self._references > 0, "this request was released"  # noqa: S101 - as the original
        return dict(self._metadata)

    def release(self) -> None:
        """Give the buffer back to the camera, which writes the next frame into it."""
        with self._camera.request_lock:
            self._references -= 1
            if self._references < 0:
                raise RuntimeError("CompletedRequest: lock now has negative ref_count")
            np.frombuffer(self.buffer, np.uint8)[:] = OVERWRITTEN
            self._camera.free.append(self.buffer)
            self.config = {}


class MappedArray(Closing):
    """The memory of a request's stream, not copied, within a `with` block."""

    def __init__(
        self, request: Request, stream: str, reshape: bool = True, write: bool = True
    ) -> None:
        self.array: Any = None
        self._request, self._stream, self._reshape = request, stream, reshape
        self._write = write

    def __enter__(self) -> Self:
        """Map it: flat, as (H, W, 3), or with one row a line of Y and further ones for U and V."""
        stream = self._request.config[self._stream]
        (width, height), stride = stream["size"], stream["stride"]
        self.array = np.frombuffer(self._request.buffer, np.uint8)
        if self._reshape and stream["format"] == "RGB888":
            shape, strides = (height, width, 3), (stride, 3, 1)
            self.array = np.ndarray(shape, np.uint8, self._request.buffer, strides=strides)
        elif self._reshape:
            self.array = self.array.reshape(height * 3 // 2, stride)
        return self

    def close(self) -> None:
        """Let the memory go."""
        self.array = None


class FakePicamera2:
    """A camera as picamera2 shows it; made by `PiRig.modules`."""

    rig: ClassVar[PiRig]

    def __init__(self, camera_num: int = 0) -> None:
        # As the original: an opening that fails leaves them open.
        descriptor, self.notifyme_w = os.pipe()
        self.notifymeread = os.fdopen(descriptor, "rb")
        if camera_num >= len(self.rig.sensors):
            raise RuntimeError(f"No camera number {camera_num} found")
        if camera_num in self.rig.busy:
            cause = RuntimeError("Failed to acquire camera: Device or resource busy")
            raise RuntimeError("Camera __init__ sequence did not complete.") from cause
        self.rig.busy.add(camera_num)
        self.rig.opened.append(self)
        self.request_lock = threading.Lock()
        self.free: list[mmap.mmap] = []
        self.controls: dict[str, Any] = {}
        self.post_callback: Callable[[Request], None] | None = None
        self.is_open = True
        self.started = False
        self.starved = 0
        self._number = camera_num
        self._sensor = self.rig.sensors[camera_num]
        self._configured: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._jobs: list[Future[Request]] = []
        self._completed: list[Request] = []
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @classmethod
    def global_camera_info(cls) -> list[dict[str, Any]]:
        """Return what is plugged in."""
        return [
            {"Model": sensor.model, "Location": 2, "Rotation": 180, "Num": number,
             "Id": f"/base/axi/pcie@1000120000/rp1/i2c@{number}/{sensor.model}@1a"}
            for number, sensor in enumerate(cls.rig.sensors)
        ]  # fmt: skip

    @property
    def camera_controls(self) -> dict[str, tuple[Any, Any, Any]]:
        """Name to least, greatest and usual value."""
        if not self._sensor.modes:
            return {"Brightness": (-1.0, 1.0, 0.0)}
        controls = {"FrameDurationLimits": (8333, 10**7, 33333), "Brightness": (-1.0, 1.0, 0.0)}
        return controls | ({"AfMode": (0, 2, 0)} if self._sensor.autofocus else {})

    @property
    def sensor_modes(self) -> list[dict[str, Any]]:
        """The modes; finding them out sets the camera up anew."""
        self._refuse(self.started, "Camera must be stopped before configuring")
        self._configured = {}
        return [dict(mode) for mode in self._sensor.modes] or [{"format": "YUYV"}]

    def create_video_configuration(
        self,
        main: dict[str, Any],
        lores: dict[str, Any] | None = None,
        *,
        transform: Transform = Transform(),
        buffer_count: int = 6,
        controls: dict[str, Any] | None = None,
        display: str | None = "main",
        encode: str | None = "main",
        **others: Any,
    ) -> dict[str, Any]:
        """Make a configuration of even sizes, and refuse keys that no stream has."""
        unknown = others.keys() - {"raw", "sensor", "queue", "use_case", "colour_space"}
        if unknown:
            raise TypeError(f"create_video_configuration() got unexpected arguments {unknown}")
        for key in (main | (lores or {})).keys() - _STREAM_KEYS:
            raise ValueError(f"Bad key {key!r}: valid stream configuration keys are {_STREAM_KEYS}")
        rate = {"FrameDurationLimits": (33333, 33333)} if self._sensor.modes else {}
        return {
            "main": _even(main), "lores": lores and _even(lores), "transform": transform,
            "buffer_count": buffer_count, "controls": rate | (controls or {}),
            "display": display, "encode": encode, **others,
        }  # fmt: skip

    def configure(self, configuration: dict[str, Any]) -> None:
        """Check a configuration, adjust it to what the camera can do, and take it."""
        self._refuse(self.started, "Camera must be stopped before configuring")
        self._refuse(not isinstance(configuration["transform"], Transform), "Transform has ...")
        configuration = dict(configuration)
        names = [name for name in ("main", "lores") if configuration[name]]
        for name in names:
            stream = dict(configuration[name])
            width, height = stream["size"]
            self._refuse(width % 2 or height % 2, "width and height should be even")
            if stream["format"] not in self._sensor.formats:
                stream["format"] = self._sensor.formats[0]
            bytes_of_row, rows = width, height * 3 // 2
            if stream["format"] == "RGB888":
                bytes_of_row, rows = 3 * width, height
            stride = -(-bytes_of_row // _ALIGNMENT) * _ALIGNMENT
            stream.update(stride=stride, framesize=stride * rows)
            configuration[name] = stream
        (main_width, main_height), (width, height) = (
            configuration[name]["size"] for name in ("main", names[-1])
        )
        too_large = width > main_width or height > main_height
        self._refuse(too_large, "lores stream dimensions may not exceed main stream")
        if not self._sensor.flips or configuration["transform"].transpose:
            configuration["transform"] = Transform()
        for name in configuration["controls"]:
            known = name in self.camera_controls
            self._refuse(not known, f"Control {name} is not advertised by libcamera")
        self.controls = configuration["controls"]
        self._configured = configuration
        size = configuration[names[-1]]["framesize"]
        count = min(configuration["buffer_count"], self._sensor.most_buffers)
        self.libcamera_config = SimpleNamespace(at=lambda _: SimpleNamespace(buffer_count=count))
        self.free = [mmap.mmap(-1, size) for _ in range(count)]

    def camera_configuration(self) -> dict[str, Any]:
        """Return what was configured, as adjusted."""
        return self._configured

    def start(self) -> None:
        """Begin to capture, on a thread."""
        self._refuse(not self._configured, "Camera has not been configured")
        self.started = True
        self._thread = threading.Thread(target=self._run, name="fake picamera2", daemon=True)
        self._thread.start()

    def capture_request(self, wait: float | bool | None = None) -> Request:
        """Return the next request.

        Raises:
            TimeoutError: None came in so many seconds. The job stays in the queue all the same.
        """
        job: Future[Request] = Future()
        with self._lock:
            self._jobs.append(job)
        return job.result(timeout=None if wait is None or wait is True else wait)

    def capture_array(self, name: str = "main") -> Any:
        """Return the next picture of a stream, copied."""
        request = self.capture_request(wait=10.0)
        with MappedArray(request, name) as mapped:
            array = mapped.array.copy()
        request.release()
        return array

    def cancel_all_and_flush(self) -> None:
        """Take all jobs out of the queue."""
        with self._lock:
            for job in self._jobs:
                job.set_exception(CancelledError())
            self._jobs = []

    def stop(self) -> None:
        """Capture no more; may be called twice."""
        if self._thread is not None:
            self._stopping.set()
            self._thread.join()
            self._thread = None
        self.started = False
        while self._completed:
            self._completed.pop(0).release()

    def close(self) -> None:
        """Give everything back; may be called twice."""
        if not self.is_open:
            return
        self.stop()
        self.is_open = False
        self.rig.busy.discard(self._number)
        self.notifymeread.close()
        os.close(self.notifyme_w)

    def write_picture(self, buffer: mmap.mmap, number: int) -> None:
        """Write the Y plane with padding, and grey U and V planes, as the hardware does.

        Without a small stream, write the main one: blue, green and red alike.
        """
        transform = self._configured["transform"]
        stream = self._configured["lores"] or self._configured["main"]
        (width, height), stride = stream["size"], stream["stride"]
        picture = self.rig.draw(number, width, height)
        memory = np.frombuffer(buffer, np.uint8)
        if stream["format"] == "RGB888":
            memory[:] = PADDING
            rows = memory[: stride * height].reshape(height, stride)
            rows[:, : 3 * width] = np.repeat(picture, 3, axis=1)
            return
        memory[:] = 128
        plane = memory[: stride * height].reshape(height, stride)
        plane[:] = PADDING
        plane[:, :width] = picture[:: -1 if transform.vflip else 1, :: -1 if transform.hflip else 1]

    def _run(self) -> None:
        number = 0
        while not self._stopping.wait(self.controls.get("FrameDurationLimits", (33333,))[0] / 1e6):
            if self.rig.behaviour != "stream":
                continue
            if not self.free:
                self.starved += 1
                continue
            self._completed.append(Request(self, self.free.pop(0), number))
            number += 1
            if self.post_callback is not None:
                self.post_callback(self._completed[-1])
            with self._lock:
                if self._jobs:
                    self._jobs.pop(0).set_result(self._completed.pop(0))
            while len(self._completed) > 1:
                self._completed.pop(0).release()

    @staticmethod
    def _refuse(wrong: object, message: str) -> None:
        if wrong:
            raise RuntimeError(message)


def _even(stream: dict[str, Any]) -> dict[str, Any]:
    width, height = stream["size"]
    return {**stream, "size": (width - width % 2, height - height % 2)}
