"""Runs beside each other: the record, as text and as one page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fer_edge.shared.report.colours import SERIES
from fer_edge.shared.report.page import page, paragraph, table
from fer_edge.shared.report.plot import Plot, around, linear, plots
from fer_edge.shared.scores import Scores
from fer_edge.shared.statistics import PairedTest
from fer_edge.shared.terminal.tables import format_table
from fer_trainer.run.history import best_validation

CHANCE: Final = 0.05
"""A smaller p-value is called a difference."""

_CURVES: Final = (
    ("val_accuracy", "Accuracy in validation", "accuracy (%)", 100.0),
    ("val_loss", "Loss in validation", "loss (nats)", 1.0),
    ("accuracy", "Accuracy in training, of augmented pictures", "accuracy (%)", 100.0),
    ("loss", "Loss in training, of augmented pictures", "loss (nats)", 1.0),
)
_RUNS: Final = (
    "run", "recipe", "data", "state", "epochs", "best validation", "parameters", "judged on",
    "accuracy", "95 % interval", "macro recall",
)  # fmt: skip
_TESTS: Final = (
    "against the first", "pictures", "points", "95 % interval", "only the first right",
    "only this right", "p (McNemar)",
)  # fmt: skip
_WORDS: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class ComparedRun:
    """One of the runs.

    Attributes:
        name: For people; no other run of the comparison has it.
        recipe: Its recipe's name.
        data: Name of the data set; "" where the run has not recorded it.
        state: "finished" or "unfinished".
        epochs_wanted: By the recipe.
        parameters: Of the network.
        history: The columns of `history.csv`.
        part: What it was judged on: "test", or "validation" where there is no test.
        scores: On that; None where the run is unfinished.
    """

    name: str
    recipe: str
    data: str
    state: str
    epochs_wanted: int
    parameters: int
    history: Mapping[str, Sequence[float]]
    part: str
    scores: Scores | None

    @property
    def epochs(self) -> int:
        """Done."""
        return len(self.history.get("epoch", ()))

    def to_json(self) -> dict[str, Any]:
        """Return the figures, rounded to four places."""
        best, scores = best_validation(self.history), self.scores
        return {
            "run": self.name,
            "recipe": self.recipe,
            "data": self.data,
            "state": self.state,
            "epochs": self.epochs,
            "epochs_wanted": self.epochs_wanted,
            "best_epoch": best[0] if best else None,
            "best_accuracy": best[1] if best else None,
            "parameters": self.parameters,
            "part": self.part if scores else None,
            "n": scores.n if scores else None,
            "accuracy": round(scores.accuracy, 4) if scores else None,
            "accuracy_interval": scores.accuracy_interval.rounded(4) if scores else None,
            "macro_recall": round(scores.macro_recall, 4) if scores else None,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Runs, and tests in pairs.

    Attributes:
        runs: In the order in which they were named.
        tests: Each run against the first, on the pictures that both were judged on, by name.
        untested: Why there is no test, by the run's name.
    """

    runs: Sequence[ComparedRun]
    tests: Mapping[str, PairedTest]
    untested: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return runs and tests."""
        return {
            "runs": [run.to_json() for run in self.runs],
            "against": self.runs[0].name,
            "tests": {name: {"n": t.n, **t.to_json()} for name, t in self.tests.items()},
            "untested": dict(self.untested),
        }


def format_comparison(comparison: Comparison) -> str:
    """Return the tables as text, and what they say in words."""
    parts = [format_table(_RUNS, _run_rows(comparison.runs))]
    if comparison.tests:
        parts.append(format_table(_TESTS, _test_rows(comparison)))
    return "\n\n".join([*parts, "\n".join(say_tests(comparison))])


def render_comparison(comparison: Comparison) -> str:
    """Return the page: well-formed, without any reference to the outside."""
    names = ", ".join(run.name for run in comparison.runs)
    tests = [table(_TESTS, _test_rows(comparison))] if comparison.tests else []
    return page(
        f"{names}: compared",
        heading="Training runs compared",
        lead=names,
        sections=(
            ("runs", "Runs", [
                *map(paragraph, say_tests(comparison)),
                table(_RUNS, _run_rows(comparison.runs), words=_WORDS),
            ]),
            ("curves", "Curves", _draw_curves(comparison.runs)),
            ("test", "On the same pictures", [
                *tests,
                *(paragraph(f"{name} was not tested: {why}.", kind="note")
                  for name, why in comparison.untested.items()),
                paragraph(
                    "McNemar's exact test in pairs: of the pictures on which only one of the two "
                    "is right, how often chance alone would part them at least so far. Each test "
                    "stands by itself: of twenty runs that are equally good, one is told apart. "
                    "Other seeds of one recipe differ, too; two runs say nothing of two recipes."
                ),
            ]),
        ),
    )  # fmt: skip


def say_tests(comparison: Comparison) -> Iterator[str]:
    """Say in words what the tests came to, a sentence each."""
    first = comparison.runs[0].name
    for name, test in comparison.tests.items():
        low, high = (f"{100 * end:+.1f}" for end in test.interval)
        figures = f"{100 * test.difference:+.1f} points ({low} to {high}), p = {test.p_value:.3g}"
        if test.p_value >= CHANCE:
            yield f"{name} and {first} cannot be told apart: {figures}."
        else:
            word = "better" if test.won > test.lost else "worse"
            yield f"{name} is {word} than {first}: {figures}."
    for name, why in comparison.untested.items():
        yield f"{name} was not tested against {first}: {why}."


def _run_rows(runs: Sequence[ComparedRun]) -> list[list[str]]:
    rows = []
    for run in runs:
        best, scores = best_validation(run.history), run.scores
        judged = ["-", "-", "", "-"]
        if scores is not None:
            low, high = scores.accuracy_interval
            judged = [
                f"{run.part}, {scores.n:,}",
                f"{scores.accuracy:.1%}",
                f"{100 * low:.1f} to {100 * high:.1f}",
                f"{scores.macro_recall:.1%}",
            ]
        rows.append([
            run.name, run.recipe, run.data or "-", run.state,
            f"{run.epochs} of {run.epochs_wanted}",
            f"{best[1]:.1%} at {best[0]}" if best else "-",
            f"{run.parameters:,}",
            *judged,
        ])  # fmt: skip
    return rows


def _test_rows(comparison: Comparison) -> list[list[str]]:
    return [
        [
            name,
            f"{test.n:,}",
            f"{100 * test.difference:+.1f}",
            f"{100 * test.interval.low:+.1f} to {100 * test.interval.high:+.1f}",
            f"{test.lost:,}",
            f"{test.won:,}",
            f"{test.p_value:.3g}",
        ]
        for name, test in comparison.tests.items()
    ]


def _draw_curves(runs: Sequence[ComparedRun]) -> list[str]:
    drawn = []
    for column, title, unit, factor in _CURVES:
        lines = {
            run.name: [
                (epoch, factor * value)
                for epoch, value in zip(run.history["epoch"], run.history[column], strict=True)
            ]
            for run in runs
            if run.history.get(column)
        }
        if not lines:
            continue
        points = [point for line in lines.values() for point in line]
        last = max(epoch for epoch, _ in points)
        plot = Plot(title, linear("epoch", 1, max(2, last)), around(unit, (y for _, y in points)))
        for number, run in enumerate(runs):
            if run.name in lines:
                line, colour = lines[run.name], SERIES[number % len(SERIES)]
                dashed = number >= len(SERIES)
                plot.line(line, colour, name=run.name, dashed=dashed, marked=len(line) < 20)
        drawn.append(plot)
    return [plots(*drawn)] if drawn else [paragraph("No epoch has ended yet.", kind="note")]
