"""Options that contradict one another or the settings are refused before anything is opened."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from command_line import fer_edge

from fer_edge.assemble.annotations import check_annotated
from fer_edge.assemble.checking import check_settings
from fer_edge.cli import cli
from fer_edge.settings import Settings, SourceSettings


def usage_error(done):
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "this is a defect" not in done.stderr
    return " ".join(done.stderr.split())


@pytest.mark.parametrize("given", ["--output", "--set", "--config", "environment"])
def test_json_silences_no_file(tmp_path, given):
    (tmp_path / "edge.toml").write_text('[output]\nfile = "o.jsonl"\n')
    arguments, environment = {
        "--output": (["--output", "o.jsonl"], {}),
        "--set": (["--set", "output.file=o.jsonl"], {}),
        "--config": (["--config", "edge.toml"], {}),
        "environment": ([], {"FER_EDGE_OUTPUT_FILE": "o.jsonl"}),
    }[given]
    done = fer_edge(
        "run", "--json", "--source", "none.mp4", *arguments, cwd=tmp_path, environment=environment
    )
    said = usage_error(done)
    assert "output.file = 'o.jsonl'" in said
    assert "--output -" in said
    assert not (tmp_path / "o.jsonl").exists()


def test_output_to_stdout_wins_over_the_file_of_the_settings(tmp_path):
    (tmp_path / "edge.toml").write_text('[output]\nfile = "o.jsonl"\n')
    done = fer_edge(
        *("run", "--json", "--output", "-", "--config", "edge.toml", "--source", "none.mp4"),
        cwd=tmp_path,
    )
    assert "none.mp4 does not exist" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("calibrate", "--out", "me.json", "--seconds"),
        ("bench", "--seconds"),
        ("run", "--max-seconds"),
        ("tune", "--cpu-ms"),
    ],
)
@pytest.mark.parametrize("number", ["nan", "inf"])
def test_what_is_no_number_is_not_taken_for_one(monkeypatch, tmp_path, arguments, number):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, [*arguments, number])
    assert done.exit_code == 2
    assert f"'{arguments[-1]}'" in done.stderr


def test_a_folder_of_participants_needs_one_of_them(tmp_path):
    done = CliRunner().invoke(cli, ["classify", "x.jpg", "--participants", str(tmp_path)])
    assert done.exit_code == 2
    assert "no effect without --participant" in done.stderr


def test_a_working_folder_that_is_gone_is_no_defect(monkeypatch, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for settings in (Settings(), Settings(source=SourceSettings(uri="none.mp4"))):
        check_settings(settings)
        check_annotated(Path("out.mp4"), settings)


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--annotate", ""),
        ("classify", "x.jpg", "--annotate", ""),
        ("tune", "--out", ""),
        ("demo", "--out", ""),
    ],
)
def test_an_empty_name_is_not_the_working_folder(monkeypatch, tmp_path, arguments):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 2
    assert "the name is empty" in done.stderr
    assert not list(tmp_path.iterdir())
