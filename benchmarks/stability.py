"""How steady a model's labels are over time, and what steadying them costs.

On the clips the device's own pipeline runs once for each model; the network's answers are kept, and
its labels as they are (`raw`) are compared with those that the smoother makes of the same answers:
of the network's own (`smoothed`), of those weighed by priors (`balanced`), and of those that are
relative to the face's baseline as well (`track`). Nothing is chosen on the clips.
Whether real changes are hidden is seen on faces made of FER2013's
pictures (made_expressions.py): of the test half with the settings as they are, of training
pictures with `--sweep`, which prints what other settings would do. Given a run's split.json as
`--split`, one for each `--model`, the sweep uses the validation pictures alone, which the network
never saw.
"""

import argparse
import dataclasses
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from clips import listed_clips
from label_timeline import label_timeline
from label_tracks import (
    WatchedFace,
    box_jitter,
    raw_labels,
    relative_labels,
    smoothed_labels,
    steadiness,
    watch,
)
from made_expressions import (
    SHORT_SECONDS,
    MadeFace,
    change_figures,
    changing_faces,
    drift,
    lasting_faces,
    passing_faces,
    passing_reported,
    pools,
    shortened,
)
from real_data import ROOT, report, require_data
from robustness import Judge, faceless_confidences, read_all
from smoothing_grid import LEAST, swept
from stability_text import as_text, sweep_as_text

from fer_edge.assemble.parts import smoothing_for
from fer_edge.models import DEFAULT_MODEL, open_model
from fer_edge.settings import Settings, SmoothingSettings, resolve
from fer_edge.shared.data.ferplus import read_majority
from fer_edge.shared.data.labelled import LabelledPictures
from fer_edge.shared.labels import label_set
from fer_edge.shared.records import GreyImage

RATES: Final = (30, 15)
FACES: Final = 40
PASSING_FACES: Final = 60
LASTING_FACES: Final = 2  # of each label
SWEPT_SHORT: Final = (0.3, 0.5)
MOST_PICTURES: Final = 3000  # read, from which those of the made faces are taken

Labeller = Callable[[WatchedFace], Sequence[str]]
Pictures = list[tuple[GreyImage, str]]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--model", action="append", help="name or file; may be given several times")
    parser.add_argument("--split", action="append", type=Path, default=[], metavar="SPLIT.JSON")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--sweep", action="store_true", help="only this: other settings, on train")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument(
        "--timeline", nargs=2, metavar=("CLIP", "SVG"), help="only this: draw the labels of a clip"
    )
    arguments = parser.parse_args()
    arguments.model = arguments.model or [DEFAULT_MODEL]
    if len(arguments.split) not in {0, len(arguments.model)}:
        parser.error("give one --split for each --model, in the same order")
    return arguments


def make_judge(model: str, data: Path) -> Judge:
    """Open a model, judged by what people saw where it was taught that."""
    votes = set(open_model(model).contract.labels) == set(label_set("ferplus").labels)
    return Judge(model, read_majority(data / "ferplus_votes.csv") if votes else None)


def read_pictures(data: Path, judge: Judge, *, test: bool, split: Path | None) -> Pictures:
    """Read pictures in random order: of the test half, of a run's validation part, or of train."""
    with LabelledPictures(data / "fer2013.zip") as pictures:
        chosen = pictures.for_evaluation() if test else pictures.of("train")
        if split is not None:
            names = set(json.loads(split.read_text())["val"])
            chosen = [picture for picture in chosen if picture.name in names]
        random.Random(0).shuffle(chosen)
        return read_all(pictures, chosen[: None if test else MOST_PICTURES], judge)


def on_clips(
    data: Path, settings: Settings, labellers: dict[str, Labeller]
) -> tuple[dict[str, Any], list[WatchedFace]]:
    """Return figures over all clips, and the faces that were watched."""
    clips = [clip for clip in listed_clips(data / "video") if clip.has_face]
    by_clip = {clip.name: watch(clip, settings) for clip in clips}
    faces = [face for found in by_clip.values() for face in found]
    result: dict[str, Any] = {
        name: steadiness(faces, [labels(face) for face in faces])
        for name, labels in labellers.items()
    }
    result["clips"] = {
        clip: {
            name: steadiness(found, [labels(face) for face in found])
            for name, labels in labellers.items()
        }
        for clip, found in by_clip.items()
        if sum(face.watched_seconds for face in found)
    }
    return result, faces


def on_passing(
    faces: Sequence[MadeFace],
    labellers: dict[str, Labeller],
    *,
    rate: float,
    lengths: Sequence[float] = SHORT_SECONDS,
) -> dict[str, dict[str, float]]:
    """Return the share of expressions reported that last only so long."""
    result: dict[str, dict[str, float]] = {name: {} for name in labellers}
    for seconds in lengths:
        cut = [shortened(face, seconds, rate=rate) for face in faces]
        for name, labels in labellers.items():
            share = passing_reported(cut, [labels(face) for face in cut])
            result[name][str(seconds)] = round(share, 4)
    return result


def on_lasting(known: Any, judge: Judge, labellers: dict[str, Labeller]) -> dict[str, Any]:
    """Return whether ten minutes of one expression are still called so at their end."""
    faces = lasting_faces(known, judge.classifier, count=LASTING_FACES)
    return {
        name: drift(faces, [labels(face) for face in faces]) for name, labels in labellers.items()
    }


