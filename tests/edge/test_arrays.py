"""NumPy's files, whole and not."""

import io
import zipfile

import numpy as np
import pytest

from fer_edge.shared.arrays import read_array, read_arrays

NUMBERS = np.arange(6, dtype=np.int16).reshape(2, 3)


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def an_archive(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return path


def test_an_array_comes_back():
    np.testing.assert_array_equal(read_array(io.BytesIO(npy(NUMBERS))), NUMBERS)


def test_an_archive_comes_back(tmp_path):
    np.savez(tmp_path / "a.npz", one=NUMBERS, names=np.array(["a", "bc"]))
    arrays = read_arrays(tmp_path / "a.npz")
    assert list(arrays) == ["one", "names"]
    np.testing.assert_array_equal(arrays["one"], NUMBERS)
    assert arrays["names"].tolist() == ["a", "bc"]


WHOLE = npy(NUMBERS)
BROKEN = {
    "empty": b"",
    "cut in the header": WHOLE[:40],
    "cut in the numbers": WHOLE[:-1],
    "a header without an end": WHOLE.replace(b"}", b"("),
    "a header that is no dictionary": WHOLE.replace(b"{", b"["),
    "another type": WHOLE.replace(b"<i2", b"<q9"),
    "beyond memory": WHOLE.replace(b"(2, 3), }" + b" " * 12, b"(2, 3" + b"0" * 12 + b"), }"),
    "objects": npy(np.array([object], dtype=object)),
    "text of no characters": npy(np.array(["abc"])).replace(b"a\0\0\0", b"\xff\xff\xff\xff"),
    "no array at all": b"pixels",
}  # fmt: skip


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_what_is_damaged_is_one_kind_of_error(tmp_path, data):
    with pytest.raises(ValueError, match=r"."):
        read_array(io.BytesIO(data))
    with pytest.raises(ValueError, match=r"."):
        read_arrays(an_archive(tmp_path / "a.npz", one=data))


def test_an_archive_is_no_array_and_an_array_no_archive(tmp_path):
    archive = an_archive(tmp_path / "a.npz", one=WHOLE).read_bytes()
    with pytest.raises(ValueError, match="the file is no array"):
        read_array(io.BytesIO(archive))
    (tmp_path / "a.npy").write_bytes(WHOLE)
    with pytest.raises(ValueError, match="one array, no archive"):
        read_arrays(tmp_path / "a.npy")


def test_a_damaged_archive(tmp_path):
    path = an_archive(tmp_path / "a.npz", one=WHOLE)
    data = path.read_bytes()
    for broken in (data[:-30], data.replace(WHOLE[-6:], b"other!"), data[:100]):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"."):
            read_arrays(path)


def test_a_missing_archive(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "a.npz")
