"""The gate: is a converted network still as good as the one that was trained, tested in pairs?"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fer_convert.judgement.comparison import Answers
from fer_edge.shared import chance
from fer_edge.shared.data.samples import Samples
from fer_edge.shared.errors import GateError
from fer_edge.shared.scores import Scores, score
from fer_edge.shared.statistics import PairedTest, paired_test

ACCURACY_KEPT: Final = 0.99
"""Of float32's accuracy. Source: MLPerf Inference rules, the quality target of 99 %."""

RECALL_LOST: Final = 0.03
"""A class may lose as much; more, and beyond what chance explains, is a failure."""

LEAST_PICTURES: Final = 100
"""With fewer, a single picture is more than the one per cent that the gate is about."""


_FIX_POOR: Final = (
    "check --pixels, the order of the labels and the pictures, train again, or say --accept-poor"
)
_FLOAT32: Final = "float32"
_CONVERTED: Final = "the converted network"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says of one model.

    Attributes:
        kept: The model's accuracy as a share of float32's.
        paired: All pictures, model against float32.
        classes: The same, class by class.
        failures: What is worse than allowed.
        poor: What is wrong with float32 itself, which no conversion mends.
        unmeasured: What could not be measured; nothing passes unmeasured.
    """

    kept: float
    paired: PairedTest
    classes: dict[str, PairedTest]
    failures: tuple[str, ...]
    unmeasured: tuple[str, ...]
    poor: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything was measured, and nothing is worse than allowed."""
        return not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it has not passed."""
        return (*self.poor, *self.failures, *self.unmeasured)

    @property
    def word(self) -> str:
        """The verdict in a word or two."""
        if self.poor or self.failures:
            return "not passed"
        return "not measured" if self.unmeasured else "passed"

    def to_json(self) -> dict[str, Any]:
        """Return what reports and contracts record."""
        return {
            "verdict": self.word,
            "accuracy_kept": round(self.kept, 6) if math.isfinite(self.kept) else None,
            "least_kept": ACCURACY_KEPT,
            "recall_loss_allowed": RECALL_LOST,
            "mcnemar": self.paired.to_json(),
            "by_class": {label: test.to_json() for label, test in self.classes.items()},
            "failures": [*self.poor, *self.failures],
            "unmeasured": list(self.unmeasured),
        }


def judge(reference: Answers, answers: Answers, samples: Samples) -> Verdict:
    """Judge a model by its answers.

    It passes if float32 itself is better than chance, if its accuracy is at least `ACCURACY_KEPT`
    of float32's, and if of no class the whole 95 % interval of the loss of recall lies beyond
    `RECALL_LOST`. A class without pictures, too few pictures, or answers that are no numbers leave
    it unmeasured.

    Args:
        reference: float32's answers.
        answers: The model's, to the same pictures.
        samples: The pictures, held out from training and calibration.
    """
    before, after = (given.chosen == samples.labels for given in (reference, answers))
    paired = paired_test(before, after)
    classes = {
        label: paired_test(before[own], after[own])
        for label, own in (
            (label, samples.labels == index) for index, label in enumerate(answers.labels)
        )
        if own.any()
    }
    right = float(before.mean()) if len(samples) else 0.0
    kept = float(after.mean()) / right if right else math.nan
    return Verdict(
        kept=kept,
        paired=paired,
        classes=classes,
        failures=(*_failures(kept, classes), *_one_label(reference, answers, samples)),
        unmeasured=tuple(_unmeasured(reference, answers, samples, kept)),
        poor=find_poor(reference, samples),
    )


def find_poor(reference: Answers, samples: Samples) -> tuple[str, ...]:
    """Say in capitals that float32's answers have nothing to do with the pictures, if so.

    Returns:
        Nothing where the 95 % interval of the accuracy lies above chance, see `shared.chance`.
    """
    return chance.find_poor(_scores(reference, samples), who=_FLOAT32)


def find_remarks(reference: Answers, samples: Samples) -> tuple[str, ...]:
    """Return `find_poor`, and else that the commonest label alone would do as well as float32."""
    return chance.find_remarks(_scores(reference, samples), who=_FLOAT32)


def _scores(answers: Answers, samples: Samples) -> Scores:
    return score(samples.labels, answers.chosen, answers.labels)


def _failures(kept: float, classes: dict[str, PairedTest]) -> Iterator[str]:
    if kept < ACCURACY_KEPT:
        yield f"keeps {kept:.2%} of float32's accuracy, at least {ACCURACY_KEPT:.0%} wanted"
    for label, test in classes.items():
        if -test.interval.high > RECALL_LOST:
            yield (
                f"{label} loses {-test.difference * 100:.1f} points of recall "
                f"({-test.interval.high * 100:.1f} to {-test.interval.low * 100:.1f} with 95 % "
                f"confidence), at most {RECALL_LOST * 100:.0f} allowed"
            )


def _one_label(reference: Answers, answers: Answers, samples: Samples) -> tuple[str, ...]:
    """Say that the conversion has left nothing of a network that was of use, if so."""
    if find_poor(reference, samples):
        return ()
    return chance.find_poor(_scores(answers, samples), who=_CONVERTED)


def _unmeasured(
    reference: Answers, answers: Answers, samples: Samples, kept: float
) -> Iterator[str]:
    if len(samples) < LEAST_PICTURES:
        yield f"{len(samples)} held-out pictures, at least {LEAST_PICTURES} wanted"
    missing = [label for label, n in samples.counts(answers.labels).items() if n == 0]
    if missing:
        yield "no held-out picture of " + ", ".join(missing)
    if reference.no_numbers or answers.no_numbers:
        yield "answers that are no numbers"
    if not math.isfinite(kept):
        yield "float32 gives no picture its own label"


def check_gate(
    verdicts: Mapping[str, Verdict],
    *,
    poor: Sequence[str] = (),
    accept_unmeasured: bool = False,
    accept_poor: bool = False,
) -> None:
    """Refuse what has not passed.

    Args:
        verdicts: By target; float32 is not among them.
        poor: What is wrong with float32 itself.
        accept_unmeasured: Let pass what could not be measured, but is not known to be worse.
        accept_poor: Let pass what is as poor as float32, but no poorer.

    Raises:
        GateError: A model has not passed.
    """
    for target, verdict in verdicts.items():
        wrong = [*([] if accept_poor else verdict.poor), *verdict.failures]
        if not wrong and (accept_unmeasured or not verdict.unmeasured):
            continue
        raise GateError(
            f"{target} has {verdict.word} the gate: {'; '.join(verdict.reasons)}"
            if wrong
            else f"the gate could not measure {target}: {'; '.join(verdict.unmeasured)}",
            expected=f"{ACCURACY_KEPT:.0%} of float32's accuracy, and no class that loses more "
            f"than {RECALL_LOST * 100:.0f} points of recall beyond its interval",
            fix=_fix(verdict, accept_poor=accept_poor),
        )
    if poor and not accept_poor:
        raise GateError(
            f"float32 has not passed the gate: {'; '.join(poor)}",
            expected="answers that have to do with the pictures",
            fix=_FIX_POOR,
        )


def _fix(verdict: Verdict, *, accept_poor: bool) -> str:
    if verdict.poor and not accept_poor:
        return _FIX_POOR
    if verdict.failures:
        return "try --rescue, or other pictures with --calibration-data"
    return "hold out more pictures in training, or say --accept-unmeasured"
