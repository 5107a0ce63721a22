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
TEACHER = "edge-wide"

Make = Callable[..., tuple[int, list[str], str]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Run the script on a teacher with the given text in its metrics.json."""
    programs, runs = tmp_path / "bin", tmp_path / "runs"
    before = tmp_path / "before"
    programs.mkdir()
    before.mkdir()
    for name in ("fer-train", "fer-convert", "fer-edge"):
        (programs / name).write_text(PROGRAM)
        (programs / name).chmod(0o755)

    def run(metrics: str, more: tuple[str, ...] = ()) -> tuple[int, list[str], str]:
        (runs / TEACHER).mkdir(parents=True)
        (runs / TEACHER / "metrics.json").write_text(metrics)
        calls = tmp_path / "calls"
        done = subprocess.run(
            ["bash", str(SCRIPT), "data.zip", "votes.csv", "faces.zip", str(before), str(runs),
             *more],
            env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "CALLS": str(calls)},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        return done.returncode, calls.read_text().splitlines(), done.stderr

    return run


def reaching(fer2013: float, ferplus: float) -> str:
    figures = {"fer2013": fer2013, "ferplus": ferplus}
    return json.dumps(
        {"heads": {name: {"validation": {"accuracy": each}} for name, each in figures.items()}}
    )


def test_a_run_that_is_there_is_checked_and_settings_reach_every_step(make: Make) -> None:
    code, calls, _ = make(reaching(0.7, 0.83), more=("--set", "data.seed=3"))
    assert code == 0
    fits = [call for call in calls if call.startswith("fer-train fit ")]
    assert len(fits) == 7
    assert all("--resume" in call for call in fits)
    teach = [call for call in calls if call.startswith("fer-train teach ")]
    assert len(teach) == 2
    assert all("--set data.seed=3" in call for call in (*fits, *teach))
    assert sum(call.startswith("fer-convert ") for call in calls) == 7


def test_each_network_begins_where_the_generation_before_ended(make: Make) -> None:
    _, calls, _ = make(reaching(0.7, 0.83))
    fits = [call for call in calls if call.startswith("fer-train fit ")]
    heads, teacher, small, nano, *of_votes = fits
    votes = "--init-from ", "/before/edge-small-ferplus.int8.tflite"
    assert all(all(part in call for part in votes) for call in of_votes)
    assert "/before/edge-small.int8.tflite" in heads
    first, second = [part.split()[0] for part in teacher.split("--init-from ")[1:]]
    assert first.endswith("/before/edge-small.int8.tflite")
    assert second.endswith("/edge-small-heads-int8/emotion.int8.tflite")
    assert "--init-from" in small
    assert small.split("--init-from ")[1].split()[0].endswith("/edge-small-heads")
    assert "/before/edge-nano.int8.tflite" in nano
    teach, _ = [call for call in calls if call.startswith("fer-train teach ")]
    assert teach.split()[2].endswith("/edge-wide")
    assert teach.split()[3].endswith("/edge-small-heads")


@pytest.mark.parametrize(
    ("fer2013", "ferplus", "poor"), [(0.7, 0.83, False), (0.7, 0.825, True), (0.67, 0.83, True)]
)
def test_it_is_said_where_a_teacher_is_no_better_than_the_last_generation(
    make: Make, fer2013: float, ferplus: float, poor: bool
) -> None:
    code, _, said = make(reaching(fer2013, ferplus))
    assert code == 0
    assert ("is not better than both models" in said) == poor


def test_a_teacher_that_cannot_be_judged_ends_the_script(make: Make) -> None:
    code, calls, _ = make('{"heads": ')
    assert code not in {0, 127}
    said = [call.split()[:2] for call in calls]
    assert [program for program, _ in said] == ["fer-train", "fer-convert", "fer-train"]
