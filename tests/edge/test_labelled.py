"""Labelled face crops in folders, ZIPs and tars, whole and hostile."""

import io
import logging
import stat
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from builders import write_files

from fer_edge.shared.data.labelled import LabelledPictures
from fer_edge.shared.data.pictures import MAX_PICTURE_BYTES
from fer_edge.shared.errors import EXIT_FAILED, DataError, LabelError


@pytest.fixture(params=["folder", "zip", "zip of Windows", "tar", "tar.gz", "tar.bz2", "tar.xz"])
def make(request, tmp_path):
    """Lay out a data set as a folder or as an archive; a picture's bytes are its name."""

    def make(names):
        contents = {name: name.encode() for name in names}
        if request.param == "folder":
            return write_files(tmp_path / "data", contents)
        if request.param.startswith("zip"):
            # Windows PowerShell 5 writes backslashes.
            mark = "/" if request.param == "zip" else "\\"
            return make_zip(
                tmp_path / "data.zip",
                [(name.replace("/", mark), data) for name, data in contents.items()],
            )
        path = tmp_path / f"data.{request.param}"
        return make_tar(path, [(tarfile.TarInfo("./" + n), data) for n, data in contents.items()])

    return make


def make_zip(path, entries):
    with zipfile.ZipFile(path, "w") as archive:
        for entry, data in entries:
            archive.writestr(entry, data)
    return path


def make_tar(path, entries):
    packed = {".gz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}.get(path.suffix, "w")
    with tarfile.open(path, packed) as archive:
        for entry, data in entries:
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def listed(path):
    with LabelledPictures(path) as data:
        return [(picture.name, picture.label, picture.split) for picture in data.pictures]


def refused(path, *, error=DataError):
    with pytest.raises(error) as caught, LabelledPictures(path):
        pass
    assert caught.value.exit_code == EXIT_FAILED
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_class_folders(make):
    path = make(["happiness/2.jpg", "Anger/1.PNG", "happiness/1.jpg"])
    assert listed(path) == [
        ("Anger/1.PNG", "angry", None),
        ("happiness/1.jpg", "happy", None),
        ("happiness/2.jpg", "happy", None),
    ]


def test_split_folders_under_any_name(make):
    path = make(["Training/sad/1.png", "validation/sad/2.png", "TEST/sad/3.png"])
    assert {split for _, _, split in listed(path)} == {"train", "val", "test"}


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (("train_set", "test_set"), {"train", "test"}),
        (("Train_Set", "valid", "test-data"), {"train", "val", "test"}),
        (("Training", "PublicTest", "PrivateTest"), {"train", "val", "test"}),
        (("images/train", "images/validation"), {"train", "val"}),
        (("TrainingSet", "validation set", "Testing"), {"train", "val", "test"}),
    ],
)
def test_split_folders_as_others_call_them(make, folders, splits):
    path = make([f"{folder}/sad/{n}.png" for n, folder in enumerate(folders)])
    assert {split for _, _, split in listed(path)} == splits


@pytest.mark.parametrize(("public_test", "expected"), [("test", {"test"}), ("leave-out", set())])
def test_the_public_test_half_is_what_is_asked_for(tmp_path, public_test, expected):
    path = write_files(tmp_path, {"Training/sad/1.png": b"1", "PublicTest/sad/2.png": b"2"})
    with LabelledPictures(path, public_test=public_test) as data:
        assert {picture.split for picture in data.pictures} == {"train"} | expected
        assert [item.name for item in data.skipped] == ["PublicTest/sad/2.png"] * (not expected)


@pytest.mark.parametrize(
    ("names", "strange"),
    [
        (["train/sad/1.png", "holdout/sad/2.png"], ["holdout"]),
        (["one/sad/1.png", "two/sad/2.png"], ["one", "two"]),
        (["sad/1.png", "extra/sad/2.png"], ["extra"]),
        (["train/faces/sad/1.png", "test/faces/sad/2.png"], ["test/faces", "train/faces"]),
        (["a/train/sad/1.png", "a/test/sad/2.png", "a/more/sad/3.png"], ["a/more"]),
    ],
)
def test_a_folder_above_the_classes_that_is_no_known_split_is_named(make, names, strange):
    message = refused(make(names))
    for folder in strange:
        assert f"folder {folder} lies above class folders and is no known split" in message
    assert message.count("is no known split") == len(strange)


