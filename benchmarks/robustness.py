"""How a model holds where it will live: moved, blurred, dark, compressed, found in a frame.

Each picture of FER2013's test half is changed in one way at a time and read by the device's own
code. `way: found by Haar` is the real path: the picture enlarged, put into a camera frame, found by
the detector, cut at its box. `found and right` counts pictures in which no face is found as wrong,
for each technique, the frame upright and turned to either side. `masked` shows how many covered
faces get a label although nothing of the mouth can be seen; only faces that taught neither the cues
nor the models anything count. `margins` shows what another margin around the box would do, on
training pictures (the test half chooses nothing). `no face` shows how sure the model is of pictures
without one. With `--votes` the truth is what most people saw. With `--split`, to choose between
models, the pictures are those that a run set aside for validation. `--part` measures some of it:
one model's changes take a minute or two.
"""

import argparse
import json
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from face_cues import faces, framed, is_held_back
from real_data import ROOT, report, require_data

from fer_edge import DEFAULT_MODEL
from fer_edge.assemble.parts import make_detector
from fer_edge.models import open_model
from fer_edge.pipeline.protocols import Detector
from fer_edge.settings import DetectorSettings
from fer_edge.shared.data.ferplus import read_majority
from fer_edge.shared.data.labelled import LabelledPictures
from fer_edge.shared.data.layout import LabelledPicture
from fer_edge.shared.data.pictures import decode_grey, read_grey
from fer_edge.shared.faces.haar import HaarDetector
from fer_edge.shared.faces.legibility import why_unreadable
from fer_edge.shared.faces.weights import packaged_weights
from fer_edge.shared.labels import canonical_label
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.model.preprocess import prepare_crop, resize, square_crop
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Box, GreyImage
from fer_edge.shared.terminal.tables import format_table

ENLARGED: Final = 3
FRAME_HEIGHT, FRAME_WIDTH = 240, 320
MARGINS: Final = (-0.1, -0.05, 0.0, 0.05, 0.1, 0.15, 0.2)
MARGIN_SAMPLE: Final = 1500
TURNS: Final = (0, 20, 40)
COVERED: Final = {"masked": 1814, "drawn": 686}
"""Sources of covered faces, and how many of each are looked at."""

PARTS: Final = ("changes", "haar", "margins", "frames", "masked", "no_face")

TAUGHT_NOBODY: Final = re.compile(r"[0-4]\.\w+$")
"""Names of covered faces that no model has learnt from; see edge-small-taught.toml."""

Change = Callable[[GreyImage, np.random.Generator], GreyImage]


def moved(
    across: float = 0.0, down: float = 0.0, *, turn: float = 0.0, grow: float = 1.0
) -> Change:
    """Shift by parts of the side, turn by degrees either way, grow."""

    def change(grey: GreyImage, rng: np.random.Generator) -> GreyImage:
        side = grey.shape[0]
        sign = float(rng.choice((-1, 1)))
        matrix = cv2.getRotationMatrix2D((side / 2, side / 2), sign * turn, grow)
        matrix[:, 2] += (sign * across * side, sign * down * side)
        return cv2.warpAffine(grey, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)

    return change


def blurred(sigma: float) -> Change:
    return lambda grey, _rng: cv2.GaussianBlur(grey, (0, 0), sigma)


def noisy(sigma: float) -> Change:
    return lambda grey, rng: _clipped(grey + rng.normal(0, sigma, grey.shape))


def dark(gain: float) -> Change:
    """Little light: less signal, the sensor's noise stays."""
    return lambda grey, rng: _clipped(grey * gain + rng.normal(0, 4, grey.shape))


def back_lit(gamma: float) -> Change:
    """A window behind: the face dark, a bright rim."""

    def change(grey: GreyImage, _rng: np.random.Generator) -> GreyImage:
        side = grey.shape[0]
        rows, columns = np.mgrid[:side, :side] / (side - 1) - 0.5
        rim = np.clip(np.hypot(rows, columns) - 0.45, 0, None) * 4
        return _clipped(255 * (grey / 255) ** gamma + 200 * rim)

    return change


