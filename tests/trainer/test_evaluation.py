"""What `metrics.json` and `fer-train evaluate --json` say of a network's answers."""

import json

import numpy as np
import pytest

from fer_trainer.scores.evaluation import score, scores_from_json, scores_to_json


def test_scores_by_hand() -> None:
    answers = np.array([[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1]])
    found = score(answers, np.array([0, 0, 1, 1]), ("angry", "happy", "sad"))
    told = scores_to_json(found)
    assert list(told) == [
        "n", "accuracy", "accuracy_interval", "macro_recall", "recall", "precision", "f1",
        "intervals", "confusion", "labels", "remarks",
    ]  # fmt: skip
    assert told["confusion"] == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert (told["n"], told["accuracy"], told["macro_recall"]) == (4, 0.5, 0.5)
    assert told["accuracy_interval"] == [0.15, 0.85]  # Wilson, 2 of 4
    assert told["remarks"] == [
        "THE NETWORK IS NO BETTER THAN CHANCE: 50.00% of 4 pictures right, and 50.00% are by chance"
    ]
    assert told["recall"] == told["f1"] == {"angry": 0.5, "happy": 0.5, "sad": None}
    assert told["intervals"]["recall"] == {
        "angry": [0.0945, 0.9055], "happy": [0.0945, 0.9055], "sad": None,
    }  # fmt: skip
    assert scores_to_json(scores_from_json(json.loads(json.dumps(told)))) == told


def test_what_was_never_said_or_never_judged_is_null() -> None:
    told = scores_to_json(score(np.eye(2)[[0, 0]], np.array([0, 1]), "ab"))
    assert told["precision"] == {"a": 0.5, "b": None}
    assert told["intervals"]["precision"]["b"] is None
    nothing = scores_to_json(score(np.empty((0, 2)), np.empty(0, np.int64), "ab"))
    assert (nothing["n"], nothing["accuracy"], nothing["accuracy_interval"]) == (0, 0.0, None)


@pytest.mark.parametrize(("threshold", "recall"), [(0.5, 1.0), (0.7, 0.5)])
def test_a_single_output_is_the_probability_of_the_second_label(
    threshold: float, recall: float
) -> None:
    answers = np.array([[0.1], [0.6], [0.8]])
    found = score(answers, np.array([0, 1, 1]), ("sad", "happy"), threshold=threshold)
    assert found.recall == {"sad": 1.0, "happy": recall}
