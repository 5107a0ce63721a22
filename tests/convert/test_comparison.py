"""Scores and drift, on answers small enough to work out by hand."""

import numpy as np
import pytest
from tiny_model import tiny_contract, tiny_model
from toy_run import SEVEN, toy_pictures

from fer_convert.judgement.comparison import Answers, ask, measure, measure_drift
from fer_edge.shared.data.samples import Samples
from fer_edge.shared.model.model_file import parse_model

LABELS = ("angry", "happy", "sad")


def answers(*rows) -> Answers:
    probabilities = np.array(rows, dtype=float)
    return Answers(LABELS, probabilities.argmax(axis=1), probabilities)


def samples(*labels) -> Samples:
    pictures = np.zeros((len(labels), 48, 48), np.uint8)
    return Samples(pictures, np.array(labels), tuple(map(str, labels)), source="a test")


def test_a_measurement():
    given = answers([0.9, 0.1, 0], [0.2, 0.8, 0], [0.1, 0.9, 0], [0.3, 0.7, 0])
    told = measure(given, samples(0, 0, 1, 1)).to_json()
    assert list(told) == [
        "n", "accuracy", "macro_recall", "recall", "accuracy_interval", "recall_intervals",
        "calibration_error",
    ]  # fmt: skip
    assert (told["n"], told["accuracy"], told["macro_recall"]) == (4, 0.75, 0.75)
    assert told["recall"] == {"angry": 0.5, "happy": 1.0}
    assert told["accuracy_interval"] == [0.300642, 0.954413]  # Wilson, 3 of 4
    assert told["recall_intervals"]["angry"] == [0.094531, 0.905469]  # 1 of 2
    # In three bins: (2 |0.9 - 1| + |0.8 - 0| + |0.7 - 1|) / 4.
    assert told["calibration_error"] == pytest.approx(0.325)
    beside = measure(given, samples(0, 0, 1, 1), given).to_json()
    assert beside == told | {
        "against_float32": {"agreement": 1.0, "mean_shift": 0.0, "worst_shift": 0.0}
    }


def test_drift():
    reference = answers([0.6, 0.4, 0], [0.2, 0.8, 0])
    drift = measure_drift(answers([0.4, 0.6, 0], [0.2, 0.7, 0.1]), reference)
    assert drift.agreement == 0.5
    assert drift.worst_shift == pytest.approx(0.2)
    assert drift.mean_shift == pytest.approx(0.6 / 6)


def test_asks_the_device_classifier_about_every_picture():
    model = parse_model(tiny_model(tiny_contract()), where="tiny.tflite")
    made = toy_pictures(210, seed=0)
    held_out = Samples(made["pictures"], made["labels"], tuple(made["names"]), source="a test")
    progress = []
    given = ask(model, held_out, progress.append)
    assert given.labels == SEVEN
    assert given.probabilities.shape == (210, 7)
    assert np.allclose(given.probabilities.sum(axis=1), 1)
    assert (given.chosen == given.probabilities.argmax(axis=1)).all()
    assert progress == [100, 200]
