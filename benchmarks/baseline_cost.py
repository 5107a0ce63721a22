"""What it costs a frame to weigh its answers: microseconds a face, by mode of the baseline.

The stage gets random answers of one face, thirty a second; nothing else runs.
"""

import argparse
import dataclasses
import statistics
import time
from typing import Any, Final

import numpy as np
from real_data import report

from fer_edge.assemble.baselines import make_weighing
from fer_edge.models import DEFAULT_MODEL, open_model
from fer_edge.settings import ExpressionSettings, Settings
from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.records import Box, Face, Frame, Prediction, Reading
from fer_edge.shared.terminal.tables import format_table
from fer_edge.stages.baseline import Baseline, BaselineStage
from fer_edge.stages.clocks import by_index

FRAMES: Final = 3000
ROUNDS: Final = 15
WAYS: Final = {
    "nothing": ("none", 0.0),
    "balance alone": ("none", 0.2),
    "track": ("track", 0.2),
    "place": ("place", 0.2),
    "participant": ("participant", 0.2),
}


def make_stage(contract: ModelContract, mode: Any, balance: float) -> BaselineStage:
    settings = dataclasses.replace(Settings(), expression=ExpressionSettings(balance=balance))
    count = len(contract.labels)
    known = Baseline(contract.labels, (-2.0,) * count, (0.1,) * count, 5.0, "")
    return BaselineStage(
        by_index, contract, make_weighing(settings, contract), mode=mode, known=known
    )


def seconds(stage: BaselineStage, frames: list[tuple[Frame, list[Reading]]]) -> float:
    began = time.process_time()
    for frame, readings in frames:
        stage.update(frame, readings)
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    contract = open_model(DEFAULT_MODEL).contract
    chance = np.random.default_rng(0)
    answers = chance.dirichlet([5.0, *[0.3] * (len(contract.labels) - 1)], FRAMES).tolist()
    face, grey = Face(Box(0, 0, 80, 80), 1.0, 1), np.zeros((1, 1), np.uint8)
    frames = [
        (Frame(i, 0.0, 0, grey), [Reading(face, Prediction(contract.labels, tuple(answer)))])
        for i, answer in enumerate(answers)
    ]
    took: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way, (mode, balance) in WAYS.items():
            spent = seconds(make_stage(contract, mode, balance), frames)
            took[way].append(1e6 * spent / FRAMES)
    result = {
        way: {"median_us": statistics.median(some), "least_us": min(some), "most_us": max(some)}
        for way, some in took.items()
    }
    rows = [[way, *(f"{value:.1f}" for value in one.values())] for way, one in result.items()]
    text = format_table(["microseconds a face", "median", "least", "most"], rows)
    report(arguments, result, text)


if __name__ == "__main__":
    main()
