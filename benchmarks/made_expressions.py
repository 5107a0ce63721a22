"""Faces that are known to change: pictures shown one after the other as a camera would see them.

No film of people exists here of which every frame's expression is known. So one picture is shown
for some seconds, trembling and flickering as a face in the tracker's box does, and then another
one: the moment of the change is known, and everything in between is one expression.
"""

import math
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from label_tracks import WatchedFace, runs

from fer_edge.pipeline.timings import percentile
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.model.preprocess import prepare_crop
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import UNCERTAIN, Box, Face, GreyImage

FACE_PX: Final = 80  # as on the clips
FRAME_PX: Final = 128
TREMBLE: Final = 0.015
"""Of a box from frame to frame, in parts of its side: what `box_jitter` measures on the clips."""
TREMBLE_SIZE: Final = 0.01
DRIFT: Final = 0.02  # of box and face against each other, over half a second
SWAY_DEGREES: Final = 3.0
DRIFT_SECONDS: Final = 0.5
NOISE: Final = 4.0  # of a sensor, steps of 255
FLICKER: Final = 0.03  # of lamps, beating with the shutter
SHOWN_SECONDS: Final = (2.0, 4.0)
PICTURES_A_FACE: Final = 5
SHORT_SECONDS: Final = (0.2, 0.3, 0.5, 0.75, 1.0)
SOON_SECONDS: Final = 0.5
LEAST_PICTURES: Final = 5
CALM_SECONDS: Final = 20.0
LASTING_SECONDS: Final = 600.0
LASTING_RATE: Final = 4.0
"""Frames a second of what lasts ten minutes."""
_NOISES: Final = 24  # of which one is taken for each frame

Pools = Mapping[str, Sequence[GreyImage]]
"""By label the pictures that a model reads rightly."""


@dataclass
class MadeFace(WatchedFace):
    """A watched face of which it is known what it shows.

    Attributes:
        truth: The label of each frame's picture.
    """

    truth: list[str] = field(default_factory=list)


