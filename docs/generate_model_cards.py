"""Write a card beside every model that ships: what it is, what it reaches, where it fails.

Each model is measured with the device's own code, balanced as the device balances: on FER2013's
test half, by FER2013's labels and by what most of ten people saw, and on photographs of people.
`--check` only says whether the cards are of the models that ship.
The one accuracy of each, which commands show, goes to figures.json beside them.
"""

import argparse
import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from fer_edge.assemble.baselines import balance_of, make_weighing
from fer_edge.assemble.parts import make_detector
from fer_edge.commands.evaluate import Evaluation, evaluate
from fer_edge.commands.people import YARDSTICKS as YARDSTICKS_OF_PEOPLE
from fer_edge.commands.people import (
    Known,
    PeopleEvaluation,
    judge_people,
    look,
    read_people,
)
from fer_edge.models import open_model, shipped_models
from fer_edge.models.card import FIGURES, YARDSTICK, CardFigures
from fer_edge.pipeline.protocols import Detector
from fer_edge.settings import DetectorSettings, ExpressionSettings, Settings
from fer_edge.shared.data.ferplus import read_majority
from fer_edge.shared.data.labelled import LabelledPictures
from fer_edge.shared.data.pictures import pixel_digest
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.model.model_file import ModelFile
from fer_edge.shared.records import Face, GreyImage
from fer_edge.state.machine import System, cpu_model

ROOT: Final = Path(__file__).resolve().parent.parent
MODELS: Final = ROOT / "edge" / "fer_edge" / "models"
_CALLS: Final = 400
_MISUSE: Final = """\
Not for decisions about people: not hiring, grading, credit, policing, diagnosis, or finding out who
lies. What a face shows differs between people and occasions. It was not tested for differences
between groups of people, for which its training pictures have no labels; assume that there are
some. In the EU, inferring emotions at work and in education is banned (Regulation 2024/1689,
article 5). Tell the people whom a camera sees."""


def judge(model: ModelFile, data: Path) -> dict[str, Evaluation]:
    """Return the model's figures on the test half, by who says what is true."""
    classifier = LitertClassifier(model)
    weighing = make_weighing(Settings(), model.contract)
    balance = balance_of(ExpressionSettings(), model.contract)
    truths = {
        "FER2013's label": None,
        "most of ten people": read_majority(data / "ferplus_votes.csv"),
    }
    with LabelledPictures(data / "fer2013.zip") as pictures:
        found = {
            f"{truth}{', without copies' if apart else ''}": evaluate(
                pictures,
                classifier,
                truth=votes,
                without_copies=apart,
                weighing=weighing,
                balance=balance,
            )
            for truth, votes in truths.items()
            for apart in (False, True)
        }
        own = own_truth(model)
        found[f"{own}, as the network answers"] = evaluate(pictures, classifier, truth=truths[own])
    return found


class SearchedOnce:
    """A search that remembers what it has found: each model reads the same photographs."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._found: dict[bytes, list[Face]] = {}

    def detect(self, grey: GreyImage) -> list[Face]:
        """Return the faces of a picture."""
        key = pixel_digest(grey)
        if key not in self._found:
            self._found[key] = self._detector.detect(grey)
        return self._found[key]


def judge_photographs(
    model: ModelFile, data: Path, detector: Detector
) -> dict[Known, PeopleEvaluation]:
    """Return the model's figures on whole photographs of acting people, by what is known of them.

    Empty where there are no such photographs.
    """
    if not (data / "people").is_dir():
        return {}
    settings, contract = Settings(), model.contract
    rows = [
        one for one in read_people(data / "people" / "people.csv") if one.file.startswith("acted/")
    ]
    seen, _ = look(
        data / "people" / "acted.zip",
        rows,
        detector,
        LitertClassifier(model),
    )
    weighing = make_weighing(settings, contract)
    balance = balance_of(settings.expression, contract)
    identity = contract.labels, contract.flatbuffer_sha256
    return {
        known: judge_people(seen, weighing, baseline=known, balance=balance, model=identity)
        for known in YARDSTICKS_OF_PEOPLE
    }


YARDSTICKS: Final = {
    "FER2013's label": "FER2013's labels",
    "most of ten people": "what most of ten people saw (FER+)",
}


def own_truth(model: ModelFile) -> str:
    """Return which of the truths is the one that the model was trained towards."""
    votes = model.contract.provenance["data"].get("votes")
    return "most of ten people" if votes else "FER2013's label"


def figures(model: ModelFile, results: Mapping[str, Evaluation]) -> CardFigures:
    """Return the model's one accuracy, which every command and page shows."""
    own = results[own_truth(model)]
    low, high = own.accuracy_interval
    return CardFigures(
        n=own.n,
        accuracy=round(own.accuracy, 6),
        accuracy_interval=(round(low, 6), round(high, 6)),
        macro_recall=round(own.macro_recall, 6),
        calibration_error=round(own.calibration_error, 6),
        yardstick=YARDSTICKS[own_truth(model)],
    )


