"""`fer-train runs`: what there is, and how far each has come."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fer_edge.shared.errors import DataError
from fer_trainer.cli import cli

ROOT = Path(__file__).parents[2]


def listed(folder: Path) -> dict[str, dict[str, object]]:
    done = CliRunner().invoke(cli, ["runs", str(folder), "--json"], catch_exceptions=False)
    return {Path(str(entry["run"])).name: entry for entry in json.loads(done.stdout)}


@pytest.fixture
def folder(finished_run: Path, tmp_path: Path) -> Path:
    """A finished run, one that was killed, one not begun, one that is damaged, and no run."""
    runs = tmp_path / "runs"
    for name in ("done", "deep/killed", "fresh", "damaged"):
        shutil.copytree(finished_run, runs / name)
    for name in ("metrics.json", "contract.json", "model.keras"):
        (runs / "deep/killed" / name).unlink()
        (runs / "fresh" / name).unlink()
    (runs / "fresh/history.csv").unlink()
    (runs / "damaged/metrics.json").write_text("[]")
    (runs / "notes").mkdir()
    return runs


def test_every_run_is_listed_with_its_state(folder: Path) -> None:
    found = listed(folder)
    states = {name: entry["state"] for name, entry in found.items()}
    assert states == {
        "killed": "unfinished", "damaged": "damaged", "done": "finished", "fresh": "unfinished",
    }  # fmt: skip
    assert "metrics.json" in str(found["damaged"]["problem"])
    assert found["fresh"]["best_accuracy"] is None
    assert found["fresh"]["epochs"] == 0


def test_a_run_is_told_as_it_recorded_it(folder: Path) -> None:
    rows = (folder / "done/history.csv").read_text().splitlines()
    column = rows[0].split(",").index("val_accuracy")
    accuracies = [float(row.split(",")[column]) for row in rows[1:]]
    for name in ("done", "killed"):
        entry = listed(folder)[name]
        assert (entry["recipe"], entry["data"]) == ("small", "faces")
        assert (entry["epochs"], entry["epochs_wanted"]) == (5, 5)
        assert entry["best_accuracy"] == max(accuracies)
        assert entry["best_epoch"] == 1 + accuracies.index(max(accuracies))
    size = sum(path.stat().st_size for path in (folder / "done").rglob("*") if path.is_file())
    assert listed(folder)["done"]["bytes"] == size


@pytest.mark.parametrize("line", ["\0\0\0,0.1,1,0.5,1,0.5,2", "6,0.1", "6" + ",1" * 9, "x" * 50])
def test_a_damaged_history_is_told_and_the_other_runs_are_listed(folder: Path, line: str) -> None:
    with (folder / "deep/killed/history.csv").open("a") as history:
        history.write(line + "\n")
    found = listed(folder)
    assert {name: entry["state"] for name, entry in found.items()} == {
        "killed": "damaged", "damaged": "damaged", "done": "finished", "fresh": "unfinished",
    }  # fmt: skip
    assert "history.csv cannot be read" in str(found["killed"]["problem"])


def test_people_get_a_table(folder: Path) -> None:
    lines = CliRunner().invoke(cli, ["runs", str(folder)]).stdout.splitlines()
    assert lines[0].split()[:3] == ["run", "recipe", "data"]
    assert sum("5 of 5" in line for line in lines) == 3
    assert lines[-1].startswith(f"{folder / 'damaged'}: ")


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["runs", str(tmp_path / "none")])
    assert isinstance(done.exception, DataError)
    assert "none does not exist" in str(done.exception)
    assert "holds no run" in CliRunner().invoke(cli, ["runs", str(tmp_path)]).stderr


def test_recipes_say_what_the_log_says() -> None:
    done = CliRunner().invoke(cli, ["recipes", "--json"], catch_exceptions=False)
    found = {recipe["name"]: recipe for recipe in json.loads(done.stdout)}
    small = found["edge-small"]
    assert (small["parameters"], small["macs"]) == (728_023, 58_725_696)
    assert 0.7e6 < small["int8_bytes"] < 0.801e6, "the file that ships, golden vectors left out"
    assert found["seven-wide"]["measured"] is None, "never trained to its end"
    for name, recipe in found.items():
        if (measured := recipe["measured"]) is not None:
            page = ROOT / measured["log"].partition("#")[0]
            rows = page.read_text().splitlines()
            accuracy = f"{100 * measured['test_accuracy']:.1f}"
            assert any(accuracy in row for row in rows if name in row or "mean" in row), name
    lines = CliRunner().invoke(cli, ["recipes"]).stdout.splitlines()
    assert next(line for line in lines if line.startswith("edge-nano ")).split()[2:6] == [
        "125,671", "8.0", "137", "65.8%",
    ]  # fmt: skip


def test_nothing_that_lists_loads_a_framework(finished_run: Path) -> None:
    code = (
        "import sys; from fer_trainer.cli import cli\n"
        f"cli.main(['runs', {str(finished_run)!r}], standalone_mode=False)\n"
        "cli.main(['recipes'], standalone_mode=False)\n"
        "cli.main(['describe', 'edge-small'], standalone_mode=False)\n"
        "loaded = {'keras', 'tensorflow', 'torch', 'jax', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {loaded}' if loaded else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
