"""Figures of a model on labelled crops."""

import numpy as np
import pytest
from builders import SEVEN, a_model, a_picture, encoded, write_files
from tiny_model import tiny_contract

from fer_edge.commands.evaluate import Evaluation, evaluate, format_evaluation
from fer_edge.shared.data.labelled import LabelledPictures
from fer_edge.shared.data.pictures import decode_grey
from fer_edge.shared.errors import DataError
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.model.preprocess import prepare_crop

ANGRY, HAPPY, SAD = (SEVEN.index(label) for label in ("angry", "happy", "sad"))


@pytest.fixture(scope="module")
def classifier():
    return LitertClassifier(a_model())


def noise(seed):
    """Return what the tiny model's random weights tell apart."""
    return np.random.default_rng(seed).integers(0, 256, (48, 48)).astype(np.uint8)


def judged(path, classifier, **options):
    with LabelledPictures(path) as data:
        return evaluate(data, classifier, **options)


def labelled_rightly(classifier, count=40):
    """Return pictures in class folders so named that the model is right about each."""
    contents = {}
    for seed in range(count):
        data = encoded(noise(seed))
        pixels = prepare_crop(decode_grey(data, where=""), classifier.contract.input)
        contents[f"{classifier.predict(pixels).label}/{seed}.png"] = data
    return contents


def test_a_model_that_is_always_right(tmp_path, classifier):
    contents = labelled_rightly(classifier)
    result = judged(write_files(tmp_path, contents), classifier)
    present = {name.partition("/")[0] for name in contents}
    assert len(present) > 1
    assert (result.n, result.accuracy, result.macro_recall) == (40, 1.0, 1.0)
    assert result.recall == dict.fromkeys((label for label in SEVEN if label in present), 1.0)
    assert result.unreadable == ()
    assert result.model_sha256 == a_model().sha256


def test_given_labels_count_instead_of_the_folders_and_the_rest_is_left_out(tmp_path, classifier):
    contents = labelled_rightly(classifier)
    moved = {f"happy/{n}.png": data for n, data in enumerate(contents.values())}
    truth = {f"happy/{n}.png": name.partition("/")[0] for n, name in enumerate(contents) if n >= 10}
    truth["happy/11.png"] = "contempt"
    result = judged(write_files(tmp_path, moved), classifier, truth=truth)
    assert (result.n, result.accuracy, result.left_out) == (29, 1.0, 11)


def test_labels_of_other_pictures_are_refused(tmp_path, classifier):
    folder = write_files(tmp_path, {"sad/x.png": encoded(noise(1))})
    with pytest.raises(DataError, match="none of the pictures has a label that counts"):
        judged(folder, classifier, truth={"sad/y.png": "sad"})


def test_rows_are_true_labels_and_columns_the_models(tmp_path, classifier):
    contents = labelled_rightly(classifier)
    said = next(name for name in contents if not name.startswith("sad/"))
    wrong = write_files(tmp_path, {"sad/x.png": contents[said]})
    result = judged(wrong, classifier)
    assert result.confusion[SAD, SEVEN.index(said.partition("/")[0])] == 1
    assert result.confusion.sum() == 1
    assert result.recall == {"sad": 0.0}


def test_the_figures():
    confusion = np.zeros((7, 7), np.int64)
    confusion[ANGRY, ANGRY], confusion[ANGRY, SAD] = 6, 2
    confusion[HAPPY, HAPPY], confusion[HAPPY, ANGRY] = 1, 1
    result = Evaluation(SEVEN, confusion, 0.1, "0" * 64)
    assert result.n == 10
    assert result.accuracy == pytest.approx(0.7)
    assert result.recall == {"angry": 0.75, "happy": 0.5}
    assert result.macro_recall == pytest.approx(0.625)
    # Wilson's interval of 7 of 10 and of 1 of 2, as statsmodels' proportion_confint gives it.
    assert result.accuracy_interval == pytest.approx((0.3968, 0.8922), abs=1e-4)
    assert result.recall_intervals["happy"] == pytest.approx((0.0945, 0.9055), abs=1e-4)


def test_confidence_is_compared_with_how_often_it_is_right(tmp_path, classifier):
    contents = labelled_rightly(classifier)
    right = judged(write_files(tmp_path / "right", contents), classifier)
    wrong_label = {name: "sad" if not name.startswith("sad/") else "happy" for name in contents}
    moved = {f"{wrong_label[name]}/{n}.png": d for n, (name, d) in enumerate(contents.items())}
    wrong = judged(write_files(tmp_path / "wrong", moved), classifier)
    sure = np.mean(
        [
            classifier.predict(
                prepare_crop(decode_grey(data, where=""), classifier.contract.input)
            ).confidence
            for data in contents.values()
        ]
    )
    assert right.calibration_error == pytest.approx(1 - sure)
    assert wrong.calibration_error == pytest.approx(sure)


