"""FER+ votes as soft labels."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from fer_edge.shared.data.samples import Samples
from fer_edge.shared.errors import DataError, LabelError
from fer_edge.shared.labels import LABEL_SETS
from fer_edge.shared.model.contract import InputSpec
from fer_trainer.data.loading import load_data, split_data
from fer_trainer.data.origin import DataSet
from fer_trainer.data.reading import read_data, read_for_evaluation
from fer_trainer.recipe.files import load_recipe
from fer_trainer.recipe.settings import DataSettings

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
EIGHT = LABEL_SETS["ferplus"].labels
COLUMNS = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
HAPPY = (1, 8, 0, 0, 0, 0, 0, 0, 1, 0)


def votes_for(label: int, *others: tuple[int, int]) -> tuple[int, ...]:
    counts = [0] * 10
    for index, n in ((label, 10 - sum(n for _, n in others)), *others):
        counts[index] += n
    return tuple(counts)


def a_votes_file(path: Path, rows: dict[str, Sequence[int]], ambiguous: Sequence[str] = ()) -> Path:
    lines = [f"path,{COLUMNS},ambiguous"]
    lines += [
        ",".join([name, *map(str, row), "1" if name in ambiguous else "0"])
        for name, row in rows.items()
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def read(data: Path, votes: Path, labels: Sequence[str] = EIGHT) -> DataSet:
    settings = DataSettings(votes=str(votes))
    return read_data(data, labels=labels, spec=InputSpec(), settings=settings)


def one(tmp_path: Path, write_faces: Callable[..., Path], votes: Sequence[int]) -> DataSet:
    """Read two pictures: the first with these votes, the other a plain happy one."""
    data = write_faces(tmp_path / "data", ["sad"], each=2)
    rows = {"sad/000.png": votes, "sad/001.png": HAPPY}
    return read(data, a_votes_file(tmp_path / "votes.csv", rows))


def test_votes_become_soft_labels_and_the_majority_the_label(
    tmp_path: Path, write_faces: Callable[..., Path]
) -> None:
    samples = one(tmp_path, write_faces, (0, 0, 0, 6, 0, 3, 0, 0, 0, 1)).splits[None]
    assert samples.soft is not None
    assert samples.soft.dtype == np.float32
    assert samples.soft[0].tolist() == pytest.approx([0, 0, 0, 2 / 3, 0, 1 / 3, 0, 0])
    assert samples.soft[1].tolist() == [0, 1, 0, 0, 0, 0, 0, 0]
    assert [EIGHT[label] for label in samples.labels] == ["sad", "happy"]
    taken = samples.take([1])
    assert taken.soft is not None
    assert taken.soft.tolist() == [samples.soft[1].tolist()]


@pytest.mark.parametrize(
    ("votes", "reason"),
    [
        ((0, 0, 0, 4, 0, 0, 0, 0, 6, 0), "unknown"),
        ((0, 0, 0, 5, 0, 0, 0, 0, 5, 0), "unknown"),
        ((1, 1, 1, 1, 1, 1, 1, 1, 1, 1), "unknown"),
        ((0, 0, 0, 0, 0, 0, 0, 0, 0, 10), "not a face"),
        ((0, 0, 0, 3, 0, 0, 0, 0, 3, 4), "not a face"),
    ],
)
def test_without_a_majority_a_picture_is_left_out_and_counted(
    tmp_path: Path, write_faces: Callable[..., Path], votes: Sequence[int], reason: str
) -> None:
    data = one(tmp_path, write_faces, votes)
    assert data.splits[None].names == ("sad/001.png",)
    assert data.origin.votes is not None
    assert data.origin.votes.left_out == {reason: 1}


@pytest.mark.parametrize(("votes", "label"), [((5, 0, 0, 5), "sad"), ((5, 5, 0, 0), "neutral")])
def test_the_data_sets_own_label_decides_between_equals(
    tmp_path: Path, write_faces: Callable[..., Path], votes: Sequence[int], label: str
) -> None:
    data = one(tmp_path, write_faces, (*votes, 0, 0, 0, 0, 0, 0))
    assert EIGHT[data.splits[None].labels[0]] == label


def test_an_ambiguous_row_is_left_out(tmp_path: Path, write_faces: Callable[..., Path]) -> None:
    data = write_faces(tmp_path / "data", ["sad"], each=2)
    rows = {"sad/000.png": HAPPY, "sad/001.png": HAPPY}
    votes = a_votes_file(tmp_path / "votes.csv", rows, ambiguous=["sad/000.png"])
    found = read(data, votes)
    assert found.splits[None].names == ("sad/001.png",)
    assert found.origin.votes is not None
    assert found.origin.votes.left_out == {"ambiguous": 1}


def test_the_official_form_goes_by_the_rows_of_the_csv(tmp_path: Path) -> None:
    usages = ["Training", "Training", "PublicTest"]
    faces = ["emotion,pixels,Usage"]
    faces += [f"3,{' '.join(['7'] * 2304)},{usage}" for usage in usages]
    (tmp_path / "fer2013.csv").write_text("\n".join(faces) + "\n")
    votes = [f"Usage,Image name,{COLUMNS}"]
    rows = [votes_for(4, (3, 2)), votes_for(9), votes_for(7)]
    for index, (usage, row) in enumerate(zip(usages, rows, strict=True)):
        name = "" if row[9] else f"fer{index:07d}.png"
        votes.append(",".join([usage, name, *map(str, row)]))
    (tmp_path / "fer2013new.csv").write_text("\n".join(votes) + "\n")
    data = read(tmp_path / "fer2013.csv", tmp_path / "fer2013new.csv")
    train, val = data.splits["train"], data.splits["val"]
    assert (train.names, val.names) == (("Training/happy/00002",), ("PublicTest/happy/00004",))
    assert (EIGHT[train.labels[0]], EIGHT[val.labels[0]]) == ("angry", "contempt")
    assert train.soft is not None
    assert train.soft[0, EIGHT.index("sad")] == pytest.approx(0.2)
    assert data.origin.votes is not None
    assert data.origin.votes.left_out == {"not a face": 1}
    # Another order of the usages is another file.
    (tmp_path / "fer2013new.csv").write_text("\n".join([votes[0], *votes[:0:-1]]) + "\n")
    with pytest.raises(DataError, match="no votes for 2 of 3 pictures"):
        read(tmp_path / "fer2013.csv", tmp_path / "fer2013new.csv")


def test_the_official_form_goes_by_file_name_in_folders(
    tmp_path: Path, write_faces: Callable[..., Path]
) -> None:
    data = write_faces(tmp_path / "data", ["sad"], each=1)
    (data / "sad" / "000.png").rename(data / "sad" / "fer0000012.png")
    votes = tmp_path / "fer2013new.csv"
    row = ",".join(map(str, HAPPY))
    votes.write_text(f"Usage,Image name,{COLUMNS}\nTraining,fer0000012.png,{row}\n")
    assert read(data, votes).splits[None].labels.tolist() == [1]


def test_votes_of_other_data_are_refused(tmp_path: Path, write_faces: Callable[..., Path]) -> None:
    data = write_faces(tmp_path / "data", ["sad"], each=2)
    votes = a_votes_file(tmp_path / "votes.csv", {"sad/000.png": HAPPY, "sad/9.png": HAPPY})
    with pytest.raises(DataError, match="no votes for 1 of 2 pictures"):
        read(data, votes)


def test_why_votes_leave_no_test_picture_is_said(
    tmp_path: Path, write_faces: Callable[..., Path]
) -> None:
    data = write_faces(tmp_path / "data", ["train/sad", "test/sad"], each=2)
    rows = {f"{part}/sad/{n:03d}.png": HAPPY for part in ("train", "test") for n in range(2)}

    def evaluated(*ambiguous: str) -> None:
        settings = DataSettings(votes=str(a_votes_file(tmp_path / "votes.csv", rows, ambiguous)))
        read_for_evaluation(data, labels=EIGHT, spec=InputSpec(), settings=settings)

    with pytest.raises(DataError, match="holds only ambiguous 2"):
        evaluated(*rows)
    rows = dict.fromkeys(["train/sad/000.png", "train/sad/001.png"], HAPPY)
    rows |= {f"other/{name}": row for name, row in rows.items()}
    with pytest.raises(DataError, match="no votes for 2 of 2 pictures"):
        evaluated()


def test_votes_need_the_labels_they_are_for(
    tmp_path: Path, write_faces: Callable[..., Path]
) -> None:
    data = write_faces(tmp_path / "data", ["sad"], each=1)
    votes = a_votes_file(tmp_path / "votes.csv", {"sad/000.png": HAPPY})
    with pytest.raises(LabelError, match="labels=ferplus"):
        read(data, votes, LABEL_SETS["fer2013"].labels)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("path,neutral,happiness\n", "line 1: no column for surprise, sad"),
        (f"file,{COLUMNS}\n", "line 1: no column for the picture"),
        (f"path,{COLUMNS}\na.png,1,2,x,0,0,0,0,0,0,0\n", "line 2: 'x' votes for surprise"),
        (f"path,{COLUMNS}\na.png,1,2\n", "line 2: '' votes for surprise"),
        (f"path,{COLUMNS}\na.png,-1,2,0,0,0,0,0,0,0,0\n", "line 2: '-1' votes for neutral"),
    ],
)
def test_a_bad_votes_file_is_refused(
    tmp_path: Path, write_faces: Callable[..., Path], content: str, words: str
) -> None:
    data = write_faces(tmp_path / "data", ["sad"], each=1)
    (tmp_path / "votes.csv").write_text(content)
    with pytest.raises(DataError, match=words):
        read(data, tmp_path / "votes.csv")


def test_splits_carry_them_to_the_targets(tmp_path: Path, write_faces: Callable[..., Path]) -> None:
    from fer_trainer.training.loop import targets

    data = write_faces(tmp_path / "data", EIGHT, each=10)
    rows = {
        f"{label}/{n:03d}.png": votes_for((index + 1) % 8, (index, 3))
        for index, label in enumerate(EIGHT)
        for n in range(10)
    }
    whole = read(data, a_votes_file(tmp_path / "votes.csv", rows))
    split = split_data(whole, labels=EIGHT, validation_fraction=0.2, seed=1)
    assert set(split.val.counts(EIGHT).values()) == {2}
    assert split.to_json()["votes"] == {
        "name": "votes.csv", "left_out": {}, "sha256": split.to_json()["votes"]["sha256"],
    }  # fmt: skip
    recipe = load_recipe("edge-small", overrides=["labels=ferplus"])
    found = targets(split.train, recipe)
    assert found.shape == (64, 8)
    assert np.array_equal(found.argmax(axis=1), split.train.labels)
    assert sorted(set(found.ravel().tolist())) == pytest.approx([0, 0.3, 0.7])


def test_doubted_pictures_are_left_out_of_train_alone(
    tmp_path: Path, write_faces: Callable[..., Path]
) -> None:
    data = write_faces(tmp_path / "data", ["sad", "happy"], each=20)
    rows: dict[str, Sequence[int]] = {
        f"{label}/{n:03d}.png": votes_for(0, (EIGHT.index(label), 2))
        for label in ("sad", "happy") for n in range(20)
    }  # fmt: skip
    nobody = {f"sad/{n:03d}.png": HAPPY for n in range(6)}
    no_face = {f"happy/{n:03d}.png": votes_for(9, (EIGHT.index("happy"), 4)) for n in range(4)}
    votes = a_votes_file(tmp_path / "votes.csv", rows | nobody | no_face)
    whole = split_data(
        read_data(data, labels=("sad", "happy"), spec=InputSpec()),
        labels=("sad", "happy"), validation_fraction=0.25, seed=1,
    )  # fmt: skip
    settings = DataSettings(doubts=str(votes))
    split = split_data(
        read_data(data, labels=("sad", "happy"), spec=InputSpec(), settings=settings),
        labels=("sad", "happy"), validation_fraction=0.25, seed=1,
    )  # fmt: skip
    doubted = set(nobody) | set(no_face)
    assert split.val.names == whole.val.names
    assert doubted & set(split.val.names)
    assert set(split.train.names) == set(whole.train.names) - doubted
    assert set(split.doubted) == doubted - set(split.val.names)
    assert split.to_json()["doubted"] == list(split.doubted)


def test_doubts_about_a_whole_class_are_an_error(
    tmp_path: Path, write_faces: Callable[..., Path]
) -> None:
    data = write_faces(tmp_path / "data", ["sad", "happy"], each=8)
    rows = {f"{label}/{n:03d}.png": HAPPY for label in ("sad", "happy") for n in range(8)}
    votes = a_votes_file(tmp_path / "votes.csv", rows)
    settings = DataSettings(doubts=str(votes))
    found = read_data(data, labels=("sad", "happy"), spec=InputSpec(), settings=settings)
    with pytest.raises(DataError, match="without those: train has no pictures of sad"):
        split_data(found, labels=("sad", "happy"), validation_fraction=0.25, seed=1)


def test_doubts_of_other_data_are_refused(tmp_path: Path, write_faces: Callable[..., Path]) -> None:
    data = write_faces(tmp_path / "data", ["train/sad", "train/happy", "test/sad"], each=2)
    rows = {f"train/{label}/{n:03d}.png": HAPPY for label in ("sad", "happy") for n in range(2)}

    def doubted(rows: dict[str, Sequence[int]]) -> frozenset[str]:
        settings = DataSettings(doubts=str(a_votes_file(tmp_path / "votes.csv", rows)))
        labels = ("sad", "happy")
        return read_data(data, labels=labels, spec=InputSpec(), settings=settings).doubted

    assert len(doubted({**rows})) == 2, "test pictures need no votes: they are never left out"
    with pytest.raises(DataError, match=r"votes\.csv has no votes for 4 of 4 pictures"):
        doubted({name.replace(".png", ".jpg"): row for name, row in rows.items()})
    with pytest.raises(DataError, match=r"votes\.csv has no votes for 2 of 4 pictures"):
        doubted({name: row for name, row in rows.items() if "001" in name})


def test_evaluation_by_votes_wants_a_run_of_their_labels(
    finished_run: Path, faces: Path, votes: Path
) -> None:
    from fer_trainer.jobs.finished import evaluate_run

    with pytest.raises(LabelError, match=r"run answers angry.*leave --votes out"):
        evaluate_run(finished_run, faces, votes=votes)


def test_a_run_says_whose_votes_it_was_trained_by(
    tmp_path: Path, write_faces: Callable[..., Path], small_recipe: Path
) -> None:
    from fer_trainer.jobs.finished import evaluate_run
    from fer_trainer.jobs.fit import fit
    from fer_trainer.run.folder import RunFolder

    data = tmp_path / "data"
    rows = {}
    for part, each in (("train", 8), ("test", 3)):
        write_faces(data / part, EIGHT, each=each, seed=each)
        for index, label in enumerate(EIGHT):
            for n in range(each):
                rows[f"{part}/{label}/{n:03d}.png"] = votes_for((index + 1) % 8, (index, 3))
    rows["train/sad/000.png"] = votes_for(9)
    votes = a_votes_file(tmp_path / "votes.csv", rows)
    changes = ["labels=ferplus", f"data.votes={votes}", "training.epochs=1"]
    recipe = load_recipe(str(small_recipe), overrides=changes)
    run = tmp_path / "run"
    metrics = fit(recipe, load_data(recipe, data), RunFolder(run), tell=lambda line: None)
    written = json.loads((run / "contract.json").read_text())["provenance"]["data"]["votes"]
    assert written == metrics["data"]["votes"]
    assert (written["name"], written["left_out"]) == ("votes.csv", {"not a face": 1})
    assert "by the votes of votes.csv" in (run / "report.html").read_text()
    by_votes, by_folder = evaluate_run(run, data, votes=votes), evaluate_run(run, data)
    assert by_votes.confusion.tolist() == metrics["test"]["confusion"]
    assert np.array_equal(by_folder.confusion, np.roll(by_votes.confusion, -1, axis=0))


@pytest.mark.skipif(
    not (DATA / "ferplus_votes.csv").is_file(), reason=f"the votes on FER2013 are not in {DATA}"
)
def test_the_votes_on_fer2013() -> None:
    votes = f"data.votes={DATA / 'ferplus_votes.csv'}"
    recipe = load_recipe("edge-small", overrides=["labels=ferplus", votes])
    split = load_data(recipe, DATA / "fer2013.zip")
    left_out = split.origin.votes.left_out if split.origin.votes else {}
    assert left_out["ambiguous"] == 98
    assert sum(map(len, split.parts().values())) + sum(left_out.values()) == 32_139
    assert split.train.soft is not None
    assert split.train.soft.sum(axis=1) == pytest.approx(1, abs=1e-6)
    samples = read_for_evaluation(
        DATA / "fer2013.zip", labels=EIGHT, spec=recipe.input_spec, settings=recipe.data
    )
    assert split.test is not None
    assert samples.names == split.test.names


def test_people_agree_where_half_of_them_or_more_say_the_same_and_no_other_half_does() -> None:
    shares = [[0.5, 0.3, 0.2], [0.5, 0.5, 0.0], [0.4, 0.3, 0.3], [0.0, 0.0, 1.0]]
    soft = np.array(shares, np.float32)
    names = ("a", "b", "c", "d")
    samples = Samples(np.zeros((4, 2, 2), np.uint8), soft.argmax(axis=1), names, soft)
    assert samples.agreed().tolist() == [0, 3]
    assert samples.take([1, 2]).agreed().tolist() == [0, 1]  # else nothing could be calibrated
    assert Samples(samples.pictures, samples.labels, names).agreed().tolist() == [0, 1, 2, 3]
