"""Accuracy on photographs of people who are known."""

import csv
import io
import zipfile

import numpy as np
import pytest
from builders import PORTRAIT, SEVEN, a_contract, a_model, a_picture, a_prediction, encoded

from fer_edge.assemble.parts import make_detector
from fer_edge.commands.people import (
    Photograph,
    Seen,
    format_people,
    judge_people,
    look,
    read_people,
)
from fer_edge.settings import DetectorSettings
from fer_edge.shared.errors import DataError
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.stages.baseline import Weighing

CONTRACT = a_contract()
WEIGHING = Weighing(CONTRACT, (0.0,) * len(SEVEN))


def says(**probabilities):
    rest = (1 - sum(probabilities.values())) / (len(SEVEN) - len(probabilities))
    return a_prediction(probabilities=tuple(probabilities.get(label, rest) for label in SEVEN))


CALM = says(neutral=0.8, sad=0.1)
POSED_ANGER = says(neutral=0.5, angry=0.4)
"""Read as neutral, unless it is known how the person looks at rest."""


def a_photograph(file, expression, person="anna"):
    return Photograph(file, person, expression)


def judged(seen, baseline):
    return judge_people(
        seen, WEIGHING, baseline=baseline, balance=0.0, model=(SEVEN, "ab"), unreadable=()
    )


def people(*rows):
    return [Seen(a_photograph(f"{i}.png", *row[:-1]), row[-1]) for i, row in enumerate(rows)]


def test_another_neutral_photograph_helps_and_none_helps_itself():
    known = people(
        ("neutral", CALM), ("neutral", CALM), ("angry", POSED_ANGER),
        ("angry", "berta", POSED_ANGER), ("neutral", "berta", CALM),
        ("angry", "cleo", POSED_ANGER),
    )  # fmt: skip
    assert judged(known, "none").recall == {"angry": 0, "neutral": 1}
    told = judged(known, "participant")
    assert told.recall == {"angry": pytest.approx(2 / 3), "neutral": 1}
    assert told.alone == 2, "the only neutral one of berta's, and cleo's only one"


def test_a_track_is_not_told_what_the_photographs_show():
    known = people(*[("neutral", CALM)] * 3, *[("angry", POSED_ANGER)] * 3)
    assert judged(known, "track").recall == {"angry": 1, "neutral": 1}
    unnamed = [Seen(a_photograph(one.photograph.file, "surprise"), one.said) for one in known[:-1]]
    assert judged([*unnamed, known[-1]], "track").recall["angry"] == 1


def test_a_face_that_is_not_found_is_wrong():
    told = judged(people(("happy", says(happy=0.9)), ("happy", None)), "none")
    assert (told.n, told.accuracy, told.not_found) == (2, 0.5, 1)
    assert told.confusion.sum() == 1
    assert "1, counted as wrong" in format_people(told)


def test_an_expression_that_the_model_does_not_know_is_left_out():
    told = judged(people(("happy", says(happy=0.9)), ("contempt", CALM)), "none")
    assert (told.n, told.left_out, told.accuracy) == (1, 1, 1.0)
    with pytest.raises(DataError, match="no photograph shows"):
        judged(people(("contempt", CALM)), "none")


def test_people_are_drawn_anew_and_not_their_photographs():
    right, wrong = says(happy=0.9), says(sad=0.9)
    clear = people(*[("happy", "anna", right)] * 50, *[("happy", "berta", wrong)] * 50)
    low, high = judged(clear, "none").accuracy_interval()
    assert (low, high) == (0, 1), "of two people, drawn twice, both may be anna"
    mixed = people(*[("happy", who, said) for who in "abcdefgh" for said in (right, wrong)] * 5)
    low, high = judged(mixed, "none").accuracy_interval()
    assert low == high == 0.5


def test_one_person_gives_no_interval_and_a_few_none_to_be_believed():
    right, wrong = says(happy=0.9), says(sad=0.9)

    def shown(persons):
        told = judged(
            people(*[("happy", who, said) for who in persons for said in (right, wrong)]), "none"
        )
        return told.to_json()["accuracy_interval"], format_people(told)

    interval, text = shown("a")
    assert interval is None
    assert "50.0% (-, for one person" in text
    for few in ("ab", "abcd"):
        interval, text = shown(few)
        assert interval == [0.5, 0.5]
        assert f"{len(few)} are too few to believe it" in text
    assert "too few" not in shown("abcde")[1]


def table(folder, rows, header=("file", "person", "expression", "how")):
    path = folder / "people.csv"
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows])
    path.write_text(text.getvalue())
    return path


def test_rows_without_an_expression_are_ignored_and_names_may_be_any(tmp_path):
    rows = [
        ("a.png", "1", "Happiness", ""),
        ("b.png", "1", "", "wink"),
        ("./c.png", "2", "calm", ""),
    ]
    assert read_people(table(tmp_path, rows)) == [
        Photograph("a.png", "1", "happy"), Photograph("c.png", "2", "neutral"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "header", "named"),
    [
        ([("a.png", "1")], ("file", "person"), "no column expression"),
        ([("a.png", "1", "gloomy", "")], None, "line 2: unknown expression"),
        ([("a.png", "1")], None, "line 2: 2 cells"),
        ([("a.png", "1", "", "")], None, "no row with an expression"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(tmp_path, rows, header, named):
    path = table(tmp_path, rows, *([header] if header else []))
    with pytest.raises(DataError, match=named):
        read_people(path)


@pytest.fixture(scope="module")
def parts():
    return make_detector(DetectorSettings()), LitertClassifier(a_model())


def test_photographs_in_an_archive_go_through_the_search(tmp_path, parts):
    path = tmp_path / "people.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("in/portrait.jpg", PORTRAIT.read_bytes())
        archive.writestr("in/wall.png", encoded(np.full((80, 80), 90, np.uint8)))
    rows = [a_photograph("in/portrait.jpg", "happy"), a_photograph("in/wall.png", "sad")]
    seen, unreadable = look(path, rows, *parts)
    assert [one.said is None for one in seen] == [False, True]
    assert unreadable == ()
    with pytest.raises(DataError, match=r"1 of 3 files are not in .*in/none.png"):
        look(path, [*rows, a_photograph("in/none.png", "sad")], *parts)


def test_a_folder_with_files_that_are_no_pictures_is_refused(tmp_path, parts):
    (tmp_path / "a.png").write_bytes(encoded(a_picture()))
    (tmp_path / "b.png").write_bytes(b"nothing")
    rows = [a_photograph("a.png", "happy"), a_photograph("b.png", "sad")]
    with pytest.raises(DataError, match="1 of 2 pictures cannot be read"):
        look(tmp_path, rows, *parts)
