"""Every model's answers to the held-out pictures, and what they are worth."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from fer_convert.judgement.comparison import Answers, Drift, Scores, ask, measure_drift, score
from fer_convert.source.samples import Samples
from fer_convert.targets import Target
from fer_edge.shared.model.model_file import ModelFile

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One target, measured on the held-out pictures.

    Attributes:
        scores: How right it is.
        drift: How far from float32 it is; None for float32 itself.
    """

    scores: Scores
    drift: Drift | None

    def to_json(self) -> dict[str, Any]:
        """Return the measurement."""
        drift = {} if self.drift is None else {"against_float32": self.drift.to_json()}
        return {**self.scores.to_json(), **drift}


def ask_all(
    models: Mapping[Target, ModelFile], held_out: Samples, progress: Progress = lambda _: None
) -> dict[Target, Answers]:
    """Return what each model says of the held-out pictures."""
    answers: dict[Target, Answers] = {}
    for target, model in models.items():

        def count(done: int, target: Target = target) -> None:
            progress(f"comparing {target}: {done} of {len(held_out)} pictures")

        answers[target] = _ask_in_parts(model, held_out, count)
    return answers


def _ask_in_parts(model: ModelFile, held_out: Samples, progress: Callable[[int], None]) -> Answers:
    """Ask with one interpreter for each processor: a picture's answer knows no other picture."""
    workers = min(len(os.sched_getaffinity(0)), len(held_out))
    done = [0] * workers

    def ask_part(number: int) -> Answers:
        def count(n: int) -> None:
            done[number] = n
            progress(sum(done))

        part = range(number * len(held_out) // workers, (number + 1) * len(held_out) // workers)
        return ask(model, held_out.take(part), count)

    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(ask_part, range(workers)))
    return Answers(
        parts[0].labels,
        np.concatenate([part.chosen for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
    )


def measure(answers: Mapping[Target, Answers], held_out: Samples) -> dict[Target, Measurement]:
    """Return what answers are worth, by themselves and against float32's."""
    reference = answers[Target.FLOAT32]
    return {
        target: Measurement(
            score(given, held_out), None if given is reference else measure_drift(given, reference)
        )
        for target, given in answers.items()
    }