def milliseconds(model: ModelFile) -> float:
    """Return the median time of one face on this machine, one thread, from pixels to answer."""
    classifier = LitertClassifier(model)
    given = model.contract.input
    pixels = np.random.default_rng(0).integers(0, 256, (given.height, given.width)).astype(np.uint8)
    times = []
    for _ in range(_CALLS):
        began = time.perf_counter()
        classifier.predict(pixels)
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def card(
    name: str,
    model: ModelFile,
    results: Mapping[str, Evaluation],
    photographs: Mapping[Known, PeopleEvaluation],
) -> Iterator[str]:
    """Yield a model card, part by part."""
    contract, provenance = model.contract, model.contract.provenance
    data, split = provenance["data"], provenance["split"]
    truth = own_truth(model)
    own = results[truth]
    votes = data.get("votes")
    yield f"# {name}\n\nMade by `docs/generate_model_cards.py`; do not edit.\n"
    labelled = "ten people's votes (FER+), as shares" if votes else "FER2013's own labels"
    yield _table(
        ("", ""),
        [
            ("says", ", ".join(contract.labels)),
            ("given", f"a frontal face, {contract.input.width}x{contract.input.height} grey"),
            ("file", f"{Path(model.path).stat().st_size:,} bytes, int8 in and out"),
            ("identity", f"sha256 `{model.sha256}`"),
            ("network", f"recipe `{provenance['recipe']}`, {provenance['epochs']} epochs"),
            ("trained on", f"{split['train']:,} pictures of `{data['name']}`, {labelled}"),
            ("set aside", f"{split['val']:,} for validation, none of which is among these"),
            *_besides(provenance),
            (
                "revision",
                f"`{provenance['git_revision'][:12]}`, seed {provenance['training_seed']}",
            ),
            ("licence", f"{contract.licence} (the weights; the pictures are not in them)"),
            ("time", f"{milliseconds(model):.2f} ms a face: {cpu_model(System())}, one thread"),
        ],
    )
    yield "## What it reaches\n"
    yield (
        f"**{figures(model, results)}**, on {own.n:,} pictures of FER2013's PublicTest half, int8, "
        f"one crop.\nThat is the figure which every page and command quotes: {YARDSTICK}, balance "
        f"{own.balance:g}.\n"
    )
    yield _table(
        ("true is", "pictures", "accuracy", "95 % interval", "macro recall", "calibration error"),
        [
            (
                name, f"{one.n:,}", f"{one.accuracy:.1%}", _interval(one.accuracy_interval),
                f"{one.macro_recall:.1%}", f"{one.calibration_error:.1%}",
            )
            for name, one in results.items()
        ],
    )  # fmt: skip
    yield (
        "*Most of ten people*: the expression with strictly the most, and at least five, of their "
        "votes.\n*Copies*: test pictures that have the very pixels of a training picture.\n"
    )
    if photographs:
        yield from _photographs(photographs)
    precision = own.confusion.diagonal() / np.maximum(1, own.confusion.sum(axis=0))
    yield f"By class ({truth}):\n"
    yield _table(
        ("class", "pictures", "recall", "95 % interval", "precision", "mostly taken for"),
        [
            (
                label, str(int(own.confusion[i].sum())), f"{own.recall[label]:.1%}",
                _interval(own.recall_intervals[label]), f"{precision[i]:.1%}", _taken_for(own, i),
            )
            for i, label in enumerate(own.labels) if label in own.recall
        ],
    )  # fmt: skip
    rare = [label for i, label in enumerate(own.labels) if own.confusion[i].sum() < 0.03 * own.n]
    if rare:
        yield (
            f"Rare: {', '.join(rare)}. Under 3 % of the pictures show it, in training too; "
            "their recall says little.\n"
        )
    changed = provenance["conversion"]["metrics"]["int8"]["against_float32"]
    yield (
        f"Int8 says the same as float for {changed['agreement']:.1%} of the pictures. Confidence "
        f"was calibrated on the validation pictures: temperature {contract.output.temperature:g}. "
        f"On video a label is given from a probability of {contract.least_probability:g} on; "
        "below it the expression is uncertain.\n"
    )
    yield f"## Intended use\n\n{contract.intended_use}\n"
    yield f"## Known failures\n\n{contract.limits}\n"
    yield (
        "Blur, noise, little light, small faces and what is no face at all are measured in "
        "`docs/log/models.md`.\n"
    )
    yield f"## Misuse\n\n{_MISUSE}\n"


