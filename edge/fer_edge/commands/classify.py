"""Expressions in single pictures: the Python API's reading, with annotated copies."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from fer_edge.api import Picture, Reader
from fer_edge.settings import Settings
from fer_edge.shared.records import UNCERTAIN, Reading
from fer_edge.shared.report.drawing import write_picture
from fer_edge.shared.terminal.command_line import printable
from fer_edge.shared.whole_files import make_folder
from fer_edge.sinks.annotated.pictures import copy_name


class PictureReader:
    """Reads picture files.

    Args:
        settings: Detector, model, and from which probability a label is certain.
        whole_pictures: Take each picture as a face crop instead of searching faces.
        annotate_folder: Where to leave annotated copies; None leaves none.
        before: Pictures that another process has read; their copies stay.

    Raises:
        FerError: Model or cascade cannot be loaded, or the folder not be made.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        whole_pictures: bool,
        annotate_folder: Path | None,
        before: Iterable[str] = (),
    ) -> None:
        self._reader = Reader(settings=settings, crops=whole_pictures)
        self._annotate_folder = annotate_folder
        self._copies = Counter(Path(image).stem for image in before)
        if annotate_folder is not None:
            make_folder(annotate_folder)

    def read(self, image: str, *, tell: Callable[[Picture], None] = lambda _: None) -> Picture:
        """Read one picture.

        Args:
            image: Its path.
            tell: Takes what was read, before a copy is written, which may fail.

        Raises:
            PictureError: It cannot be read.
            OutputError: The annotated copy cannot be written.
        """
        seen = self._reader.read(image)
        tell(seen)
        if self._annotate_folder is not None:
            name = copy_name(Path(image).stem, self._copies)
            write_picture(self._annotate_folder / name, seen.plot())
        return seen


def format_reading(seen: Picture) -> str:
    """Return what people read of one picture: a line a face."""
    path = printable(str(seen.path))
    if not seen:
        return f"{path}: no face"
    return "\n".join(f"{path}: {_words(face)} at {face.box.as_list()}" for face in seen)


def _words(face: Reading) -> str:
    said = f"{face.label} {face.confidence:.2f}"
    if face.why is not None:
        return f"{UNCERTAIN}, {face.why} ({said})"
    return f"{UNCERTAIN} ({said})" if face.stable == UNCERTAIN else said
