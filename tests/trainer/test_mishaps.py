"""What befalls a run from outside: no room, no folder, no patience."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fer_edge.shared.errors import OutputError
from fer_trainer.data.loading import load_data
from fer_trainer.jobs.fit import fit
from fer_trainer.recipe.files import load_recipe
from fer_trainer.run.folder import RunFolder
from fer_trainer.training.callbacks import DivergedError, StopWhenDiverged
from fer_trainer.training.checkpoint import Checkpoint

MAIN = "from fer_trainer.cli import main; main()"


def start(recipe: Path, data: Path, run: Path, *more: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, "fit", str(recipe), str(data), "--out", str(run), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def train(
    recipe: Path, data: Path, run: Path, *, resume: bool = False, at: dict[int, Callable[[], None]]
) -> list[str]:
    """Train and do something as soon as an epoch has been told."""
    lines: list[str] = []

    def tell(line: str) -> None:
        lines.append(line)
        for epoch, act in at.items():
            if line.startswith(f"epoch {epoch}/"):
                act()

    settings = load_recipe(str(recipe))
    fit(settings, load_data(settings, data), RunFolder(run), tell=tell, resume=resume)
    return lines


def assert_unfinished(run: Path, *, epochs: int) -> None:
    """What was done is kept, and nothing takes the folder for a finished run."""
    assert Checkpoint.read(run / "checkpoints" / "last.npz").epoch == epochs
    assert not RunFolder(run).is_whole()
    assert not {"model.keras", "contract.json", "metrics.json"} & {p.name for p in run.iterdir()}
    assert list(run.rglob(".writing-*")) == []


@pytest.fixture
def file_size_limit() -> Iterator[Callable[[int], None]]:
    """Lets writes beyond a size fail, as a full disk does; lifted after the test."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_no_room_for_a_checkpoint_keeps_the_one_before(
    small_recipe: Path, faces: Path, tmp_path: Path, file_size_limit: Callable[[int], None]
) -> None:
    run = tmp_path / "run"
    with pytest.raises(OutputError, match=r"last\.npz cannot be written.*--resume"):
        train(small_recipe, faces, run, at={2: lambda: file_size_limit(20_000)})
    assert_unfinished(run, epochs=2)
    file_size_limit(resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    lines = train(small_recipe, faces, run, resume=True, at={})
    assert "going on after epoch 2" in lines
    assert RunFolder(run).is_whole()
    assert len((run / "history.csv").read_text().splitlines()) == 6


def test_a_full_disk_is_an_error_that_says_so(
    small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2M", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    try:
        run = disk / "run"

        def fill() -> None:
            with (disk / "full").open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4096))

        with pytest.raises(OutputError, match="No space left on device"):
            train(small_recipe, faces, run, at={1: fill})
        assert_unfinished(run, epochs=1)
        (disk / "full").unlink()
        train(small_recipe, faces, run, resume=True, at={})
        assert RunFolder(run).is_whole()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def test_a_run_folder_that_vanishes_is_an_error(
    small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with pytest.raises(OutputError, match=r"run.* cannot be written"):
        train(small_recipe, faces, run, at={1: lambda: shutil.rmtree(run)})
    assert not run.exists()


def test_data_that_vanishes_after_the_start_is_no_longer_needed(
    small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(faces, tmp_path / "faces"))
    train(small_recipe, data, tmp_path / "run", at={1: lambda: shutil.rmtree(data)})
    assert RunFolder(tmp_path / "run").is_whole()


def test_a_loss_that_is_no_number_keeps_the_checkpoint_before(
    small_recipe: Path, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = StopWhenDiverged.on_epoch_end

    def third_is_nan(self: StopWhenDiverged, epoch: int, logs: dict[str, float]) -> None:
        judge(self, epoch, {**logs, "loss": float("nan")} if epoch == 2 else logs)

    monkeypatch.setattr(StopWhenDiverged, "on_epoch_end", third_is_nan)
    run = tmp_path / "run"
    with pytest.raises(DivergedError, match=r"loss is nan in epoch 3.*checkpoint before is kept"):
        train(small_recipe, faces, run, at={})
    assert_unfinished(run, epochs=2)
    assert len((run / "history.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_keeps_what_there_is(
    presses: int, small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = start(small_recipe, faces, run, "--set", "training.epochs=500")
    assert process.stderr is not None
    while not process.stderr.readline().startswith("epoch 2/"):
        assert process.poll() is None
    for _ in range(presses):
        os.kill(process.pid, signal.SIGINT)
        time.sleep(0.03)
    output, errors = process.communicate(timeout=120)
    # Shells show 130 for both; a second one may end the process while it takes its leave.
    # On a busy machine that meets native code on its way out, which then aborts.
    ended = {-signal.SIGINT, -signal.SIGABRT} if presses == 2 else set()
    assert process.returncode in {130} | ended
    assert output == ""
    assert "Traceback" not in errors
    assert "defect" not in errors
    if presses == 1:
        assert "go on with --resume" in errors
        assert errors.endswith("interrupted\n")
    assert Checkpoint.read(run / "checkpoints" / "last.npz").epoch >= 2
    assert not RunFolder(run).is_whole()


def test_force_and_resume_exclude_each_other(
    small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    process = start(small_recipe, faces, tmp_path / "run", "--force", "--resume")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "give one of them" in errors
