"""Pipes in the place of files that are named at the prompt: refused, not waited for."""

import os

import pytest
from click.testing import CliRunner

from fer_edge.cli import cli as fer_edge
from fer_edge.shared.errors import FerError
from fer_trainer.cli import cli as fer_train


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (fer_edge, "evaluate @"), (fer_edge, "evaluate faces --votes @"),
        (fer_edge, "bench compare @ @"), (fer_edge, "inspect @"), (fer_edge, "replay @"),
        (fer_edge, "config check @"), (fer_edge, "run --source @"),
        (fer_train, "inspect-data @"), (fer_train, "fit edge-nano @ --out run"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["x.zip", "x.csv", "x"])
def test_a_pipe_is_refused(tmp_path, monkeypatch, program, words, name):
    monkeypatch.chdir(tmp_path)
    os.mkfifo(name)
    (tmp_path / "faces" / "happy").mkdir(parents=True)
    done = CliRunner().invoke(program, words.replace("@", name).split())
    assert isinstance(done.exception, FerError), done.output
    assert "pipe" in str(done.exception) or "no regular file" in str(done.exception)