def _besides(provenance: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Say what else the weights come from than the pictures with labels."""
    if begun := provenance.get("init_from"):
        for each in (begun, *begun.get("beside", ())):
            yield "begun with", f"`{each['run']}` (sha256 `{each['sha256'][:12]}`)"
    if teachers := provenance.get("teachers"):
        yield "taught by", ", ".join(map(_short, teachers))
    if faces := provenance.get("unlabelled"):
        even = f", {faces['read_evenly']:,} of them covered" if faces.get("read_evenly") else ""
        yield "faces without labels", f"{faces['pictures']:,} of `{faces['name']}`{even}"
    if blend := provenance.get("blend"):
        yield "mixed", f"{blend['share']:.0%} of the answer is that of the head `{blend['with']}`"


def _photographs(results: Mapping[Known, PeopleEvaluation]) -> Iterator[str]:
    first = next(iter(results.values()))
    yield (
        f"On {first.n:,} photographs of {len(set(first.people))} people who act expressions, each "
        "through the search (Haar):\n"
    )
    yield _table(
        ("yardstick", "accuracy", "95 % interval, people drawn anew", "macro recall"),
        [
            (
                YARDSTICKS_OF_PEOPLE[known], f"{one.accuracy:.1%}",
                _interval(one.accuracy_interval()), f"{one.macro_recall:.1%}",
            )
            for known, one in results.items()
        ],
    )  # fmt: skip
    yield (
        "The strength of the baseline was chosen on these people; see "
        "`docs/decisions/0020-baselines.md`.\n"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _interval(ends: tuple[float, float] | None) -> str:
    return "-" if ends is None else f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f}"


def _short(teacher: str) -> str:
    name, _, digest = teacher.partition(", sha256 ")
    return f"`{name}` (sha256 `{digest[:12]}`)"


def _taken_for(result: Evaluation, row: int) -> str:
    wrong = result.confusion[row].copy()
    wrong[row] = 0
    most = int(wrong.argmax())
    return f"{result.labels[most]} ({int(wrong[most])})" if wrong[most] else "-"


def is_of(name: str, model: ModelFile) -> bool:
    """Return whether the card beside a model is this model's."""
    path = MODELS / f"{name}.md"
    return path.is_file() and model.sha256 in path.read_text("utf-8")


def main() -> None:
    """Write or check the cards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        default=ROOT.parent / "shared" / "data",
        help="folder with fer2013.zip (class folders in train and test) and ferplus_votes.csv",
    )
    parser.add_argument("--check", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    models: dict[str, Any] = {name: open_model(name) for name in shipped_models()}
    if arguments.check:
        stale = [name for name, model in models.items() if not is_of(name, model)]
        sys.exit(f"not of the model that ships: the card of {', '.join(stale)}" if stale else 0)
    told: dict[str, Any] = {}
    detector = SearchedOnce(make_detector(DetectorSettings(kind="haar")))
    for name, model in models.items():
        results = judge(model, arguments.data)
        told[model.sha256] = dataclasses.asdict(figures(model, results))
        (MODELS / f"{name}.md").write_text(
            "\n".join(
                card(name, model, results, judge_photographs(model, arguments.data, detector))
            ),
            encoding="utf-8",
        )
        sys.stderr.write(f"wrote {name}.md\n")
    FIGURES.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