def test_two_data_sets_in_one_are_not_mixed(make):
    path = make(["a/train/sad/1.png", "a/test/sad/2.png", "b/train/sad/1.png", "b/test/sad/2.png"])
    assert "folder b holds splits of its own" in refused(path)


def test_a_number_before_the_name_of_a_class_is_not_heeded(make):
    assert [label for _, label, _ in listed(make(["0_angry/1.png", "3-Happiness/2.png"]))] == [
        "angry", "happy",
    ]  # fmt: skip


def test_a_number_alone_is_no_class(make):
    message = refused(make(["0/1.png", "1/2.png"]), error=LabelError)
    assert "folder 0: unknown expression '0'" in message
    assert "folder 1: unknown" in message
    assert "data sets number the expressions differently" in message


def test_all_that_is_not_understood_is_listed(make):
    names = ["train/sadd/1.png", "train/hapy/2.png", "1.png", "train/sad/4.png", "x/sad/5.png"]
    with LabelledPictures(make(names), problems=(problems := [])) as data:
        assert [picture.name for picture in data.pictures] == ["train/sad/4.png"]
    assert sorted(problem.found.split(" ")[0] for problem in problems) == [
        "1.png", "folder", "folder", "folder",
    ]  # fmt: skip
    said = "; ".join(problem.found for problem in problems)
    assert all(name in said for name in ("train/sadd", "train/hapy", "folder x"))


def test_folders_around_split_folders_do_not_matter(make):
    path = make(["a/b/train/sad/1.png", "a/b/test/sad/2.png"])
    assert [split for _, _, split in listed(path)] == ["test", "train"]


def test_folders_around_class_folders_do_not_matter(make):
    assert listed(make(["x/y/sad/1.png"])) == [("x/y/sad/1.png", "sad", None)]


def test_what_is_no_picture_is_left_out(make):
    path = make(["sad/1.png", "sad/notes.txt", "README", ".cache/sad/2.png", "__MACOSX/sad/3.png"])
    with LabelledPictures(path) as data:
        assert [picture.name for picture in data.pictures] == ["sad/1.png"]
        assert {item.name: item.reason for item in data.skipped} == {
            "README": "no picture", "sad/notes.txt": "no picture",
            ".cache/sad/2.png": "hidden", "__MACOSX/sad/3.png": "hidden",
        }  # fmt: skip


def test_what_is_left_out_is_said_on_the_log(make, caplog):
    names = ["sad/1.png", *(f"sad/{n}.txt" for n in range(5)), "sad/.DS_Store"]
    caplog.set_level(logging.WARNING)
    with LabelledPictures(make(names)):
        pass
    (message,) = caplog.messages
    assert "hidden: 1 (sad/.DS_Store)" in message
    assert "no picture: 5 (sad/0.txt, sad/1.txt, sad/2.txt, ...)" in message


def test_bytes_are_those_of_the_picture(make):
    with LabelledPictures(make(["a.d/sad/1.png", "a.d/happy/2.png"])) as data:
        assert [data.read(picture) for picture in data.pictures] == [
            picture.name.encode() for picture in data.pictures
        ]


def test_evaluation_takes_the_test_split(make):
    with LabelledPictures(make(["train/sad/1.png", "test/sad/2.png", "val/sad/3.png"])) as data:
        assert [picture.name for picture in data.for_evaluation()] == ["test/sad/2.png"]
        assert [picture.name for picture in data.of("val")] == ["val/sad/3.png"]


def test_evaluation_takes_everything_where_there_are_no_splits(make):
    with LabelledPictures(make(["sad/1.png", "happy/2.png"])) as data:
        assert len(data.for_evaluation()) == 2


