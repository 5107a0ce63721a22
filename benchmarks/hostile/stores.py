"""What lies in the daemon's state folder, changed by whoever holds the card."""

import json
import os
import random
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from fer_edge.cli import main as fer_edge
from fer_edge.sinks.spool.spool import Spool, SpoolBounds
from hostile.changes import ODD_VALUES, forge, spoil
from hostile.child import Case, command, in_a_child
from hostile.files import a_model

_BOUNDS = SpoolBounds(1_000_000, 1e9, 3600.0, 1e9)
_EVENTS = 300
_STATEMENTS = (
    "UPDATE counters SET value = ? WHERE name = 'run_ms'",
    "REPLACE INTO counters VALUES ('dropped_full', ?)",
    "REPLACE INTO counters VALUES (?, 1)",
    "UPDATE events SET kept_at = ? WHERE position = 7",
    "UPDATE events SET payload = ? WHERE position = 7",
    "INSERT INTO events VALUES (?, 1e9, 'x')",
)
_CHANGES = (
    "DROP TABLE counters", "DROP TABLE events", "PRAGMA user_version = 9",
    "PRAGMA auto_vacuum = 1", "ALTER TABLE events ADD COLUMN more TEXT",
    "CREATE TRIGGER t BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no'); END",
)  # fmt: skip


class Stores:
    """Makes cases of what the daemon keeps.

    Args:
        folder: For the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spools = folder / "spools"
        for name in ("killed", "closed"):
            path = self._spools / name / "events.db"
            in_a_child(lambda path=path, name=name: _fill(path, closed=name == "closed"))

    def spool(self, rng: random.Random) -> Case:
        """A spool's files: damaged, cut, emptied, removed, or changed by SQL."""
        path = self._folder / "spool" / "events.db"
        shutil.rmtree(path.parent, ignore_errors=True)
        shutil.copytree(self._spools / rng.choice(["killed", "closed"]), path.parent)
        _damage_spool(path, rng)
        content = b"".join(file.read_bytes() for file in sorted(path.parent.iterdir()))
        return Case(lambda: _use_spool(path), content)

    def slots(self, rng: random.Random) -> Case:
        """Two slots and what says which serves: damaged, or things of another kind."""
        models = self._folder / "slots" / "models"
        shutil.rmtree(models.parent, ignore_errors=True)
        pointer = {"serving": rng.choice("ab"), "before": "shipped"}
        content = rng.choice([forge(pointer, rng), spoil(json.dumps(pointer).encode(), rng),
                              json.dumps(pointer).encode()])  # fmt: skip
        for slot in "ab":
            place = models / slot / "model.tflite"
            place.parent.mkdir(parents=True)
            _put(place, rng, model=rng.random() < 0.3)
        (models / "serving").write_bytes(content)
        if rng.random() < 0.2:
            _put(models / "serving", rng, model=False)
        words = rng.choice([["model", "status"], ["model", "status", "--json"],
                            ["model", "rollback"], ["model", "status", "--verify"]])  # fmt: skip
        state = str(models.parent)
        return Case(lambda: command(fer_edge, [*words, "--state", state]), content)


def _fill(path: Path, *, closed: bool) -> str:
    spool = Spool(path, _BOUNDS)
    for number in range(_EVENTS):
        spool.append(json.dumps({"n": number, "pad": "x" * (number * 7 % 1500)}))
        if number == _EVENTS // 2:
            spool.synchronise()
    if closed:
        spool.close()
    return "filled"


def _damage_spool(path: Path, rng: random.Random) -> None:
    log = Path(f"{path}-wal")
    what = rng.choice(["bytes", "bytes", "cut", "log", "sql", "sql", "gone", "head"])
    if what == "bytes":
        path.write_bytes(spoil(path.read_bytes(), rng))
    elif what == "cut":
        os.truncate(path, rng.choice([0, 1, 100, 1023, 1024, rng.randrange(path.stat().st_size)]))
    elif what == "log" and log.exists():
        log.write_bytes(spoil(log.read_bytes(), rng))
    elif what == "sql":
        with closing(sqlite3.connect(path, isolation_level=None)) as db, suppress(sqlite3.Error):
            if rng.random() < 0.3:
                db.execute(rng.choice(_CHANGES))
            else:
                value = rng.choice(
                    [value for value in ODD_VALUES if not isinstance(value, list | dict)]
                )
                with suppress(OverflowError, UnicodeEncodeError):
                    db.execute(rng.choice(_STATEMENTS), (value,))
    elif what == "gone":
        path.unlink()
    else:
        data = bytearray(path.read_bytes())
        data[rng.randrange(4096)] = rng.randrange(256)
        path.write_bytes(data)


def _use_spool(path: Path) -> str:
    """Start twice, keep an event each time; it must be there the second time."""
    with Spool(path, _BOUNDS) as spool:
        spool.read(0, 10_000)
        spool.synchronise()
        kept = spool.append("first")
        damaged = spool.figures()["damaged_files"]
    with Spool(path, _BOUNDS) as spool:
        found = [row.payload for row in spool.read(0, 10_000)]
        if kept and found[-1:] != ["first"]:
            raise AssertionError(f"what was kept is lost: {found[-1:]}")
        if not spool.append("second"):
            raise AssertionError(f"nothing is kept: {spool.figures()['spool_problem']}")
    return f"damaged {damaged}"


def _put(place: Path, rng: random.Random, *, model: bool) -> None:
    place.unlink(missing_ok=True)
    kind = "model" if model else rng.choice(["noise", "folder", "link", "loop", "pipe", "none"])
    if kind == "model":
        place.write_bytes(a_model(rng))
    elif kind == "noise":
        place.write_bytes(rng.randbytes(rng.choice([0, 1, 4096])))
    elif kind == "folder":
        place.mkdir()
    elif kind == "link":
        place.symlink_to("/etc/passwd")
    elif kind == "loop":
        place.symlink_to(place)
    elif kind == "pipe":
        os.mkfifo(place)
