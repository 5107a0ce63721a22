"""`fer-train compare`: curves over one another, a table, and a test on the same pictures."""

import json
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

from fer_edge.shared.errors import ModelError
from fer_trainer.cli import cli


def compared(*arguments: object) -> str:
    done = CliRunner().invoke(cli, ["compare", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def unfinish(run: Path) -> Path:
    for name in ("metrics.json", "contract.json", "model.keras"):
        (run / name).unlink()
    return run


def test_each_run_is_tested_against_the_first(
    finished_run: Path, stubborn_run: Path, tmp_path: Path
) -> None:
    page = tmp_path / "new/page.html"
    found = json.loads(compared(finished_run, stubborn_run, "--out", page, "--json"))
    metrics = json.loads((finished_run / "metrics.json").read_text())["test"]
    mine, stubborn = found["runs"]
    assert (mine["n"], mine["part"]) == (35, "test")
    assert mine["accuracy"] == pytest.approx(metrics["accuracy"], abs=0.03)  # on the edge
    assert stubborn["accuracy"] == pytest.approx(1 / 7, abs=1e-4)
    test = found["tests"]["stubborn"]
    assert test["n"] == 35
    assert (test["won"] - test["lost"]) / 35 == pytest.approx(
        stubborn["accuracy"] - mine["accuracy"], abs=1e-3
    )
    written = page.read_text()
    tree = ET.fromstring(written.removeprefix("<!DOCTYPE html>\n"))
    assert len(tree.findall(".//figure")) == 4
    assert not re.search(r"(src|href)=\"(?!#)", written), "nothing from outside"
    (accuracy, *_) = tree.findall(".//figure")
    assert len(accuracy.findall(".//{http://www.w3.org/2000/svg}polyline")) == 2
    assert "stubborn" in "".join(accuracy.itertext())


def test_equal_runs_cannot_be_told_apart(finished_run: Path, tmp_path: Path) -> None:
    same = shutil.copytree(finished_run, tmp_path / "same")
    text = compared(finished_run, same)
    assert "same and run cannot be told apart: +0.0 points" in text
    assert "p = 1" in text


def test_what_cannot_be_tested_is_said(finished_run: Path, tmp_path: Path) -> None:
    killed = unfinish(shutil.copytree(finished_run, tmp_path / "killed"))
    elsewhere = shutil.copytree(finished_run, tmp_path / "elsewhere")
    metrics = json.loads((elsewhere / "metrics.json").read_text())
    metrics["data"]["content_sha256"] = "other"
    (elsewhere / "metrics.json").write_text(json.dumps(metrics))
    found = json.loads(compared(finished_run, killed, elsewhere, "--json"))
    assert found["tests"] == {}
    assert found["untested"]["killed"] == "it is unfinished"
    assert "other data" in found["untested"]["elsewhere"]
    assert found["runs"][1]["accuracy"] is None
    assert found["runs"][1]["epochs"] == 5, "its curve is there"


def test_runs_of_one_name_are_told_apart(finished_run: Path, tmp_path: Path) -> None:
    other = unfinish(shutil.copytree(finished_run, tmp_path / "other/run"))
    third = unfinish(shutil.copytree(finished_run, tmp_path / "third/run"))
    names = [run["run"] for run in json.loads(compared(other, third, "--json"))["runs"]]
    assert names == [str(other), str(third)]


def test_what_is_no_run_is_refused(finished_run: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["compare", str(finished_run), str(tmp_path)])
    assert isinstance(done.exception, ModelError)
    assert "is no run" in str(done.exception)
    assert CliRunner().invoke(cli, ["compare", str(finished_run)]).exit_code == 2


def test_a_network_with_one_answer_is_told_by_evaluate(stubborn_run: Path, faces: Path) -> None:
    remark = "THE NETWORK GIVES EVERY PICTURE THE SAME LABEL: happy"
    arguments = ["evaluate", str(stubborn_run), str(faces)]
    shown = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert shown.stdout.splitlines()[-1] == f"  {remark}"
    figures = CliRunner().invoke(cli, [*arguments, "--json"], catch_exceptions=False)
    assert json.loads(figures.stdout)["remarks"] == [remark]


def test_a_network_at_chance_is_told_by_its_report(finished_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished_run, tmp_path / "dealt")
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["test"]["confusion"] = [[1] * 7] * 7
    (run / "metrics.json").write_text(json.dumps(metrics))
    assert CliRunner().invoke(cli, ["report", str(run)], catch_exceptions=False).exit_code == 0
    page = (run / "report.html").read_text()
    assert "THE NETWORK IS NO BETTER THAN CHANCE: 14.29% of 49 pictures right" in page
    assert page.index("CHANCE") < page.index("<nav>"), "above everything else"
