"""FER2013's CSV and its variants, with made-up rows."""

import gzip
import logging
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from fer_edge.shared.errors import DataError
from fer_edge.shared.labels import LABEL_SETS
from fer_edge.shared.model.contract import InputSpec
from fer_trainer.data.loading import load_data
from fer_trainer.data.origin import DataSet
from fer_trainer.data.reading import read_data, read_for_evaluation
from fer_trainer.recipe.files import load_recipe
from fer_trainer.recipe.settings import DataSettings

SEVEN = LABEL_SETS["fer2013"].labels
USAGES = ("Training", "PublicTest", "PrivateTest")


def pixels(value: int) -> np.ndarray:
    return np.random.default_rng(value).integers(0, 256, (48, 48), dtype=np.uint8)


def text(value: int) -> str:
    return " ".join(map(str, pixels(value).ravel()))


def a_csv(
    path: Path, rows: Sequence[Sequence[object]], header: str = "emotion,pixels,Usage"
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        header,
        *(",".join(f'"{c}"' if " " in str(c) else str(c) for c in row) for row in rows),
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def whole(each: int = 1) -> list[list[object]]:
    """Rows of every emotion and usage, no two alike; all of Training first, as in FER2013."""
    return [
        [emotion, text(100 * index + 10 * emotion + number), usage]
        for index, usage in enumerate(USAGES)
        for emotion in range(7)
        for number in range(each)
    ]


def read(path: Path, **settings) -> DataSet:
    return read_data(path, labels=SEVEN, spec=InputSpec(), settings=DataSettings(**settings))


def sizes(data: DataSet) -> dict[str | None, int]:
    return {split: len(samples) for split, samples in data.splits.items()}


def test_the_original_file(tmp_path: Path) -> None:
    data = read(a_csv(tmp_path / "fer2013.csv", whole(2)))
    assert sizes(data) == {"train": 14, "val": 14, "test": 14}
    train = data.splits["train"]
    assert train.labels.tolist() == sorted([*range(7)] * 2)
    assert np.array_equal(train.pictures[3], pixels(11))
    assert data.splits["val"].names[0] == "PublicTest/angry/00016"
    assert data.splits["test"].names[-1] == "PrivateTest/neutral/00043"


@pytest.mark.parametrize(
    ("public_test", "expected"),
    [("test", {"train": 7, "test": 14}), ("leave-out", {"train": 7, "test": 7})],
)
def test_the_public_test_half_is_what_the_recipe_says(
    tmp_path: Path, public_test: str, expected: dict[str, int]
) -> None:
    path = a_csv(tmp_path / "fer2013.csv", whole())
    assert sizes(read(path, public_test=public_test)) == expected


@pytest.mark.parametrize(
    ("public_test", "expected"),
    [
        ("val", {"train": 7, "val": 7, "test": 7}),
        ("test", {"train": 7, "test": 14}),
        ("leave-out", {"train": 7, "test": 7}),
    ],
)
def test_files_named_after_the_usages_follow_the_setting_too(
    tmp_path: Path, public_test: str, expected: dict[str, int]
) -> None:
    for usage in USAGES:
        rows = [row[:2] for row in whole() if row[2] == usage]
        a_csv(tmp_path / f"{usage}.csv", rows, "emotion,pixels")
    data = read(tmp_path, public_test=public_test)
    assert sizes(data) == expected
    names = [name for samples in data.splits.values() for name in samples.names]
    assert len({*names}) == len(names)
    left_out = {"left out as data.public_test says": ["PublicTest.csv"]}
    assert data.origin.skipped == (left_out if public_test == "leave-out" else {})
    if public_test == "test":
        assert "PublicTest/angry/00002" in names


def test_evaluation_takes_the_private_half(tmp_path: Path) -> None:
    path = a_csv(tmp_path / "fer2013.csv", whole())
    samples = read_for_evaluation(path, labels=SEVEN, spec=InputSpec())
    assert all(name.startswith("PrivateTest/") for name in samples.names)
    assert len(samples) == 7


def test_a_recipe_takes_it(tmp_path: Path) -> None:
    path = a_csv(tmp_path / "fer2013.csv", whole(2))
    split = load_data(load_recipe("edge-small"), path)
    assert {part: len(samples) for part, samples in split.parts().items()} == {
        "train": 14, "val": 14, "test": 14,
    }  # fmt: skip
    assert split.to_json()["val"] == list(split.val.names)


@pytest.mark.parametrize(
    "header", ["Emotion, Pixels, Usage", " emotion , pixels , Usage ", "\ufeffEMOTION,PIXELS,USAGE"]
)
def test_headers_differ_in_case_and_spaces(tmp_path: Path, header: str) -> None:
    path = a_csv(tmp_path / "icml_face_data.csv", whole(), header)
    assert sizes(read(path)) == {"train": 7, "val": 7, "test": 7}


def test_the_columns_may_come_in_another_order(tmp_path: Path) -> None:
    rows = [[emotion, usage, text] for emotion, text, usage in whole()]
    path = a_csv(tmp_path / "icml_face_data.csv", rows, "emotion, Usage, pixels")
    assert np.array_equal(read(path).splits["train"].pictures[0], pixels(0))


def test_without_usage_nothing_names_a_split(tmp_path: Path) -> None:
    rows = [row[:2] for row in whole()]
    data = read(a_csv(tmp_path / "faces.csv", rows, "emotion,pixels"))
    assert sizes(data) == {None: 21}
    assert data.splits[None].names[0] == "angry/00002"


def test_the_pair_of_the_contest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [row[:2] for row in whole()]
    a_csv(tmp_path / "train.csv", rows, "emotion,pixels")
    a_csv(tmp_path / "test.csv", rows[:7], "emotion,pixels")
    data = read(tmp_path)
    assert sizes(data) == {"train": 21, "test": 7}
    assert data.splits["test"].names[0] == "test/angry/00002"
    # Without the answers, as it was published, there is nothing to measure by.
    a_csv(tmp_path / "test.csv", [[text(1)]], "pixels")
    with caplog.at_level(logging.WARNING):
        assert sizes(read(tmp_path)) == {"train": 21}
    assert "no emotion column: 1 (test.csv)" in caplog.text


def test_the_folder_of_the_file_will_do(tmp_path: Path) -> None:
    a_csv(tmp_path / "fer2013.csv", whole())
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    assert sizes(read(tmp_path)) == {"train": 7, "val": 7, "test": 7}
    (tmp_path / "fer2013.csv").rename(tmp_path / "train.csv")
    assert sizes(read(tmp_path)) == {"train": 7, "val": 7, "test": 7}
    (tmp_path / "train.csv").rename(tmp_path / "fer2013.csv")
    a_csv(tmp_path / "other.csv", whole())
    with pytest.raises(DataError, match=r"several CSV files with pixels: fer2013.csv, other.csv"):
        read(tmp_path)


@pytest.mark.parametrize("inside", ["fer2013.csv", "fer2013/fer2013.csv"])
def test_an_archive_of_it_will_do(tmp_path: Path, inside: str) -> None:
    path = a_csv(tmp_path / "fer2013.csv", whole())
    with zipfile.ZipFile(tmp_path / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, inside)
    data = read(tmp_path / "archive.zip")
    assert sizes(data) == {"train": 7, "val": 7, "test": 7}
    assert data.origin.content_sha256 == read(path).origin.content_sha256


@pytest.mark.parametrize("name", ["fer2013", "fer2013.txt", "fer2013.zip"])
def test_it_is_known_without_its_ending(tmp_path: Path, name: str) -> None:
    data = read(a_csv(tmp_path / name, whole()))
    assert sizes(data) == {"train": 7, "val": 7, "test": 7}


@pytest.mark.parametrize("ending", ["gz", "bz2", "xz"])
@pytest.mark.parametrize("name", ["fer2013", "archive.tar", "archive.csv"])
def test_it_is_read_as_kaggle_gives_it_out(tmp_path: Path, ending: str, name: str) -> None:
    path = a_csv(tmp_path / "fer2013.csv", whole())
    with tarfile.open(tmp_path / f"{name}.{ending}", f"w:{ending}") as archive:
        archive.add(path, "fer2013/fer2013.csv")
        archive.addfile(tarfile.TarInfo("fer2013/README"))
    data = read(tmp_path / f"{name}.{ending}")
    assert sizes(data) == {"train": 7, "val": 7, "test": 7}
    assert data.origin.content_sha256 == read(path).origin.content_sha256
    assert data.origin.skipped == {"empty": ["fer2013/README"]}


def test_a_packed_file_is_read(tmp_path: Path) -> None:
    path = a_csv(tmp_path / "fer2013.csv", whole())
    (tmp_path / "fer2013.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert sizes(read(tmp_path / "fer2013.csv.gz")) == {"train": 7, "val": 7, "test": 7}


@pytest.mark.parametrize("mark", [";", "\t"])
def test_cells_may_be_parted_as_spreadsheets_do(tmp_path: Path, mark: str) -> None:
    path = a_csv(tmp_path / "fer2013.csv", whole())
    path.write_text(path.read_text().replace(",", mark))
    assert sizes(read(path)) == {"train": 7, "val": 7, "test": 7}


def test_class_folders_beside_it_are_not_passed_over(
    tmp_path: Path, write_faces: Callable[..., Path]
) -> None:
    data = write_faces(tmp_path / "data", SEVEN, each=1)
    a_csv(data / "fer2013.csv", whole())
    with pytest.raises(DataError, match=r"7 pictures .* and pixels in CSV files \(fer2013.csv\)"):
        read(data)
    (data / "fer2013.csv").rename(tmp_path / "fer2013.csv")
    (data / "happy" / "000.png").rename(tmp_path / "montage.png")
    shutil.rmtree(data)
    assert read(tmp_path).origin.skipped == {"a picture beside the CSV files": ["montage.png"]}


def test_rows_that_a_setting_leaves_out_are_counted(tmp_path: Path) -> None:
    data = read(a_csv(tmp_path / "fer2013.csv", whole()), public_test="leave-out")
    assert data.origin.skipped == {
        "left out as data.public_test says": ["7 rows of Usage PublicTest"]
    }


def test_evaluation_of_training_rows_alone_says_what_is_wanted(tmp_path: Path) -> None:
    path = a_csv(tmp_path / "fer2013.csv", whole()[:7])
    with pytest.raises(DataError, match=r"only train 7.*rows of Usage PrivateTest"):
        read_for_evaluation(path, labels=SEVEN, spec=InputSpec())


def test_a_damaged_archive_of_it_is_refused(tmp_path: Path) -> None:
    path = a_csv(tmp_path / "fer2013.csv", whole())
    with zipfile.ZipFile(tmp_path / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, path.name)
    whole_file = bytearray((tmp_path / "archive.zip").read_bytes())
    whole_file[30_000:30_400] = bytes(400)
    (tmp_path / "archive.zip").write_bytes(whole_file)
    with pytest.raises(DataError, match=r"archive.zip.fer2013.csv cannot be read"):
        read(tmp_path / "archive.zip")


def test_other_csv_files_beside_pictures_do_no_harm(
    tmp_path: Path, write_faces: Callable[..., Path]
) -> None:
    data = write_faces(tmp_path / "data", SEVEN, each=1)
    (data / "empty.csv").write_bytes(b"")
    (data / "votes.csv").write_text("path,neutral\n")
    (data / "noise.csv").write_bytes(bytes(range(256)) * 2000)
    assert sizes(read(data)) == {None: 7}


def test_a_binary_subset_of_it(tmp_path: Path) -> None:
    path = a_csv(tmp_path / "fer2013.csv", whole())
    data = read_data(path, labels=("sad", "happy"), spec=InputSpec())
    assert sizes(data) == {"train": 2, "val": 2, "test": 2}
    assert data.origin.other_labels["fear"] == 3


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([9, text(0), "Training"], "line 12: emotion '9', not 0 to 6"),
        (["-1", text(0), "Training"], "line 12: emotion '-1'"),
        (["hapy", text(0), "Training"], "line 12: emotion 'hapy'"),
        ([3, "1 2 3", "Training"], "line 12: 3 pixels, not 2,304"),
        ([3, text(0) + " 7", "Training"], "line 12: 2,305 pixels"),
        ([3, text(0).replace(" ", " x", 1), "Training"], "line 12: pixel 'x"),
        ([3, "256" + text(0)[text(0).index(" ") :], "Training"], "line 12: pixel '256'"),
        ([3, text(0), "Trainng"], "line 12: usage 'Trainng'"),
        ([3], "line 12: 0 pixels"),
        (["3" * 5000, text(0), "Training"], "line 12: emotion '33333"),
        ([3, "9" * 5000 + text(0)[text(0).index(" ") :], "Training"], "line 12: pixel '99999"),
    ],
)
def test_a_bad_row_is_named_by_its_line(
    tmp_path: Path, row: list[object], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    rows = whole(5)
    path = a_csv(tmp_path / "few.csv", [*rows[:10], row, *rows[10:]])
    with caplog.at_level(logging.WARNING):
        data = read(path)
    (name,) = data.origin.unreadable
    assert name in {"line 12", "Training/happy/00012", "happy/00012"}
    assert sum(sizes(data).values()) == 105
    assert words in caplog.text
    path = a_csv(tmp_path / "many.csv", [*rows[:10], row, *rows[30:]])
    with pytest.raises(DataError, match=r"1 of 86 .*line 12"):
        read(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"emotion,pixel,Usage\n", "no column 'pixels', only emotion, pixel, usage"),
        (b"label,pixels\n", "no column 'emotion'"),
        (b"emotion,pixels,Usage\n", "holds only a header"),
        (b"\x00\xff\xfe" * 1000, "no column"),
        (b"emotion,pixels\n" + b"3 " * 100_000, "line 2: more than 131,072 characters"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "fer2013.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv does not exist"):
        read(tmp_path / "none.csv")
