"""Which model is right more often about natural pictures: what chooses the default.

Three sorts of evidence, none of which trained or chose a network: uncropped photographs with one
labelled expression, read as `fer-edge classify` reads them (a face that is not found counts as
wrong); other projects' own test pictures with the expression that they expect; and FER2013's test
half, judged by the seven expressions that both label sets have, once by what most of ten people
saw (FER+) and once by FER2013's own label, on the same pictures for all models. Pictures that are
copies of training pictures are left out there.
"""

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from real_data import ROOT, report, require_data

from fer_edge.models import open_model, shipped_models
from fer_edge.shared.data.ferplus import read_majority
from fer_edge.shared.data.labelled import LabelledPictures
from fer_edge.shared.data.pictures import decode_grey, read_grey
from fer_edge.shared.faces.haar import HaarDetector
from fer_edge.shared.labels import canonical_label, label_set
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.model.preprocess import prepare_crop, resize, square_crop
from fer_edge.shared.records import GreyImage
from fer_edge.shared.terminal.tables import format_table

SHARED: Final = label_set("fer2013").labels
"""The expressions of FER2013; FER+ has contempt besides."""

Said = tuple[str, str, float]
"""What is true, what the model says, and how sure it is."""


class Reader:
    """Reads faces with one model; of its labels only those that both sets have count."""

    def __init__(self, model: str) -> None:
        self._classifier = LitertClassifier(open_model(model))
        self._input = self._classifier.contract.input
        self._detector = HaarDetector()

    def crop(self, grey: GreyImage, *, shared_only: bool = False) -> tuple[str, float]:
        """Return label and confidence for a face crop."""
        return self._say(prepare_crop(grey, self._input), shared_only=shared_only)

    def scene(self, grey: GreyImage) -> tuple[str, float]:
        """Return the same for the largest face of a picture."""
        faces = self._detector.detect(grey)
        if not faces:
            return "no face", 0.0
        box = max((face.box for face in faces), key=lambda box: box.area)
        crop = square_crop(grey, box, margin=self._input.crop_margin)
        return self._say(resize(crop, self._input), shared_only=False)

    def _say(self, pixels: GreyImage, *, shared_only: bool) -> tuple[str, float]:
        said = self._classifier.predict(pixels)
        chances = dict(zip(said.labels, said.probabilities, strict=True))
        names = SHARED if shared_only else said.labels
        best = max(names, key=lambda name: chances.get(name, 0.0))
        return best, chances[best]


def read_scenes(reader: Reader, folder: Path) -> dict[str, Said]:
    """Read the photographs that a table labels."""
    with (folder / "labels.csv").open(newline="") as file:
        return {
            row["file"]: (
                canonical_label(row["class"]),
                *reader.scene(read_grey(folder / row["file"])),
            )
            for row in csv.DictReader(file)
        }


def read_peers(reader: Reader, folder: Path) -> dict[str, Said]:
    """Read the cases of other projects that expect an expression."""
    said: dict[str, Said] = {}
    for case in json.loads((folder / "expected.json").read_text()):
        for expression in case.get("emotion", {}):
            grey = read_grey(folder / case["file"])
            found = reader.crop(grey) if "cropped" in case["file"] else reader.scene(grey)
            said[Path(case["file"]).name] = (expression, *found)
    return said


def read_test(reader: Reader, data: Path) -> dict[str, Any]:
    """Judge the test half by both label sets."""
    majority = read_majority(data / "ferplus_votes.csv")
    with (data / "fer2013_test_copies_in_train.csv").open(newline="") as file:
        copies = {row["test_file"] for row in csv.DictReader(file)}
    right: dict[str, list[bool]] = {"people": [], "fer2013": [], "labels": []}
    with LabelledPictures(data / "fer2013.zip") as pictures:
        for picture in pictures.for_evaluation():
            seen = majority.get(picture.name)
            if seen not in SHARED or Path(picture.name).name in copies:
                continue
            grey = decode_grey(pictures.read(picture), where=picture.name)
            said, _ = reader.crop(grey, shared_only=True)
            right["people"].append(said == seen)
            right["fer2013"].append(said == picture.label)
            right["labels"].append(picture.label == seen)
    return {"n": len(right["people"]), **{name: float(np.mean(r)) for name, r in right.items()}}


def share(said: Mapping[str, Said]) -> str:
    return f"{sum(true == label for true, label, _ in said.values())} of {len(said)}"


def as_text(results: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> str:
    rows = [
        ["photographs", *(share(results[name]["scenes"]) for name in names)],
        ["other projects' cases", *(share(results[name]["peers"]) for name in names)],
        ["test half, as people saw", *(f"{results[name]['test']['people']:.1%}" for name in names)],
        ["  as FER2013 labels it", *(f"{results[name]['test']['fer2013']:.1%}" for name in names)],
    ]  # fmt: skip
    agree = results[names[0]]["test"]["labels"]
    rows.append(
        ["  FER2013's label itself, as people saw", f"{agree:.1%}", *("" for _ in names[1:])]
    )
    for sort in ("scenes", "peers"):
        rows.append(["", *("" for _ in names)])
        for picture, (true, *_) in results[names[0]][sort].items():
            given = [results[name][sort][picture] for name in names]
            rows.append(
                [f"{picture}: {true}", *(f"{label} {sure:.2f}" for _, label, sure in given)]
            )
    return format_table(["right", *(Path(name).parent.name or name for name in names)], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--model", action="append", help="name or file; by default all that ship")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    data = require_data(arguments.data)
    names = arguments.model or shipped_models()
    results = {}
    for name in names:
        reader = Reader(name)
        results[name] = {
            "scenes": read_scenes(reader, data / "scenes"),
            "peers": read_peers(reader, data / "peers"),
            "test": read_test(reader, data),
        }
    report(arguments, results, as_text(results, names))


if __name__ == "__main__":
    main()
