"""Pictures of a folder, one after the other."""

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from fer_edge.shared.closing import Closing
from fer_edge.shared.data.containers import Skipped
from fer_edge.shared.data.files import format_skipped, is_hidden, tell_kind
from fer_edge.shared.data.pictures import decode_colour, decode_grey, read_picture_bytes
from fer_edge.shared.data.signatures import HEAD_BYTES
from fer_edge.shared.errors import PictureError, VideoError
from fer_edge.shared.records import Colour, Frame, GreyImage
from fer_edge.sources.capture import picture_now, to_frame

_log = logging.getLogger(__name__)


class PictureFolder(Closing):
    """The pictures that lie directly in a folder, by name, upright, in grey.

    Args:
        path: The folder; folders inside it are not searched.
        colour: Whether frames keep their colours, for whoever asks for them.

    Attributes:
        skipped: Number of pictures that could not be read so far; each is logged.

    Raises:
        VideoError: No such folder, no pictures in it, or none that decodes.
    """

    def __init__(self, path: Path, *, colour: bool = False) -> None:
        self.skipped = 0
        self._colour = colour
        self._count = 0
        names = _picture_paths(path)
        self._pictures = self._decode(names)
        self._first = next(self._pictures, None)
        if self._first is None:
            raise VideoError(
                f"{path}: none of its {len(names)} pictures can be decoded",
                expected="at least one whole picture",
                fix="check the files",
            )

    @property
    def live(self) -> bool:
        """Always false: pictures wait."""
        return False

    def read(self, timeout_seconds: float) -> Frame | None:  # noqa: ARG002 - files do not stall
        """Return the next picture that decodes, captured now; None after the last."""
        first, self._first = self._first, None
        following = first or next(self._pictures, None)
        if following is None:
            return None
        name, grey, colour = following
        self._count += 1
        return to_frame(picture_now(grey, colour), index=self._count - 1, name=name)

    def close(self) -> None:
        """Forget the pictures not yet read; may be called twice."""
        self._first = None
        self._pictures = iter(())

    def _decode(self, paths: list[Path]) -> Iterator[tuple[str, GreyImage, Colour | None]]:
        for path in paths:
            try:
                data = read_picture_bytes(path)
                grey = decode_grey(data, where=str(path))
                make = partial(decode_colour, data, where=str(path))
                yield path.name, grey, Colour(make) if self._colour else None
            except PictureError as error:
                self.skipped += 1
                _log.warning("skipped: %s", error.found)


def _picture_paths(folder: Path) -> list[Path]:
    paths, passed_over = [], []
    try:
        for path in sorted(folder.iterdir()):
            if reason := _why_not(path):
                passed_over.append(Skipped(path.name, reason))
            else:
                paths.append(path)
    except OSError as error:
        raise VideoError(
            f"{folder} cannot be listed ({error.strerror})",
            expected="a folder of pictures",
            fix="check the path and its permissions",
        ) from error
    others = format_skipped(passed_over)
    if not paths:
        raise VideoError(
            f"{folder} holds no pictures" + (f"; not read: {others}" if others else ""),
            expected="pictures as files, such as JPEG or PNG",
            fix="check the path; folders inside it are not searched",
        )
    if others:
        _log.warning("%s: not read: %s", folder, others)
    return paths


def _why_not(path: Path) -> str:
    """Return why something in the folder is no picture to read; empty where it is one."""
    if is_hidden(path.name):
        return "hidden"
    if path.is_dir():
        return "a folder, which is not searched"
    if not path.is_file():  # a pipe or a device with a picture's name would block or never end
        return "no file"
    try:
        kind, reason = tell_kind(path.name, lambda: _head(path))
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return "" if kind == "picture" else reason or "no picture"


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)