class Camera:
    """Sees a picture as a camera and the tracker's box do.

    Args:
        rate: Frames a second.
        rng: Where chance comes from.
    """

    def __init__(self, rate: float, rng: np.random.Generator) -> None:
        self._rng = rng
        self._stays = math.exp(-1 / (rate * DRIFT_SECONDS))
        self._drift = rng.normal(size=4)
        self._lamp = rng.uniform(0, 2 * math.pi)
        self._beat = 2 * math.pi * rng.uniform(0.5, 5) / rate
        self._noise = NOISE * rng.standard_normal((_NOISES, FRAME_PX, FRAME_PX), np.float32)

    def see(self, picture: GreyImage, *, crop_margin: float) -> tuple[GreyImage, Box]:
        """Return the next frame, and the box that a tracker would give.

        Args:
            picture: A face crop.
            crop_margin: That a model wants around a box; the box is so much smaller.
        """
        rng = self._rng
        fresh = math.sqrt(1 - self._stays**2)
        self._drift = self._stays * self._drift + fresh * rng.normal(size=4)
        across, down, size, sway = self._drift
        scale = FACE_PX / picture.shape[0]
        middle = picture.shape[0] / 2
        matrix = cv2.getRotationMatrix2D((middle, middle), SWAY_DEGREES * sway, scale)
        matrix[:, 2] += FRAME_PX / 2 - middle
        frame = cv2.warpAffine(
            picture.astype(np.float32), matrix, (FRAME_PX, FRAME_PX),
            flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        self._lamp += self._beat
        lit: Any = cv2.addWeighted(
            frame, 1 + FLICKER * math.sin(self._lamp), self._noise[rng.integers(_NOISES)], 1, 0,
            dtype=cv2.CV_8U,
        )  # fmt: skip
        trembling = rng.normal(0, (TREMBLE, TREMBLE, TREMBLE_SIZE))
        side = FACE_PX * math.exp(DRIFT * size + trembling[2]) / (1 + 2 * crop_margin)
        left, top = (
            FRAME_PX / 2 + FACE_PX * (DRIFT * drift + tremble) - side / 2
            for drift, tremble in ((across, trembling[0]), (down, trembling[1]))
        )
        box = Box(round(left), round(top), round(side), round(side))
        return lit, box


def pools(
    pictures: Sequence[tuple[GreyImage, str]], classifier: LitertClassifier, *, most: int = 60
) -> dict[str, list[GreyImage]]:
    """Return pictures by label: only those that the model reads rightly when nothing moves.

    Labels with fewer than five such pictures are left out.
    """
    found: dict[str, list[GreyImage]] = {}
    for grey, label in pictures:
        if len(found.get(label, ())) >= most:
            continue
        if classifier.predict(prepare_crop(grey, classifier.contract.input)).label == label:
            found.setdefault(label, []).append(grey)
    return {label: some for label, some in found.items() if len(some) >= LEAST_PICTURES}


def changing_faces(
    known: Pools, classifier: LitertClassifier, *, rate: float, count: int, seed: int = 0
) -> list[MadeFace]:
    """Return faces that show five pictures one after the other, each of another label."""
    chance, rng = random.Random(seed), np.random.default_rng(seed)
    return [
        _show(
            [
                (label, chance.choice(known[label]), chance.uniform(*SHOWN_SECONDS))
                for label in _labels(known, PICTURES_A_FACE, chance)
            ],
            classifier,
            rate=rate,
            rng=rng,
        )
        for _ in range(count)
    ]


def passing_faces(
    known: Pools, classifier: LitertClassifier, *, rate: float, count: int, seed: int = 1
) -> list[MadeFace]:
    """Return faces that show one picture, another for a second, and the first one again."""
    chance, rng = random.Random(seed), np.random.default_rng(seed)
    faces = []
    for _ in range(count):
        usual, passing = _labels(known, 2, chance)
        picture = chance.choice(known[usual])
        shown = [
            (usual, picture, SHOWN_SECONDS[0]),
            (passing, chance.choice(known[passing]), max(SHORT_SECONDS)),
            (usual, picture, SHOWN_SECONDS[0]),
        ]
        faces.append(_show(shown, classifier, rate=rate, rng=rng))
    return faces


def lasting_faces(
    known: Pools, classifier: LitertClassifier, *, count: int, seed: int = 2
) -> list[MadeFace]:
    """Return faces that are neutral for a while and then show one other picture for ten minutes."""
    chance, rng = random.Random(seed), np.random.default_rng(seed)
    return [
        _show(
            [
                ("neutral", chance.choice(known["neutral"]), CALM_SECONDS),
                (label, chance.choice(known[label]), LASTING_SECONDS),
            ],
            classifier,
            rate=LASTING_RATE,
            rng=rng,
        )
        for label in sorted(known)
        if label != "neutral"
        for _ in range(count)
    ]


def drift(faces: Sequence[MadeFace], labels: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return the share of frames with the lasting picture's label, in its first and last minute."""
    shares: dict[str, list[float]] = {"first_minute": [], "last_minute": []}
    for face, given in zip(faces, labels, strict=True):
        _, begin, end = list(runs(face.truth))[-1]
        right = [given[index] == face.truth[index] for index in range(begin, end)]
        minute = round(60 * LASTING_RATE)
        shares["first_minute"].append(sum(right[:minute]) / minute)
        shares["last_minute"].append(sum(right[-minute:]) / minute)
    return {name: round(statistics.fmean(some), 4) for name, some in shares.items()}


def shortened(face: MadeFace, seconds: float, *, rate: float) -> MadeFace:
    """Return a passing face whose second picture lasts only so long."""
    _, (_, begin, end), _ = runs(face.truth)
    kept = [*range(begin + round(seconds * rate)), *range(end, len(face.truth))]
    return MadeFace(
        [index / rate for index in range(len(kept))],
        [face.predictions[index] for index in kept],
        truth=[face.truth[index] for index in kept],
    )


def _labels(known: Pools, count: int, chance: random.Random) -> list[str]:
    labels: list[str] = []
    while len(labels) < count:
        labels.append(chance.choice([one for one in sorted(known) if one not in labels[-1:]]))
    return labels


def _show(
    shown: Sequence[tuple[str, GreyImage, float]],
    classifier: LitertClassifier,
    *,
    rate: float,
    rng: np.random.Generator,
) -> MadeFace:
    camera, face = Camera(rate, rng), MadeFace()
    for label, picture, seconds in shown:
        for _ in range(round(seconds * rate)):
            frame, box = camera.see(picture, crop_margin=classifier.contract.input.crop_margin)
            face.seconds.append(len(face.seconds) / rate)
            face.predictions += classifier.classify(frame, [Face(box, 1.0)])
            face.truth.append(label)
    return face


def change_figures(faces: Sequence[MadeFace], labels: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return how changes were reported.

    A change is reported in the first frame that has the new picture's label, if that comes
    before the next change. `readable` are those whose picture the network reads rightly in most
    of its frames: no smoothing can report the others. A false turn is one to a named label that
    is not the picture's.
    """
    delays: list[float] = []
    changed = readable = readable_found = turns = right = named = frames = 0
    for face, given in zip(faces, labels, strict=True):
        for number, (label, begin, end) in enumerate(runs(face.truth)):
            if number == 0:
                continue
            changed += 1
            found = next((i for i in range(begin, end) if given[i] == label), None)
            if found is not None:
                delays.append(face.seconds[found] - face.seconds[begin])
            said = [prediction.label for prediction in face.predictions[begin:end]]
            if said.count(label) > len(said) / 2:
                readable += 1
                readable_found += found is not None
        turns += false_turns(given, face.truth)
        frames += len(given)
        right += sum(a == b for a, b in zip(given, face.truth, strict=True))
        named += sum(label != UNCERTAIN for label in given)
    minutes = sum(face.watched_seconds for face in faces) / 60
    return {
        "changes": changed,
        "reported": len(delays) / changed,
        "reported_soon": sum(delay <= SOON_SECONDS for delay in delays) / changed,
        "readable": readable,
        "readable_reported": readable_found / readable if readable else None,
        "delay_p50_s": round(statistics.median(delays), 3) if delays else None,
        "delay_p90_s": round(percentile(delays, 90), 3) if delays else None,
        "false_turns_per_minute": round(turns / minutes, 2),
        "labelled": named / frames,
        "right": right / frames,
    }


def false_turns(labels: Sequence[str], truth: Sequence[str]) -> int:
    """Count turns to a named label that is not true when it appears."""
    before = ""
    turns = 0
    for label, true in zip(labels, truth, strict=True):
        turns += label not in (before, UNCERTAIN, true)
        before = label
    return turns


def passing_reported(faces: Sequence[MadeFace], labels: Sequence[Sequence[str]]) -> float:
    """Return the share of passing expressions that were reported at all, even late."""
    reported = [
        passing in given[begin:]
        for face, given in zip(faces, labels, strict=True)
        for passing, begin, _ in list(runs(face.truth))[1:2]
    ]
    return sum(reported) / len(reported)
