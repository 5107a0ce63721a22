"""A network judged on one part: scores, calibration and pictures to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.data.samples import Samples
from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.model.priors import prior_shift, shifted
from fer_edge.shared.scores import Scores
from fer_trainer.data.balanced import draw_in_turn
from fer_trainer.report.plots import Plot, plot_confusion, plot_reliability, plot_sheet
from fer_trainer.scores.calibration import (
    calibration_figures,
    complete,
    temper_answers,
    temper_threshold,
)
from fer_trainer.scores.evaluation import choose, score

WORST: Final = 8
SAMPLES: Final = 16
_SEED: Final = 0  # of the pictures that are shown: the same data shows the same ones


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A picture and what the network says of it.

    Attributes:
        picture: uint8, shape (height, width).
        name: Path inside the data set.
        truth: The label it carries.
        said: The label that a device gives it, by the model's own balance.
        confidence: Of `said`.
    """

    picture: NDArray[np.uint8]
    name: str
    truth: str
    said: str
    confidence: float

    @property
    def right(self) -> bool:
        """Whether the label given is the one it carries."""
        return self.said == self.truth


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What a network is worth on some labelled pictures.

    Attributes:
        part: What the pictures are, for people: "test", for instance.
        scores: How many answers are right as trained, without the balance, as `metrics.json` and
            other people count them.
        calibration: As `calibration.calibration_figures` returns it.
        errors: The worst errors by true label.
        sample: Pictures drawn by lot.
    """

    part: str
    scores: Scores
    calibration: Mapping[str, Any]
    errors: Mapping[str, list[Example]]
    sample: list[Example]


def judge(
    samples: Samples,
    answers: NDArray[Any],
    contract: ModelContract,
    *,
    part: str,
    temperature: float | None = None,
) -> Judgement:
    """Judge a network's answers.

    Args:
        samples: The pictures.
        answers: The network's own outputs, shape (N, outputs).
        contract: Of the network.
        part: What the pictures are, for people.
        temperature: Instead of the contract's.
    """
    own = contract.output.temperature
    temperature = own if temperature is None else temperature
    outputs = temper_answers(answers, temperature)
    # The contract's threshold is one on probabilities at its own temperature.
    threshold = temper_threshold(contract.threshold, temperature / own)
    shift, labels = prior_shift(contract, balance=contract.balance), contract.labels
    shown = shifted(complete(outputs), shift)
    binary = outputs.shape[1] == 1
    chosen = choose(shown[:, 1:] if binary else shown, threshold=threshold)
    confidence = shown[np.arange(len(chosen)), chosen]

    def examples(indices: Iterable[int]) -> list[Example]:
        return [
            Example(
                samples.pictures[i],
                samples.names[i],
                labels[int(samples.labels[i])],
                labels[int(chosen[i])],
                float(confidence[i]),
            )
            for i in indices
        ]

    def worst(index: int) -> Iterable[int]:
        """Return the wrong answers of the highest confidence to pictures of one label."""
        wrong = np.flatnonzero((samples.labels == index) & (chosen != index))
        return wrong[np.argsort(-confidence[wrong], kind="stable")][:WORST]

    agreed = samples.agreed()
    return Judgement(
        part,
        score(outputs, samples.labels, labels, threshold=threshold),
        calibration_figures(
            answers[agreed],
            samples.labels[agreed],
            temperature,
            shift=shift,
        ),
        {label: examples(worst(index)) for index, label in enumerate(labels)},
        examples(draw_in_turn(samples.labels, at_most=SAMPLES, seed=_SEED)),
    )


def plot_judgement(judgement: Judgement) -> Iterator[Plot]:
    """Draw confusion, reliability and the contact sheets of errors and of the sample."""
    yield plot_confusion(judgement.scores, of=judgement.part)
    yield plot_reliability(judgement.calibration, of=judgement.part)
    for label, examples in judgement.errors.items():
        if examples:
            title = f"Worst errors: labelled {label} ({judgement.part})"
            yield _sheet(f"worst-{label}", title, examples)
    yield _sheet("samples", f"Sample predictions ({judgement.part})", judgement.sample)


def _sheet(name: str, title: str, examples: list[Example]) -> Plot:
    captions = [
        f"{each.said} {each.confidence:.0%}" + ("" if each.right else f"\nlabelled {each.truth}")
        for each in examples
    ]
    return plot_sheet(name, title, np.stack([each.picture for each in examples]), captions)
