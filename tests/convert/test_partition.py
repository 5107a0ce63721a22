"""Pictures of data sets, parted: some to calibrate on, others to compare on."""

import zipfile

import pytest
from toy_run import SEVEN, a_contract, toy_samples, write_data_set

from fer_convert.source.partition import draw, hold_out, read_data_set
from fer_edge.shared.errors import DataError, PictureError


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


def test_hold_out_is_a_partition():
    samples = toy_samples(21)
    parts = hold_out(samples, seed=3)
    assert sorted(parts[0].names + parts[1].names) == sorted(samples.names)


def test_a_draw_keeps_classes_in_proportion_and_pictures_in_order():
    samples = toy_samples(140)
    drawn = draw(samples, 70, seed=1)
    assert drawn.counts(SEVEN) == dict.fromkeys(SEVEN, 10)
    places = [samples.names.index(name) for name in drawn.names]
    assert places == sorted(places)
    assert draw(samples, 140, seed=1) is samples