def compressed(quality: int) -> Change:
    def change(grey: GreyImage, _rng: np.random.Generator) -> GreyImage:
        data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)

    return change


def far(pixels: int) -> Change:
    """A face so many pixels wide."""

    def change(grey: GreyImage, _rng: np.random.Generator) -> GreyImage:
        small = cv2.resize(grey, (pixels, pixels), interpolation=cv2.INTER_AREA)
        return cv2.resize(small, grey.shape[::-1], interpolation=cv2.INTER_LINEAR)

    return change


def _clipped(values: Any) -> GreyImage:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


CHANGES: Final[dict[str, Change]] = {
    "as it is": lambda grey, _rng: grey,
    "shifted by 4 % of the side": moved(0.04, 0.04),
    "shifted by 8 %": moved(0.08, 0.08),
    "shifted by 15 %": moved(0.15, 0.15),
    "shrunk to 80 %": moved(grow=0.8),
    "grown to 125 %": moved(grow=1.25),
    "turned by 10 degrees": moved(turn=10),
    "turned by 20 degrees": moved(turn=20),
    "blurred, sigma 1 px of 48": blurred(1.0),
    "blurred, sigma 2 px": blurred(2.0),
    "noise, sigma 10 of 255": noisy(10),
    "noise, sigma 25": noisy(25),
    "a quarter of the light": dark(0.25),
    "an eighth of the light": dark(0.125),
    "back light, gamma 2": back_lit(2.0),
    "JPEG, quality 30": compressed(30),
    "JPEG, quality 10": compressed(10),
    "face of 24 px": far(24),
    "face of 16 px": far(16),
}


class Judge:
    """Reads pictures with one model and compares with what is true."""

    def __init__(self, model: str, truth: dict[str, str] | None) -> None:
        self.classifier = LitertClassifier(open_model(model))
        self.labels = self.classifier.contract.labels
        self._truth = truth

    def label_of(self, picture: LabelledPicture) -> str | None:
        """Return the true label, or None where the picture does not count."""
        label = picture.label if self._truth is None else self._truth.get(picture.name)
        return label if label is not None and canonical_label(label) in self.labels else None

    def says(self, grey: GreyImage) -> tuple[str, float]:
        """Return label and confidence for a face crop."""
        said = self.classifier.predict(prepare_crop(grey, self.classifier.contract.input))
        return said.label, said.confidence

    def says_at(self, frame: GreyImage, box: Box, margin: float) -> str:
        """Return the label for a box in a frame, cut with a margin."""
        crop = square_crop(frame, box, margin=margin)
        return self.classifier.predict(resize(crop, self.classifier.contract.input)).label


