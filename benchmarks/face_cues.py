"""Trains the network that tells whether a face leans, and whether nose and mouth are covered.

What it learns from: `unlabelled_faces.zip` without its utk part, where YuNet finds the face, and
training pictures of FER2013, all turned at random. A quarter of the former, by the checksum of the
name, teaches nothing: it is what the closing figures are of, and what `robustness.py` shows. The
faces' own small roll counts as none, so the errors told hold it too.

    python benchmarks/face_cues.py --out edge/fer_edge/assets/face_cues.tflite
"""

import argparse
import csv
import io
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from real_data import ROOT, require_data

from fer_edge.shared.data.pictures import decode_grey
from fer_edge.shared.faces.choice import choose
from fer_edge.shared.faces.found import Found
from fer_edge.shared.faces.yunet import YunetNetwork
from fer_edge.shared.opencv import cv2
from fer_edge.shared.patch import turned_patch
from fer_edge.shared.records import GreyImage

SOURCES: Final = {"smiles": 2500, "genki": 1200, "bare": 1925, "masked": 1814, "drawn": 686}
"""How many faces of each source are taken; utk's may teach nothing that ships."""
FER_PICTURES: Final = 9000
SIDE: Final = 48
UNIT: Final = 45.0
"""Degrees that the network calls 1."""


class Example(NamedTuple):
    """A picture with one face.

    Attributes:
        grey: uint8, (H, W).
        face: In it, upright.
        covered: Whether nose and mouth are hidden.
        held_back: Whether it teaches nothing.
    """

    grey: GreyImage
    face: Found
    covered: bool
    held_back: bool


def is_held_back(name: str) -> bool:
    """Return whether a face is for judging alone."""
    return zlib.crc32(name.encode()) % 4 == 0


