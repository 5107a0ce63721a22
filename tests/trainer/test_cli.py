"""The command line as a user meets it: in a process of its own."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from fer_trainer.recipe.files import dump_recipe, load_recipe

MAIN = "from fer_trainer.cli import main; main()"


def fer_train(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MAIN, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.lower().startswith("error: ")
    for word in words:
        assert word in last


def test_what_looks_at_recipes_and_runs_does_not_wait_for_keras(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/recipe.toml").write_text(dump_recipe(load_recipe("edge-small")))
    code = (
        "import sys; from fer_trainer.cli import cli\n"
        "cli.main(['describe', '--help'], standalone_mode=False)\n"
        "for words in (['recipes'], ['describe', 'edge-small-taught'], ['runs', sys.argv[1]]):\n"
        "    cli.main(words, standalone_mode=False)\n"
        "assert not {'keras', 'tensorflow', 'torch', 'jax'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for words in ("conv 64 3x3 /2 relu", "happy-sad-deep", "extends edge-small", "unfinished"):
        assert words in done.stdout


def test_recipes_lists_what_ships() -> None:
    done = fer_train("recipes", "--json")
    assert done.returncode == 0
    assert "edge-small" in [recipe["name"] for recipe in json.loads(done.stdout)]
    assert "edge-small" in fer_train("recipes").stdout


def test_describe_counts() -> None:
    found = json.loads(fer_train("describe", "edge-small", "--json").stdout)
    assert (found["parameters"], found["macs"]) == (728_023, 58_725_696)
    assert found["layers"][-1]["shape"] == [7]


def test_fit_and_evaluate(small_recipe: Path, faces: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = fer_train("fit", small_recipe, faces, "--out", run, "--set", "training.epochs=1")
    assert done.returncode == 0, done.stderr
    assert "epoch 1/1" in done.stderr
    assert "\r" not in done.stderr
    assert "test without train copies: accuracy" in done.stdout
    assert "epoch" not in done.stdout
    evaluated = fer_train("evaluate", run, faces, "--json")
    assert evaluated.returncode == 0, evaluated.stderr
    metrics = json.loads((run / "metrics.json").read_text())
    assert json.loads(evaluated.stdout) == metrics["test"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["training.epoch=1"], ["did you mean 'training.epochs'"]),
        (["network.layers=['rescale 0..1', 'conv', 'softmax']"], ["lacks its size"]),
    ],
)
def test_bad_settings_are_78(changes: list[str], words: list[str], tmp_path: Path) -> None:
    options = [part for change in changes for part in ("--set", change)]
    refused(fer_train("fit", "edge-small", tmp_path, "--out", tmp_path / "r", *options), 78, *words)


def test_an_unknown_recipe_is_78(tmp_path: Path) -> None:
    refused(fer_train("fit", "edge-smal", tmp_path, "--out", tmp_path / "run"), 78, "edge-small")


def test_missing_data_is_1_and_leaves_nothing(tmp_path: Path) -> None:
    done = fer_train("fit", "edge-small", tmp_path / "none.zip", "--out", tmp_path / "run")
    refused(done, 1, "none.zip does not exist")
    assert not (tmp_path / "run").exists()


def test_an_empty_zip_is_1(tmp_path: Path) -> None:
    (tmp_path / "empty.zip").write_bytes(b"")
    done = fer_train("fit", "edge-small", tmp_path / "empty.zip", "--out", tmp_path / "run")
    refused(done, 1, "empty.zip is no readable ZIP")


def test_an_address_space_too_small_for_tensorflow_is_78(tmp_path: Path) -> None:
    bound = 2000 << 20  # in which it crashes
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "describe", "edge-nano", "--out", str(tmp_path / "n.html")],
        capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (bound, bound)),
    )  # fmt: skip
    refused(done, 78, "may take 2000 MB of address space (ulimit -v)", "at least 3000 MB")


def test_no_out_is_a_usage_error(tmp_path: Path) -> None:
    done = fer_train("fit", "edge-small", tmp_path)
    assert done.returncode == 2
    assert "--out" in done.stderr


def test_evaluating_an_unfinished_run_is_78(tmp_path: Path, faces: Path) -> None:
    refused(fer_train("evaluate", tmp_path, faces), 78, "lacks", "finished run")
