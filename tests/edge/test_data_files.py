"""Which files of a data set are read, told by what they hold, and what is said of the others."""

import contextlib
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from builders import a_picture, encoded, write_files

from fer_edge.shared.data.files import DataFiles
from fer_edge.shared.data.pictures import decode_grey
from fer_edge.shared.errors import DataError, PictureError

COLOUR = np.dstack([a_picture()] * 3)
READ = {
    "JPEG": encoded(COLOUR, ".jpg"), "PNG": encoded(COLOUR, ".png"), "BMP": encoded(COLOUR, ".bmp"),
    "WebP": encoded(COLOUR, ".webp"), "TIFF": encoded(COLOUR, ".tiff"),
    "GIF": encoded(COLOUR, ".gif"), "JPEG 2000": encoded(COLOUR, ".jp2"),
    "AVIF": encoded(COLOUR, ".avif"), "PNM": encoded(COLOUR, ".ppm"),
    "PGM": encoded(a_picture(), ".pgm"), "PAM": encoded(COLOUR, ".pam"),
    "Sun raster": encoded(COLOUR, ".sr"),
}  # fmt: skip


def sorted_out(path):
    with DataFiles(path) as files:
        return files.pictures, files.tables, {item.name: item.reason for item in files.skipped}


@pytest.mark.parametrize("name", ["picture", "picture.photo", "picture.txt", "Picture.JFIF"])
@pytest.mark.parametrize("kind", READ)
def test_every_picture_that_is_decoded_is_known_by_what_it_holds(tmp_path, kind, name):
    write_files(tmp_path, {f"sad/{name}": READ[kind]})
    assert sorted_out(tmp_path) == ([f"sad/{name}"], [], {})
    assert decode_grey(READ[kind], where=kind).shape == a_picture().shape


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"BMW and other cars\n" * 99, "no picture"),
        (b"P5 is the fifth paragraph", "no picture"),
        (b"\0\0\0\x18ftypheic" + bytes(50), "HEIC, to be converted to JPEG or PNG"),
        (b'<?xml version="1.0"?>\n<svg width="9">', "SVG, to be converted to JPEG or PNG"),
        (b"8BPS" + bytes(50), "Photoshop, to be converted to JPEG or PNG"),
        (b"PK\3\4" + bytes(50), "an archive inside, to be unpacked"),
        (b"\x1f\x8b" + bytes(50), "an archive inside, to be unpacked"),
        (b"path,neutral,happy\n", "no picture"),
    ],
)
def test_what_is_no_picture_is_named_with_the_reason(tmp_path, content, reason):
    write_files(tmp_path, {"sad/1.png": b"x", "sad/Thumbs.db": content})
    assert sorted_out(tmp_path)[2] == {"sad/Thumbs.db": reason}


@pytest.mark.parametrize("content", [b"not a picture", encoded(COLOUR.astype(np.float32), ".pfm")])
def test_what_a_picture_s_ending_promises_is_tried(tmp_path, content):
    write_files(tmp_path, {"sad/1.png": content})
    assert sorted_out(tmp_path)[0] == ["sad/1.png"]
    with pytest.raises(PictureError, match="cannot be decoded"):
        decode_grey(content, where="sad/1.png")


@pytest.mark.parametrize(
    "header", ["emotion,pixels,Usage", "\ufeffEmotion; Pixels", '"pixels"\t"emotion"\r']
)
@pytest.mark.parametrize("name", ["fer2013", "fer2013.CSV", "deep/down/data.txt"])
def test_a_csv_file_with_pixels_is_known_by_its_header(tmp_path, header, name):
    write_files(tmp_path, {name: (header + "\n0,1 2 3\n").encode()})
    assert sorted_out(tmp_path) == ([], [name], {})


@pytest.mark.parametrize("as_zip", [False, True])
def test_empty_folders_are_named(tmp_path, as_zip):
    folder = write_files(tmp_path / "data", {"train/sad/1.png": b"x"})
    (folder / "train/happy").mkdir()
    if as_zip:
        with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
            for path in folder.rglob("*"):
                archive.write(path, path.relative_to(folder))
        folder = tmp_path / "data.zip"
    assert sorted_out(folder) == (["train/sad/1.png"], [], {"train/happy/": "an empty folder"})


def test_links_to_folders_and_pictures_are_followed(tmp_path):
    pool = write_files(tmp_path / "pool", {"a/1.png": b"x", "b/2.png": b"x", "3.png": b"x"})
    data = write_files(tmp_path / "data", {"train/sad/1.png": b"x"})
    (data / "train/happy").symlink_to(pool / "a")
    (data / "test").mkdir()
    (data / "test/happy").symlink_to(pool / "b", target_is_directory=True)
    (data / "train/sad/3.png").symlink_to(pool / "3.png")
    (tmp_path / "name").symlink_to(data)
    expected = ["test/happy/2.png", "train/happy/1.png", "train/sad/1.png", "train/sad/3.png"]
    assert sorted_out(data) == sorted_out(tmp_path / "name") == (expected, [], {})


def test_links_that_lead_round_or_nowhere_are_named(tmp_path):
    data = write_files(tmp_path / "data", {"train/sad/1.png": b"x"})
    links = {
        "train/sad/parent": "..", "root": ".", "above": "..", "everything": "/", "a_copy": "train",
        "self.png": "self.png", "gone.png": "nowhere",
    }  # fmt: skip
    for name, target in links.items():
        (data / name).symlink_to(target)
    os.mkfifo(data / "pipe.png")  # reading it would block for ever
    pictures, _, skipped = sorted_out(data)
    assert pictures == ["train/sad/1.png"]
    again = "which is not read again"
    assert skipped == {
        "train/sad/parent/": f"links to train, {again}",
        "a_copy/": f"links to train, {again}",
        "root/": f"links to the data set itself, {again}",
        "above/": f"links to a folder above it, {again}",
        "everything/": f"links to a folder above it, {again}",
        "self.png": "a link that leads nowhere",
        "gone.png": "a link that leads nowhere",
        "pipe.png": "no file but a pipe, socket or device",
    }


@pytest.fixture
def somebody_elses():
    """A folder that belongs to another user, as root makes it; who is not root is none."""
    folder = Path(tempfile.mkdtemp(prefix="fer-edge-"))
    folder.chmod(0o755)
    yield folder
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            path.chmod(0o755)
    shutil.rmtree(folder)


@contextlib.contextmanager
def as_nobody():
    """Take on the rights of a user who owns nothing."""
    if os.geteuid() == 0:
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)
    else:
        yield


def test_what_may_not_be_read_is_named(somebody_elses):
    write_files(somebody_elses, {"sad/1.png": b"x", "sad/notes": b"x", "happy/2.png": b"x"})
    (somebody_elses / "sad/notes").chmod(0)
    with as_nobody():
        assert sorted_out(somebody_elses)[2] == {"sad/notes": "cannot be read (Permission denied)"}
    (somebody_elses / "happy").chmod(0)
    with as_nobody(), pytest.raises(DataError, match=r"happy cannot be listed \(Permission denied"):
        sorted_out(somebody_elses)
