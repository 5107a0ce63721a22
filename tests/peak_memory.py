"""The most memory that a command and all that it starts hold, as the unit's MemoryMax counts it."""

import re
import subprocess
import time
from pathlib import Path

import pytest
from command_line import PROGRAM, clean_environment

UNIT = Path(__file__).parents[1] / "systemd" / "fer-edge.service"
MOST_MB = int(re.search(r"^MemoryMax=(\d+)M$", UNIT.read_text(), re.MULTILINE)[1])


def family(pid):
    """Return a process and all that descend from it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [each for child in task.read_text().split() for each in family(child)]
        except OSError:
            continue
    return found


def resident_mb(pid):
    total = 0
    for each in family(pid):
        try:
            text = Path(f"/proc/{each}/status").read_text()
        except OSError:
            continue
        total += sum(int(kb) for kb in re.findall(r"Rss(?:Anon|File|Shmem):\s+(\d+)", text))
    return total / 1024


def peak_of(*arguments, tmp_path):
    """Run the program; return its exit code, its error, and the most it and its children held."""
    said = tmp_path / "said"
    with (
        said.open("w") as stream,
        subprocess.Popen(
            [*PROGRAM, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=stream,
            env=clean_environment(),
        ) as process,
    ):  # fmt: skip
        peak, give_up = 0.0, time.monotonic() + 100
        while process.poll() is None:
            peak = max(peak, resident_mb(process.pid))
            if time.monotonic() > give_up:
                process.kill()
                pytest.fail(f"it did not end: {said.read_text()[-500:]}")
            time.sleep(0.01)
    return process.returncode, said.read_text(), peak
