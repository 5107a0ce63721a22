"""Many files in a row, whatever happens to one of them."""

import signal
import subprocess
import sys
import time

import pytest
from builders import a_contract, a_picture, encoded, write_files
from command_line import clean_environment
from tiny_model import tiny_model

SCRIPT = """
import os, signal, sys, time
import click
from fer_edge.commands.batch import run_batch
from fer_edge.shared.terminal.command_line import echo, run_command_line
from fer_edge.shared.errors import ModelError, PictureError

def fault(item):
    name = item.partition(".")[0]
    if name == "bad":
        raise PictureError(item + " is bad", expected="good", fix="mend it")
    if name.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, name))
    if name == "hang":
        time.sleep(600)
    if name == "defect":
        raise ZeroDivisionError("nobody\\nforesaw this")
    if name == "memory":
        raise MemoryError
    if name == "interrupt":
        raise KeyboardInterrupt
    if name == "model":
        raise ModelError("no model", expected="one", fix="get one")

@click.command()
@click.option("--start", default="")
@click.option("--timeout", default=60.0)
@click.argument("items", nargs=-1)
def program(start, timeout, items):
    def make_worker(_before):
        fault(start)
        def work(item):
            echo(item)
            if item == "slow":
                time.sleep(600)
            fault(item)
        return work
    echo(f"failed {run_batch(items, make_worker, timeout_seconds=timeout)}")

run_command_line(program, name="program")
"""

ANNOTATING = """
import os, signal, sys
from pathlib import Path
from fer_edge.commands.batch import run_batch
from fer_edge.commands.classify import PictureReader
from fer_edge.settings import ModelSettings, Settings

def make_worker(before):
    settings = Settings(model=ModelSettings(path="tiny.tflite"))
    reader = PictureReader(
        settings, whole_pictures=True, annotate_folder=Path("copies"), before=before
    )
    def work(item):
        if "crash" in item:
            os.kill(os.getpid(), signal.SIGSEGV)
        reader.read(item)
    return work

run_batch(sys.argv[1:], make_worker)
"""


def command(*arguments):
    return [sys.executable, "-c", SCRIPT, *arguments]


def run(*arguments):
    return subprocess.run(
        command(*arguments),
        capture_output=True, text=True, timeout=300, check=False, env=clean_environment(),
    )  # fmt: skip


def test_nothing_to_do():
    assert run().stdout == "failed 0\n"


def test_all_is_well():
    done = run("a", "b", "c")
    assert done.stdout.split() == ["a", "b", "c", "failed", "0"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("faulty", "said"),
    [
        ("bad", "bad is bad; expected good; mend it"),
        ("SIGSEGV", "SIGSEGV crashed the decoder (signal 11)"),
        ("SIGABRT", "SIGABRT crashed the decoder (signal 6)"),
        ("SIGKILL", "SIGKILL crashed the decoder (signal 9)"),
        (
            "defect",
            "defect failed inside: ZeroDivisionError: nobody foresaw this; this is a defect",
        ),
        ("memory", "memory failed inside: MemoryError"),
    ],
)
def test_one_bad_file_takes_no_other_with_it(faulty, said):
    done = run("a", faulty, "b", faulty, "c")
    assert done.stdout.split() == ["a", faulty, "b", faulty, "c", "failed", "2"]
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert all(said in line for line in lines)


def test_a_copy_made_before_a_crash_is_not_written_over_after_it(tmp_path):
    (tmp_path / "tiny.tflite").write_bytes(tiny_model(a_contract()))
    names = ("one/face.png", "crash/a.png", "crash/b.png", "two/face.png", "three/face.png")
    pictures = {name: encoded(a_picture(seed=seed)) for seed, name in enumerate(names)}
    write_files(tmp_path, pictures)
    done = subprocess.run(
        [sys.executable, "-c", ANNOTATING, *names], cwd=tmp_path,
        capture_output=True, text=True, timeout=300, check=False, env=clean_environment(),
    )  # fmt: skip
    assert done.stderr.count("crashed the decoder") == 2
    copies = {path.name: path.read_bytes() for path in (tmp_path / "copies").iterdir()}
    assert copies.keys() == {
        "face-annotated.jpg", "face-annotated-2.jpg", "face-annotated-3.jpg",
    }  # fmt: skip
    assert len(set(copies.values())) == 3


def test_the_first_and_the_last_may_crash():
    done = run("SIGSEGV", "a", "SIGSEGV")
    assert done.stdout.split() == ["SIGSEGV", "a", "SIGSEGV", "failed", "2"]


def test_a_file_that_takes_too_long():
    done = run("--timeout", "2", "a", "hang", "b")
    assert done.stdout.split() == ["a", "hang", "b", "failed", "1"]
    assert "hang took longer than 2 s" in done.stderr


def test_a_worker_that_cannot_be_made_is_reported_once():
    done = run("--start", "model", "a", "b")
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == "error: no model; expected one; get one\n"


def test_a_defect_while_the_worker_is_made():
    done = run("--start", "defect", "a", "b")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "failed inside: ZeroDivisionError" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--start", "SIGILL"), "loading the model crashed (signal 4)"),
        (("--start", "hang", "--timeout", "0.5"), "loading the model took longer than 0.5 s"),
    ],
)
def test_a_crash_while_the_worker_is_made(arguments, said):
    done = run(*arguments, "a", "b")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {said}; expected ")
    assert done.stderr.count("\n") == 1


def test_an_interrupt_ends_it():
    done = run("a", "interrupt", "b")
    assert done.returncode == 130
    assert done.stdout.split() == ["a", "interrupt"]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15)])
def test_a_signal_to_the_group_ends_parent_and_child(number, code):
    process = subprocess.Popen(
        command("a", "slow", "b"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, env=clean_environment(),
    )  # fmt: skip
    assert [process.stdout.readline() for _ in range(2)] == ["a\n", "slow\n"]
    time.sleep(0.1)  # until it sleeps
    subprocess.run(["kill", f"-{number}", "--", f"-{process.pid}"], check=True)
    rest, said = process.communicate(timeout=120)  # both have closed the pipes
    assert process.returncode == code
    assert rest == ""
    assert "Traceback" not in said
