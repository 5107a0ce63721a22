"""The script that makes the shipped models, with programs of the test in place of ours."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import fer_trainer
from fer_edge.models import shipped_models

SCRIPT = Path(fer_trainer.__file__).parents[1] / "shipped_models.sh"
PROGRAM = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
[ "$1 ${FAILS:-no}" != "teach yes" ]
"""

Make = Callable[..., tuple[int, list[str], str]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Run the script."""
    programs, before = tmp_path / "bin", tmp_path / "before"
    programs.mkdir()
    before.mkdir()
    for name in ("fer-train", "fer-convert", "fer-edge"):
        (programs / name).write_text(PROGRAM)
        (programs / name).chmod(0o755)

    def run(*more: str, fails: str = "no") -> tuple[int, list[str], str]:
        calls = tmp_path / "calls"
        done = subprocess.run(
            ["bash", str(SCRIPT), "data.zip", "votes.csv", "faces.zip", str(before),
             str(tmp_path / "runs"), *more],
            env={
                **os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "CALLS": str(calls),
                "FAILS": fails,
            },
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        return done.returncode, calls.read_text().splitlines(), done.stderr

    return run


def test_it_makes_every_model_that_ships_and_settings_reach_every_step(make: Make) -> None:
    code, calls, said = make("--set", "data.seed=3")
    assert code == 0
    fits = [call for call in calls if call.startswith("fer-train fit ")]
    teaches = [call for call in calls if call.startswith("fer-train teach ")]
    assert all("--resume" in call for call in fits)
    assert all("--set data.seed=3" in call for call in (*fits, *teaches))
    converted = [call.split()[1] for call in calls if call.startswith("fer-convert ")]
    assert sorted(Path(run).name for run in converted) == sorted(shipped_models())
    assert said.count("== ") == 5 * len(converted)


def test_each_begins_with_its_own_file_and_is_taught_by_it(make: Make) -> None:
    _, calls, _ = make()
    for model in shipped_models():
        mine = [call for call in calls if f"--set name={model} " in f"{call} "]
        as_it_was, teach, fit = mine
        assert f"/before/{model}.int8.tflite" in as_it_was
        assert f"teach {as_it_was.split('--out ')[1].split()[0]} " in teach
        assert f"--set distillation.answers={teach.split('--out ')[1].split()[0]} " in fit
        assert "--set data.unlabelled=faces.zip" in teach
        assert "--set data.unlabelled=faces.zip" in fit
        votes = "--set labels=ferplus --set data.votes=votes.csv"
        assert all((votes in call) == model.endswith("-ferplus") for call in mine)


def test_what_fails_ends_the_script(make: Make) -> None:
    code, calls, _ = make(fails="yes")
    assert code not in {0, 127}
    assert [call.split()[1] for call in calls] == ["fit", "teach"]


def test_without_arguments_it_says_what_it_needs() -> None:
    done = subprocess.run(["bash", str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert done.stdout.startswith("From data to files")
    assert "set -euo" not in done.stdout
