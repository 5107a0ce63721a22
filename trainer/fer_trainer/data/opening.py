"""From a path to the entries of the data set that lies there, whatever its shape."""

from pathlib import Path

from fer_trainer.data.csv_files import CsvEntries, PublicTest, find_csv_files
from fer_trainer.data.entries import Entries, FolderEntries


def open_entries(path: Path, *, public_test: PublicTest = "val") -> Entries:
    """Open a data set.

    Args:
        path: Class folders, split folders, a ZIP of either, FER2013's CSV, or the folder or ZIP
            it is in.
        public_test: What rows with Usage PublicTest are used for.

    Raises:
        DataError: No such data, or an unknown layout.
        LabelError: A class folder's name is unknown.
    """
    if path.suffix.lower() == ".csv" and not path.is_dir():
        return CsvEntries({None: path}, public_test=public_test)
    files = find_csv_files(path)
    return CsvEntries(files, public_test=public_test) if files else FolderEntries(path)
