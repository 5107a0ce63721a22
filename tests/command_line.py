"""Run `fer-edge` as a user does: a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROGRAM = [sys.executable, "-c", "from fer_edge.cli import main; main()"]


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment without settings of whoever runs the tests."""
    foreign = ("FER_EDGE_", "PYTHONUNBUFFERED", "PYTHONIOENCODING")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**kept, **(extra or {})}


def fer_edge(
    *arguments: object, environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run the command line and return what it printed."""
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=cwd,
        env=clean_environment(environment),
    )


def start_fer_edge(
    *arguments: object, environment: Mapping[str, str] | None = None, **options: Any
) -> "subprocess.Popen[str]":
    """Start the command line and return the running process."""
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.Popen(command, text=True, env=clean_environment(environment), **options)


def wait_until_connected(pid: int, port: int) -> None:
    """Wait until a process, or one beside it, is connected to a port of this machine."""
    peer = f":{port:04X}"
    deadline = time.monotonic() + 60
    while True:
        lines = Path(f"/proc/{pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]
        # Columns: number, own address, the other's, state, of which 01 is established.
        if any(line.split()[2].endswith(peer) and line.split()[3] == "01" for line in lines):
            return
        assert time.monotonic() < deadline, f"nothing connects to port {port}"
        time.sleep(0.02)


def stop_process(pid: int) -> None:
    """Stop a process with SIGSTOP, and wait until all of it stands."""
    os.kill(pid, signal.SIGSTOP)
    tasks = Path(f"/proc/{pid}/task")
    deadline = time.monotonic() + 10
    while any(
        stat.read_text().rpartition(")")[2].split()[0] != "T" for stat in tasks.glob("*/stat")
    ):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def json_lines(text: str) -> list[Any]:
    """Parse JSON lines; every line must be whole."""
    assert not text or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def error_line(done: "subprocess.CompletedProcess[str]", *, code: int) -> str:
    """Return the one line that a failed command says on stderr, and nothing on stdout."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("; ") >= 2, "found; expected; fix"
    assert "this is a defect" not in done.stderr
    return done.stderr