def in_a_frame(grey: GreyImage) -> GreyImage:
    """Put a face crop, enlarged, into the middle of a camera's frame."""
    large = cv2.resize(grey, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    height, width = large.shape
    top, left = (FRAME_HEIGHT - height) // 2, (FRAME_WIDTH - width) // 2
    return cv2.copyMakeBorder(
        large, top, FRAME_HEIGHT - height - top, left, FRAME_WIDTH - width - left,
        cv2.BORDER_REPLICATE,
    )  # fmt: skip


def largest_face(detector: HaarDetector, frame: GreyImage) -> Box | None:
    faces = detector.detect(frame)
    return max((face.box for face in faces), key=lambda box: box.area, default=None)


def read_all(
    data: LabelledPictures, chosen: Sequence[LabelledPicture], judge: Judge
) -> list[tuple[GreyImage, str]]:
    return [
        (decode_grey(data.read(picture), where=picture.name), label)
        for picture in chosen
        if (label := judge.label_of(picture)) is not None
    ]


def accuracy(judge: Judge, pictures: list[tuple[GreyImage, str]], change: Change) -> float:
    rng = np.random.default_rng(0)
    right = [judge.says(change(grey, rng))[0] == label for grey, label in pictures]
    return float(np.mean(right))


def turned_frame(frame: GreyImage, degrees: float) -> GreyImage:
    """Return a frame turned about its middle, its border repeated."""
    middle = ((FRAME_WIDTH - 1) / 2, (FRAME_HEIGHT - 1) / 2)
    matrix = cv2.getRotationMatrix2D(middle, -degrees, 1)
    size = (FRAME_WIDTH, FRAME_HEIGHT)
    return cv2.warpAffine(frame, matrix, size, borderMode=cv2.BORDER_REPLICATE)


def found_in_frames(
    judge: Judge, pictures: list[tuple[GreyImage, str]], detector: Detector
) -> dict[str, Any]:
    """Return shares found, and found and right, of frames upright and turned to either side."""
    result: dict[str, Any] = {}
    for degrees in TURNS:
        found = right = named = 0
        for number, (grey, label) in enumerate(pictures):
            frame = turned_frame(in_a_frame(grey), degrees if number % 2 else -degrees)
            faces = detector.detect(frame)
            if not faces:
                continue
            found += 1
            face = max(faces, key=lambda one: one.box.area)
            is_right = judge.classifier.classify(frame, [face])[0].label == label
            right += is_right
            named += is_right and why_unreadable(frame, face) is None
        n = len(pictures)
        result[str(degrees)] = {
            "found": found / n, "found_and_right": right / n, "and_called_readable": named / n
        }  # fmt: skip
    return result


def masked_called(judge: Judge, data: Path, detector: Detector) -> dict[str, float]:
    """Return shares of covered faces found, and called anything but uncertain."""
    least = judge.classifier.contract.least_probability
    found = called = n = 0
    for name, covered, crop in faces(data / "unlabelled_faces.zip", sources=COVERED):
        if not (covered and is_held_back(name) and TAUGHT_NOBODY.search(name)):
            continue
        n += 1
        frame = framed(crop)
        seen = detector.detect(frame)
        found += bool(seen)
        called += any(
            why_unreadable(frame, face) is None and prediction.confidence >= least
            for face, prediction in zip(seen, judge.classifier.classify(frame, seen), strict=True)
        )
    return {"n": n, "found": found / n, "called": called / n}


def found_by_haar(
    judge: Judge, pictures: list[tuple[GreyImage, str]], margins: Sequence[float]
) -> dict[str, Any]:
    """Return the share found, and the accuracy on these: of the crop itself, and by margin."""
    detector = HaarDetector()
    right: dict[float, list[bool]] = {margin: [] for margin in margins}
    whole = []
    for grey, label in pictures:
        frame = in_a_frame(grey)
        box = largest_face(detector, frame)
        if box is None:
            continue
        whole.append(judge.says(grey)[0] == label)
        for margin in margins:
            right[margin].append(judge.says_at(frame, box, margin) == label)
    return {
        "found": len(whole) / len(pictures),
        "whole_crop": float(np.mean(whole)),
        "margins": {str(margin): float(np.mean(r)) for margin, r in right.items()},
    }


def faceless_confidences(judge: Judge, folder: Path) -> list[float]:
    """Return how sure a model is of pictures without a face: of random squares of them."""
    rng = np.random.default_rng(0)
    sure = []
    for path in sorted(folder.iterdir()):
        grey = read_grey(path)
        for _ in range(20):
            side = int(rng.integers(min(24, *grey.shape), min(grey.shape) + 1))
            y, x = (int(rng.integers(0, edge - side + 1)) for edge in grey.shape)
            sure.append(judge.says(grey[y : y + side, x : x + side])[1])
    return sure


def blank_confidences(judge: Judge) -> list[float]:
    """Return how sure a model is of pure noise (40 pictures) and of even greys (16)."""
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (48, 48)).astype(np.uint8) for _ in range(40)]
    greys = [np.full((48, 48), level, np.uint8) for level in range(0, 256, 16)]
    return [judge.says(picture)[1] for picture in noise + greys]


def without_a_face(judge: Judge, folder: Path) -> dict[str, float]:
    """Return how often something without a face gets a label."""
    sure, blank = faceless_confidences(judge, folder), blank_confidences(judge)
    least = judge.classifier.contract.least_probability
    return {
        "squares": len(sure),
        "uncertain": float(np.mean(np.array(sure) < least)),
        "blank_uncertain": float(np.mean(np.array(blank) < least)),
    }


