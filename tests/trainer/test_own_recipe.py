"""The guide's own example, as it stands on the page, on a small set: from films to an int8 file."""

import re
import shlex
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import click
import numpy as np
import pytest
from builders import PORTRAIT
from click.testing import CliRunner

import fer_convert.cli
import fer_edge.cli
import fer_trainer.cli
from fer_edge.shared.opencv import cv2
from fer_trainer.recipe.files import load_recipe, read_recipe

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/guide/own-recipe.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs/reference/recipes.md").read_text(encoding="utf-8")
PROGRAMS: Mapping[str, click.Command] = {
    "fer-train": fer_trainer.cli.cli,
    "fer-convert": fer_convert.cli.convert,
    "fer-edge": fer_edge.cli.cli,
}


def blocks(page: str, language: str) -> list[str]:
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```", page, flags=re.M | re.S)
    return [block.replace("\\\n", " ") for block in found]


def commands() -> Iterator[list[str]]:
    """Yield what a reader is told to type.

    A camera is at nobody's hand here, and to train a second time and compare is tested elsewhere.
    """
    for block in blocks(PAGE, "bash"):
        for line in block.splitlines():
            words = shlex.split(line)
            if "--source" not in words and "runs/smile-small" not in words:
                yield words


def typed(words: Sequence[str]) -> str:
    """Run a command of one of the programs; return what it printed."""
    done = CliRunner().invoke(
        PROGRAMS[Path(words[0]).name], words[1:], catch_exceptions=False, standalone_mode=False
    )
    assert done.return_value in {None, 0}, done.output
    return done.output


def write_film(path: Path, frames: int) -> None:
    path.parent.mkdir(parents=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (448, 448))
    portrait = cv2.imread(str(PORTRAIT))
    for number in range(frames):
        writer.write(cv2.resize(np.roll(portrait, number, axis=1), (448, 448)))
    writer.release()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (recipe,) = blocks(PAGE, "toml")
    (tmp_path / "smile.toml").write_text(recipe, encoding="utf-8")
    return tmp_path


def test_the_example_is_done_as_it_stands(desk: Path, write_faces: Callable[..., Path]) -> None:
    write_film(desk / "films/train/smile/anna.mp4", 11)
    write_film(desk / "films/test/no smile/carol.mp4", 6)
    (script,) = blocks(PAGE, "python")
    exec(compile(script, "cut_faces.py", "exec"), {})
    cut = sorted(path.relative_to(desk).as_posix() for path in desk.glob("faces/*/*/*.png"))
    assert cut == [
        "faces/test/no smile/carol-0000.png", "faces/test/no smile/carol-0005.png",
        *(f"faces/train/smile/anna-00{number:02d}.png" for number in (0, 5, 10)),
    ]  # fmt: skip
    labels = load_recipe("smile.toml").label_names
    write_faces(desk / "faces/train", labels, each=210, seed=1)
    write_faces(desk / "faces/test", labels, each=60, seed=2)
    told = {}
    for words in commands():
        if words[-1] != "cut_faces.py":
            told[" ".join(words[:2])] = typed([*words, *shorter(words)])
    assert re.search(r"^total +423 +122$", told[".venv/bin/fer-train inspect-data"], flags=re.M)
    assert "smile: smile.toml, which extends edge-nano" in told[".venv/bin/fer-train describe"]
    assert "gate, int8: passed" in told[".venv/bin/fer-convert runs/smile"]
    (accuracy,) = re.findall(r"accuracy +([\d.]+)", told[".venv/bin/fer-edge evaluate"])[:1]
    assert float(accuracy) > 0.9


def shorter(words: Sequence[str]) -> list[str]:
    """Fewer epochs, which drawn faces do not need."""
    return ["--epochs", "4"] if words[1] == "fit" else []


def test_the_example_changes_what_it_says(desk: Path) -> None:
    written = read_recipe("smile.toml")
    assert written.names == ["smile.toml", "edge-nano"]
    assert written.recipe.layers[-3].kind == "dropout"
    smaller = load_recipe("smile.toml", overrides=['network.changes=["23..25 ->"]'])
    assert sum(layer.kind == "conv" for layer in smaller.layers) == 7


def test_every_recipe_of_the_reference_can_be_read(tmp_path: Path) -> None:
    extending, small = blocks(REFERENCE, "toml")
    path = tmp_path / "mine.toml"
    path.write_text(extending, encoding="utf-8")
    assert [layer.kind for layer in load_recipe(str(path)).layers].count("separable") == 1
    layers = tomllib.loads(small)["layers"]
    small_recipe = load_recipe("edge-nano", overrides=[f"network.layers={layers}"])
    assert [layer.kind for layer in small_recipe.layers].count("excite") == 1
