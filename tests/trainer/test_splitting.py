"""How pictures are parted: seeded, stratified, copies on one side."""

import numpy as np
import pytest

from fer_edge.shared.data.samples import Samples
from fer_edge.shared.errors import DataError
from fer_trainer.data.origin import DataSet, Origin
from fer_trainer.data.splitting import SplitData, split_data

LABELS = ("angry", "happy", "sad")


def samples(*counts: int, prefix: str = "train", seed: int = 0) -> Samples:
    labels = np.repeat(np.arange(len(counts)), counts)
    pictures = np.random.default_rng(seed).integers(0, 256, (len(labels), 8, 8), dtype=np.uint8)
    names = tuple(f"{prefix}/{LABELS[label]}/{n:04d}.png" for n, label in enumerate(labels))
    return Samples(pictures, labels, names)


def split(fraction: float = 0.1, seed: int = 3, **parts: Samples) -> SplitData:
    splits = {None if name == "flat" else name: part for name, part in parts.items()}
    data = DataSet(Origin("faces", ""), splits)
    return split_data(data, labels=LABELS, validation_fraction=fraction, seed=seed)


def with_copies(whole: Samples, *pairs: tuple[int, int]) -> Samples:
    pictures = whole.pictures.copy()
    for source, target in pairs:
        pictures[target] = pictures[source]
    return Samples(pictures, whole.labels, whole.names)


def test_the_validation_part_is_stratified_and_disjoint() -> None:
    whole = samples(200, 100, 40)
    found = split(train=whole)
    assert found.val.counts(LABELS) == {"angry": 20, "happy": 10, "sad": 4}
    assert sorted(found.train.names + found.val.names) == sorted(whole.names)
    assert found.test is None


def test_the_same_seed_gives_the_same_split_in_any_file_order() -> None:
    whole = samples(60, 60, 60)
    shuffled = whole.take(np.random.default_rng(5).permutation(180))
    assert set(split(train=whole).val.names) == set(split(train=shuffled).val.names)
    assert set(split(train=whole).val.names) != set(split(train=whole, seed=4).val.names)


def test_class_folders_alone_are_split_too() -> None:
    assert len(split(flat=samples(30, 30, 30)).val) == 9


def test_identical_pictures_stay_on_one_side_whatever_their_labels() -> None:
    pairs = [(n, n + 100) for n in range(60)] + [(n, n + 61) for n in range(61, 90)]
    whole = with_copies(samples(100, 100, 100), *pairs)
    found = split(0.3, train=whole)
    assert not set(found.train.digests()) & set(found.val.digests())
    assert len(found.train) + len(found.val) == 300
    assert 80 <= len(found.val) <= 100


def test_train_pictures_that_the_given_validation_folder_holds_are_left_out() -> None:
    val = samples(5, 5, 5, prefix="val", seed=1)
    train = samples(20, 20, 20)
    train.pictures[7] = val.pictures[2]
    found = split(train=train, val=val)
    assert found.left_out == ("train/angry/0007.png",)
    assert len(found.train) == 59
    assert found.val.names == val.names
    assert not set(found.train.digests()) & set(found.val.digests())


def test_test_pictures_that_train_holds_are_marked_and_kept() -> None:
    train, test = samples(30, 30, 30), samples(4, 4, 4, prefix="test", seed=1)
    test.pictures[5] = train.pictures[80]
    found = split(train=train, test=test)
    assert found.test is not None
    assert len(found.test) == 12
    assert np.flatnonzero(found.test_copies).tolist() == [5]


def test_the_split_is_written_down_whole() -> None:
    found = split(train=samples(30, 30, 30), test=samples(2, 2, 2, prefix="test", seed=1))
    written = found.to_json()
    assert written["seed"] == 3
    assert written["test"] == list(found.test.names if found.test else ())
    assert len(written["train"]) + len(written["val"]) == 90


def test_what_was_left_out_is_written_down_too() -> None:
    skipped = {"no picture": ["happy/notes.txt"]}
    origin = Origin("faces", "", ("happy/1.png",), {"fear": 12}, skipped=skipped)
    data = DataSet(origin, {None: samples(9, 9, 9)})
    written = split_data(data, labels=LABELS, validation_fraction=0.2, seed=1).to_json()
    assert written["unreadable"] == ["happy/1.png"]
    assert written["other_labels"] == {"fear": 12}
    assert written["skipped"] == skipped
    assert written["votes"] is None


@pytest.mark.parametrize("part", ["train", "val"])
def test_a_part_without_a_class_is_refused(part: str) -> None:
    parts = {
        name: samples(20, 20, 20, prefix=name, seed=n)
        for n, name in enumerate(("train", "val", "test"))
    }
    parts[part] = samples(20, 0, 20, prefix=part)
    with pytest.raises(DataError, match=f"faces: {part} has no pictures of happy"):
        split(**parts)


def test_a_class_missing_in_test_is_said(caplog: pytest.LogCaptureFixture) -> None:
    found = split(train=samples(20, 20, 20), test=samples(5, 0, 5, prefix="test", seed=1))
    assert found.test is not None
    assert len(found.test) == 10
    assert "faces: test has no pictures of happy" in caplog.text


def test_one_class_is_refused() -> None:
    with pytest.raises(DataError, match="no pictures of happy, sad"):
        split(flat=samples(20))


def test_a_class_of_one_picture_cannot_be_split() -> None:
    with pytest.raises(DataError, match="once split: train has no pictures of sad"):
        split(flat=samples(20, 20, 1))


def test_test_folders_alone_cannot_train() -> None:
    with pytest.raises(DataError, match="has only test folders"):
        split(test=samples(5, 5, 5))
