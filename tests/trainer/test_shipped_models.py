"""The script that makes the shipped models, with programs of the test in place of ours."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import fer_trainer

SCRIPT = Path(fer_trainer.__file__).parents[1] / "shipped_models.sh"
PROGRAM = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
"""
TEACHERS = ("edge-teacher", "edge-teacher-wide")

Make = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Run the script on two teachers with the given text in their metrics.json."""
    programs, runs = tmp_path / "bin", tmp_path / "runs"
    programs.mkdir()
    for name in ("fer-train", "fer-convert", "fer-edge"):
        (programs / name).write_text(PROGRAM)
        (programs / name).chmod(0o755)

    def run(*metrics: str, more: tuple[str, ...] = ()) -> tuple[int, list[str]]:
        for name, text in zip(TEACHERS, metrics, strict=True):
            (runs / name).mkdir(parents=True)
            (runs / name / "metrics.json").write_text(text)
        calls = tmp_path / "calls"
        done = subprocess.run(
            ["bash", str(SCRIPT), "data.zip", "votes.csv", "faces.zip", str(runs), *more],
            env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "CALLS": str(calls)},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        return done.returncode, calls.read_text().splitlines()

    return run


def reaching(fer2013: float, ferplus: float) -> str:
    figures = {"fer2013": fer2013, "ferplus": ferplus}
    return json.dumps(
        {"heads": {name: {"validation": {"accuracy": each}} for name, each in figures.items()}}
    )


def test_a_run_that_is_there_is_checked_and_settings_reach_every_step(make: Make) -> None:
    code, calls = make(reaching(0.7, 0.83), reaching(0.68, 0.85), more=("--set", "data.seed=3"))
    assert code == 0
    fits = [call for call in calls if call.startswith("fer-train fit ")]
    assert len(fits) == 4
    assert all("--resume" in call for call in fits)
    (teach,) = [call for call in calls if call.startswith("fer-train teach ")]
    assert all(f"/{name} " in teach for name in TEACHERS)
    assert all("--set data.seed=3" in call for call in (*fits, teach))
    assert sum(call.startswith("fer-convert ") for call in calls) == 4


def test_a_teacher_no_better_than_the_last_generation_does_not_teach(make: Make) -> None:
    code, calls = make(reaching(0.7, 0.83), reaching(0.7, 0.825))
    (teach,) = [call for call in calls if call.startswith("fer-train teach ")]
    assert code == 0
    assert "/edge-teacher " in teach
    assert "/edge-teacher-wide " not in teach


def test_a_teacher_that_cannot_be_judged_ends_the_script(make: Make) -> None:
    code, calls = make('{"heads": ', reaching(0.7, 0.83))
    assert code not in {0, 127}
    assert [call.split()[:2] for call in calls] == [["fer-train", "fit"]]
