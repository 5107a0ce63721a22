"""Made-up faces and small recipes for the trainer's tests."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from made_once import made_once

from fer_edge.shared.labels import LABEL_SETS
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import GreyImage


def pytest_configure(config: pytest.Config) -> None:
    # Keras' convert_to_numpy copies TensorFlow variables in the way NumPy 2 has deprecated.
    config.addinivalue_line(
        "filterwarnings", "ignore:__array__ implementation doesn't accept:DeprecationWarning"
    )


SMALL_RECIPE = """
name = "small"
labels = "{labels}"

[network]
layers = ["rescale -1..1", "conv 8 /2 nobias", "bn", "relu", "residual 16 /2", "gap", "{output}"]

[data]
validation_fraction = 0.2
seed = 7

[augmentation]
flip = true
shift = 0.04
rotation_degrees = 5

[training]
epochs = 5
batch_size = 8
seed = 7

[optimiser]
name = "adam"
learning_rate = 0.02
weight_decay = 0.001

[schedule]
kind = "one-cycle"

[averaging]
momentum = 0.8
"""


def a_face(label: int, rng: np.random.Generator) -> GreyImage:
    """Draw a smiley whose mouth and shade tell its label; uint8, shape (48, 48)."""
    grey = np.full((48, 48), rng.integers(230, 250), np.uint8)
    cv2.circle(grey, (24, 24), 20, 30 + 28 * label + int(rng.integers(0, 8)), -1)
    for x in (16, 32):
        cv2.circle(grey, (x + int(rng.integers(-1, 2)), 18), 2 + label % 3, 20, -1)
    low, high = (200, 340) if label % 2 else (20, 160)
    cv2.ellipse(grey, (24, 31), (10, 2 + label), 0, low, high, 250, 1 + label // 3)
    return grey


def a_png(picture: GreyImage) -> bytes:
    """Encode a picture as PNG."""
    return bytes(cv2.imencode(".png", picture)[1].tobytes())


def write_faces(folder: Path, labels: Sequence[str], *, each: int, seed: int = 0) -> Path:
    """Write class folders of made-up faces, all of them different."""
    rng = np.random.default_rng(seed)
    for index, label in enumerate(labels):
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            face = a_face(index, rng)
            face[0, :4] = rng.integers(0, 256, 4)
            (folder / label / f"{number:03d}.png").write_bytes(a_png(face))
    return folder


@pytest.fixture
def seven() -> tuple[str, ...]:
    return LABEL_SETS["fer2013"].labels


@pytest.fixture(name="write_faces", scope="session")
def _write_faces() -> Callable[..., Path]:
    return write_faces


@pytest.fixture(name="a_face", scope="session")
def _a_face() -> Callable[[int, np.random.Generator], GreyImage]:
    return a_face


@pytest.fixture(name="a_png")
def _a_png() -> Callable[[GreyImage], bytes]:
    return a_png


@pytest.fixture(scope="session")
def small_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipes") / "small.toml"
    path.write_text(SMALL_RECIPE.format(labels="fer2013", output="softmax"))
    return path


@pytest.fixture(scope="session")
def binary_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipes") / "binary.toml"
    path.write_text(SMALL_RECIPE.format(labels="happy-sad", output="sigmoid"))
    return path


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train and test folders; two test pictures are copies of train pictures, one file is none."""

    def make(folder: Path) -> None:
        labels = LABEL_SETS["fer2013"].labels
        (folder / "README.txt").write_text("made-up faces")
        write_faces(folder / "train", labels, each=20, seed=1)
        write_faces(folder / "test", labels, each=5, seed=2)
        for label in labels[:2]:
            copied = (folder / "train" / label / "004.png").read_bytes()
            (folder / "test" / label / "000.png").write_bytes(copied)

    return made_once(tmp_path_factory, "faces", make)


@pytest.fixture(scope="session")
def finished_run(faces: Path, small_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that `fer-train fit` left behind; do not write into it."""
    from fer_trainer.data.loading import load_data
    from fer_trainer.jobs.fit import fit
    from fer_trainer.recipe.files import load_recipe
    from fer_trainer.run.folder import RunFolder

    def make(folder: Path) -> None:
        recipe = load_recipe(str(small_recipe))
        fit(recipe, load_data(recipe, faces), RunFolder(folder / "run"), tell=lambda line: None)

    return made_once(tmp_path_factory, "finished-run", make) / "run"


@pytest.fixture(scope="session")
def stubborn_run(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run with a network that calls every picture happy; do not write into it."""
    from fer_trainer.jobs.finished import load_run

    run = shutil.copytree(finished_run, tmp_path_factory.mktemp("runs") / "stubborn")
    contract, network = load_run(run)
    *others, kernel, bias = network.get_weights()
    bias[:] = 0
    bias[contract.labels.index("happy")] = 5
    network.set_weights([*others, 0 * kernel, bias])
    network.save(run / "model.keras")
    return run


HEADS = """
[[heads]]
name = "own"
labels = "fer2013"

[[heads]]
name = "people"
labels = "ferplus"
weight = 0.5
"""

COLUMNS = (
    "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt",
    "unknown", "NF",
)  # fmt: skip
NAMES = {"happiness": "happy", "sadness": "sad", "anger": "angry"}


@pytest.fixture(scope="session")
def votes(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight votes for each picture's own label, every sixth neutral picture for contempt instead.

    About every fifth picture people took for nothing they could name, so FER+ leaves it out.
    """
    lines = ["path," + ",".join(COLUMNS) + ",ambiguous"]
    for number, path in enumerate(sorted(faces.rglob("*.png"))):
        label = path.parent.name
        if label == "neutral" and number % 3 == 0:
            label = "contempt"
        if number % 5 == 4 and label != "contempt":
            label = "unknown"
        row = [8 if NAMES.get(column, column) == label else 0 for column in COLUMNS]
        lines.append(f"{path.relative_to(faces).as_posix()}," + ",".join(map(str, row)) + ",0")
    file = tmp_path_factory.mktemp("votes") / "votes.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.fixture(scope="session")
def headed_recipe(
    small_recipe: Path, votes: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("recipes") / "headed.toml"
    text = small_recipe.read_text().replace('"small"', '"headed"')
    text = text.replace("[data]\n", f"[data]\nvotes = {json.dumps(str(votes))}\n")
    path.write_text(text.replace("epochs = 5", "epochs = 8") + HEADS)
    return path


@pytest.fixture(scope="session")
def headed_run(headed_recipe: Path, faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two heads; do not write into it."""
    from fer_trainer.data.loading import load_data
    from fer_trainer.jobs.fit import fit
    from fer_trainer.recipe.files import load_recipe
    from fer_trainer.run.folder import RunFolder

    run = tmp_path_factory.mktemp("runs") / "headed"
    recipe = load_recipe(str(headed_recipe))
    fit(recipe, load_data(recipe, faces), RunFolder(run), tell=lambda line: None)
    return run
