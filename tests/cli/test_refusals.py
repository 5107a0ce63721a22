"""Options that contradict one another or the settings are refused before anything is opened."""

import pytest
from command_line import fer_edge


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