def framed(crop: GreyImage) -> GreyImage:
    """Return a face crop enlarged twice, with its border repeated around it."""
    large = cv2.resize(crop, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    return cv2.copyMakeBorder(large, 48, 48, 48, 48, cv2.BORDER_REPLICATE)


def faces(archive: Path, *, sources: dict[str, int]) -> Iterator[tuple[str, bool, GreyImage]]:
    """Yield name, whether it is covered, and picture of faces, seeded."""
    rng = np.random.default_rng(1)
    with zipfile.ZipFile(archive) as file:
        rows = list(csv.DictReader(io.TextIOWrapper(file.open("faces.csv"))))
        for source, most in sources.items():
            of_it = [row for row in rows if row["source"] == source]
            for index in rng.permutation(len(of_it))[:most]:
                name = of_it[index]["file"]
                yield name, of_it[index]["masked"] == "1", decode_grey(file.read(name), where=name)


def examples(data: Path) -> list[Example]:
    """Read all pictures; faces that YuNet does not find are left out."""
    network = YunetNetwork(choose("yunet").weights, least_score=0.4)
    found = []
    for name, covered, crop in faces(data / "unlabelled_faces.zip", sources=SOURCES):
        grey = framed(crop)
        if seen := network.find(grey):
            found.append(Example(grey, seen[0], covered, is_held_back(name)))
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(data / "fer2013.zip") as file:
        names = [n for n in file.namelist() if n.startswith("train/") and n.endswith(".png")]
        for number, index in enumerate(rng.permutation(len(names))[:FER_PICTURES]):
            grey = decode_grey(file.read(names[index]), where=names[index])
            wide = cv2.copyMakeBorder(grey, 30, 30, 30, 30, cv2.BORDER_REPLICATE)
            found.append(Example(wide, Found(54, 54, 48, 1.0), False, number % 9 == 0))
    return found


def view(example: Example, rng: np.random.Generator) -> tuple[GreyImage, float]:
    """Return a face as a device may see it, and by how much it leans in that."""
    grey, face = example.grey, example.face
    roll = float(rng.uniform(-60, 60) if rng.random() < 0.6 else rng.normal(0, 10))
    across, down = rng.normal(0, 0.05, 2) * face.side
    side = face.side * float(np.exp(rng.normal(0.04, 0.09)))
    if rng.random() < 0.4:  # far away
        factor = float(rng.uniform(0.12, 0.6))
        small = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        grey = cv2.resize(small, grey.shape[::-1], interpolation=cv2.INTER_LINEAR)
    patch = turned_patch(grey, face.x + across, face.y + down, side, roll=-roll, size_px=SIDE)
    assert patch is not None
    pixels = patch.pixels.astype(np.float32) * rng.uniform(0.4, 1.3) + rng.uniform(-10, 20)
    pixels += rng.normal(0, abs(rng.normal(0, 3)), pixels.shape)
    if rng.random() < 0.5:
        pixels, roll = pixels[:, ::-1], -roll
    return np.clip(pixels, 0, 255).astype(np.uint8), roll


def views(chosen: list[Example], *, times: int) -> tuple[GreyImage, NDArray[np.float32]]:
    """Return many views (n, 48, 48) and their targets (n, 2); covered faces come three times."""
    rng = np.random.default_rng(0)
    pictures, targets = [], []
    for example in chosen:
        for _ in range(times * (3 if example.covered else 1)):
            pixels, roll = view(example, rng)
            pictures.append(pixels)
            targets.append((roll / UNIT, float(example.covered)))
    return np.array(pictures), np.array(targets, np.float32)


def train(pictures: GreyImage, targets: NDArray[np.float32], *, epochs: int) -> Any:
    """Return a trained Keras network of two outputs: roll, and the logit of being covered."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    layers, ops = keras.layers, keras.ops
    seen = flow = keras.Input((SIDE, SIDE, 1))
    flow = layers.Rescaling(1 / 127.5, -1)(flow)
    for channels in (12, 24, 40):
        flow = layers.Conv2D(channels, 3, 2, "same", use_bias=False)(flow)
        flow = layers.ReLU()(layers.BatchNormalization()(flow))
    flow = layers.Dropout(0.1)(layers.Flatten()(flow))
    network = keras.Model(seen, layers.Dense(2)(layers.Dense(32, activation="relu")(flow)))

    def loss(true: Any, said: Any) -> Any:
        roll = keras.losses.huber(true[:, :1], said[:, :1], delta=0.5)
        covered = keras.losses.binary_crossentropy(true[:, 1:], said[:, 1:], from_logits=True)
        return 4 * roll + 0.4 * ops.reshape(covered, ops.shape(roll))

    keras.utils.set_random_seed(0)
    steps = epochs * (len(pictures) // 128)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    network.compile(keras.optimizers.Adam(rate), loss)
    network.fit(pictures[..., None], targets, batch_size=128, epochs=epochs, verbose=2)
    return network


def write(network: Any, path: Path) -> None:
    """Convert to a float TFLite file for one face at a time."""
    import keras
    import tensorflow as tf

    one = keras.Input((SIDE, SIDE, 1), batch_size=1)
    fixed = keras.Model(one, network(one))
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(fixed).convert())


def figures(said: NDArray[np.float32], true: NDArray[np.float32], least: float) -> dict[str, Any]:
    """Return how far the rolls are off, in degrees, and the shares called covered."""
    off = np.abs(said[:, 0] - true[:, 0]) * UNIT
    covered = 1 / (1 + np.exp(-said[:, 1])) >= least
    hidden = true[:, 1] > 0.5
    return {
        "n": len(off),
        "roll_median": round(float(np.median(off)), 1),
        "roll_p95": round(float(np.percentile(off, 95)), 1),
        "covered_seen": round(float(covered[hidden].mean()), 3),
        "bare_called_covered": round(float(covered[~hidden].mean()), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    known = examples(require_data(arguments.data))
    network = train(
        *views([one for one in known if not one.held_back], times=3), epochs=arguments.epochs
    )
    pictures, true = views([one for one in known if one.held_back], times=1)
    said = network.predict(pictures[..., None], verbose=0, batch_size=512)
    for least in (0.5, 0.7, 0.9):
        print(least, figures(said, true, least))
    write(network, arguments.out)


if __name__ == "__main__":
    main()
