"""What the shipped unit costs and how soon it is back, under a systemd booted in a container.

Needs root and `apt-get install systemd-container mmdebstrap`.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from system.booted import boot
from system.emulated import MissingError
from system.installed_unit import DROP_INS, INSTALLED, InstalledUnit

from fer_edge.shared.data.pictures import read_grey
from fer_edge.shared.terminal.tables import format_table
from fer_edge.testing.fakes import MjpegServer

PORTRAIT = Path(__file__).parents[1] / "edge" / "fer_edge" / "assets" / "portrait.jpg"
FRAMES_PER_SECOND = 15.0
BUSY_SECONDS = 30.0


def start(service: InstalledUnit) -> float:
    """Return the seconds from the start of the process to READY."""
    service.system.systemctl("reset-failed")  # so many starts in so short a time are too many
    service.start()
    moments = ("ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic")
    began_us, ready_us = map(int, service.system.properties(*moments))
    return (ready_us - began_us) / 1e6


def back_after(service: InstalledUnit, signal: str) -> float:
    """Return the seconds from a signal until another process is ready."""
    service.system.systemctl("reset-failed")
    pid = service.kill(signal)
    return service.wait_until(lambda: service.is_back(since=pid), seconds=60)


def reload(service: InstalledUnit, url: str, count: int) -> float:
    """Return the seconds until other settings are in force."""
    service.configure(url, more=f"[smoothing]\nmemory_seconds = {1 + count}.0\n")
    before = service.system.journal().count("settings read anew")
    began = time.monotonic()
    service.system.systemctl("reload", "fer-edge")
    service.wait_until(
        lambda: service.system.journal().count("settings read anew") > before, seconds=20
    )
    return time.monotonic() - began


def load(service: InstalledUnit) -> tuple[float, float]:
    """Return percent of a core and resident MB while one face is in view."""
    clock = os.sysconf("SC_CLK_TCK")

    def ticks() -> int:
        fields = service.system.path(f"/proc/{service.pid}/stat").read_text().rpartition(")")[2]
        return sum(map(int, fields.split()[11:13]))

    before = ticks()
    time.sleep(BUSY_SECONDS)
    busy = (ticks() - before) / clock / BUSY_SECONDS * 100
    resident = service.system.path(f"/proc/{service.pid}/statm").read_text().split()[1]
    return busy, int(resident) * os.sysconf("SC_PAGE_SIZE") / 1e6


def exposure(service: InstalledUnit, drop_in: str) -> float:
    """Return what `systemd-analyze security` says of the unit with a drop-in."""
    service.use_drop_in(drop_in)
    told = service.system.run("systemd-analyze", "security", "--offline=true", INSTALLED).stdout
    service.forget()
    return float(told.rpartition("level for")[2].split()[1])


def measure(service: InstalledUnit, camera: MjpegServer, rounds: int) -> dict[str, Any]:
    """Return every figure, by name."""
    figures: dict[str, Any] = {
        f"exposure, {name or 'no drop-in'}": exposure(service, name) for name in ("", *DROP_INS)
    }
    ratios = []
    for _ in range(rounds):
        bare, boxed = (service.inference_ms(sandbox=inside) for inside in (False, True))
        ratios.append(boxed / bare)
    figures["network, sandbox to none"] = statistics.median(ratios)
    slow = service.inference_ms(sandbox=True, more="ProcSubset=pid\n", rounds=30)
    figures["network, with ProcSubset=pid to none"] = slow / service.inference_ms(sandbox=False)
    starts, stops = [], []
    for _ in range(rounds):
        service.configure(camera.url)
        starts.append(start(service))
        time.sleep(1)
        stops.append(service.stop())
    figures["start to READY, s"] = statistics.median(starts)
    figures["SIGTERM to end, s"] = statistics.median(stops)
    service.start()
    figures["percent of a core"], figures["resident MB"] = load(service)
    reloads = [reload(service, camera.url, count) for count in range(rounds)]
    figures["reload, s"] = statistics.median(reloads)
    for signal, what in (("KILL", "SIGKILL to READY, s"), ("STOP", "SIGSTOP to READY, s")):
        figures[what] = statistics.median(back_after(service, signal) for _ in range(rounds))
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of each measurement")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    try:
        system = boot()
    except MissingError as error:
        sys.exit(f"nothing measured: {error}")
    try:
        with MjpegServer([read_grey(PORTRAIT)], frames_per_second=FRAMES_PER_SECOND) as camera:
            figures = measure(InstalledUnit(system), camera, arguments.rounds)
    finally:
        system.close()
    if arguments.json:
        print(json.dumps(figures))
    else:
        print(format_table(["figure", "median"], [[k, f"{v:.2f}"] for k, v in figures.items()]))


if __name__ == "__main__":
    main()
