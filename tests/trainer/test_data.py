"""Labelled faces as the trainer reads them."""

import json
import logging
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer_edge.shared.data.samples import Samples
from fer_edge.shared.errors import DataError, LabelError
from fer_edge.shared.labels import LABEL_SETS
from fer_edge.shared.model.contract import InputSpec
from fer_edge.shared.opencv import cv2
from fer_trainer.data.balanced import balanced
from fer_trainer.data.reading import read_data, read_for_evaluation
from fer_trainer.data.unlabelled import read_unlabelled
from fer_trainer.recipe.files import load_recipe
from fer_trainer.recipe.settings import DataSettings

SEVEN = LABEL_SETS["fer2013"].labels
SPEC = InputSpec()


def zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, file.relative_to(folder))
    return target


def test_split_folders_are_read_with_the_recipes_label_order(faces: Path) -> None:
    data = read_data(faces, labels=SEVEN, spec=SPEC)
    train, test = data.splits["train"], data.splits["test"]
    assert (len(train), len(test)) == (140, 35)
    assert train.pictures.shape == (140, 48, 48)
    assert train.pictures.dtype == np.uint8
    for name, label in zip(train.names, train.labels, strict=True):
        assert name.split("/")[1] == SEVEN[label]


def test_a_zip_of_a_folder_is_the_same_data(faces: Path, tmp_path: Path) -> None:
    folder = read_data(faces, labels=SEVEN, spec=SPEC)
    archive = read_data(zipped(faces, tmp_path / "faces.zip"), labels=SEVEN, spec=SPEC)
    assert archive.origin.content_sha256 == folder.origin.content_sha256
    assert np.array_equal(archive.splits["train"].pictures, folder.splits["train"].pictures)


def test_the_content_hash_sees_a_changed_picture(
    tmp_path: Path, write_faces: Callable[..., Path]
) -> None:
    one = write_faces(tmp_path / "one", SEVEN, each=1, seed=1)
    other = write_faces(tmp_path / "other", SEVEN, each=1, seed=2)
    hashes = {
        read_data(path, labels=SEVEN, spec=SPEC).origin.content_sha256 for path in (one, other)
    }
    assert len(hashes) == 2


def test_pictures_come_at_the_size_of_the_network(faces: Path) -> None:
    data = read_data(faces, labels=SEVEN, spec=InputSpec(height=32, width=32))
    assert data.splits["train"].pictures.shape[1:] == (32, 32)


