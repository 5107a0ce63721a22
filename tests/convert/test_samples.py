"""Pictures from a run's archives and from data sets."""

import zipfile

import numpy as np
import pytest
from toy_run import SEVEN, a_contract, toy_pictures, write_data_set

from fer_convert.source.samples import hold_out, read_data_set, read_samples
from fer_edge.shared.errors import DataError, PictureError


def archive(tmp_path, **changes):
    path = tmp_path / "samples" / "heldout.npz"
    path.parent.mkdir()
    arrays = {**toy_pictures(21, seed=0), **changes}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def test_reads_what_a_training_run_leaves(tmp_path):
    samples = read_samples(archive(tmp_path), a_contract())
    assert samples.pictures.shape == (21, 48, 48)
    assert samples.counts(SEVEN) == dict.fromkeys(SEVEN, 3)
    assert samples.names[0].startswith("train/")
    assert samples.source == "samples/heldout.npz"


def test_the_hash_follows_pixels_and_labels_only(tmp_path):
    samples = read_samples(archive(tmp_path), a_contract())
    same = samples.take(range(21))
    assert same.sha256 == samples.sha256
    same.pictures[4, 5, 6] ^= 1
    assert same.sha256 != samples.sha256


PICTURES = toy_pictures(21, seed=0)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"names": None}, r"holds the arrays \['labels', 'pictures'\]"),
        ({"more": np.zeros(1)}, "holds the arrays"),
        ({"pictures": PICTURES["pictures"].astype(np.float32)}, r"float32\[21, 48, 48\]"),
        ({"pictures": PICTURES["pictures"][:, :40]}, r"uint8\[21, 40, 48\]"),
        ({"pictures": PICTURES["pictures"][0]}, r"uint8\[48, 48\]"),
        ({"labels": PICTURES["labels"].astype(float)}, "labels are float64"),
        ({"labels": PICTURES["labels"][:20]}, r"21 pictures, labels \(20,\)"),
        ({"labels": PICTURES["labels"] + 1}, "labels go from 1 to 7; expected 0 to 6"),
        ({"labels": PICTURES["labels"] - 1}, "labels go from -1 to 5"),
        ({"names": np.arange(21)}, "names int64"),
        ({"names": np.array([{}] * 21, dtype=object)}, "cannot be read .*pickle"),
    ],
)
def test_unfit_archives_are_refused(tmp_path, changes, found):
    with pytest.raises(DataError, match=found) as caught:
        read_samples(archive(tmp_path, **changes), a_contract())
    assert "heldout.npz" in caught.value.found


@pytest.mark.parametrize(
    "content", [b"", b"text", b"PK\x03\x04 cut off", b"\x93NUMPY\x01\x00 cut off"]
)
def test_files_that_are_no_archives_are_refused(tmp_path, content):
    path = tmp_path / "heldout.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"heldout\.npz: cannot be read"):
        read_samples(path, a_contract())


def test_a_single_array_is_refused(tmp_path):
    with (tmp_path / "heldout.npz").open("wb") as file:
        np.save(file, PICTURES["pictures"])
    with pytest.raises(DataError, match="one array, no archive"):
        read_samples(tmp_path / "heldout.npz", a_contract())


def test_missing_archive_and_folder(tmp_path):
    with pytest.raises(DataError, match=r"does not exist.*--calibration-data"):
        read_samples(tmp_path / "heldout.npz", a_contract())
    with pytest.raises(DataError, match="cannot be read"):
        read_samples(tmp_path, a_contract())


def test_a_data_set_without_splits_holds_a_fifth_of_every_class_out(tmp_path):
    data = write_data_set(tmp_path / "mine", SEVEN, count=105)
    calibration, comparison, _ = read_data_set(data, a_contract(), seed=0)
    assert calibration.counts(SEVEN) == dict.fromkeys(SEVEN, 12)
    assert comparison.counts(SEVEN) == dict.fromkeys(SEVEN, 3)
    assert not set(calibration.names) & set(comparison.names)
    assert calibration.source == "mine"
    again, *_ = read_data_set(data, a_contract(), seed=0)
    other, *_ = read_data_set(data, a_contract(), seed=1)
    assert again.sha256 == calibration.sha256 != other.sha256


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_splits_are_kept_apart(tmp_path, held_out):
    write_data_set(tmp_path / "train", SEVEN, count=28)
    write_data_set(tmp_path / held_out, SEVEN, count=14)
    calibration, comparison, _ = read_data_set(tmp_path, a_contract(), seed=0)
    assert len(calibration) == 28
    assert {name.split("/")[0] for name in comparison.names} == {held_out}


def test_reads_a_zip_and_aliases_and_leaves_other_labels_out(tmp_path):
    folder = write_data_set(tmp_path / "data", ("anger", "happiness", "contempt"), count=30)
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w") as target:
        for file in folder.rglob("*.png"):
            target.write(file, file.relative_to(folder))
    calibration, comparison, _ = read_data_set(path, a_contract(), seed=0)
    assert {SEVEN[label] for label in calibration.labels} == {"angry", "happy"}
    assert len(calibration) + len(comparison) == 20


def test_data_without_any_label_of_the_network(tmp_path):
    data = write_data_set(tmp_path / "data", ("contempt",), count=4)
    with pytest.raises(DataError, match="no picture of this network's labels"):
        read_data_set(data, a_contract(), seed=0)


def test_a_broken_picture_is_named(tmp_path):
    data = write_data_set(tmp_path / "data", SEVEN, count=14)
    (data / "happy" / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(PictureError, match=r"happy/broken\.png"):
        read_data_set(data, a_contract(), seed=0)


def test_hold_out_is_a_partition(tmp_path):
    samples = read_samples(archive(tmp_path), a_contract())
    parts = hold_out(samples, seed=3)
    assert sorted(parts[0].names + parts[1].names) == sorted(samples.names)
