"""The data-set doctor on made-up pictures, and on FER2013 where it is at hand."""

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer_edge.shared.errors import DataError, OutputError
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import GreyImage
from fer_trainer.data.loading import load_data
from fer_trainer.inspection.duplicates import correlate, exact_groups, near_groups
from fer_trainer.inspection.findings import Findings
from fer_trainer.inspection.inspecting import check_usable, inspect_data, write_findings
from fer_trainer.inspection.text import format_findings
from fer_trainer.recipe.files import load_recipe

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def a_photo(seed: int) -> GreyImage:
    """Draw something smooth with detail in it, as a photograph has; uint8, shape (64, 64)."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((64, 64), np.float32)
    for cells in (3, 6, 12, 24):
        field = rng.normal(size=(cells, cells)).astype(np.float32)
        picture += cv2.resize(field, (64, 64), interpolation=cv2.INTER_CUBIC) / cells**0.5
    scaled = 128 + 50 * (picture - picture.mean()) / picture.std()
    return np.clip(scaled, 0, 255).astype(np.uint8)


def middle(photo: GreyImage, x: int = 0, y: int = 0) -> GreyImage:
    return photo[8 + y : 56 + y, 8 + x : 56 + x]


def put(folder: Path, name: str, picture: GreyImage, *options: int) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, picture, list(options))[1].tobytes())


@pytest.fixture
def sick(tmp_path: Path) -> Path:
    """A data set with one of everything."""
    folder = tmp_path / "sick"
    seed = 0
    for part, each in (("train", 30), ("test", 30)):
        for label in ("happy", "sad"):
            for number in range(each if label == "happy" else each // 2):
                seed += 1
                put(folder, f"{part}/{label}/{number:03d}.png", middle(a_photo(seed)))
    put(folder, "test/happy/copy.png", middle(a_photo(1)))  # of train/happy/000.png
    put(folder, "train/sad/conflict.bmp", middle(a_photo(2)))  # of train/happy/001.png
    put(folder, "test/sad/near.png", middle(a_photo(31), 2, -1))  # of train/sad/000.png
    put(folder, "test/happy/near.jpg", middle(a_photo(3)), cv2.IMWRITE_JPEG_QUALITY, 60)
    darker = (middle(a_photo(4)) * 0.6).astype(np.uint8)
    put(folder, "train/sad/near.png", darker)  # of train/happy/003.png
    put(folder, "train/happy/mirrored.png", middle(a_photo(5))[:, ::-1])
    put(folder, "train/happy/blank.png", np.full((48, 48), 9, np.uint8))
    put(folder, "train/happy/tiny.png", cv2.resize(a_photo(200), (12, 40)))
    return folder


def inspected(path: Path) -> Findings:
    return inspect_data(path, tell=lambda line: None)


def test_all_that_is_wrong_is_found_and_nothing_else(sick: Path) -> None:
    found = inspected(sick).to_json()
    assert found["pictures"] == 98
    assert found["counts"]["test"] == {"happy": 32, "sad": 16}
    assert found["imbalance"]["test"] == 2.0
    assert found["sizes"] == {"48x48": 97, "12x40": 1}
    assert [set(group["names"]) for group in found["exact_copies"]] == [
        {"test/happy/copy.png", "train/happy/000.png"},
        {"train/happy/001.png", "train/sad/conflict.bmp"},
    ]
    assert [group["conflict"] for group in found["exact_copies"]] == [False, True]
    near = {frozenset(g["names"]): (g["mirrored"], g["conflict"]) for g in found["near_copies"]}
    assert near == {
        frozenset({"test/sad/near.png", "train/sad/000.png"}): (False, False),
        frozenset({"test/happy/near.jpg", "train/happy/002.png"}): (False, False),
        frozenset({"train/sad/near.png", "train/happy/003.png"}): (False, True),
        frozenset({"train/happy/mirrored.png", "train/happy/004.png"}): (True, False),
    }
    assert found["across"] == [
        {
            "part": "test",
            "of": "train",
            "exact": ["test/happy/copy.png"],
            "near": ["test/happy/near.jpg", "test/sad/near.png"],
        }
    ]
    assert found["blank"] == ["train/happy/blank.png"]
    assert found["tiny"] == ["train/happy/tiny.png"]
    assert found["unreadable"] == []
    assert found["problems"] == []


def test_the_report_reads_well(sick: Path) -> None:
    text = format_findings(inspected(sick))
    lines = text.splitlines()
    assert lines[0] == "sick: 98 pictures, 2 classes"
    assert "class               train  test" in lines
    assert "total                  50    48" in lines
    assert "largest : smallest    1.9   2.0" in lines
    assert "same pixels                  4 pictures in 2 groups, 1 under different classes" in lines
    assert "test pictures also in train  1 the same, 2 nearly" in lines
    assert "  train/happy/tiny.png (12x40)" in lines
    assert not any(line.endswith(" ") for line in lines)


def test_the_sheets_are_pictures(sick: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "deep"
    written = write_findings(inspected(sick), out)
    assert set(written) == {path.name for path in out.iterdir()} == {
        "blank.png", "class-happy.png", "class-sad.png", "exact-copies.png", "findings.json",
        "near-copies.png", "report.txt",
    }  # fmt: skip
    for name in written:
        if name.endswith(".png"):
            sheet = cv2.imread(str(out / name))
            assert sheet is not None
            assert sheet.std() > 5
    red = (cv2.imread(str(out / "exact-copies.png")) == (40, 40, 210)).all(axis=2)
    assert red.sum() > 300
    assert json.loads((out / "findings.json").read_text())["name"] == "sick"
    assert write_findings(inspected(sick), out) == written


def test_a_sound_data_set_has_no_sheet_of_copies(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = inspected(faces)
    assert len(found.exact) == 2  # the fixture's own copies
    with pytest.raises(OutputError, match="cannot be made"):
        write_findings(found, tmp_path / "file")


def test_unreadable_pictures_are_named_and_many_are_a_problem(
    tmp_path: Path, write_faces: Callable[..., Path]
) -> None:
    folder = write_faces(tmp_path / "data", ["happy", "sad"], each=60)
    (folder / "happy" / "007.png").write_bytes(b"no picture")
    found = inspected(folder)
    assert [name for name, _ in found.survey.unreadable] == ["happy/007.png"]
    assert "happy/007.png cannot be decoded" in format_findings(found)
    check_usable(found)
    (folder / "sad" / "007.png").write_bytes(b"")
    found = inspected(folder)
    with pytest.raises(DataError, match=r"2 of 120 pictures cannot be read, more than 1%"):
        check_usable(found)


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (["happy"], "one class only, happy"),
        (["train/happy", "test/happy", "test/sad"], "train has no pictures of sad"),
        (["train/happy", "train/sad", "val/sad"], "val has no pictures of happy"),
        (["test/happy", "test/sad"], "no train part, only test"),
        (["val/happy", "val/sad", "test/happy", "test/sad"], "no train part, only val and test"),
    ],
)
def test_what_cannot_be_trained_on(
    tmp_path: Path, write_faces: Callable[..., Path], folders: list[str], words: str
) -> None:
    data = write_faces(tmp_path / "data", folders, each=3)
    with pytest.raises(DataError, match=words):
        check_usable(inspected(data))


@pytest.mark.parametrize("folder", ["happy", "train/happy"])
def test_a_class_of_one_picture_and_its_copies_cannot_be_split(
    folder: str, tmp_path: Path, write_faces: Callable[..., Path]
) -> None:
    data = write_faces(tmp_path / "data", [folder, folder.replace("happy", "sad")], each=2)
    check_usable(inspected(data))
    shutil.copy(data / folder / "000.png", data / folder / "001.png")
    with pytest.raises(DataError, match="a single picture of happy"):
        check_usable(inspected(data))
    with pytest.raises(DataError, match="no pictures of happy"):
        load_data(load_recipe("happy-sad-simple"), data)
    if folder.startswith("train/"):
        write_faces(data / "val", ["happy", "sad"], each=2, seed=2)
        check_usable(inspected(data))
        load_data(load_recipe("happy-sad-simple"), data)


def test_a_class_missing_in_test_alone_is_no_problem(
    tmp_path: Path, write_faces: Callable[..., Path]
) -> None:
    data = write_faces(tmp_path / "data", ["train/happy", "train/sad", "test/sad"], each=3)
    found = inspected(data)
    check_usable(found)
    assert found.imbalance()["test"] is None


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data" / "happy").mkdir(parents=True)
    (tmp_path / "data" / "happy" / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"none of 1 pictures can be read; the first: happy/a.png"):
        inspected(tmp_path / "data")


def test_a_csv_is_inspected_by_its_lines(tmp_path: Path) -> None:
    rows = ["emotion,pixels,Usage"]
    for emotion, seed, usage in ((3, 1, "Training"), (4, 2, "Training"), (3, 2, "PrivateTest")):
        rows.append(f"{emotion},{' '.join(map(str, middle(a_photo(seed)).ravel()))},{usage}")
    (tmp_path / "fer2013.csv").write_text("\n".join(rows) + "\n")
    found = inspected(tmp_path / "fer2013.csv").to_json()
    assert found["exact_copies"] == [
        {
            "names": ["Training/sad/00003", "PrivateTest/happy/00004"],
            "labels": ["sad", "happy"],
            "conflict": True,
        }
    ]


def test_exact_groups() -> None:
    assert exact_groups([b"a", b"b", b"a", b"c", b"b", b"a"]) == [(0, 2, 5), (1, 4)]


def test_only_the_same_photograph_correlates() -> None:
    photo = middle(a_photo(1))
    assert correlate(photo, photo) == pytest.approx(1)
    assert correlate(photo, 255 - photo) is None
    assert correlate(photo, middle(a_photo(2))) is None
    assert correlate(photo, photo[:, ::-1]) is None
    assert correlate(photo, photo[:, ::-1], mirrored=True) == pytest.approx(1)


def test_two_faces_lit_from_one_side_are_two() -> None:
    light = np.linspace(20, 235, 48)[None, :]
    one, other = (
        (light + 0.3 * (middle(a_photo(seed)).astype(float) - 128)).clip(0, 255).astype(np.uint8)
        for seed in (1, 3)
    )
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.92
    assert correlate(one, other) is None


def test_a_film_is_one_group() -> None:
    photo = a_photo(9)
    frames = np.stack([middle(photo, x, 0) for x in range(-8, 9)])
    told: list[tuple[int, int]] = []
    (group,) = near_groups(frames, range(17), progress=lambda *step: told.append(step))
    assert group.members == tuple(range(17))
    assert told == [(n, 17) for n in range(1, 18)]


def fer_train(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "from fer_trainer.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_command_finds_and_is_content(sick: Path, tmp_path: Path) -> None:
    done = fer_train("inspect-data", sick, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (tmp_path / "out" / "report.txt").read_text()
    assert "98 pictures read, 95 to compare" in done.stderr
    assert "\r" not in done.stderr
    as_json = fer_train("inspect-data", sick, "--json")
    assert json.loads(as_json.stdout) == json.loads(
        (tmp_path / "out" / "findings.json").read_text()
    )


def test_it_goes_on_to_the_end_and_lists_what_it_does_not_understand(sick: Path) -> None:
    for name in ("holdout/happy/1.png", "train/hapy/2.png", "test/jolly/3.png", "above.png"):
        put(sick, name, middle(a_photo(len(name))))
    (sick / "train" / "happy" / "notes.txt").write_text("not a picture")
    (sick / "train" / "happy" / "link.png").symlink_to("nowhere")
    found = inspected(sick)
    assert len(found.survey) == 98
    written = found.to_json()
    assert written["skipped"] == {
        "a link that leads nowhere": ["train/happy/link.png"],
        "no picture": ["train/happy/notes.txt"],
    }
    shown = format_findings(found)
    for words in (
        "folder holdout lies above class folders and is no known split",
        "folder train/hapy: unknown expression 'hapy'",
        "folder test/jolly: unknown expression 'jolly'",
        "above.png lies in no class folder",
    ):
        assert any(words in problem for problem in written["problems"])
        assert words in shown
    assert "a link that leads nowhere: 1; no picture: 1" in shown
    with pytest.raises(DataError, match=r"expression 'hapy'; did you mean 'happy'"):
        check_usable(found)


def test_folders_of_unknown_names_alone_are_looked_at_and_all_listed(tmp_path: Path) -> None:
    names = [f"kind {letter}" for letter in "abcdefghijklm"]
    for number, name in enumerate(names):
        for seed in (number, number + len(names)):
            put(tmp_path / "data", f"{name}/{seed}.png", middle(a_photo(seed)))
    found = inspected(tmp_path / "data")
    assert found.counts() == {"all": dict.fromkeys(names, 2)}
    problems = found.problems()
    assert [name for name in names if any(f"'{name}'" in problem for problem in problems)] == names
    assert not inspect_data(tmp_path / "data", tell=lambda line: None, labels="folders").problems()


def test_the_command_ends_with_1_where_fit_would_refuse(
    tmp_path: Path, write_faces: Callable[..., Path]
) -> None:
    done = fer_train("inspect-data", write_faces(tmp_path / "data", ["happy"], each=2), "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["problems"] == ["there is one class only, happy"]
    assert done.stderr.splitlines()[-1].startswith("error: data cannot be trained on: there is one")
    done = fer_train("inspect-data", tmp_path / "none.zip")
    assert (done.returncode, done.stdout) == (1, "")
    assert "none.zip does not exist" in done.stderr


@pytest.mark.skipif(not (DATA / "hostile").is_dir(), reason=f"hostile pictures are not in {DATA}")
def test_hostile_pictures_are_named_or_read(tmp_path: Path) -> None:
    files = sorted(path for path in (DATA / "hostile").rglob("*") if path.is_file())
    for number, path in enumerate(files):
        folder = tmp_path / "data" / ("happy" if number % 2 else "sad")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / f"{number:03d}{path.suffix}")
    found = inspected(tmp_path / "data")
    seen = len(found.survey) + len(found.survey.unreadable)
    assert seen + len(found.skipped) == len(files)
    assert {Path(item.name).suffix for item in found.skipped} >= {".tflite"}
    assert len(found.survey.unreadable) > 100
    assert len(write_findings(found, tmp_path / "out")) >= 6


@pytest.mark.skipif(not (DATA / "fer2013.zip").is_file(), reason=f"FER2013 is not in {DATA}")
def test_fer2013_holds_the_copies_that_are_listed() -> None:
    found = inspected(DATA / "fer2013.zip")
    (crossing,) = found.crossings()
    with (DATA / "fer2013_test_copies_in_train.csv").open(newline="") as file:
        listed = {row["test_file"]: row for row in csv.DictReader(file)}
    names = found.survey.names
    assert {Path(names[index]).name for index in crossing.exact} == set(listed)
    assert len(crossing.exact) == 279
    by_file = {
        Path(name).name: group for group in found.exact for name in [names[i] for i in group]
    }
    for test_file, row in listed.items():
        assert row["train_file"] in {Path(names[i]).name for i in by_file[test_file]}
    assert 250 < len(crossing.near) < 400
    assert found.problems() == []
