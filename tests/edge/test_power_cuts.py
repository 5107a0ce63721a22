"""What is said to be safe from a power cut is on the disk when that is said: by the system calls.

Whoever writes without asking for that passes every other test, and loses data on a real device.
"""

import re
import sys

import pytest
import traced
from command_line import PROGRAM
from tiny_model import tiny_model

pytestmark = pytest.mark.skipif(bool(traced.why_not()), reason=traced.why_not() or "-")

SYNCS = "fsync,fdatasync,write,?rename,?renameat,?renameat2"
SYNC = re.compile(r"^\d+ +f(?:data)?sync\(\d+<(.*?)>\) += 0$")
RENAME = re.compile(r'^\d+ +rename\w*\(.*"([^"]*)"(?:, 0)?\) += 0$')


def index_of(words, calls):
    """Return at which call a process wrote these words to its standard output."""
    (at,) = (at for at, call in enumerate(calls) if "write(1<" in call and words in call)
    return at


def synchronised(calls):
    """Return the files that were synchronised, by name."""
    return [match[1].rpartition("/")[2] for call in calls if (match := SYNC.match(call))]


def named(call, name):
    """Tell whether a call gave a file this name."""
    return (match := RENAME.match(call)) is not None and match[1].rpartition("/")[2] == name


KEEPS = """
import sys
from pathlib import Path
from fer_edge.sinks.spool.spool import Spool, SpoolBounds
bounds = SpoolBounds(1_000_000, 86_400.0, 3600.0, 1e9)
with Spool(Path(sys.argv[1]), bounds) as spool:
    spool.append("an event")
    print("kept", flush=True)
    spool.synchronise()
    print("safe", flush=True)
    for number in range(3):
        spool.append("another event")
    print("later", flush=True)
"""


def test_a_spool_that_has_synchronised_has_asked_the_disk(tmp_path):
    path = tmp_path / "events.db"
    command = [sys.executable, "-c", KEEPS, str(path)]
    calls = traced.traced(command, tmp_path / "calls", SYNCS)
    between = calls[index_of("kept", calls) : index_of("safe", calls)]
    # The log first: the file itself is written from there, and may break in between.
    files = [name for name in synchronised(between) if name.startswith("events.db")]
    assert files[:2] == ["events.db-wal", "events.db"]
    # The new log's header, for which the next event would wait.
    assert files[2:] == ["events.db-wal"]


def test_whoever_brings_an_event_does_not_wait_for_the_disk(tmp_path):
    command = [sys.executable, "-c", KEEPS, str(tmp_path / "events.db")]
    calls = traced.traced(command, tmp_path / "calls", SYNCS)
    assert synchronised(calls[index_of("safe", calls) : index_of("later", calls)]) == []


def test_a_model_serves_once_the_disk_has_it(tmp_path):
    (tmp_path / "tiny.tflite").write_bytes(tiny_model())
    state = tmp_path / "state"
    command = [*PROGRAM, "model", "install", str(tmp_path / "tiny.tflite"), "--state", str(state)]
    calls = traced.traced(command, tmp_path / "calls", SYNCS)
    told = calls[: index_of("serv", calls)]
    (kept,) = (at for at, call in enumerate(told) if named(call, "model.tflite"))
    (pointed,) = (at for at, call in enumerate(told) if named(call, "serving"))
    assert synchronised(told[:kept]) == ["model.tflite.new"], "whole before it has its name"
    name_and_pointer = synchronised(told[kept:pointed])
    assert name_and_pointer[0] == "a", "the name before anything points there"
    assert name_and_pointer[1].endswith("-serving")
    assert synchronised(told[pointed:]) == ["models"], "the pointer before it is told"
