"""The split of the real data set; skipped where it is not at hand."""

import csv
from pathlib import Path

import numpy as np
import pytest

from fer_trainer.data.loading import load_data
from fer_trainer.recipe.files import load_recipe

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
COPIES = DATA / "fer2013_test_copies_in_train.csv"

pytestmark = pytest.mark.skipif(
    not (DATA / "fer2013.zip").is_file(), reason=f"FER2013 is not in {DATA}"
)


def test_fer2013_is_split_as_the_run_of_the_shipped_model_says() -> None:
    split = load_data(load_recipe("edge-small"), DATA / "fer2013.zip")
    assert split.test is not None
    assert len(split.train) + len(split.val) == 28_560
    assert abs(len(split.val) - 2_856) < 10
    assert not set(split.train.digests()) & set(split.val.digests())
    copies = {Path(split.test.names[index]).name for index in np.flatnonzero(split.test_copies)}
    with COPIES.open(newline="") as file:
        assert copies == {row["test_file"] for row in csv.DictReader(file)}
    assert len(copies) == 279