def test_copies_of_training_pictures_can_be_left_out(tmp_path, classifier):
    seen, copied_later, unseen = (encoded(noise(seed)) for seed in (1, 2, 3))
    again = encoded(decode_grey(seen, where=""), suffix=".bmp")
    folder = write_files(
        tmp_path,
        {
            "train/sad/1.png": seen, "val/happy/2.png": copied_later, "train/sad/broken.png": b"x",
            "test/sad/a.bmp": again, "test/sad/b.png": copied_later, "test/sad/c.png": unseen,
        },
    )  # fmt: skip
    assert judged(folder, classifier).n == 3
    result = judged(folder, classifier, without_copies=True)
    assert (result.n, result.copies) == (1, 2)


def test_without_training_pictures_nothing_is_known_of_copies(tmp_path, classifier):
    folder = write_files(tmp_path / "flat", {"sad/1.png": encoded(noise(1))})
    with pytest.raises(DataError, match="no training pictures to compare with"):
        judged(folder, classifier, without_copies=True)
    same = encoded(noise(1))
    folder = write_files(tmp_path / "split", {"train/sad/1.png": same, "test/sad/1.png": same})
    with pytest.raises(DataError, match="no picture is left"):
        judged(folder, classifier, without_copies=True)


def test_the_test_split_alone_is_judged(tmp_path, classifier):
    data = encoded(a_picture())
    write_files(
        tmp_path, {"train/sad/1.png": data, "train/sad/2.png": data, "test/sad/3.png": data}
    )
    assert judged(tmp_path, classifier).n == 1


def test_labels_that_the_model_does_not_know_are_refused(tmp_path):
    data = encoded(a_picture())
    write_files(tmp_path, {"sad/1.png": data, "fear/2.png": data, "contempt/3.png": data})
    binary = LitertClassifier(a_model(tiny_contract(labels=("sad", "happy"))))
    with pytest.raises(DataError, match="the data has contempt, fear, which the model does not"):
        judged(tmp_path, binary)


def test_a_binary_model_is_judged(tmp_path):
    binary = LitertClassifier(a_model(tiny_contract(labels=("sad", "happy"))))
    write_files(tmp_path, labelled_rightly(binary, count=10))
    result = judged(tmp_path, binary)
    assert (result.labels, result.accuracy) == (("sad", "happy"), 1.0)


def with_broken(*, whole, broken):
    data = encoded(a_picture())
    contents = {f"sad/{number}.png": data for number in range(whole)}
    return contents | {f"sad/broken-{number}.png": b"no picture" for number in range(broken)}


def test_a_few_unreadable_pictures_are_named_and_do_not_count(tmp_path, classifier):
    result = judged(write_files(tmp_path, with_broken(whole=99, broken=1)), classifier)
    assert result.n == 99
    assert result.unreadable == ("sad/broken-0.png",)
    assert result.to_json()["unreadable"] == ["sad/broken-0.png"]


@pytest.mark.parametrize(("whole", "broken"), [(98, 2), (0, 1)])
def test_too_many_unreadable_pictures_are_an_error(tmp_path, classifier, whole, broken):
    write_files(tmp_path, with_broken(whole=whole, broken=broken))
    with pytest.raises(DataError, match=rf"{broken} of {whole + broken} pictures cannot be read"):
        judged(tmp_path, classifier)


def test_files_that_are_not_read_are_counted(tmp_path, classifier):
    others = {"sad/notes.txt": b"x", "sad/Thumbs.db": b"x", "sad/.DS_Store": b"x"}
    result = judged(write_files(tmp_path, with_broken(whole=3, broken=0) | others), classifier)
    assert result.to_json()["skipped"] == {"hidden": 1, "no picture": 2}
    assert "hidden: 1; no picture: 2" in format_evaluation(result)


def test_pixels_in_a_csv_file_are_not_taken_for_nothing(tmp_path):
    (tmp_path / "fer2013").write_text("emotion,pixels,Usage\n")
    with pytest.raises(DataError, match=r"pixels in a CSV file .*fer-train evaluate"):
        LabelledPictures(tmp_path / "fer2013")
    write_files(tmp_path, {"sad/1.png": b"x"})
    with pytest.raises(DataError, match=r"1 pictures .* and pixels in CSV files"):
        LabelledPictures(tmp_path)


def test_progress_reaches_the_end(tmp_path, classifier):
    seen = []
    write_files(tmp_path, with_broken(whole=3, broken=0))
    judged(tmp_path, classifier, progress=lambda *step: seen.append(step))
    assert seen == [(1, 3), (2, 3), (3, 3)]