def test_evaluation_does_not_guess_another_split(make):
    path = make(["a/train/sad/1.png", "a/validation/sad/2.png"])
    with (
        LabelledPictures(path) as data,
        pytest.raises(DataError, match="has no test pictures") as caught,
    ):
        data.for_evaluation()
    assert "a/validation" in caught.value.fix
    if path.is_dir():  # what is advised is there
        with LabelledPictures(path / "a/validation") as data:
            assert len(data.for_evaluation()) == 1


def test_an_unknown_class_folder_is_named_with_its_path(make):
    message = refused(make(["train/sadd/1.png"]), error=LabelError)
    assert "folder train/sadd: unknown expression 'sadd'" in message
    assert "did you mean 'sad'" in message


@pytest.mark.parametrize("name", ["1.png", "train/1.png"])
def test_a_picture_outside_a_class_folder(make, name):
    assert f"{name} lies in no class folder" in refused(make([name]))


def test_splits_and_none_side_by_side(make):
    assert "others differ" in refused(make(["train/sad/1.png", "sad/2.png"]))


@pytest.mark.parametrize("names", [[], ["sad/notes.txt"]])
def test_no_pictures(tmp_path, make, names):
    (tmp_path / "data").mkdir(exist_ok=True)
    assert "holds no pictures" in refused(make(names))


def test_missing(tmp_path):
    assert "does not exist" in refused(tmp_path / "no.zip")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\3\4" + bytes(50)])
def test_no_zip(tmp_path, content):
    path = tmp_path / "data.zip"
    path.write_bytes(content)
    assert "is no readable ZIP" in refused(path)


def test_a_zip_cut_off(tmp_path):
    path = make_zip(tmp_path / "data.zip", [("sad/1.png", b"x" * 500)])
    path.write_bytes(path.read_bytes()[:-30])
    assert "is no readable ZIP" in refused(path)


@pytest.mark.parametrize(
    "name",
    [
        "../sad/1.png",
        "sad/../../1.png",
        "/sad/1.png",
        "C:/sad/1.png",
        "..\\sad\\1.png",
        "\\sad\\1.png",
    ],
)
def test_a_zip_that_reaches_outside_itself(tmp_path, name):
    path = make_zip(tmp_path / "data.zip", [("sad/0.png", b"x"), (name, b"x")])
    assert "unsafe name" in refused(path)
    assert list(tmp_path.iterdir()) == [path], "nothing is unpacked"


def test_a_link_in_a_zip(tmp_path):
    link = zipfile.ZipInfo("sad/1.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert "no links" in refused(make_zip(tmp_path / "data.zip", [(link, b"/etc/passwd")]))


@pytest.mark.parametrize("name", ["../sad/1.png", "/sad/1.png", "C:/sad/1.png", "sad\\..\\1.png"])
def test_a_tar_that_reaches_outside_itself(tmp_path, name):
    path = make_tar(tmp_path / "data.tar.gz", [(tarfile.TarInfo(name), b"x")])
    assert "unsafe name" in refused(path)
    assert list(tmp_path.iterdir()) == [path], "nothing is unpacked"


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_a_link_or_device_in_a_tar(tmp_path, kind):
    entry = tarfile.TarInfo("sad/1.png")
    entry.type, entry.linkname = kind, "/etc/passwd"
    assert "no links" in refused(make_tar(tmp_path / "data.tar", [(entry, b"")]))


def test_a_tar_that_explodes(tmp_path):
    path = make_tar(tmp_path / "data.tar.gz", [(tarfile.TarInfo("sad/1.png"), bytes(4 * 2**20))])
    assert "would unpack to far more" in refused(path)


def test_a_tar_cut_off(tmp_path):
    noise = np.random.default_rng(1).bytes(50_000)
    path = make_tar(tmp_path / "data.tar.gz", [(tarfile.TarInfo("sad/1.png"), noise)])
    path.write_bytes(path.read_bytes()[:20_000])
    assert "cannot be read" in refused(path)


@pytest.mark.parametrize("damage", ["header", "end"])
def test_a_tar_that_is_not_whole_leaves_out_nothing_without_a_word(tmp_path, damage):
    entries = [(tarfile.TarInfo(f"sad/{n}.png"), b"x") for n in range(3)]
    path = make_tar(tmp_path / "data.tar", entries)
    whole = path.read_bytes()
    second = whole.index(b"sad/1.png")
    path.write_bytes(whole[:second] + (b"?" * 512 + whole[second + 512 :]) * (damage == "header"))
    assert "cannot be read (damaged, or without its end)" in refused(path)


def test_an_archive_of_another_kind(tmp_path):
    (tmp_path / "data.zip").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(100))
    assert "of a kind that is not read" in refused(tmp_path / "data.zip")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_in_a_zip_is_read_once(tmp_path):
    path = make_zip(tmp_path / "data.zip", [("sad/1.png", b"first"), ("sad/1.png", b"last")])
    with LabelledPictures(path) as data:
        assert [data.read(picture) for picture in data.pictures] == [b"last"]
        assert [item.name for item in data.skipped] == ["sad/1.png"]


