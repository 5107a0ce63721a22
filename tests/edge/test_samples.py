"""Labelled pictures, and the archives that a training run keeps of them."""

import numpy as np
import pytest
from toy_run import SEVEN, a_contract, toy_pictures, toy_samples

from fer_edge.shared.data.samples import Samples, read_samples
from fer_edge.shared.errors import DataError

FIX = "give others"


def archive(tmp_path, **changes):
    path = tmp_path / "samples" / "heldout.npz"
    path.parent.mkdir()
    arrays = {**toy_pictures(21, seed=0), **changes}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def test_reads_what_a_training_run_leaves(tmp_path):
    samples = read_samples(archive(tmp_path), a_contract(), fix=FIX)
    assert samples.pictures.shape == (21, 48, 48)
    assert samples.counts(SEVEN) == dict.fromkeys(SEVEN, 3)
    assert samples.names[0].startswith("train/")
    assert samples.source == "samples/heldout.npz"


def test_what_is_written_is_read_again(tmp_path):
    samples = toy_samples(21)
    again = read_samples(archive(tmp_path, **samples.to_arrays()), a_contract(), fix=FIX)
    assert again.sha256 == samples.sha256
    assert again.names == samples.names


def test_pictures_are_taken_in_the_order_asked_for_and_left_out_in_their_own():
    samples = toy_samples(21)
    assert samples.take([5, 2]).names == (samples.names[5], samples.names[2])
    assert samples.take([5, 2]).source == samples.source
    assert samples.without([20, *range(18)]).names == samples.names[18:20]
    assert samples.without([]).names == samples.names


def test_copies_are_found_by_their_pixels():
    samples = toy_samples(21)
    renamed = samples.take([3, 9])
    renamed = Samples(renamed.pictures, renamed.labels[::-1], ("a", "b"))
    assert samples.find_in(renamed) == [3, 9]
    assert renamed.find_in(samples.without([9])) == [0]


def test_the_hash_follows_pixels_and_labels_only():
    samples = toy_samples(21)
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
        read_samples(archive(tmp_path, **changes), a_contract(), fix=FIX)
    assert "heldout.npz" in caught.value.found


@pytest.mark.parametrize(
    "content", [b"", b"text", b"PK\x03\x04 cut off", b"\x93NUMPY\x01\x00 cut off"]
)
def test_files_that_are_no_archives_are_refused(tmp_path, content):
    path = tmp_path / "heldout.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"heldout\.npz: cannot be read"):
        read_samples(path, a_contract(), fix=FIX)


def test_a_single_array_is_refused(tmp_path):
    with (tmp_path / "heldout.npz").open("wb") as file:
        np.save(file, PICTURES["pictures"])
    with pytest.raises(DataError, match="one array, no archive"):
        read_samples(tmp_path / "heldout.npz", a_contract(), fix=FIX)


def test_missing_archive_and_folder(tmp_path):
    with pytest.raises(DataError, match=r"does not exist.*; give others"):
        read_samples(tmp_path / "heldout.npz", a_contract(), fix=FIX)
    with pytest.raises(DataError, match="cannot be read"):
        read_samples(tmp_path, a_contract(), fix=FIX)
