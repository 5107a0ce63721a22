"""`report`, `evaluate --out` and `describe --out` as a user meets them."""

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

MAIN = "from fer_trainer.cli import main; main()"


def fer_train(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MAIN, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_report_writes_the_page_anew_without_the_data(finished_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    (run / "report.html").unlink()
    done = fer_train("report", run, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "report": str(run / "report.html"),
        "pictures": str(run / "report"),
    }
    assert (run / "report.html").stat().st_size > 50_000


def test_report_refuses_an_unfinished_run(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("")
    done = fer_train("report", tmp_path)
    assert (done.returncode, done.stdout) == (78, "")
    assert "lacks split.json" in done.stderr
    assert "Traceback" not in done.stderr


def test_evaluate_leaves_pictures(finished_run: Path, faces: Path, tmp_path: Path) -> None:
    done = fer_train("evaluate", finished_run, faces, "--out", tmp_path / "seen", "--json")
    assert done.returncode == 0, done.stderr
    metrics = json.loads((finished_run / "metrics.json").read_text())
    assert json.loads(done.stdout) == metrics["test"]
    assert (tmp_path / "seen" / "confusion.png").stat().st_size > 1000


def test_pictures_that_cannot_be_written_are_one_clear_line(
    finished_run: Path, faces: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    done = fer_train("evaluate", finished_run, faces, "--out", tmp_path / "file")
    assert (done.returncode, done.stdout) == (1, "")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert "cannot be made" in last


def test_describe_draws_the_network(small_recipe: Path, tmp_path: Path) -> None:
    done = fer_train("describe", small_recipe, "--out", tmp_path / "new" / "small.svg")
    assert done.returncode == 0, done.stderr
    assert "total" in done.stdout
    root = ET.parse(tmp_path / "new" / "small.svg").getroot()
    assert any("residual_conv1" in (t.text or "") for t in root.iter() if t.tag.endswith("title"))
