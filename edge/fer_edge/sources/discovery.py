"""Which cameras there are here, and what to type for each."""

import fcntl
import os
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from fer_edge.shared.errors import DependencyError
from fer_edge.sources.picamera import SCHEME, list_pi_cameras

# linux/videodev2.h
_QUERY_CAPABILITIES: Final = 0x80685600
_LIST_FORMATS: Final = 0xC0405602
_CAPABILITY: Final = struct.Struct("=16s32s32sIII12x")
_FORMAT: Final = struct.Struct("=III32s4s16x")
_CAPTURES: Final = 0x1 | 0x1000  # one plane or several
_HAS_DEVICE_CAPABILITIES: Final = 0x80000000
_MOST_FORMATS: Final = 64

_READABLE: Final = frozenset(
    {"BGR3", "GREY", "JPEG", "MJPG", "NV12", "NV21", "RGB3", "UYVY", "YU12", "YUYV", "YV12", "YVYU"}
)
_NO_CAMERAS: Final = ("bcm2835-codec", "bcm2835-isp", "pispbe", "rpi-hevc-dec", "rpivid")
"""Drivers of a Pi's codecs and picture processors, which look like cameras."""


@dataclass(frozen=True, slots=True)
class FoundCamera:
    """A camera, or a video device that looks like one.

    Attributes:
        source: What to give as `--source`.
        name: Of the device.
        kind: "v4l2" or "picamera".
        usable: Whether frames can be read from it here and now, as far as can be told unread.
        driver: Of the kernel, or "libcamera".
        formats: Its pixel formats, four characters each.
        problem: Why it is not usable, with what to type; else "".
    """

    source: str
    name: str
    kind: str
    usable: bool
    driver: str
    formats: tuple[str, ...] = ()
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        return {**asdict(self), "formats": list(self.formats)}


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found.

    Attributes:
        cameras: Those of libcamera first.
        notes: What could not be looked for, and what to type.
    """

    cameras: tuple[FoundCamera, ...]
    notes: tuple[str, ...]


def find_cameras(
    *, devices: Path = Path("/dev"), names: Path = Path("/sys/class/video4linux")
) -> Discovery:
    """Look for cameras of libcamera and of Video4Linux; opens devices, reads no frame.

    Args:
        devices: Where video devices are.
        names: Where the kernel describes them.
    """
    notes: tuple[str, ...] = ()
    try:
        cameras = tuple(_libcamera_cameras())
    except DependencyError as error:
        cameras = ()
        notes = (
            f"cameras on a Pi's own connector were not looked for: {error.found}; {error.fix}",
        )
    return Discovery((*cameras, *_v4l2_devices(devices, names)), notes)


def _libcamera_cameras() -> Iterator[FoundCamera]:
    for number, camera in enumerate(list_pi_cameras()):
        yield FoundCamera(
            f"{SCHEME}:{number}", str(camera.get("Model", camera["Id"])), SCHEME, True, "libcamera"
        )


def _v4l2_devices(devices: Path, names: Path) -> Iterator[FoundCamera]:
    found = {path.name for folder in (devices, names) for path in folder.glob("video[0-9]*")}
    for name in sorted(found, key=lambda name: (len(name), name)):
        yield _describe(devices / name, names / name)


def _describe(device: Path, sysfs: Path) -> FoundCamera:
    number = device.name.removeprefix("video")
    source = number if device.parent == Path("/dev") else str(device)
    name = _sysfs_name(sysfs)
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    except PermissionError:
        problem = "no permission: sudo usermod -aG video $USER, then log in again"
        return FoundCamera(source, name, "v4l2", False, "", problem=problem)
    except OSError as error:
        return FoundCamera(source, name, "v4l2", False, "", problem=str(error.strerror))
    try:
        driver, card, captures = _capabilities(descriptor)
        formats = tuple(_formats(descriptor)) if captures else ()
    except OSError as error:
        problem = f"no answer ({error.strerror})"
        return FoundCamera(source, name, "v4l2", False, "", problem=problem)
    finally:
        os.close(descriptor)
    problem = _problem(driver, captures, formats)
    return FoundCamera(source, name or card, "v4l2", not problem, driver, formats, problem)


def _problem(driver: str, captures: bool, formats: tuple[str, ...]) -> str:
    if not captures or driver in _NO_CAMERAS:
        return "no camera, but a codec, a picture processor or a camera's second device"
    if not _READABLE.intersection(formats):
        return f"delivers what only libcamera can read: use --source {SCHEME}"
    return ""


def _sysfs_name(sysfs: Path) -> str:
    try:
        return (sysfs / "name").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _capabilities(descriptor: int) -> tuple[str, str, bool]:
    """Return driver, name, and whether the device captures."""
    answer = bytearray(_CAPABILITY.size)
    fcntl.ioctl(descriptor, _QUERY_CAPABILITIES, answer)
    driver, card, _, _, of_all, of_device = _CAPABILITY.unpack(answer)
    flags = of_device if of_all & _HAS_DEVICE_CAPABILITIES else of_all
    return _text(driver), _text(card), bool(flags & _CAPTURES)


def _formats(descriptor: int) -> Iterator[str]:
    for kind in (1, 9):  # captures pictures of one plane, of several
        for index in range(_MOST_FORMATS):
            answer = bytearray(_FORMAT.pack(index, kind, 0, b"", b""))
            try:
                fcntl.ioctl(descriptor, _LIST_FORMATS, answer)
            except OSError:
                break
            yield _text(_FORMAT.unpack(answer)[4])


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace").strip()