def on_made_faces(
    pictures: Pictures, judge: Judge, labellers: dict[str, Labeller]
) -> dict[str, Any]:
    known = pools(pictures, judge.classifier)
    result: dict[str, Any] = {"pictures": {label: len(some) for label, some in known.items()}}
    for rate in RATES:
        faces = changing_faces(known, judge.classifier, rate=rate, count=FACES)
        passing = passing_faces(known, judge.classifier, rate=rate, count=PASSING_FACES)
        result[str(rate)] = {
            "changes": {
                name: change_figures(faces, [labels(face) for face in faces])
                for name, labels in labellers.items()
            },
            "passing": on_passing(passing, labellers, rate=rate),
        }
    result["lasting"] = on_lasting(known, judge, labellers)
    return result


def certainty(pictures: Pictures, judge: Judge, negatives: Path) -> list[dict[str, float]]:
    """Return what a least probability would cost: shares of single pictures below it."""
    said = [(*judge.says(grey), label) for grey, label in pictures]
    right = np.array([sure for given, sure, label in said if given == label])
    wrong = np.array([sure for given, sure, label in said if given != label])
    nothing = np.array(faceless_confidences(judge, negatives))
    return [
        {
            "least": least,
            "right_below": float(np.mean(right < least)),
            "wrong_below": float(np.mean(wrong < least)),
            "accuracy_above": float(np.sum(right >= least))
            / max(1, int(np.sum(right >= least) + np.sum(wrong >= least))),
            "faceless_below": float(np.mean(nothing < least)),
        }
        for least in LEAST
    ]


def measure(model: str, data: Path, settings: Settings) -> dict[str, Any]:
    """Return the figures of one model on clips and test pictures."""
    settings, contract = with_model(settings, model), open_model(model).contract
    labellers: dict[str, Labeller] = {
        "raw": raw_labels,
        "smoothed": lambda face: smoothed_labels(face, settings.smoothing),
        "balanced": lambda face: relative_labels(face, settings, contract, mode="none"),
        "track": lambda face: relative_labels(face, settings, contract, mode="track"),
    }
    judge = make_judge(model, data)
    pictures = read_pictures(data, judge, test=True, split=None)
    clips, faces = on_clips(data, settings, labellers)
    return {
        "clips": clips,
        "box_jitter": box_jitter(faces),
        "made": on_made_faces(pictures, judge, labellers),
        "certainty": certainty(pictures, judge, data / "negatives"),
    }


def sweep(model: str, data: Path, settings: Settings, split: Path | None) -> dict[str, Any]:
    """Return what other settings would do, on pictures that are not of the test half."""
    settings, judge = with_model(settings, model), make_judge(model, data)
    pictures = read_pictures(data, judge, test=False, split=split)
    known, rate = pools(pictures, judge.classifier), RATES[0]
    faces = changing_faces(known, judge.classifier, rate=rate, count=FACES)
    passing = passing_faces(known, judge.classifier, rate=rate, count=PASSING_FACES)
    rows = []
    for tried in [None, *swept(settings.smoothing)]:

        def labels(face: WatchedFace, tried: SmoothingSettings | None = tried) -> list[str]:
            return raw_labels(face) if tried is None else smoothed_labels(face, tried)

        rows.append(
            {
                "settings": None if tried is None else dataclasses.asdict(tried),
                **change_figures(faces, [labels(face) for face in faces]),
                "passing": on_passing(passing, {"": labels}, rate=rate, lengths=SWEPT_SHORT)[""],
            }
        )
    return {
        "pictures": "train" if split is None else f"validation part of {split.parent.name}",
        "rows": rows,
        "certainty": certainty(pictures, judge, data / "negatives"),
    }


def draw(data: Path, model: str, settings: Settings, name: str, path: str) -> None:
    """Draw the raw and the stable labels of the face that a clip shows longest."""
    clip = next(clip for clip in listed_clips(data / "video") if clip.name == name)
    settings = with_model(settings, model)
    face = max(watch(clip, settings), key=lambda face: len(face.seconds))
    bands = {
        "each frame": raw_labels(face),
        "stable": smoothed_labels(face, settings.smoothing),
    }
    Path(path).write_text(label_timeline(bands, face.seconds), encoding="utf-8")


def with_model(settings: Settings, model: str) -> Settings:
    return dataclasses.replace(
        settings,
        model=dataclasses.replace(settings.model, path=model),
        smoothing=smoothing_for(settings.smoothing, open_model(model).contract),
    )


def main() -> None:
    arguments = parse()
    data = require_data(arguments.data)
    given = dict(text.split("=", 1) for text in arguments.set)
    settings = resolve(flags=given, environment={}, file={}).settings
    if arguments.timeline:
        draw(data, arguments.model[0], settings, *arguments.timeline)
        return
    result: dict[str, Any] = {"settings": dataclasses.asdict(settings.smoothing), "models": {}}
    splits = arguments.split or [None] * len(arguments.model)
    for model, split in zip(arguments.model, splits, strict=True):
        result["models"][model] = (
            sweep(model, data, settings, split)
            if arguments.sweep
            else measure(model, data, settings)
        )
    report(arguments, result, sweep_as_text(result) if arguments.sweep else as_text(result))


if __name__ == "__main__":
    main()
