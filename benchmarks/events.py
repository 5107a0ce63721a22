"""What faults cost events, what events cost the frame's thread, and what they cost a memory card.

Starts its own mosquitto on loopback under the configuration that ships. Wear and power cuts are
measured on a small ext4 image, which needs root and a loop device; without them they are left out.
"""

import argparse
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from fer_edge.shared.records import Box, Face, Observation, Prediction, Reading
from fer_edge.shared.terminal.tables import format_table
from fer_edge.sinks.events.faces import FaceEvents, Origin
from fer_edge.sinks.events.sink import EventSink
from fer_edge.sinks.spool.ids import EventIds
from fer_edge.sinks.spool.spool import Spool, SpoolBounds

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "system")]
import broker_faults as faults  # noqa: E402 - of the tests, like their broker
from broker import MISSING, mosquitto_program  # noqa: E402

LABELS = ("happy", "sad")
EVENT = json.dumps({"payload": "x" * 330})
DAY_SECONDS = 86_400
NO_BOUNDS = SpoolBounds(1 << 30, 1e9, 3600.0, 1e12)


def fault_table(count: int, rate: float) -> dict[str, dict[str, Any]]:
    """Return what became of events by fault."""
    plan = {"count": count, "rate": rate}
    cases: dict[str, Callable[[Path], dict[str, Any]]] = {
        "broker killed, 3.5 s down": lambda f: faults.broker_killed(f, down_seconds=3.5, **plan),
        "broker frozen, keepalive 5 s": lambda f: faults.broker_frozen(f, **plan),
        "publisher killed three times": lambda f: faults.publisher_killed(f, **plan),
        "broker, then publisher killed": lambda f: faults.both_killed(f, down_seconds=3.5, **plan),
        "TLS wrong, then right": lambda f: faults.tls_wrong(f, **plan),
        "denied, then allowed": lambda f: faults.access_denied(f, **plan),
        "disk full, then killed": lambda f: faults.disk_full(f, room_bytes=2 << 20, **plan),
        "fifty publishers": lambda f: faults.fifty_publishers(f, count=count // 50, rate=20),
    }
    found = {}
    for name, case in cases.items():
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            told = case(Path(folder))
            found[name] = told | {"took_seconds": round(time.monotonic() - began, 1)}
        print(f"{name}: {found[name]}", file=sys.stderr)
    return found


def observation(number: int, faces: int, label: str) -> Observation:
    prediction = Prediction(LABELS, (0.9, 0.1))
    readings = tuple(
        Reading(Face(Box(0, 0, 50, 50), 1.0, track), prediction, label) for track in range(faces)
    )
    return Observation(number, 0.0, readings)


def microseconds(work: Callable[[int], object], times: int) -> dict[str, float]:
    taken = []
    for number in range(times):
        began = time.perf_counter_ns()
        work(number)
        taken.append((time.perf_counter_ns() - began) / 1000)
    taken.sort()
    p99, most = taken[int(0.99 * times)], taken[-1]
    return {"p50": median(taken), "p99": p99, "most": most}


def costs() -> dict[str, dict[str, float]]:
    """Return microseconds of the frame's thread, on this machine's own disk."""
    found = {}
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        spool = Spool(Path(folder) / "events.db", SpoolBounds(1 << 30, 1e9, 5.0, 1e12))
        for faces in (1, 5):
            origin = Origin("hall", "ab" * 32, "a measurement")
            deriver = FaceEvents(EventIds(), origin, settle_seconds=1.0, left_seconds=2.5)
            sink = EventSink(deriver, spool=spool)
            same = observation(0, faces, "happy")
            sink.emit(same)
            found[f"emit, faces in view: {faces}, nothing new"] = microseconds(
                lambda _, sink=sink, same=same: sink.emit(same), 50_000
            )
            two = [observation(number, faces, LABELS[number]) for number in (0, 1)]
            found[f"emit, faces in view: {faces}, each changes"] = microseconds(
                lambda number, sink=sink, two=two: sink.emit(two[(number + 1) % 2]), 2000
            )
        spool.close()
        with closing(sqlite3.connect(Path(folder) / "full.db", isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("CREATE TABLE events (position INTEGER PRIMARY KEY, payload TEXT)")
            found["for comparison: a synchronised commit an event"] = microseconds(
                lambda number: db.execute("INSERT INTO events VALUES (?, ?)", (number, EVENT)), 500
            )
    return found


@contextmanager
def memory_card(megabytes: int = 32) -> Iterator[tuple[Path, Path, Path]]:
    """Mount a fresh ext4 image; give its folder, the image, and the kernel's count for it."""
    with tempfile.TemporaryDirectory() as workplace:
        image, folder = Path(workplace) / "card.img", Path(workplace) / "card"
        folder.mkdir()
        with image.open("wb") as file:
            file.truncate(megabytes << 20)
        options = "lazy_itable_init=0,lazy_journal_init=0"
        subprocess.run(["mkfs.ext4", "-q", "-E", options, image], check=True)
        subprocess.run(["mount", "-o", "loop", image, folder], check=True, capture_output=True)
        try:
            device = Path(os.path.realpath(f"/sys/dev/block/{_device_number(folder)}"))
            yield folder, image, device / "stat"
        finally:
            subprocess.run(["umount", folder], check=True)


def _device_number(folder: Path) -> str:
    number = folder.stat().st_dev
    return f"{os.major(number)}:{os.minor(number)}"


def written_bytes(stat: Path) -> int:
    return int(stat.read_text().split()[6]) * 512


def wear(seconds: float) -> dict[str, dict[str, float]]:
    """Return bytes written by events a second, when each is delivered at once."""
    found = {}
    for rate in (10.0, 1.0, 0.1):
        with memory_card() as (folder, _, stat):
            spool = Spool(folder / "events.db", SpoolBounds(16_000_000, 1e9, 5.0, 1e12))
            time.sleep(6)
            before, began = written_bytes(stat), time.monotonic()
            ours = spool.figures()["written_bytes"]
            count = round(rate * seconds * (3 if rate < 1 else 1))
            for _ in range(count):
                spool.append(EVENT)
                spool.deliver(row.position for row in spool.read(0, 50))
                time.sleep(1 / rate)
            time.sleep(6)
            os.sync()
            took = time.monotonic() - began - 6
            device = written_bytes(stat) - before
            told = float(spool.figures()["written_bytes"]) - float(ours)
            spool.close()
        found[f"{rate:g} a second"] = {
            "events": count,
            "spool_bytes_per_event": told / count,
            "device_bytes_per_event": device / count,
            "device_mb_per_day": device / took * DAY_SECONDS / 1e6,
        }
    return found


WRITER = """
import sys, time
from pathlib import Path
from fer_edge.sinks.spool.spool import Spool, SpoolBounds

spool = Spool(Path(sys.argv[1]), SpoolBounds(1 << 24, 1e9, float(sys.argv[2]), 1e12))
for number in range(1_000_000):
    assert spool.append(str(number))
    print(number, time.monotonic(), flush=True)
    time.sleep(0.005)
"""


def power_cuts(times: int, sync_seconds: float) -> dict[str, float]:
    """Return what a card holds at a random moment: what of the kept events is not on it yet.

    The image is copied while the file system is mounted: what it still has in memory is missing
    there, as it is after a power cut.
    """
    lost_events, lost_seconds, unsound = [], [], 0
    for _ in range(times):
        with memory_card() as (folder, image, _):
            notes = image.with_name("notes")
            with notes.open("w") as out:
                writer = subprocess.Popen(
                    [sys.executable, "-c", WRITER, folder / "events.db", str(sync_seconds)],
                    stdout=out,
                )
            time.sleep(3 * sync_seconds + random.random() * 2 * sync_seconds)
            cut_at = time.monotonic()
            copy = image.with_name("copy.img")
            shutil.copyfile(image, copy)
            writer.kill()
            writer.wait()
            noted = [line.split() for line in notes.read_text().splitlines()[:-1]]
            kept = {number: float(at) for number, at in noted if float(at) < cut_at}
            found = _events_of(copy)
            if found is None:
                unsound += 1
                continue
            missing = [at for number, at in kept.items() if number not in found]
            lost_events.append(len(missing))
            lost_seconds.append(cut_at - min(missing, default=cut_at))
    return {
        "cuts": times,
        "sync_seconds": sync_seconds,
        "unsound": unsound,
        "median_seconds_lost": round(median(lost_seconds), 2),
        "most_seconds_lost": round(max(lost_seconds), 2),
        "most_events_lost": max(lost_events),
    }


def _events_of(image: Path) -> set[str] | None:
    folder = image.with_name("after")
    folder.mkdir()
    subprocess.run(["mount", "-o", "loop", image, folder], check=True, capture_output=True)
    try:
        spool = Spool(folder / "events.db", NO_BOUNDS)
        found = {row.payload for row in spool.read(0, 1_000_000)}
        sound = spool.figures()["damaged_files"] == 0
        spool.close()
        return found if sound else None
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def can_mount() -> bool:
    if os.getuid() != 0 or shutil.which("mkfs.ext4") is None:
        return False
    try:
        with memory_card(8):
            return True
    except (subprocess.CalledProcessError, OSError):
        return False


def show(title: str, rows: dict[str, dict[str, Any]]) -> None:
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    names = [name for name in names if not name.startswith("problem")]
    lines = [[key, *(_cell(row.get(name, "")) for name in names)] for key, row in rows.items()]
    print(format_table([title, *names], lines) + "\n")


def _cell(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000, help="for each fault")
    parser.add_argument("--rate", type=float, default=1000.0, help="events a second")
    parser.add_argument("--cuts", type=int, default=20, help="power cuts")
    parser.add_argument("--seconds", type=float, default=60.0, help="of wear for each rate")
    parser.add_argument("--only", choices=("faults", "costs", "wear", "cuts"))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    wanted = {arguments.only} if arguments.only else {"faults", "costs", "wear", "cuts"}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    if "costs" in wanted:
        found["microseconds on the frame's thread"] = costs()
    if "faults" in wanted:
        if mosquitto_program() is None:
            sys.exit(MISSING)
        found["fault"] = fault_table(arguments.events, arguments.rate)
    if wanted & {"wear", "cuts"} and not can_mount():
        print("wear and power cuts are left out: they need root and a loop device", file=sys.stderr)
        wanted -= {"wear", "cuts"}
    if "wear" in wanted:
        found["bytes written, each event delivered at once"] = wear(arguments.seconds)
    if "cuts" in wanted:
        cuts = {f"every {seconds:g} s": power_cuts(arguments.cuts, seconds) for seconds in (1, 5)}
        found["power cut, synchronised"] = cuts
    if arguments.json:
        print(json.dumps(found))
        return
    for title, rows in found.items():
        show(title, rows)


if __name__ == "__main__":
    main()
