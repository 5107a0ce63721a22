"""What every shape of data set offers: entries that are listed first and decoded when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from fer_edge.shared.closing import Closing
from fer_edge.shared.data.containers import Skipped
from fer_edge.shared.data.files import DataFiles
from fer_edge.shared.data.labelled import LabelledPictures
from fer_edge.shared.data.layout import LabelledPicture, PublicTest, Split
from fer_edge.shared.data.pictures import decode_picture
from fer_edge.shared.errors import DataError, FerError
from fer_edge.shared.labels import KNOWN_EXPRESSIONS, Vocabulary
from fer_edge.shared.records import Image

MAX_ASPECT: Final = 16


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture of a data set, not decoded yet.

    Attributes:
        name: Path inside the data set, or the line of a CSV file that makes no sense.
        label: As the vocabulary has it; None where it makes no sense, then `read` raises.
        split: The split that the data set names; None where it names none.
        read: Returns what lies on disk and the picture, grey or BGR; uint8.
            Raises PictureError or DataError.
        row: Position in a CSV file, counted from 0; None elsewhere.
    """

    name: str
    label: str | None
    split: Split | None
    read: Callable[[], tuple[bytes, Image]]
    row: int | None = None


class Entries(Closing):
    """The entries of a data set, in an order that depends on nothing but the data.

    Attributes:
        total: Number of entries; None where only reading tells.
        skipped: Files that are no part of the data set, or are left out as the settings say.
    """

    total: int | None = None
    skipped: Sequence[Skipped] = ()

    def __iter__(self) -> Iterator[Entry]:
        """Go through all entries; may be done again."""
        raise NotImplementedError

    def advise(self) -> str:
        """Return what to do about a data set that has splits, but no test pictures."""
        raise NotImplementedError


class FolderEntries(Entries):
    """Class folders, split folders, or an archive of either.

    Args:
        files: Of the data set; closed with this.
        public_test: What a folder PublicTest is used for.
        problems: As for `LabelledPictures`.
        vocabulary: What the class folders' names mean.
        colour: Whether pictures are read in colour.

    Raises:
        DataError: As `LabelledPictures` says.
        LabelError: A class folder's name is unknown.
    """

    def __init__(
        self,
        files: DataFiles,
        *,
        public_test: PublicTest,
        problems: list[FerError] | None,
        vocabulary: Vocabulary = KNOWN_EXPRESSIONS,
        colour: bool = False,
    ) -> None:
        self._source = LabelledPictures(
            files, public_test=public_test, problems=problems, vocabulary=vocabulary
        )
        self._colour = colour
        self.total = len(self._source.pictures)
        self.skipped = self._source.skipped

    def advise(self) -> str:
        """Return what to do about a data set that has splits, but no test pictures."""
        return "to evaluate on another split, " + self._source.advise()

    def __iter__(self) -> Iterator[Entry]:
        for picture in self._source.pictures:
            yield Entry(picture.name, picture.label, picture.split, partial(self._read, picture))

    def close(self) -> None:
        """Close the archive, if there is one; may be called twice."""
        self._source.close()

    def _read(self, picture: LabelledPicture) -> tuple[bytes, Image]:
        data = self._source.read(picture)
        seen = decode_picture(data, where=picture.name, colour=self._colour)
        height, width = seen.shape[:2]
        # Made square, a picture of one row would fill the memory.
        if max(height, width) > MAX_ASPECT * min(height, width):
            raise DataError(
                f"{picture.name} is {width}x{height} pixels",
                expected=f"a face crop, no side longer than {MAX_ASPECT} times the other",
                fix="remove it",
            )
        return data, seen