def test_an_encrypted_zip(tmp_path):
    path = make_zip(tmp_path / "data.zip", [("sad/1.png", b"x")])
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    assert "sad/1.png is encrypted" in refused(path)


def test_a_zip_bomb(tmp_path):
    bomb = zipfile.ZipInfo("sad/1.png")
    bomb.compress_type = zipfile.ZIP_DEFLATED
    path = make_zip(tmp_path / "data.zip", [(bomb, bytes(4 * 2**20))])
    assert "would unpack from" in refused(path)


def claim_size(path, size):
    """Change the size that a ZIP's directory states for its first member."""
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\1\2") + 24, size)
    path.write_bytes(data)
    return path


def test_a_picture_larger_than_any(tmp_path):
    path = make_zip(tmp_path / "data.zip", [("sad/1.png", b"x" * 2**20)])
    assert "would unpack" in refused(claim_size(path, MAX_PICTURE_BYTES + 1))


def test_a_member_that_is_more_than_it_claims(tmp_path):
    path = claim_size(make_zip(tmp_path / "data.zip", [("sad/1.png", b"x" * 900)]), 100)
    with (
        LabelledPictures(path) as data,
        pytest.raises(DataError, match=r"sad/1\.png cannot be read"),
    ):
        data.read(data.pictures[0])


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_damaged_member_is_an_error_of_its_own(tmp_path, method):
    entries = []
    for name in ("sad/1.png", "sad/2.png"):
        entry = zipfile.ZipInfo(name)
        entry.compress_type = method
        entries.append((entry, bytes(range(256)) * 4))
    path = make_zip(tmp_path / "data.zip", entries)
    data = bytearray(path.read_bytes())
    start = data.index(b"sad/1.png") + 9
    data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data)
    with LabelledPictures(path) as pictures:
        with pytest.raises(DataError, match=r"sad/1\.png cannot be read"):
            pictures.read(pictures.pictures[0])
        assert pictures.read(pictures.pictures[1]) == bytes(range(256)) * 4


def test_a_method_of_packing_that_is_unknown(tmp_path):
    path = make_zip(tmp_path / "data.zip", [("sad/1.png", b"x")])
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\1\2", 10), (b"PK\3\4", 8)):
        struct.pack_into("<H", data, data.index(signature) + offset, 98)
    path.write_bytes(data)
    with LabelledPictures(path) as pictures, pytest.raises(DataError, match="cannot be read"):
        pictures.read(pictures.pictures[0])


def test_a_picture_that_vanished(tmp_path):
    path = write_files(tmp_path / "data", {"sad/1.png": b"x"})
    with LabelledPictures(path) as pictures:
        (path / "sad/1.png").unlink()
        with pytest.raises(DataError, match=r"1\.png does not exist"):
            pictures.read(pictures.pictures[0])


def test_a_file_too_large_for_a_picture(tmp_path):
    path = write_files(tmp_path / "data", {"sad/1.png": b"x"})
    with (path / "sad/1.png").open("wb") as file:
        file.truncate(MAX_PICTURE_BYTES + 1)  # sparse
    with LabelledPictures(path) as pictures, pytest.raises(DataError, match="larger than any"):
        pictures.read(pictures.pictures[0])


def test_closing_twice(make):
    data = LabelledPictures(make(["sad/1.png"]))
    data.close()
    data.close()
