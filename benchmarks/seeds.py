"""What a seed does: converted runs that differ in the seed of their training alone.

Takes model files; those of one recipe, label set and length make a group, with teachers or without,
of which mean and range are said. Each is judged with the device's own code on FER2013's test half:
by FER2013's labels, or by what most of ten people saw where it learnt from votes. Validation is
float32, as the trainer measured it, and int8 minus float the converter's, on all test pictures;
both stand in the file.
"""

import argparse
import itertools
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from real_data import ROOT, report, require_data

from fer_edge.commands.evaluate import evaluate
from fer_edge.models import open_model
from fer_edge.shared.data.ferplus import read_majority
from fer_edge.shared.data.labelled import LabelledPictures
from fer_edge.shared.errors import FerError
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.terminal.tables import format_table

HEAD: Final = (
    "model, epochs", "seed", "validation", "test", "95 % interval", "without copies",
    "macro recall", "calibration error", "int8 - float",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judged:
    """What one seed came to; shares of 1, `lost` is int8 minus float."""

    name: str
    votes: bool
    taught: bool
    epochs: int
    seed: int
    validation: float
    accuracy: float
    accuracy_interval: tuple[float, float]
    without_copies: float
    macro_recall: float
    calibration_error: float
    lost: float

    @property
    def group(self) -> tuple[str, bool, bool, int]:
        """What the seeds of one group have in common."""
        return self.name, self.votes, self.taught, self.epochs


def judge(file: str, data: Path) -> Judged:
    """Measure a model on the test half; what else is needed stands in its file."""
    model = open_model(file)
    classifier = LitertClassifier(model)
    given = model.contract.provenance
    truth = read_majority(data / "ferplus_votes.csv") if given["data"].get("votes") else None
    with LabelledPictures(data / "fer2013.zip") as pictures:
        whole = evaluate(pictures, classifier, truth=truth)
        apart = evaluate(pictures, classifier, truth=truth, without_copies=True)
    measured = given["conversion"]["metrics"]
    return Judged(
        name=given["recipe"],
        votes=truth is not None,
        taught=bool(given["teachers"]),
        epochs=given["epochs"],
        seed=given["training_seed"],
        validation=given["float_metrics"]["validation"]["accuracy"],
        accuracy=whole.accuracy,
        accuracy_interval=whole.accuracy_interval,
        without_copies=apart.accuracy,
        macro_recall=whole.macro_recall,
        calibration_error=whole.calibration_error,
        lost=measured["int8"]["accuracy"] - measured["float32"]["accuracy"],
    )


def rows(group: Sequence[Judged]) -> Iterator[tuple[str, ...]]:
    """Yield a line for each seed, and two for all of them."""
    title = f"{group[0].name}, {group[0].epochs}{', taught' if group[0].taught else ''}"
    for place, one in enumerate(group):
        low, high = one.accuracy_interval
        yield (
            "" if place else title, str(one.seed), f"{one.validation:.1%}",
            f"{one.accuracy:.1%}", f"{100 * low:.1f} to {100 * high:.1f}",
            f"{one.without_copies:.1%}", f"{one.macro_recall:.1%}", f"{one.calibration_error:.1%}",
            f"{100 * one.lost:+.2f}",
        )  # fmt: skip
    if len(group) > 1:
        columns = [
            [100 * getattr(one, name) for one in group]
            for name in ("validation", "accuracy", "without_copies", "macro_recall",
                         "calibration_error", "lost")
        ]  # fmt: skip
        means = [f"{statistics.mean(column):.1f}%" for column in columns[:-1]]
        means.append(f"{statistics.mean(columns[-1]):+.2f}")
        spreads = [f"{max(column) - min(column):.1f}" for column in columns[:-1]]
        spreads.append(f"{max(columns[-1]) - min(columns[-1]):.2f}")
        yield ("", "mean", *means[:2], "", *means[2:])
        yield ("", "highest - lowest", *spreads[:2], "", *spreads[2:])


def main() -> None:
    """Judge the files, group by group."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", metavar="FILE", help="a model file, or a shipped name")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    require_data(arguments.data / "fer2013.zip")
    judged = []
    for file in arguments.files:
        try:
            judged.append(judge(file, arguments.data))
        except FerError as error:
            sys.exit(str(error))
        except KeyError as error:
            sys.exit(f"{file} does not say its {error}; name what fer-convert made of a run")
    judged.sort(key=_order)
    groups = [list(group) for _, group in itertools.groupby(judged, key=lambda one: one.group)]
    lines = [line for group in groups for line in rows(group)]
    report(arguments, {"models": [asdict(one) for one in judged]}, format_table(HEAD, lines))


def _order(one: Judged) -> tuple[str, bool, bool, int, int]:
    return *one.group, one.seed


if __name__ == "__main__":
    main()
