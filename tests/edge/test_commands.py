"""What every command line of the project does with what its commands raise."""

import json
import os
import subprocess
import sys

import pytest
from command_line import clean_environment

from fer_edge.shared import errors
from fer_edge.shared.errors import FerError

SCRIPT = """
import logging, os, sys
import click
from fer_edge.shared import errors
from fer_edge.shared.terminal.command_line import echo, echo_json, run_command_line, verbose_option

@click.group()
@verbose_option
def program():
    pass

@program.command()
@click.argument("kind")
def fail(kind):
    os.write(2, b"libjpeg speaks\\n")
    if kind == "defect":
        raise ZeroDivisionError("nobody\\nforesaw this")
    if kind == "interrupt":
        raise KeyboardInterrupt
    if kind == "nan":
        echo_json(float("nan"))
    if kind == "names":
        return echo_json({"image": "\\x7f\\x1b\\x9b.jpg"})
    if kind == "escape":
        logging.getLogger("library").warning("a file named \\x1b[31mred")
        echo("labels\\thappy \\x1b]0;owned\\x07\\r\\x9b2J\\n\\u00e9")
        raise errors.DataError("\\x1b[2J does not exist", expected="", fix="")
    if kind == "fine":
        return echo("done")
    raise getattr(errors, kind)("found", expected="expected", fix="fix")

run_command_line(program, name="program")
"""
LIBRARY = "libjpeg speaks"
KINDS = {
    "CalibrationError": 1,
    "MemoryLimitError": 78,
    "FerError": 1, "PictureError": 1, "DataError": 1, "LabelError": 1, "VideoError": 1,
    "OutputError": 1, "GateError": 3, "RegressionError": 4, "SourceUnavailableError": 69,
    "SourceStuckError": 69, "BrokerUnavailableError": 69, "DaemonUnavailableError": 69,
    "ModelError": 78, "SettingsError": 78, "DependencyError": 78,
}  # fmt: skip


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        capture_output=True, text=True, timeout=300, check=False, env=clean_environment(),
    )  # fmt: skip


def run_on_a_terminal(*arguments):
    """Return what a terminal gets to see; to anything else click writes no escape sequences."""
    leader, follower = os.openpty()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        stdout=follower, stderr=follower, timeout=300, check=False, env=clean_environment(),
    )  # fmt: skip
    assert done.returncode == 1
    os.close(follower)
    with os.fdopen(leader, "rb") as terminal:
        return terminal.read1(65536).decode()


def test_every_error_has_its_documented_exit_code():
    known = {
        name: value.exit_code
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, FerError)
    }
    assert known == KINDS


@pytest.mark.parametrize(
    ("name", "parent"),
    [
        ("PictureError", ValueError),
        ("ModelError", ValueError),
        ("SettingsError", ValueError),
        ("SourceUnavailableError", OSError),
        ("OutputError", OSError),
        ("DependencyError", ImportError),
    ],
)
def test_errors_are_builtins_as_well(name, parent):
    error = getattr(errors, name)("found", expected="expected", fix="fix")
    assert isinstance(error, parent)
    assert str(error) == "found; expected expected; fix"
    assert (error.found, error.expected, error.fix) == ("found", "expected", "fix")


@pytest.mark.parametrize("kind", ["FerError", "GateError", "SourceUnavailableError", "ModelError"])
def test_an_error_is_one_line_and_its_code(kind):
    done = run("fail", kind)
    assert done.returncode == KINDS[kind]
    assert (done.stdout, done.stderr) == ("", "error: found; expected expected; fix\n")


def test_a_defect_is_one_line_that_says_so():
    done = run("fail", "defect")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: program failed inside: ZeroDivisionError: nobody foresaw this; this is a defect; "
        "run `program -v ...` for the traceback and report it\n"
    )


def test_an_interrupt():
    done = run("fail", "interrupt")
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.strip() == "interrupted"


def test_json_never_holds_nan():
    done = run("fail", "nan")
    assert (done.returncode, done.stdout) == (1, "")


def test_what_others_wrote_cannot_drive_the_terminal():
    done = run_on_a_terminal("fail", "escape")
    assert "labels\thappy \\x1b]0;owned\\x07\\x0d\\x9b2J\r\n\u00e9\r\n" in done
    assert "a file named \\x1b[31mred" in done
    assert "error: \\x1b[2J does not exist" in done
    assert "\x1b[31m" not in done
    assert "\x1b[2J" not in done


def test_json_stays_json_whatever_a_file_is_called():
    done = run("fail", "names")
    assert json.loads(done.stdout) == {"image": "\x7f\x1b\x9b.jpg"}
    assert "\x1b" not in done.stdout


def test_success_is_silent():
    done = run("fail", "fine")
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@pytest.mark.parametrize("flag", ["-v", "--verbose"])
@pytest.mark.parametrize("kind", ["defect", "ModelError"])
def test_verbose_shows_the_traceback_and_what_libraries_say(flag, kind):
    done = run(flag, "fail", kind)
    assert "Traceback" in done.stderr
    assert LIBRARY in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")
