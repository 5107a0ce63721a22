"""Every model's answers to the held-out pictures, what they are worth, and whether they pass."""

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from fer_convert.judgement.comparison import Answers, Measurement, ask, measure
from fer_convert.judgement.gate import Verdict, judge
from fer_convert.targets import Target
from fer_edge.shared.data.samples import Samples
from fer_edge.shared.model.model_file import ModelFile
from fer_edge.shared.terminal.progress import SILENT, ProgressLine


def ask_all(
    models: Mapping[Target, ModelFile], held_out: Samples, progress: ProgressLine = SILENT
) -> dict[str, Answers]:
    """Return what each model says of the held-out pictures."""
    answers: dict[str, Answers] = {}
    for target, model in models.items():

        def count(done: int, target: Target = target) -> None:
            progress.count(f"comparing {target}", done, len(held_out))

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
        sum(part.no_numbers for part in parts),
    )


def measure_all(answers: Mapping[str, Answers], held_out: Samples) -> dict[str, Measurement]:
    """Return what answers are worth, by themselves and against float32's."""
    reference = answers[Target.FLOAT32]
    return {
        target: measure(given, held_out, None if given is reference else reference)
        for target, given in answers.items()
    }


def judge_all(
    answers: Mapping[str, Answers], held_out: Samples, targets: Iterable[str]
) -> dict[str, Verdict]:
    """Return what the gate says of some targets, float32 aside."""
    return {
        target: judge(answers[Target.FLOAT32], answers[target], held_out)
        for target in targets
        if target != Target.FLOAT32
    }
