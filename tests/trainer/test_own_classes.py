"""Two classes of somebody's own, in colour, from drawn pictures to events on a device."""

import json
from pathlib import Path

import numpy as np
from builders import PORTRAIT
from click.testing import CliRunner
from command_line import fer_edge

from fer_convert.cli import convert
from fer_edge.commands.model import model
from fer_edge.shared.model.model_file import read_model
from fer_edge.shared.opencv import cv2
from fer_trainer.data.loading import load_data, settle_labels
from fer_trainer.jobs.fit import fit
from fer_trainer.recipe.files import load_recipe
from fer_trainer.run.folder import RunFolder

RED, BLUE = "gut drauf", "nö danke"
RECIPE = """
name = "my-own"
labels = "folders"
input = {size = 64, colour = "rgb"}
network.layers = ["rescale 0..1", "conv 8 /2 relu", "maxpool", "conv 16 relu", "gap", "softmax"]
training = {epochs = 2, batch_size = 16}
optimiser.learning_rate = 0.01
augmentation = {flip = true, rotation_degrees = 10, contrast = 0.2}
"""
BGR = {RED: (40, 40, 220), BLUE: (220, 60, 40)}


def draw_discs(folder: Path, *, each: int, seed: int) -> None:
    """Write noise with a disc that is red in one class and blue in the other."""
    rng = np.random.default_rng(seed)
    for label, colour in BGR.items():
        (folder / label).mkdir(parents=True)
        for number in range(each):
            picture = np.ascontiguousarray(rng.integers(30, 100, (64, 64, 3)).astype(np.uint8))
            centre = [int(at) for at in rng.integers(24, 40, 2)]
            cv2.circle(picture, centre, 14, colour, -1)
            assert cv2.imwrite(str(folder / label / f"{number}.png"), picture)


def write_clip(path: Path) -> None:
    """Write two seconds of the portrait in reddish light, and two in bluish light."""
    grey = cv2.imread(str(PORTRAIT), cv2.IMREAD_GRAYSCALE)
    clip = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, grey.shape[::-1])
    for tint in ((0.5, 0.5, 1.0), (1.0, 0.5, 0.5)):
        for _ in range(20):
            clip.write((grey[..., None] * np.array(tint)).astype(np.uint8))
    clip.release()


def test_own_classes_in_colour_reach_the_device(tmp_path: Path) -> None:
    data, run, out = tmp_path / "data", tmp_path / "run", tmp_path / "out"
    draw_discs(data / "train", each=175, seed=0)
    draw_discs(data / "test", each=55, seed=1)
    path = tmp_path / "own.toml"
    path.write_text(RECIPE, encoding="utf-8")
    recipe = settle_labels(load_recipe(str(path)), data)
    fit(recipe, load_data(recipe, data), RunFolder(run), tell=lambda _line: None)
    assert (run / "report.html").is_file()
    done = CliRunner().invoke(convert, [str(run), "--int8", "--c-array", "--out", str(out)])
    assert done.exit_code == 0, done.output
    header, source = ((out / f"emotion_model.{end}").read_text("utf-8") for end in ("h", "cc"))
    assert "one face crop in colour of" in header
    assert f'"{BLUE}",' in source

    file = out / "emotion.int8.tflite"
    contract = read_model(file).contract
    assert contract.labels == (RED, BLUE)
    assert (contract.input.shape, contract.input.scale) == ((64, 64, 3), 1.0)
    done = CliRunner().invoke(model, ["install", str(file), "--state", str(tmp_path / "state")])
    assert done.exit_code == 0, done.output
    assert "warning" not in done.output

    write_clip(tmp_path / "clip.avi")
    events = tmp_path / "events.jsonl"
    seen = fer_edge(
        "run", "--source", tmp_path / "clip.avi", "--model", file,
        "--set", f"events.file={events}", "--set", "events.purpose=a test",
    )  # fmt: skip
    assert seen.returncode == 0, seen.stderr
    stable = [json.loads(line)["faces"][0]["stable"] for line in seen.stdout.splitlines()[5:]]
    assert (stable[0], stable[-1]) == (RED, BLUE)
    told = [json.loads(line)["expression"] for line in events.read_text("utf-8").splitlines()]
    sure = [expression for expression in told if expression != "uncertain"]
    assert (sure[0], sure[-1]) == (RED, BLUE)
