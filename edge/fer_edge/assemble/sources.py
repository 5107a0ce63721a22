"""From settings to a source of frames."""

import dataclasses
from pathlib import Path
from typing import Final, Literal, TypeAlias

from fer_edge.pipeline.protocols import Source
from fer_edge.settings import SourceSettings
from fer_edge.settings.secrets import read_secret
from fer_edge.shared.errors import SettingsError
from fer_edge.sources.addresses import checked_parts, refuse_half_address
from fer_edge.sources.capture import live_pixels
from fer_edge.sources.demo_clip import DemoCamera
from fer_edge.sources.folder import PictureFolder
from fer_edge.sources.orientation import Orientation, turned
from fer_edge.sources.picamera import SCHEME, PiCamera
from fer_edge.sources.stream import NetworkStream
from fer_edge.sources.v4l2 import V4l2Camera
from fer_edge.sources.video import VideoFile
from fer_edge.stages.clocks import Clock, by_capture, by_clip, by_file, by_index

Frames: TypeAlias = Literal["live", "clip", "timed", "pictures"]
"""What frames are: "live", coming at their own pace; "clip", those of a file, the same on every
run; "timed", the same for frames that say when they are; "pictures" that have nothing to do with
one another."""

_HIDDEN: Final = "secret"
_DEMO: Final = "demo"
_MOST_DIGITS: Final = 4


def make_source(settings: SourceSettings, *, colour: bool = False) -> Source:
    """Open the source that a URI names, and turn its pictures as the settings say.

    A URI is a number or /dev/... (V4L2), picamera or picamera:N, scheme://..., demo, a folder, or
    a file.

    Args:
        settings: Section `source`.
        colour: Whether frames keep their colours for whoever asks: the pipeline works on grey.

    Raises:
        FerError: It cannot be opened.
    """
    settings = dataclasses.replace(settings, uri=check_source(settings))
    orientation = Orientation(settings.rotation, settings.mirror)
    if _is_pi_camera(settings.uri):
        return _make_pi_camera(settings, orientation, colour=colour)
    return turned(_make_upright_source(settings, colour=colour), orientation)


def check_source(settings: SourceSettings) -> str:
    """Return the URI that the settings name, if a source can be made of it; opens nothing.

    Raises:
        SettingsError: It names nothing that could be opened, here or elsewhere.
    """
    uri = source_uri(settings)
    if not uri:
        raise SettingsError(
            "no source",
            expected="a camera number, stream, video file or picture folder",
            fix="give one as --source",
        )
    if _is_pi_camera(uri):
        _camera_number(uri)
    elif "://" in uri:
        checked_parts(uri)
    elif uri.isdecimal() and not _is_number(uri):
        raise SettingsError(
            f"source.uri has {len(uri)} digits",
            expected="a camera's number",
            fix="`fer-edge sources` lists those found",
        )
    else:
        refuse_half_address(uri)
    return uri


def check_there(settings: SourceSettings) -> None:
    """Open the file or folder that a source names, and close it; leave cameras alone.

    Raises:
        SettingsError: As `check_source` says.
        VideoError: It is not there, or not one frame comes from it.
    """
    check_source(settings)
    if frames_of(settings) != "live":
        make_source(settings).close()


def source_uri(settings: SourceSettings) -> str:
    """Return the URI that the settings name; one that is secret is read anew each time.

    Raises:
        SettingsError: There is no secret, or it is no stream.
    """
    if settings.uri != _HIDDEN:
        return settings.uri
    uri = read_secret("source-uri", file=settings.uri_file).strip()
    if "://" not in uri:  # what it is instead may hold a password, too, so it is not shown
        raise SettingsError(
            "source.uri = 'secret', and the secret is " + ("no stream" if uri else "nowhere"),
            expected="scheme://user:password@host/path in source.uri_file, in the environment as "
            "FER_EDGE_SECRET_SOURCE_URI, or as systemd's credential source-uri",
            fix="put it there; a folder of this name is ./secret",
        )
    return uri


def _is_pi_camera(uri: str) -> bool:
    return uri.partition(":")[0] == SCHEME and "://" not in uri


def _camera_number(uri: str) -> int:
    _, colon, number = uri.partition(":")
    if colon and not _is_number(number):
        raise SettingsError(
            f"{uri!r} names no camera",
            expected=f"{SCHEME} or {SCHEME}:N with a number",
            fix="`fer-edge sources` lists those found",
        )
    return int(number or 0)


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= _MOST_DIGITS


def _make_pi_camera(settings: SourceSettings, orientation: Orientation, *, colour: bool) -> Source:
    return PiCamera(
        _camera_number(settings.uri),
        width=settings.width,
        height=settings.height,
        frames_per_second=settings.frames_per_second,
        orientation=orientation,
        open_timeout_seconds=settings.open_timeout_seconds,
        stall_timeout_seconds=settings.read_timeout_seconds,
        colour=colour,
    )


def _make_upright_source(settings: SourceSettings, *, colour: bool) -> Source:
    uri = settings.uri
    if uri.isdecimal() or uri.startswith("/dev/"):
        return V4l2Camera(
            int(uri) if uri.isdecimal() else uri,
            width=settings.width,
            height=settings.height,
            frames_per_second=settings.frames_per_second,
            open_timeout_seconds=settings.open_timeout_seconds,
            colour=colour,
        )
    if uri == _DEMO:
        return DemoCamera()
    if "://" in uri:
        return NetworkStream(
            uri,
            open_timeout_seconds=settings.open_timeout_seconds,
            read_timeout_seconds=settings.read_timeout_seconds,
            most_pixels=live_pixels(settings.width, settings.height),
            interval_seconds=settings.interval_seconds,
            anywhere=settings.redirects == "any",
            colour=colour,
        )
    path = Path(uri)
    if _is_folder(path):
        return PictureFolder(path, colour=colour)
    return VideoFile(path, realtime=settings.pace == "own", colour=colour)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long, for instance; opening it as a file tells
        return False


def clock_of(frames: Frames) -> Clock:
    """Return what tells the time of a source's frames."""
    return {"live": by_capture, "timed": by_clip}.get(frames, by_file)


def search_clock_of(frames: Frames) -> Clock:
    """Return what tells the time for the search: one pace for all files, which bounds its cost."""
    return {"live": by_capture, "timed": by_clip}.get(frames, by_index)


def frames_of(settings: SourceSettings) -> Frames:
    """Return what the frames of a source are, from its URI alone.

    Raises:
        SettingsError: As `source_uri` says.
    """
    uri = source_uri(settings)
    if not uri or uri.isdecimal() or uri.startswith("/dev/") or "://" in uri:
        return "live"
    if uri == _DEMO or _is_pi_camera(uri):
        return "live"
    return "pictures" if _is_folder(Path(uri)) else "clip"
