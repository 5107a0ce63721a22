"""Where annotated frames go, by the name that is given for them."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from fer_edge.assemble.checking import kind_of_named, model_files, place_of, written_files
from fer_edge.assemble.sources import frames_of
from fer_edge.settings import Settings
from fer_edge.shared.errors import SettingsError
from fer_edge.sinks.annotated.drawn import AnnotatedOutput
from fer_edge.sinks.annotated.pictures import MOTION_JPEG, AnnotatedFolder, AnnotatedJpegs
from fer_edge.sinks.annotated.video import CODECS, AnnotatedVideo

_MOST_LIVE_RATE: Final = 30.0


def check_annotated(path: Path, settings: Settings) -> None:
    """Refuse settings under which nothing may be drawn, at the start and at each reload.

    Raises:
        SettingsError: Only counts may leave, or the path is what is read, what another part writes,
            or a pipe or the like.
    """
    if settings.events.mode == "aggregate":
        raise SettingsError(
            f"events.mode is aggregate, but --annotate {path} shows faces",
            expected="no output that tells of single faces",
            fix="leave --annotate out, or set events.mode to faces",
        )
    if place_of(str(path)) == place_of(settings.source.uri):
        raise SettingsError(
            f"{path} would be written over while it is read",
            expected="another file or folder for --annotate",
            fix="name another one",
        )
    what = kind_of_named(str(path))
    if what not in {"", "a folder"}:
        raise SettingsError(
            f"--annotate {path} is {what}",
            expected="a video, a folder, or the name of one that is to be made",
            fix="name another one",
        )
    for key, name in {**written_files(settings), **model_files(settings)}.items():
        if place_of(str(path)) == place_of(name):
            raise SettingsError(
                f"{key} and --annotate name the same file {name!r}",
                expected="a file of its own for each",
                fix="name another one",
            )


def make_annotated(
    path: Path, settings: Settings, *, clip_rate: Callable[[], float]
) -> AnnotatedOutput:
    """Make what writes annotated frames.

    Args:
        path: A file ending in one of `CODECS` or in .mjpg; anything without an ending is a folder.
        settings: Of all parts.
        clip_rate: Tells a clip's frames a second, once its first frame is there.

    Raises:
        SettingsError: As `check_annotated` says, or the path does not fit what is seen.
        OutputError: It cannot be made.
    """
    check_annotated(path, settings)
    source, frames = settings.source, frames_of(settings.source)
    ending = path.suffix.lower()
    if path.is_dir() or not ending:
        return AnnotatedFolder(path)
    if ending in MOTION_JPEG:
        return AnnotatedJpegs(path)
    if ending not in CODECS:
        raise SettingsError(
            f"--annotate {path} ends in {ending}",
            expected=f"one of {', '.join((*CODECS, *sorted(MOTION_JPEG)))}, or a folder's name",
            fix="name a video such as out.mp4, or a folder",
        )
    if frames == "pictures":
        raise SettingsError(
            f"--annotate {path} is a video, but {source.uri} is a folder of pictures",
            expected="a folder for annotated pictures",
            fix=f"name one, such as {path.stem}-annotated/",
        )
    if frames == "clip":
        return AnnotatedVideo(path, rate=clip_rate, live=False)
    rate = min(_MOST_LIVE_RATE, source.frames_per_second)
    return AnnotatedVideo(path, rate=lambda: rate, live=True)
