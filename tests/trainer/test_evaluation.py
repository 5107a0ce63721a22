import numpy as np
import pytest

from fer_trainer.evaluation import score


def test_scores_by_hand() -> None:
    answers = np.array([[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1]])
    found = score(answers, np.array([0, 0, 1, 1]), ("angry", "happy", "sad"))
    assert found.confusion.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert found.accuracy == 0.5
    assert found.recall == {"angry": 0.5, "happy": 0.5, "sad": None}
    assert found.macro_recall == 0.5
    assert set(found.to_json()) == {
        "n", "accuracy", "macro_recall", "recall", "confusion", "labels",
    }  # fmt: skip


@pytest.mark.parametrize(("threshold", "recall"), [(0.5, 1.0), (0.7, 0.5)])
def test_a_single_output_is_the_probability_of_the_second_label(
    threshold: float, recall: float
) -> None:
    answers = np.array([[0.1], [0.6], [0.8]])
    found = score(answers, np.array([0, 1, 1]), ("sad", "happy"), threshold=threshold)
    assert found.recall == {"sad": 1.0, "happy": recall}
