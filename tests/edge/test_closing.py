"""Ending a program while a driver holds a thread."""

import subprocess
import sys
import time

import pytest
from command_line import clean_environment

SCRIPT = """
import ctypes, sys
import click
from fer_edge.shared.terminal.command_line import echo, run_command_line
from fer_edge.shared.errors import SourceUnavailableError
from fer_edge.sources.capture import picture_now
from fer_edge.sources.newest import NewestFrameReader
from fer_edge.testing.fakes import numbered_picture

def pictures():
    yield picture_now(numbered_picture(1))
    ctypes.CDLL(None).sleep(60)  # as a driver that does not return
    yield picture_now(numbered_picture(2))

@click.command()
@click.argument("end")
def program(end):
    options = {"open_timeout_seconds": 5, "close_timeout_seconds": 0.1}
    with NewestFrameReader(pictures, name="stuck", **options) as reader:
        reader.read(5.0)
        echo("a line")
        sys.stdout.write("and one that is not flushed")
        if end == "failure":
            raise SourceUnavailableError("a", expected="b", fix="c")

run_command_line(program, name="program")
"""


@pytest.mark.parametrize(("end", "code"), [("success", 0), ("failure", 69)])
def test_a_stuck_driver_changes_neither_the_end_nor_the_output(end, code):
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, end], capture_output=True, text=True, timeout=30,
        check=False, env=clean_environment(),
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert time.monotonic() - began < 15, "the driver sleeps for a minute"
    assert done.stdout == "a line\nand one that is not flushed"
    assert "the capture is stuck and was left behind" in done.stderr
