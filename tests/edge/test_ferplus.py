"""What most people saw in a picture."""

import pytest

from fer_edge.shared.data.ferplus import read_majority
from fer_edge.shared.errors import DataError

HEADER = "path,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF,ambiguous"


def a_file(tmp_path, *rows, header=HEADER):
    path = tmp_path / "votes.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    ("row", "label"),
    [
        ("0,5,0,0,5,0,0,0,0,0,0", None),
        ("5,0,0,0,4,0,0,0,1,0,0", "neutral"),
        ("4,0,0,0,0,0,0,0,6,0,0", None),
        ("5,0,0,0,0,0,0,0,5,0,0", "neutral"),
        ("0,0,0,0,0,0,0,9,1,0,0", "contempt"),
        ("0,10,0,0,0,0,0,0,0,0,1", None),
    ],
)
def test_one_expression_needs_strictly_the_most_and_five_votes(tmp_path, row, label):
    seen = read_majority(a_file(tmp_path, f"test/sad/1.png,{row}"))
    assert seen == ({} if label is None else {"test/sad/1.png": label})


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (["a.png,1"], "path,neutral", "no column for happy, surprise"),
        (["a.png,x,0,0,0,0,0,0,0,0,0,0"], HEADER, "line 2: 'x' votes for neutral"),
        (["a.png,1"], HEADER, "line 2"),
    ],
)
def test_what_is_no_votes_file_is_refused(tmp_path, rows, header, message):
    with pytest.raises(DataError, match=message):
        read_majority(a_file(tmp_path, *rows, header=header))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv does not exist"):
        read_majority(tmp_path / "none.csv")
