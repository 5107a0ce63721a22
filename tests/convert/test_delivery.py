"""Files are all there, or none is."""

import resource

import pytest

from fer_convert.file.output_folder import check_folder, deliver
from fer_edge.shared.errors import OutputError

FILES = {"a.tflite": b"a" * 50_000, "b.json": b"b"}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_writes_into_a_new_folder(tmp_path):
    folder = tmp_path / "deep" / "out"
    check_folder(folder, list(FILES), force=False)
    assert not folder.exists()
    deliver(FILES, folder)
    assert contents(folder) == FILES


def test_leaves_other_files_alone(tmp_path):
    (tmp_path / "mine.txt").write_bytes(b"mine")
    check_folder(tmp_path, list(FILES), force=False)
    deliver(FILES, tmp_path)
    assert contents(tmp_path) == {**FILES, "mine.txt": b"mine"}


def test_replaces_only_when_forced(tmp_path):
    (tmp_path / "b.json").write_bytes(b"old")
    with pytest.raises(OutputError, match=r"holds b\.json already.*--force"):
        check_folder(tmp_path, list(FILES), force=False)
    check_folder(tmp_path, list(FILES), force=True)
    deliver(FILES, tmp_path)
    assert contents(tmp_path) == FILES


def test_a_file_is_no_folder(tmp_path):
    file = tmp_path / "out"
    file.write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be written to"):
        check_folder(file, list(FILES), force=False)
    with pytest.raises(OutputError, match="cannot be written to"):
        deliver(FILES, file)


def test_a_folder_that_must_not_be_written_to():
    # Nobody may create files there, not even root.
    from pathlib import Path

    with pytest.raises(OutputError, match="cannot be written to"):
        check_folder(Path("/proc/out"), list(FILES), force=False)


def test_a_disk_that_is_full_in_the_middle_leaves_the_old_files_as_they_were(tmp_path):
    old = {"a.tflite": b"old a", "b.json": b"old b"}
    deliver(old, tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OutputError, match="cannot be written to"):
            deliver({"b.json": b"new", "a.tflite": FILES["a.tflite"]}, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert contents(tmp_path) == old
