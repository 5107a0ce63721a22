"""Pictures that a calibration does without."""

import numpy as np
import pytest
from toy_run import toy_pictures

from fer_convert.report.text import say_trimmed
from fer_convert.source.exposure import NAMED, find_extremes, trim
from fer_edge.shared.data.samples import Samples


def good() -> Samples:
    made = toy_pictures(20, seed=3)
    return Samples(made["pictures"], made["labels"], tuple(made["names"].tolist()), source="a test")


def test_good_pictures_are_all_kept():
    kept, record = trim(good())
    assert len(kept) == 20
    assert record["left_out"] == {}


@pytest.mark.parametrize(
    ("low", "high", "fault"), [(90, 95, "flat"), (0, 40, "dark"), (215, 255, "bright")]
)
def test_extremes_are_left_out_by_name(low, high, fault):
    samples = good()
    samples.pictures[4] = np.linspace(low, high, 48 * 48).reshape(48, 48)
    kept, record = trim(samples)
    assert len(kept) == 19
    assert record["left_out"] == {fault: {"pictures": 1, "first": [samples.names[4]]}}
    assert f"{fault} 1 (" in say_trimmed(record)
    assert samples.names[4] not in kept.names


def test_a_few_odd_pixels_do_not_save_a_blank_picture():
    blank = np.full((1, 48, 48), 100, np.uint8)
    blank[0, 0, :40], blank[0, 1, :40] = 0, 255
    assert find_extremes(blank)["flat"].tolist() == [0]


def test_of_many_extremes_a_contract_names_a_few():
    samples = good()
    samples.pictures[:] = 20
    kept, record = trim(samples)
    assert len(kept) == 0
    assert record["left_out"]["flat"]["pictures"] == 20
    assert len(record["left_out"]["flat"]["first"]) == NAMED
