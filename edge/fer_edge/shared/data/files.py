"""Which files of a data set are read, and why the others are not.

The one rule for folders, archives and single files: a file is told by what it holds; what is no
picture and no CSV file with pixels is skipped, by name and with the reason.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from fer_edge.shared.closing import Closing
from fer_edge.shared.data.archives import ARCHIVE_ERRORS
from fer_edge.shared.data.containers import Container, SingleFile, Skipped
from fer_edge.shared.data.opening import open_container
from fer_edge.shared.data.pictures import PICTURE_SUFFIXES
from fer_edge.shared.data.signatures import Kind, describe, kind_of

_MAX_TABLE_BYTES: Final = 4 * 2**30  # in an archive; FER2013 has 0.3
_SHOWN: Final = 3

_log = logging.getLogger(__name__)


class DataFiles(Closing):
    """The files of a data set, parted by what they are.

    Args:
        path: A folder, an archive or a single file.

    Attributes:
        container: What holds them.
        pictures: Names of the pictures, sorted.
        tables: Names of the CSV files with pixels, sorted.
        skipped: What is not read.

    Raises:
        DataError: No such data, or an archive that is damaged, encrypted or hostile.
    """

    def __init__(self, path: Path) -> None:
        self.container: Container = open_container(path)
        self.pictures: list[str] = []
        self.tables: list[str] = []
        self.skipped = list(self.container.skipped)
        try:
            for name in sorted(self.container.names):
                self._sort_in(name)
            self.container.check_sizes(self.tables, limit=_MAX_TABLE_BYTES)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the archive, if there is one; may be called twice."""
        self.container.close()

    def _sort_in(self, name: str) -> None:
        if is_hidden(name) and not isinstance(self.container, SingleFile):
            self.skipped.append(Skipped(name, "hidden"))
            return
        try:
            kind, reason = tell_kind(name, lambda: self.container.head(name))
        except ARCHIVE_ERRORS as error:
            kind, reason = "other", f"cannot be read ({getattr(error, 'strerror', None) or error})"
        if kind == "picture":
            self.pictures.append(name)
        elif kind == "table":
            self.tables.append(name)
        else:
            self.skipped.append(Skipped(name, reason))


def is_hidden(name: str) -> bool:
    """Return whether a file, or a folder it lies in, is hidden, or what macOS adds to a ZIP."""
    if not name.startswith((".", "__MACOSX")) and "/." not in name and "/__MACOSX" not in name:
        return False  # nearly all, told in little time
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))


def tell_kind(name: str, head: Callable[[], bytes]) -> tuple[Kind, str]:
    """Return what a file is, and why it is not read where it is neither picture nor table.

    Args:
        name: Its name; the usual endings of pictures are believed, and decoding them tells more.
        head: Returns its first bytes.
    """
    ending = name[name.rfind(".") :].lower()
    if ending in PICTURE_SUFFIXES:
        return "picture", ""
    beginning = head()
    return kind_of(beginning), describe(beginning)


def by_reason(skipped: Sequence[Skipped]) -> dict[str, list[str]]:
    """Return the names of skipped files by the reason."""
    found: dict[str, list[str]] = {}
    for item in skipped:
        found.setdefault(item.reason, []).append(item.name)
    return dict(sorted(found.items()))


def format_skipped(skipped: Sequence[Skipped]) -> str:
    """Return a line that counts skipped files by the reason, and names some of each."""
    return "; ".join(
        f"{reason}: {len(names):,} ({', '.join(names[:_SHOWN])}{', ...' * (len(names) > _SHOWN)})"
        for reason, names in by_reason(skipped).items()
    )


def log_skipped(skipped: Sequence[Skipped], path: Path) -> None:
    """Say on the log what of a data set is not read; nothing where all is."""
    if skipped:
        _log.warning("%s: not read: %s", path, format_skipped(skipped))


def format_counts(counts: Mapping[str, int]) -> str:
    """Return how many files are skipped, by the reason, as one line."""
    return "; ".join(f"{reason}: {count:,}" for reason, count in counts.items())


def count_skipped(skipped: Sequence[Skipped]) -> dict[str, int]:
    """Return how many files are skipped, by the reason."""
    return {reason: len(names) for reason, names in by_reason(skipped).items()}
