"""Two at once in one folder: the second is told by whom it is used."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from fer_edge.shared.errors import OutputError
from fer_trainer.cli import cli
from fer_trainer.run.folder import RunFolder
from fer_trainer.run.lock import LOCK, in_use

HOLDER = """
import signal, sys
from pathlib import Path
from fer_trainer.run.lock import in_use

with in_use(Path(sys.argv[1])):
    print(flush=True)
    signal.pause()
"""


@contextmanager
def used_by_another(run: Path) -> Iterator[int]:
    """Let a process use a folder; it is killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(run)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        yield holder.pid
        holder.kill()


@pytest.fixture
def used(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    with used_by_another(tmp_path / "run") as child:
        yield tmp_path / "run", child


@pytest.mark.parametrize("more", [[], ["--force"], ["--resume"], ["--finish"]])
def test_a_run_that_is_trained_is_refused(
    used: tuple[Path, int], faces: Path, more: list[str]
) -> None:
    run, child = used
    before = sorted(run.iterdir())
    done = CliRunner().invoke(cli, ["fit", "edge-nano", str(faces), "--out", str(run), *more])
    assert isinstance(done.exception, OutputError)
    assert f"{run} is in use by process {child} of " in str(done.exception)
    assert " since 20" in str(done.exception)
    assert "wait until it has ended, or choose another --out" in str(done.exception)
    assert sorted(run.iterdir()) == before
    assert "reading" not in done.output


def test_nor_do_two_store_answers_in_one_folder(
    used: tuple[Path, int], finished_run: Path, faces: Path
) -> None:
    done = CliRunner().invoke(cli, ["teach", str(finished_run), str(faces), "--out", str(used[0])])
    assert isinstance(done.exception, OutputError)
    assert f"is in use by process {used[1]}" in str(done.exception)


def test_another_name_of_the_folder_is_the_same_folder(
    used: tuple[Path, int], tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(used[0])
    with pytest.raises(OutputError, match="is in use by"), in_use(tmp_path / "link"):
        pass


def test_who_was_killed_uses_nothing(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with used_by_another(run):
        pass
    assert [path.name for path in run.iterdir()] == [LOCK]
    RunFolder(run).check_free(force=False)
    with in_use(run):
        pass
    assert list(run.iterdir()) == []


def test_nothing_is_left_of_a_folder_in_which_nothing_was_written(tmp_path: Path) -> None:
    with in_use(tmp_path / "runs" / "one"):
        assert (tmp_path / "runs" / "one").is_dir()
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("theirs")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOCK).symlink_to(tmp_path / "elsewhere")
    with in_use(tmp_path / "run"):
        pass
    assert (tmp_path / "elsewhere").read_text() == "theirs"


@pytest.mark.parametrize("text", ["", "\x1b[31m evil\n" * 99, "\udcff"])
def test_whatever_the_file_says_is_shown_in_one_line(tmp_path: Path, text: str) -> None:
    with in_use(tmp_path):
        (tmp_path / LOCK).write_text(text, errors="surrogateescape")
        with pytest.raises(OutputError) as refused, in_use(tmp_path):
            pass
    said = str(refused.value)
    assert said.isprintable()
    assert len(said) < 500