def test_a_binary_recipe_takes_its_two_classes_and_says_what_it_left(
    faces: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        data = read_data(faces, labels=("sad", "happy"), spec=SPEC)
    assert len(data.splits["train"]) == 40
    assert data.origin.other_labels["fear"] == 25
    assert "fear 25" in caplog.text


def test_few_broken_pictures_are_left_out_and_named(
    tmp_path: Path, write_faces: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_faces(tmp_path / "data", SEVEN, each=15)
    (folder / "happy" / "003.png").write_bytes(b"no picture at all")
    with caplog.at_level(logging.WARNING):
        data = read_data(folder, labels=SEVEN, spec=SPEC)
    assert data.origin.unreadable == ("happy/003.png",)
    assert len(data.splits[None]) == 104
    assert "1 of 105" in caplog.text
    assert "happy/003.png" in caplog.text


def test_a_picture_of_one_row_is_left_out(
    tmp_path: Path, write_faces: Callable[..., Path], a_png: Callable[[np.ndarray], bytes]
) -> None:
    folder = write_faces(tmp_path / "data", SEVEN, each=15)
    (folder / "happy" / "003.png").write_bytes(a_png(np.zeros((1, 500_000), np.uint8)))
    data = read_data(folder, labels=SEVEN, spec=SPEC)
    assert data.origin.unreadable == ("happy/003.png",)


def test_a_picture_of_one_row_among_unlabelled_faces_is_left_out_and_named(
    small_recipe: Path, tmp_path: Path, write_faces: Callable[..., Path]
) -> None:
    faces = write_faces(tmp_path, ["nameless"], each=100) / "nameless"
    cv2.imwrite(str(faces / "odd.png"), np.zeros((3, 60), np.uint8))
    recipe = load_recipe(
        str(small_recipe),
        overrides=[f"data.unlabelled={json.dumps(str(faces))}", 'distillation.answers="answers"'],
    )
    found = read_unlabelled(recipe, aside=())
    assert (len(found), found.unreadable) == (100, ("odd.png",))


def test_many_broken_pictures_are_an_error(
    tmp_path: Path, write_faces: Callable[..., Path]
) -> None:
    folder = write_faces(tmp_path / "data", SEVEN, each=10)
    (folder / "happy" / "003.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"1 of 70 pictures cannot be read \(happy/003.png\)"):
        read_data(folder, labels=SEVEN, spec=SPEC)


def test_other_labels_only(tmp_path: Path, write_faces: Callable[..., Path]) -> None:
    folder = write_faces(tmp_path / "data", ["contempt"], each=3)
    with pytest.raises(DataError, match="holds only contempt"):
        read_data(folder, labels=SEVEN, spec=SPEC)


def test_other_labels_beside_seven_are_an_error_unless_allowed(
    tmp_path: Path, write_faces: Callable[..., Path]
) -> None:
    folder = write_faces(tmp_path / "data", [*SEVEN, "contempt"], each=2)
    with pytest.raises(DataError, match=r"also holds contempt 2.*data\.subset=true"):
        read_data(folder, labels=SEVEN, spec=SPEC)
    data = read_data(folder, labels=SEVEN, spec=SPEC, settings=DataSettings(subset=True))
    assert len(data.splits[None]) == 14
    assert data.origin.other_labels == {"contempt": 2}
    assert len(read_for_evaluation(folder, labels=SEVEN, spec=SPEC)) == 14


def test_val_folders_alone_cannot_be_evaluated(
    tmp_path: Path, write_faces: Callable[..., Path]
) -> None:
    write_faces(tmp_path / "data" / "val", SEVEN, each=1)
    with pytest.raises(DataError, match=r"has no test pictures \(only val 7\)"):
        read_for_evaluation(tmp_path / "data", labels=SEVEN, spec=SPEC)


def test_why_test_pictures_cannot_be_used_is_said(
    tmp_path: Path, write_faces: Callable[..., Path]
) -> None:
    data = write_faces(tmp_path / "data" / "train", SEVEN, each=1).parent
    write_faces(data / "test", ["contempt"], each=2)
    with pytest.raises(DataError, match="holds only contempt 2"):
        read_for_evaluation(data, labels=SEVEN, spec=SPEC)
    shutil.rmtree(data / "test")
    write_faces(data / "test", SEVEN, each=1)
    for picture in (data / "test").rglob("*.png"):
        picture.write_bytes(b"broken")
    with pytest.raises(DataError, match="7 of 7 pictures cannot be read"):
        read_for_evaluation(data, labels=SEVEN, spec=SPEC)


@pytest.mark.parametrize("name", ["../happy/a.png", "/happy/a.png", "x\\..\\..\\happy/a.png"])
def test_an_archive_that_reaches_outside_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "slip.zip", "w") as archive:
        archive.writestr(name, b"picture")
    with pytest.raises(DataError, match="unsafe name"):
        read_data(tmp_path / "slip.zip", labels=SEVEN, spec=SPEC)


def test_an_empty_folder_holds_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no pictures"):
        read_data(tmp_path, labels=SEVEN, spec=SPEC)


def test_an_unknown_class_folder(tmp_path: Path, write_faces: Callable[..., Path]) -> None:
    folder = write_faces(tmp_path / "data", ["hapy"], each=1)
    with pytest.raises(LabelError, match="did you mean 'happy'"):
        read_data(folder, labels=SEVEN, spec=SPEC)


def test_evaluation_reads_test_or_everything(
    faces: Path, tmp_path: Path, write_faces: Callable[..., Path]
) -> None:
    assert len(read_for_evaluation(faces, labels=SEVEN, spec=SPEC)) == 35
    flat = write_faces(tmp_path / "flat", SEVEN, each=2)
    assert len(read_for_evaluation(flat, labels=SEVEN, spec=SPEC)) == 14


def some_samples(*counts: int) -> Samples:
    labels = np.repeat(np.arange(len(counts)), counts)
    names = tuple(f"{label}/{number}" for number, label in enumerate(labels))
    return Samples(np.zeros((len(labels), 4, 4), np.uint8), labels, names)


def test_a_balanced_selection_takes_a_small_class_whole() -> None:
    chosen = balanced(some_samples(50, 3, 50), at_most=23, seed=1)
    assert chosen.counts("abc") == {"a": 10, "b": 3, "c": 10}
    assert len(set(chosen.names)) == 23


def test_a_balanced_selection_is_seeded_and_never_repeats() -> None:
    samples = some_samples(9, 9)
    assert balanced(samples, at_most=6, seed=1).names == balanced(samples, at_most=6, seed=1).names
    assert balanced(samples, at_most=6, seed=1).names != balanced(samples, at_most=6, seed=2).names
    assert sorted(balanced(samples, at_most=99, seed=1).names) == sorted(samples.names)


def test_the_targets_of_a_softmax_are_one_hot() -> None:
    from fer_trainer.recipe.files import load_recipe
    from fer_trainer.training.loop import targets

    found = targets(some_samples(1, 0, 1), load_recipe("edge-small"))
    assert found.tolist() == [[1, 0, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0]]
