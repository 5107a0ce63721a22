"""`fer-train predict` says what the documented systems say."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer_edge.shared.labels import LABEL_SETS
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Prediction
from fer_trainer.data.loading import load_data
from fer_trainer.jobs.fit import fit
from fer_trainer.jobs.predict import RunPredictor, draw_seen
from fer_trainer.jobs.wording import say, to_prediction
from fer_trainer.recipe.files import load_recipe
from fer_trainer.run.folder import RunFolder

MAIN = "from fer_trainer.cli import main; main()"
WORDS = ("Not Happy", "Happy")
pytestmark = pytest.mark.xdist_group("happy-run")


def fer_train(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MAIN, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def happy_run(
    tmp_path_factory: pytest.TempPathFactory, write_faces: Callable[..., Path]
) -> tuple[Path, Path]:
    """A run of `happy-sad-simple` with a small network, and the data it saw."""
    folder = tmp_path_factory.mktemp("happy")
    data = write_faces(folder / "data", ["happy", "sad"], each=8)
    recipe = load_recipe(
        "happy-sad-simple",
        overrides=['network.layers=["rescale 0..1", "conv 4 /4 relu", "flatten", "sigmoid"]'],
    )
    fit(recipe, load_data(recipe, data), RunFolder(folder / "run"), tell=lambda line: None)
    return folder / "run", data


@pytest.mark.parametrize(
    ("p_happy", "text"),
    [(0.93, "Happy (0.93)"), (0.12, "Not Happy (0.12)"), (0.5, "Happy (0.50)")],
)
def test_a_binary_answer_is_worded_as_documented(p_happy: float, text: str) -> None:
    prediction = to_prediction([p_happy], ("sad", "happy"), threshold=0.5)
    assert prediction.scores == pytest.approx({"sad": 1 - p_happy, "happy": p_happy})
    assert say(prediction, WORDS) == text


def test_one_of_seven_comes_with_its_own_probability() -> None:
    words = load_recipe("seven-classic").words
    labels = LABEL_SETS["fer2013"].labels
    prediction = Prediction(labels, (0.02, 0.02, 0.02, 0.81, 0.05, 0.05, 0.03))
    assert say(prediction, words) == "Happiness (0.81)"
    assert load_recipe("seven-gap").words[3] == "Happy"


def test_predict_prints_one_line_a_picture(happy_run: tuple[Path, Path], tmp_path: Path) -> None:
    run, data = happy_run
    picture = data / "happy" / "000.png"
    drawn = tmp_path / "new.png"
    done = fer_train("predict", run, picture, "--crops", "--picture", drawn)
    assert done.returncode == 0, done.stderr
    match = re.fullmatch(r"(Not )?Happy \((\d\.\d\d)\)\n", done.stdout)
    assert match
    assert (match[1] is None) == (float(match[2]) >= 0.5)
    assert min(cv2.imread(str(drawn)).shape[:2]) > 200


def test_several_pictures_are_named_and_a_bad_one_stops_nothing(
    happy_run: tuple[Path, Path], tmp_path: Path
) -> None:
    run, data = happy_run
    first, second = data / "happy" / "000.png", data / "sad" / "001.png"
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    thin = tmp_path / "thin.png"
    cv2.imwrite(str(thin), np.zeros((3, 60), np.uint8))
    done = fer_train("predict", run, first, broken, thin, second, "--crops")
    assert done.returncode == 1
    assert [line.rpartition(": ")[0] for line in done.stdout.splitlines()] == [
        str(first),
        str(second),
    ]
    assert "broken.png cannot be decoded" in done.stderr
    assert "thin.png: a picture of 60x3 pixels is no face crop" in done.stderr
    as_json = fer_train("predict", run, first, second, "--crops", "--json")
    lines = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert [line["image"] for line in lines] == [str(first), str(second)]
    (face,) = lines[0]["faces"]
    assert face["box"] == [0, 0, 48, 48]
    assert face["text"].split(" (")[0] == ("Happy" if face["label"] == "happy" else "Not Happy")
    assert sum(face["scores"].values()) == pytest.approx(1, abs=1e-3)


def test_a_picture_without_a_face_is_read_whole_and_the_log_says_so(
    happy_run: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run, _ = happy_run
    grey = np.random.default_rng(1).integers(0, 256, (90, 120)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "noise.png"), grey)
    with caplog.at_level("INFO"):
        seen = RunPredictor(run, whole_pictures=False).read(str(tmp_path / "noise.png"))
    assert "no face found" in caplog.text
    assert (seen.width, seen.height) == (120, 90)
    assert seen.to_json()["faces"][0]["box"] == [0, 0, 120, 90]
    whole = RunPredictor(run, whole_pictures=True).read(str(tmp_path / "noise.png"))
    assert whole.to_json() == seen.to_json()


def test_odd_names_of_pictures_are_drawn(happy_run: tuple[Path, Path], tmp_path: Path) -> None:
    run, data = happy_run
    odd = tmp_path / "a $x_1$ \udcff.png"
    odd.write_bytes((data / "happy" / "000.png").read_bytes())
    seen = RunPredictor(run, whole_pictures=True).read(str(odd))
    draw_seen([seen], title="$odd", path=tmp_path / "drawn.png")
    assert (tmp_path / "drawn.png").stat().st_size > 1000


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    done = fer_train("predict", tmp_path, "face.png")
    assert done.returncode == 78
    assert "finished run" in done.stderr
