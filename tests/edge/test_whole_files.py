"""Files are all there, or none is."""

import os
import resource
from pathlib import Path

import pytest

from fer_edge.shared import whole_files
from fer_edge.shared.errors import OutputError
from fer_edge.shared.whole_files import (
    WRITING,
    check_free,
    make_folder,
    remove_rests,
    replace_file,
    replace_files,
)

FILES = {"a.tflite": b"a" * 50_000, "b.json": b"b"}


def deliver(files, folder):
    make_folder(folder)
    replace_files({folder / name: content for name, content in files.items()})


def check_folder(folder, *, force):
    check_free([folder / name for name in FILES], force=force)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_writes_into_a_new_folder(tmp_path):
    folder = tmp_path / "deep" / "out"
    check_folder(folder, force=False)
    assert not folder.exists()
    deliver(FILES, folder)
    assert contents(folder) == FILES


def test_leaves_other_files_alone(tmp_path):
    (tmp_path / "mine.txt").write_bytes(b"mine")
    check_folder(tmp_path, force=False)
    deliver(FILES, tmp_path)
    assert contents(tmp_path) == {**FILES, "mine.txt": b"mine"}


def test_replaces_only_when_forced(tmp_path):
    (tmp_path / "b.json").write_bytes(b"old")
    with pytest.raises(OutputError, match=r"holds b\.json already.*--force"):
        check_folder(tmp_path, force=False)
    check_folder(tmp_path, force=True)
    deliver(FILES, tmp_path)
    assert contents(tmp_path) == FILES


def test_a_file_is_no_folder(tmp_path):
    file = tmp_path / "out"
    file.write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be written to"):
        check_folder(file, force=False)
    with pytest.raises(OutputError, match="cannot be made"):
        deliver(FILES, file)


def test_a_folder_that_must_not_be_written_to():
    # Nobody may create files there, not even root.
    with pytest.raises(OutputError, match="cannot be written to"):
        check_folder(Path("/proc/out"), force=False)


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


def test_what_writes_itself_gets_a_name_with_the_same_ending(tmp_path):
    seen = []

    def write(path):
        seen.append(path)
        Path(path).write_text("new")

    replace_file(tmp_path / "model.keras", write)
    assert seen[0].endswith(".keras")
    assert contents(tmp_path) == {"model.keras": b"new"}


def test_a_link_in_the_place_of_what_is_being_written_leads_nowhere(tmp_path, monkeypatch):
    (tmp_path / "mine").write_bytes(b"mine")
    monkeypatch.setattr(whole_files, "_numbers", iter([7]))
    link = tmp_path / f"{WRITING}{os.getpid()}-7"
    link.symlink_to(tmp_path / "mine")
    with pytest.raises(OutputError, match="symbolic link"):
        replace_file(tmp_path / "serving", "new")
    assert contents(tmp_path) == {"mine": b"mine"}


def test_what_is_no_file_keeps_its_place(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to(pipe)
    (tmp_path / "folder").mkdir()
    for name, what in [("pipe", "a pipe"), ("link", "a pipe"), ("folder", "a folder")]:
        with pytest.raises(OutputError, match=f"{name} is {what}"):
            check_free([tmp_path / name], force=True)
        with pytest.raises(OutputError, match=f"{name} is {what}"):
            replace_file(tmp_path / name, "new")
    assert pipe.is_fifo()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["folder", "link", "pipe"]


def test_a_link_stays_one_and_what_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "me.json"
    link = tmp_path / "me.json"
    link.symlink_to(target)
    for text in ("first", "second"):  # where it leads need not be there yet
        replace_file(link, text)
        assert link.is_symlink()
        assert contents(target.parent) == {"me.json": text.encode()}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives links to others")
def test_a_link_that_somebody_else_has_made_is_not_followed(tmp_path, monkeypatch):
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / "link").symlink_to("mine")
    (tmp_path / "roots").symlink_to("other")
    os.lchown(tmp_path / "link", 65533, -1)
    os.lchown(tmp_path / "roots", 0, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    replace_file(tmp_path / "roots", "new")
    for write in (lambda path: check_free([path], force=True), lambda path: replace_file(path, "")):
        with pytest.raises(OutputError, match="another user's"):
            write(tmp_path / "link")
    assert contents(tmp_path)["mine"] == b"mine"


def test_a_link_that_leads_nowhere_is_there(tmp_path):
    (tmp_path / "report").symlink_to(tmp_path / "nothing")
    with pytest.raises(OutputError, match="holds report already"):
        check_free([tmp_path / "report"], force=False)


def test_the_longest_of_names_and_the_ending_of_the_name_given(tmp_path):
    replace_file(tmp_path / f"{'n' * 250}.json", "long")
    (tmp_path / "last.npz").symlink_to(tmp_path / "ab12")
    seen = []
    replace_file(tmp_path / "last.npz", lambda path: seen.append(Path(path).write_text("kept")))
    assert (tmp_path / "ab12").read_text() == "kept"
    assert len(contents(tmp_path)[f"{'n' * 250}.json"]) == 4


def test_what_a_killed_process_left_can_be_removed(tmp_path):
    (tmp_path / f"{WRITING}4711-a.json").write_bytes(b"ha")
    (tmp_path / f"{WRITING}abc").mkdir()
    (tmp_path / f"{WRITING}abc" / "a.json").write_bytes(b"ha")
    (tmp_path / "b.json").write_bytes(b"b")
    remove_rests(tmp_path)
    assert contents(tmp_path) == {"b.json": b"b"}
