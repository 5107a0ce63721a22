"""Labelled face crops: class folders, split folders, or an archive of either.

What the folders say is read in `layout`, which files are read in `files`. An archive is read where
it lies and never unpacked to names on disk.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from fer_edge.shared.closing import Closing
from fer_edge.shared.data.containers import Skipped
from fer_edge.shared.data.files import DataFiles, format_counts, format_skipped, log_skipped
from fer_edge.shared.data.layout import (
    LAYOUT,
    LabelledPicture,
    PublicTest,
    Split,
    arrange,
    refuse_problems,
)
from fer_edge.shared.data.pictures import MAX_PICTURE_BYTES
from fer_edge.shared.errors import DataError, FerError
from fer_edge.shared.labels import KNOWN_EXPRESSIONS, Vocabulary


class LabelledPictures(Closing):
    """A data set of face crops, listed when opened, read picture by picture.

    Args:
        data: Class folders, split folders, or an archive of either; closed with this.
        public_test: What a folder PublicTest is used for.
        problems: Where given, what is not understood is added here instead of raised, and the
            pictures it is about are in no list.
        vocabulary: What the class folders' names mean.

    Attributes:
        pictures: All of them, sorted by name.
        skipped: What is there and is not read.

    Raises:
        DataError: No such data, no pictures, an unknown layout, or an archive that is damaged
            or tries to reach outside itself or to explode.
        LabelError: A class folder's name is unknown.
    """

    def __init__(
        self,
        data: Path | DataFiles,
        *,
        public_test: PublicTest = "val",
        problems: list[FerError] | None = None,
        vocabulary: Vocabulary = KNOWN_EXPRESSIONS,
    ) -> None:
        self._files = data if isinstance(data, DataFiles) else DataFiles(data)
        self._container = self._files.container
        try:
            layout = arrange(
                _only_pictures(self._files), public_test=public_test, vocabulary=vocabulary
            )
            if problems is None or not layout.pictures:
                refuse_problems(layout.problems, where=str(self._container.path))
            self._container.check_sizes(self._files.pictures, limit=MAX_PICTURE_BYTES)
        except BaseException:
            self.close()
            raise
        self.pictures: Sequence[LabelledPicture] = layout.pictures
        self.skipped: Sequence[Skipped] = [*self._files.skipped, *layout.skipped]
        if problems is None:
            log_skipped(self.skipped, self._container.path)
        else:
            problems += layout.problems

    def close(self) -> None:
        """Close the archive, if there is one; may be called twice."""
        self._files.close()

    def of(self, split: Split) -> list[LabelledPicture]:
        """Return the pictures of one split."""
        return [picture for picture in self.pictures if picture.split == split]

    def for_evaluation(self) -> Sequence[LabelledPicture]:
        """Return the test split where there are splits, else everything.

        Raises:
            DataError: There are splits, but no test pictures.
        """
        if all(picture.split is None for picture in self.pictures):
            return self.pictures
        test = self.of("test")
        if not test:
            splits = format_counts(Counter(str(picture.split) for picture in self.pictures))
            raise DataError(
                f"{self._container.path} has no test pictures (only {splits})",
                expected="a folder named test, or class folders alone",
                fix="to evaluate on another split, " + self.advise(),
            )
        return test

    def advise(self) -> str:
        """Return how to evaluate on validation pictures where there are any, else on others."""
        of = next((picture for picture in self.pictures if picture.split == "val"), None)
        folder = (of or self.pictures[0]).name.rsplit("/", 2)[0]
        return self._container.advise(folder)

    def read(self, picture: LabelledPicture) -> bytes:
        """Return a picture's bytes.

        Raises:
            DataError: It cannot be read, or is far larger than a picture should be.
        """
        return self._container.read(picture.name)


def _only_pictures(files: DataFiles) -> list[str]:
    path = files.container.path
    if files.tables and not files.pictures:
        raise DataError(
            f"{path} holds no pictures but pixels in a CSV file ({', '.join(files.tables)})",
            expected="labelled face crops as pictures: " + LAYOUT,
            fix="`fer-train evaluate` and `fer-train inspect-data` read such files",
        )
    if files.tables:
        raise mixed(files)
    if not files.pictures:
        others = format_skipped(files.skipped)
        raise DataError(
            f"{path} holds no pictures" + (f"; not read: {others}" if others else ""),
            expected=LAYOUT,
            fix="check the path and the layout",
        )
    return files.pictures


def mixed(files: DataFiles) -> DataError:
    """Return what is wrong with pictures beside pixels in CSV files."""
    return DataError(
        f"{files.container.path} holds {len(files.pictures):,} pictures "
        f"({files.pictures[0]}, ...) and pixels in CSV files ({', '.join(files.tables)})",
        expected="one or the other",
        fix="name the one to read, or move the other away",
    )