def measure(
    model: str, data: Path, truth: dict[str, str] | None, aside: set[str], parts: Sequence[str]
) -> dict[str, Any]:
    judge = Judge(model, truth)
    kinds = ("haar", "yunet") if packaged_weights() else ("haar",)
    detectors = {kind: make_detector(DetectorSettings(kind=kind)) for kind in kinds}
    with LabelledPictures(data / "fer2013.zip") as pictures:
        judged = pictures.for_evaluation()
        if aside:
            judged = [picture for picture in pictures.of("train") if picture.name in aside]
        test = read_all(pictures, judged, judge)
        sample = random.Random(0).sample(pictures.of("train"), MARGIN_SAMPLE)
        train = read_all(pictures, sample, judge)
    margin = judge.classifier.contract.input.crop_margin
    measured: dict[str, Callable[[], Any]] = {
        "changes": lambda: {name: accuracy(judge, test, each) for name, each in CHANGES.items()},
        "haar": lambda: found_by_haar(judge, test, [margin]),
        "margins": lambda: found_by_haar(judge, train, MARGINS),
        "frames": lambda: {
            kind: found_in_frames(judge, test, detector) for kind, detector in detectors.items()
        },
        "masked": lambda: {
            kind: masked_called(judge, data, detector) for kind, detector in detectors.items()
        },
        "no_face": lambda: without_a_face(judge, data / "negatives"),
    }
    return {"n": len(test), **{part: measured[part]() for part in PARTS if part in parts}}


def as_text(results: dict[str, Any]) -> str:
    names = list(results)
    figures: dict[str, list[tuple[str, Callable[[Any], float]]]] = {
        "changes": [
            *((way, lambda r, w=way: r["changes"][w]) for way in CHANGES),
            ("mean of these", lambda r: float(np.mean([*r["changes"].values()]))),
        ],
        "haar": [
            ("way: found by Haar", lambda r: next(iter(r["haar"]["margins"].values()))),
            ("  the same crops, whole", lambda r: r["haar"]["whole_crop"]),
            ("  share found", lambda r: r["haar"]["found"]),
        ],
        "margins": [
            (f"margins: {margin:+.2f} (train)", lambda r, m=margin: r["margins"]["margins"][str(m)])
            for margin in MARGINS
        ],
        "frames": [
            (
                f"{kind}: turned by {degrees}, found and right"
                if degrees
                else f"{kind}: found and right",
                lambda r, k=kind, d=degrees: r["frames"][k][str(d)]["found_and_right"],
            )
            for kind in results[names[0]].get("frames", ())
            for degrees in TURNS
        ],
        "masked": [
            (f"{kind}: masked faces that get a label", lambda r, k=kind: r["masked"][k]["called"])
            for kind in results[names[0]].get("masked", ())
        ],
        "no_face": [
            ("no face: uncertain", lambda r: r["no_face"]["uncertain"]),
            ("  noise, even greys", lambda r: r["no_face"]["blank_uncertain"]),
        ],
    }
    rows = [
        [title, *(f"{figure(results[name]):.1%}" for name in names)]
        for part in PARTS
        if part in results[names[0]]
        for title, figure in figures[part]
    ]
    return format_table(["accuracy", *(Path(name).parent.name or name for name in names)], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--model", action="append", help="name or file; may be given several times")
    parser.add_argument("--votes", action="store_true", help="judge by what most people saw")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--split", type=Path, help="of a run: judge by its validation pictures")
    parser.add_argument("--part", action="append", choices=PARTS, help="measure this; default: all")
    arguments = parser.parse_args()
    data = require_data(arguments.data)
    truth = read_majority(data / "ferplus_votes.csv") if arguments.votes else None
    models = arguments.model or [DEFAULT_MODEL]
    aside = set(json.loads(arguments.split.read_text())["val"]) if arguments.split else set()
    parts = arguments.part or PARTS
    results = {model: measure(model, data, truth, aside, parts) for model in models}
    report(arguments, results, as_text(results))


if __name__ == "__main__":
    main()
