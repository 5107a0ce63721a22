"""What it is worth to know a person: answers as they are, balanced, and relative to a baseline.

Photographs of `people/` go through the device's own search and networks; a face that is not found
is wrong. `one neutral` knows one other neutral photograph of the person (the mean over all of
them), `participant` all of them, `track` every other photograph, unnamed, as `fer-edge evaluate
--people` says. Each is judged by the expression that was acted, and by what most viewers saw.
"""

import argparse
import csv
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from real_data import ROOT, report, require_data

from fer_edge.assemble.baselines import balance_of, make_weighing
from fer_edge.assemble.parts import make_detector
from fer_edge.commands.people import (
    Photograph,
    Seen,
    judge_people,
    read_people,
)
from fer_edge.models import open_model, shipped_models
from fer_edge.settings import ExpressionSettings, Settings, resolve
from fer_edge.shared.data.opening import open_container
from fer_edge.shared.data.pictures import decode_grey
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.terminal.tables import format_table
from fer_edge.stages.baseline import NEUTRAL, RestingFace, Weighing, logarithms

ACTED: Final = "acted/"
MOST: Final = 0.5
"""Share of the viewers from which an expression is what most saw."""
SEEN: Final = "seen_"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--model", action="append", help="name or file; by default all that ship")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser.parse_args()


def look_with_all(
    folder: Path, photographs: Sequence[Photograph], models: Sequence[str], settings: Settings
) -> dict[str, list[Seen]]:
    """Search each photograph once, and let every model read the surest face."""
    classifiers = {name: LitertClassifier(open_model(name)) for name in models}
    detector = make_detector(settings.detector)
    seen: dict[str, list[Seen]] = {name: [] for name in models}
    with open_container(folder / "acted.zip") as files:
        for one in photographs:
            grey = decode_grey(files.read(one.file), where=one.file)
            faces = detector.detect(grey)[:1]
            for name, classifier in classifiers.items():
                said = classifier.classify(grey, faces)
                seen[name].append(Seen(one, said[0] if said else None))
    return seen


def most_saw(table: Path) -> dict[str, str]:
    """Return the expression that most viewers saw, by file."""
    found = {}
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            shares = {
                name.removeprefix(SEEN): float(value)
                for name, value in row.items()
                if name.startswith(SEEN) and value
            }
            best = max(shares, key=shares.__getitem__, default="")
            if best and shares[best] >= MOST:
                found[row["file"]] = best
    return found


def relabelled(seen: Sequence[Seen], truth: Mapping[str, str]) -> list[Seen]:
    """Return the photographs under what viewers saw; neutral ones, of which they saw none, stay."""
    return [
        dataclasses.replace(
            one,
            photograph=dataclasses.replace(
                one.photograph,
                expression=NEUTRAL
                if one.photograph.expression == NEUTRAL
                else truth.get(one.photograph.file, ""),
            ),
        )
        for one in seen
    ]


def one_neutral(seen: Sequence[Seen], weighing: Weighing, labels: Sequence[str]) -> dict[str, Any]:
    """Return the figures where one other neutral photograph is known, over all choices of it."""
    right: dict[str, list[float]] = {}
    for one in seen:
        expression = one.photograph.expression
        if expression not in labels:
            continue
        rests = [
            other.said
            for other in seen
            if other is not one
            and other.said is not None
            and (other.photograph.person, other.photograph.expression)
            == (one.photograph.person, NEUTRAL)
        ]
        right.setdefault(expression, []).append(_share_right(one, rests, weighing))
    recall = {label: float(np.mean(some)) for label, some in right.items()}
    return {
        "n": sum(map(len, right.values())),
        "accuracy": float(np.mean([value for some in right.values() for value in some])),
        "macro_recall": float(np.mean(list(recall.values()))),
        "recall": recall,
    }


def _share_right(one: Seen, rests: Sequence[Any], weighing: Weighing) -> float:
    if one.said is None:
        return 0.0
    if not rests:
        return float(weighing.by_priors(one.said).label == one.photograph.expression)
    given = []
    for rest in rests:
        estimate = RestingFace()
        estimate.add(logarithms(rest), 1.0)
        given.append(weighing.answer(one.said, estimate.mean, at_rest=True).label)
    return given.count(one.photograph.expression) / len(given)


def measure(
    seen: Sequence[Seen], model: str, settings: Settings, expression: ExpressionSettings
) -> dict[str, Any]:
    """Return the figures of one model under one balance, by what is known of the people."""
    contract = open_model(model).contract
    balance = balance_of(expression, contract)
    weighing = make_weighing(dataclasses.replace(settings, expression=expression), contract)
    result: dict[str, Any] = {"balance": balance}
    for known in ("none", "participant", "track"):
        judged = judge_people(
            seen,
            weighing,
            baseline=known,
            balance=balance,
            model=(contract.labels, contract.flatbuffer_sha256),
        )
        result[known] = judged.to_json()
    result["one neutral"] = one_neutral(seen, weighing, contract.labels)
    return result


WAYS: Final = ("none", "one neutral", "participant", "track")


def as_text(results: Mapping[str, Any]) -> str:
    """Return a table over all models, and one by expression for each."""
    parts = []
    for truth in ("acted", "seen"):
        rows = [
            [
                model,
                f"{found['balance']:g}",
                *(f"{found[w]['accuracy']:.1%} / {found[w]['macro_recall']:.1%}" for w in WAYS),
            ]
            for model, by_truth in results["models"].items()
            for found in by_truth[truth]
        ]
        n = next(iter(results["models"].values()))[truth][0]["none"]["n"]
        head = ["accuracy / macro recall", "balance", *WAYS]
        parts.append(f"{TRUTHS[truth]}, {n} photographs\n" + format_table(head, rows))
    for model, by_truth in results["models"].items():
        found = by_truth["acted"][-1]
        rows = [
            [label, *(f"{found[way]['recall'].get(label, 0.0):.1%}" for way in WAYS)]
            for label in found["none"]["recall"]
        ]
        head = ["recall", *WAYS]
        parts.append(f"{model}, by the expression acted\n" + format_table(head, rows))
    return "\n\n".join(parts)


TRUTHS: Final = {
    "acted": "by the expression that was acted",
    "seen": "by what most viewers saw (neutral: as acted)",
}


def main() -> None:
    arguments = parse()
    folder = require_data(arguments.data / "people")
    given = dict(text.split("=", 1) for text in arguments.set)
    settings = resolve(flags=given, environment={}, file={}).settings
    models = arguments.model or shipped_models()
    rows = [one for one in read_people(folder / "people.csv") if one.file.startswith(ACTED)]
    seen = look_with_all(folder, rows, models, settings)
    viewers = most_saw(folder / "people.csv")
    results: dict[str, Any] = {"models": {}}
    for model in models:
        results["models"][model] = {
            truth: [
                measure(
                    seen[model] if truth == "acted" else relabelled(seen[model], viewers),
                    model,
                    settings,
                    expression,
                )
                for expression in (ExpressionSettings(balance=0.0), settings.expression)
            ]
            for truth in TRUTHS
        }
    report(arguments, results, as_text(results))


if __name__ == "__main__":
    main()
