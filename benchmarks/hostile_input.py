"""Hostile input of every kind, by the thousand: what our programs make of it.

Each case starts from something whole, changes it by a seeded rule, and is tried in a child of its
own: as a command, or as a peer of the daemon's parts. A traceback, a message that calls itself a
defect, a signal, a child that does not end, or one that takes more memory than the unit gives
counts as a failure; `--keep` keeps what caused it. Forged models have valid hashes.
"""

import argparse
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hostile.camera import camera
from hostile.child import Case, in_a_child
from hostile.files import Files
from hostile.page import requests, wishes
from hostile.peers import commands, listener, status_socket
from hostile.stores import Stores

UNIT = Path(__file__).parents[1] / "systemd" / "fer-edge.service"
Maker = Callable[[random.Random], Case]


@dataclass
class Row:
    """What became of the cases of one kind.

    Attributes:
        kind: Of input.
        cases: How many were tried.
        failures: How many a user would have to call a bug.
        peak_mb: The most memory that a child held, with what it shares with others.
        seconds: All of them took.
        ends: How often they ended in which way.
    """

    kind: str
    cases: int = 0
    failures: int = 0
    peak_mb: int = 0
    seconds: float = 0.0
    ends: Counter[str] = field(default_factory=Counter)


def makers(folder: Path) -> Mapping[str, Maker]:
    """Return what makes the cases of each kind."""
    files, stores = Files(folder), Stores(folder)
    return {
        "camera": camera,
        "settings": files.settings,
        "status socket": status_socket,
        "listener": listener,
        "MQTT commands": commands,
        "models": files.models,
        "pictures": files.pictures,
        "page": requests,
        "photos": files.photos,
        "wishes": wishes,
        "spool": stores.spool,
        "slots": stores.slots,
        "archives": files.archives,
        "recordings": files.recordings,
        "reports": files.reports,
    }


def try_kind(kind: str, make: Maker, options: argparse.Namespace) -> Row:
    """Try the cases of a kind, and tell on stderr of those that fail."""
    row, began = Row(kind), time.monotonic()
    most_mb = memory_max()
    for number in range(options.first, options.first + options.cases):
        case = make(random.Random(f"{options.seed}-{kind}-{number}"))
        found = in_a_child(case.work)
        row.cases += 1
        row.ends[found.end] += 1
        row.peak_mb = max(row.peak_mb, round(found.peak_mb))
        if found.failed or found.peak_mb > most_mb:
            row.failures += 1
            if options.keep:
                options.keep.mkdir(parents=True, exist_ok=True)
                (options.keep / f"{kind.replace(' ', '-')}-{number}").write_bytes(case.content)
            why = found.printed[-600:] if found.failed else f"it took {found.peak_mb:.0f} MB"
            print(f"{kind} {number}: {found.end}: {why}", file=sys.stderr, flush=True)
    row.seconds = round(time.monotonic() - began, 1)
    return row


def memory_max() -> int:
    """Return the unit's MemoryMax, in MiB."""
    found = re.search(r"^MemoryMax=(\d+)M$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    return int(found[1]) if found else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--cases", type=int, default=300, help="of each kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--kind", action="append", help="only this kind; may be repeated")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the cases that failed")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        made = makers(Path(name))
        if unknown := set(options.kind or ()) - made.keys():
            parser.error(f"no kind {unknown.pop()!r}; there are {', '.join(made)}")
        chosen = {kind: make for kind, make in made.items() if kind in (options.kind or made)}
        rows = [try_kind(kind, make, options) for kind, make in chosen.items()]
    if options.json:
        print(json.dumps([vars(row) for row in rows]))
    else:
        print(f"{'':<14}{'cases':>6}{'failures':>10}{'peak MB':>9}{'s':>7}  ended with")
        for row in rows:
            told = ", ".join(f"{end}: {count}" for end, count in row.ends.most_common(8))
            figures = f"{row.cases:>6}{row.failures:>10}{row.peak_mb:>9}{row.seconds:>7.0f}"
            print(f"{row.kind:<14}{figures}  {told}")
    sys.exit(any(row.failures for row in rows))


if __name__ == "__main__":
    main()
