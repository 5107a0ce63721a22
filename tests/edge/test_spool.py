"""Events that wait on disk: order, bounds, and what disks and processes do to them."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest

from fer_edge.shared.errors import OutputError
from fer_edge.sinks.spool.lock import try_spool
from fer_edge.sinks.spool.spool import Spool, SpoolBounds
from fer_edge.sinks.spool.write_budget import WriteBudget


class Clock:
    def __init__(self):
        self.offset = 0.0

    def __call__(self):
        return time.time() + self.offset


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "events.db"


@pytest.fixture
def spool(path, clock):
    """Open a spool that synchronises only when told to."""
    opened = []

    def open_it(**changes):
        bounds = {
            "bytes": 1_000_000,
            "age_seconds": 86_400.0,
            "sync_seconds": 3600.0,
            "written_bytes_per_day": 1e9,
        }
        opened.append(Spool(path, SpoolBounds(**bounds | changes), clock=clock))
        return opened[-1]

    yield open_it
    for one in opened:
        one.close()


def payloads(spool, after=0, limit=100_000):
    return [row.payload for row in spool.read(after, limit)]


def names(*numbers):
    return [f"event {number}" for number in numbers]


def test_what_was_kept_is_there_again_in_order(spool):
    first = spool()
    assert all(first.append(name) for name in names(*range(100)))
    first.close()
    second = spool()
    assert payloads(second) == names(*range(100))
    assert second.append("event 100")
    assert payloads(second)[-1] == "event 100"


def test_only_what_is_not_delivered_comes_again(spool):
    first = spool()
    for name in names(1, 2, 3, 4):
        first.append(name)
    rows = first.read(0, 2)
    first.deliver(row.position for row in rows)
    assert payloads(first) == names(3, 4)
    assert first.figures()["waiting"] == 2
    first.close()
    assert payloads(spool()) == names(3, 4)


def test_reading_goes_on_where_it_was_left(spool):
    one = spool()
    for number in range(10):
        one.append(f"event {number}")
    rows = one.read(0, 4)
    assert payloads(one, after=rows[-1].position, limit=3) == names(4, 5, 6)


def test_the_oldest_go_first_and_are_counted_for_good(spool):
    one = spool(bytes=5000)
    for number in range(100):
        assert one.append(f"{number:03d}" + "x" * 97)
    left = payloads(one)
    assert [int(text[:3]) for text in left] == list(range(100 - len(left), 100))
    assert 35 <= len(left) <= 42
    assert one.figures()["dropped_full"] == 100 - len(left)
    one.close()
    assert spool(bytes=5000).figures()["dropped_full"] == 100 - len(left)


def test_delivered_events_are_no_drops(spool):
    one = spool(bytes=5000)
    for number in range(1000):
        one.append(f"{number:03d}" + "x" * 97)
        one.deliver(row.position for row in one.read(0, 10))
    assert one.figures()["dropped_full"] == 0
    assert one.figures()["waiting"] == 0


def test_the_file_stays_within_its_bound(spool, path):
    one = spool(bytes=100_000)
    for _ in range(40):
        for _ in range(100):
            one.append("x" * 300)
        one.synchronise()
    assert sum(file.stat().st_size for file in path.parent.iterdir()) < 1_000_000


def test_old_events_go(spool, clock, monkeypatch):
    one = spool(age_seconds=3600.0)
    one.append("old")
    one.close()
    clock.offset += 4000
    monkeypatch.setattr("fer_edge.sinks.spool.spool.boot_number", lambda: 7)
    two = spool(age_seconds=3600.0)
    two.append("new")
    two.synchronise()
    assert payloads(two) == ["new"]
    assert two.figures()["dropped_old"] == 1


def test_a_clock_that_is_set_right_makes_no_event_old(spool, clock):
    clock.offset = -30 * 86_400.0  # a device without a clock, and a month off
    one = spool()
    one.append("from before the clock was set")
    clock.offset = 0.0
    one.synchronise()
    one.synchronise()
    assert payloads(one) == ["from before the clock was set"]


def test_neither_does_one_that_is_set_after_a_restart(spool, clock):
    clock.offset = -30 * 86_400.0
    one = spool()
    one.append("from an earlier run of this boot")
    one.close()
    clock.offset = 0.0
    two = spool()
    two.synchronise()
    assert payloads(two) == ["from an earlier run of this boot"]
    two.close()
    three = spool()
    three.synchronise()
    clock.offset = 6 * 86_400.0
    three.append("moved once, not twice")
    three.synchronise()
    assert len(payloads(three)) == 2


def test_after_another_start_of_the_machine_ages_are_as_they_were_told(spool, clock, monkeypatch):
    clock.offset = -8 * 86_400.0
    one = spool()
    one.append("old")
    one.close()
    clock.offset = 0.0
    monkeypatch.setattr("fer_edge.sinks.spool.spool.boot_number", lambda: 7)
    two = spool()
    two.synchronise()
    assert payloads(two) == []
    assert two.figures()["dropped_old"] == 1


def test_two_processes_do_not_share_a_spool(spool, path):
    spool()
    with pytest.raises(OutputError, match="used by another process"):
        spool()


def test_a_folder_that_is_not_ours_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"events\.spool"):
        Spool(tmp_path / "file" / "events.db", SpoolBounds(1000, 1.0, 1.0, 1e6))


def test_nobody_else_may_read_it(spool, path):
    spool().append("event")
    assert all(file.stat().st_mode & 0o077 == 0 for file in path.parent.iterdir())


def damage(path, *, first, last):
    data = bytearray(path.read_bytes())
    data[first:last] = os.urandom(len(data[first:last]))
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("first", "last", "fewest", "most"),
    [(0, 100, 1000, 1000), (10_000, 20_000, 500, 999), (0, 1_000_000, 0, 0)],
)
def test_a_damaged_file_is_put_aside_and_what_can_be_read_is_saved(
    spool, path, first, last, fewest, most
):
    one = spool()
    for name in names(*range(1000)):
        one.append(name)
    one.close()
    damage(path, first=first, last=last)
    two = spool()
    assert two.figures()["damaged_files"] == 1
    assert two.append("after")
    *found, newest = payloads(two)
    assert newest == "after"
    assert fewest <= len(found) <= most
    assert found == [name for name in names(*range(1000)) if name in set(found)]
    assert (path.parent / "events.db.damaged").exists()
    two.close()
    three = spool()
    assert payloads(three) == [*found, "after"]
    assert three.figures()["damaged_files"] == 1


def test_a_file_damaged_while_it_is_open_costs_no_later_event(spool, path):
    one = spool()
    for name in names(*range(300)):
        one.append(name)
    one.synchronise()
    # Whatever the page cache still holds, a fresh connection reads this.
    damage(path, first=0, last=1_000_000)
    for name in names(*range(300, 400)):
        one.append(name)
        one.read(0, 1000)
    one.synchronise()
    one.synchronise()
    one.append("after")
    one.synchronise()
    assert payloads(one)[-1] == "after"
    one.close()
    assert payloads(spool())[-1] == "after"


def test_a_database_of_another_program_is_not_touched(spool, path):
    path.parent.mkdir()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (value TEXT)")
    other.close()
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(OutputError, match="no spool of this version"):
            spool()
    assert path.read_bytes() == before


def test_a_file_that_is_removed_is_made_anew(spool, path):
    one = spool()
    one.append("gone")
    path.unlink()
    one.synchronise()
    assert one.append("after")
    one.close()
    assert payloads(spool())[-1] == "after"


# What others may do to it: the index of its log in memory only, so that no cut file is a SIGBUS.


KILLED = """
import os, sys
from pathlib import Path
from fer_edge.sinks.spool.spool import Spool, SpoolBounds

one = Spool(Path(sys.argv[1]), SpoolBounds(1_000_000, 86_400.0, 3600.0, 1e9))
for number in range(400):
    one.append(f"event {number}" + "x" * 300)
    if number == 200:
        one.synchronise()
os._exit(0)
"""


@pytest.fixture(scope="module")
def kept_by_a_killed_process(tmp_path_factory):
    """A spool whose newest events are in its log only."""
    folder = tmp_path_factory.mktemp("killed")
    subprocess.run([sys.executable, "-c", KILLED, folder / "events.db"], check=True, timeout=300)
    return folder


def cut(share):
    return lambda path: os.truncate(path, int(path.stat().st_size * share))


def statement(text):
    def run(path):
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.executescript(text)

    return run


def only_its_log(path):
    path.unlink()


MOST = 2**63 - 1
DAMAGES = {
    "emptied": (cut(0), 199),
    "halved": (cut(0.5), 250),
    "only its log": (only_its_log, 199),
    "a counter is text": (statement("REPLACE INTO counters VALUES ('dropped_full', 'abc')"), 400),
    "a counter is a part": (statement("REPLACE INTO counters VALUES ('dropped_old', 0.5)"), 400),
    "a counter is the largest": (statement(f"UPDATE counters SET value = {MOST}"), 400),
    "a counter is negative": (statement("REPLACE INTO counters VALUES ('budget_left', -9)"), 400),
    "the last position": (statement(f"INSERT INTO events VALUES ({MOST}, 1e9, 'x')"), 400),
    "a time is text": (statement("INSERT INTO events VALUES (9999, 'soon', 'x')"), 400),
    "an event is no text": (
        statement("INSERT INTO events VALUES (9999, 2e9, CAST(x'ff' AS TEXT))"), 400
    ),
    "a trigger": (
        statement("CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM events; END"), 400
    ),
    "another version": (statement("PRAGMA user_version = 7"), 400),
    "a schema that is no text": (
        statement(
            "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = sql || CAST(x'ff' AS TEXT)"
        ), 400,
    ),
    "no counters": (statement("DROP TABLE counters"), 400),
    "no events": (statement("DROP TABLE events"), 0),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_what_others_did_to_it_is_salvaged_counted_and_said(
    spool, path, caplog, kept_by_a_killed_process, name
):
    change, fewest = DAMAGES[name]
    shutil.copytree(kept_by_a_killed_process, path.parent)
    change(path)
    one = spool()
    found = payloads(one)
    assert fewest <= len(found) <= 400
    assert all(text == f"event {text[6:-300]}" + "x" * 300 for text in found)
    assert one.figures()["damaged_files"] == 1
    assert "was damaged (" in caplog.text
    assert f"{len(found)} events could be read" in caplog.text
    assert one.append("after")
    one.close()
    two = spool()
    assert payloads(two) == [*found, "after"]
    assert two.figures()["damaged_files"] == 1
    assert two.figures()["dropped_full"] == 0


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_cut_while_it_is_open_it_goes_on(spool, path, suffix):
    one = spool()
    for name in names(*range(300)):
        one.append(name)
    if suffix != "-shm":  # which there is none of
        os.truncate(f"{path}{suffix}", 0)
    for name in names(*range(300, 400)):
        one.append(name)
        one.read(0, 1000)
    one.synchronise()
    one.append("last")
    assert payloads(one)[-1] == "last"
    one.close()
    assert payloads(spool())[-1] == "last"
    assert not path.with_name("events.db-shm").exists()


def test_counts_and_ids_go_on_behind_a_damage(spool, path):
    one = spool(bytes=5000)
    for name in names(*range(1000)):
        one.append(name)
    dropped, earlier = one.figures()["dropped_full"], next(one.ids)
    one.close()
    damage(path, first=0, last=100)
    two = spool(bytes=5000)
    assert two.figures()["dropped_full"] >= dropped > 0
    assert next(two.ids) > earlier


def test_events_longer_than_a_page_are_salvaged(spool, path):
    one = spool()
    texts = [f"{number} " + "é" * number * 300 for number in range(20)]
    for text in texts:
        one.append(text)
    one.close()
    damage(path, first=0, last=100)
    assert payloads(spool()) == texts


def test_what_was_delivered_does_not_come_again_from_a_damaged_file(spool, path):
    one = spool()
    for name in names(*range(1000)):
        one.append(name)
    one.deliver(row.position for row in one.read(0, 900))
    one.synchronise()
    one.close()
    damage(path, first=1024, last=1040)  # the root of the tree
    assert set(payloads(spool())) <= set(names(*range(880, 1000)))


def test_a_second_damage_takes_the_place_of_the_first(spool, path):
    for _ in range(3):
        one = spool()
        one.append("event")
        one.close()
        damage(path, first=0, last=100)
    spool()
    assert len(list(path.parent.glob("*.damaged"))) == 1


# A disk that takes no more: a limit for the size of files does the same as a full one.

FULL = """
import json, resource, sys
from pathlib import Path
from fer_edge.sinks.spool.spool import Spool, SpoolBounds

limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
spool = Spool(Path(sys.argv[1]), SpoolBounds(50_000_000, 1e6, 3600.0, 1e9))
kept = [spool.append(f"{number:05d}" + "x" * 300) for number in range(600)]
told = dict(spool.figures())
order = [int(row.payload[:5]) for row in spool.read(0, 1000)]
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
spool.synchronise()
after = dict(spool.figures())
print(json.dumps({"kept": sum(kept), "prefix": kept == sorted(kept, reverse=True), "told": told,
                  "order": order == list(range(600)), "after": after}))
spool.close()
"""


@pytest.mark.parametrize("limit", [0, 60_000])
def test_a_full_disk_is_survived(spool, path, limit):
    done = subprocess.run(
        [sys.executable, "-c", FULL, path, str(limit)],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    said = json.loads(done.stdout)
    assert said["kept"] < 300
    assert said["prefix"]
    assert said["order"], "those in memory come after those on disk"
    assert said["told"]["unkept"] == 600 - said["kept"]
    assert said["told"]["spool_problem"]
    assert said["after"]["unkept"] == 0
    assert said["after"]["spool_problem"] == ""
    assert said["after"]["waiting"] == 600
    assert len(payloads(spool())) == 600


DAMAGED = """
import json, resource, sys
from pathlib import Path
from fer_edge.sinks.spool.spool import Spool, SpoolBounds

resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, resource.RLIM_INFINITY))
spool = Spool(Path(sys.argv[1]), SpoolBounds(50_000_000, 1e6, 3600.0, 1e9))
spool.append("after")
spool.synchronise()
full = spool.figures()["spool_problem"]
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
spool.synchronise()
print(json.dumps({"full": full, "then": dict(spool.figures())}))
spool.close()
"""


def test_what_can_be_read_of_a_damaged_file_waits_for_room_on_the_disk(spool, path):
    one = spool()
    for number in range(200):
        one.append(f"event {number}" + "x" * 300)
    one.close()
    damage(path, first=1024, last=1040)
    done = subprocess.run(
        [sys.executable, "-c", DAMAGED, path],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    said = json.loads(done.stdout)
    assert said["full"]
    assert said["then"]["spool_problem"] == ""
    assert said["then"]["damaged_files"] == 1
    found = payloads(spool())
    assert found[-1] == "after"
    assert len(found) > 190
    assert {file.name for file in path.parent.iterdir()} >= {"events.db.damaged"}
    assert not list(path.parent.glob("*.new*"))


def test_memory_is_bounded_while_the_disk_takes_nothing(spool, path):
    one = spool(written_bytes_per_day=1.0)
    assert not any(one.append(name) for name in names(*range(3000)))
    figures = one.figures()
    assert (figures["unkept"], figures["dropped_unkept"]) == (1000, 2000)
    assert payloads(one) == names(*range(2000, 3000))
    assert "budget" in figures["spool_problem"]


def test_events_in_memory_are_delivered_too(spool):
    one = spool(written_bytes_per_day=1.0)
    for name in names(*range(10)):
        one.append(name)
    one.deliver(row.position for row in one.read(0, 4))
    assert payloads(one) == names(*range(4, 10))


def test_what_waits_for_the_budget_is_in_the_file_after_an_orderly_end(spool):
    one = spool(written_bytes_per_day=1.0)
    for name in names(*range(800)):
        one.append(name)
    one.close()
    again = spool(written_bytes_per_day=1.0)
    assert payloads(again) == names(*range(800))
    assert again.figures()["dropped_unkept"] == 0


def test_a_new_budget_moves_what_it_has_room_for(spool, monkeypatch):
    one = spool(written_bytes_per_day=1_000_000)
    for number in range(1000):
        one.append(f"event {number}" + "x" * 300)
    one.synchronise()
    waiting = one.figures()["unkept"]
    assert waiting > 500
    now = time.monotonic()
    monkeypatch.setattr(one._budget, "_clock", lambda: now + 86_400)
    one.synchronise()
    moved = waiting - one.figures()["unkept"]
    assert 0 < moved < waiting
    assert "budget" in one.figures()["spool_problem"]
    assert len(payloads(one)) == 1000
    monkeypatch.setattr(one._budget, "_clock", lambda: now + 10 * 86_400)
    for day in range(11, 31):
        one.synchronise()
        monkeypatch.setattr(one._budget, "_clock", lambda day=day: now + day * 86_400)
    assert one.figures()["unkept"] == 0
    assert one.figures()["spool_problem"] == ""


# A file that cannot be opened at the start: somebody else reads it.


READER = """
import sqlite3, sys

db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN")
db.execute("SELECT count(*) FROM events").fetchall()
print("reads", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def opened_late(spool, path):
    """A spool with 60 events of an earlier run, and how its file comes to be readable."""
    one = spool()
    earlier = next(one.ids)
    for name in names(*range(60)):
        one.append(name)
    one.close()
    with subprocess.Popen(
        [sys.executable, "-c", READER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reader:
        reader.stdout.readline()
        two = spool()
        assert "locked" in two.figures()["spool_problem"]
        for name in names(*range(60, 65)):
            assert not two.append(name)
        in_flight = two.read(0, 2)
    return two, in_flight, earlier


def test_events_that_waited_for_the_file_come_behind_those_in_it(opened_late, spool):
    one, _, _ = opened_late
    one.synchronise()
    figures = one.figures()
    assert (figures["spool_problem"], figures["unkept"], figures["waiting"]) == ("", 0, 65)
    assert one.append("event 65")
    assert payloads(one) == names(*range(66))
    one.close()
    assert payloads(spool()) == names(*range(66))


def test_an_acknowledgement_is_for_its_own_event_before_and_after_the_file_was_read(opened_late):
    one, in_flight, _ = opened_late
    assert [row.payload for row in in_flight] == names(60, 61)
    one.deliver([in_flight[0].position])
    one.synchronise()
    one.deliver([in_flight[1].position])
    one.deliver(row.position for row in one.read(0, 5))
    assert payloads(one) == names(*range(5, 60), 62, 63, 64)


def test_ids_of_the_next_run_lie_in_its_own_time(opened_late, spool):
    one, _, earlier = opened_late
    one.synchronise()
    one.close()
    following = next(spool().ids)
    assert earlier < following < f"{time.time_ns() // 1_000_000 + 60_000:012x}"


# Wear.


def test_what_is_written_is_counted(spool, path):
    one = spool()
    for name in names(*range(1000)):
        one.append(name)
    one.synchronise()
    written = one.figures()["written_bytes"]
    assert 1000 * 1024 < written < 1000 * 8192
    one.synchronise()
    assert one.figures()["written_bytes"] == written
    one.close()
    assert written <= spool().figures()["written_bytes"] < written + 50_000


def test_nothing_is_written_while_nothing_happens(spool, path):
    one = spool()
    one.synchronise()
    before = [(file, file.stat().st_mtime_ns) for file in sorted(path.parent.iterdir())]
    for _ in range(5):
        one.synchronise()
    assert before == [(file, file.stat().st_mtime_ns) for file in sorted(path.parent.iterdir())]


def test_a_budget_holds_for_any_day():
    class Now:
        seconds = 0.0

    budget = WriteBudget(1000.0, clock=lambda: Now.seconds)
    spent = []
    for _ in range(3 * 24 * 60):
        Now.seconds += 60
        while budget.left >= 10:
            budget.spend(10)
            spent.append(Now.seconds)
    days = [sum(10 for at in spent if start <= at < start + 86_400) for start in spent]
    assert min(days[: len(days) // 2]) >= 700
    assert max(days) <= 1000


def test_a_budget_survives_the_process(spool):
    one = spool(written_bytes_per_day=4_000_000)
    spent = 0  # appends in a row that did not fit, although what was written is known
    while spent < 2:
        spent = 0 if one.append("x" * 300) else spent + 1
        one.synchronise()
    one.close()
    assert not spool(written_bytes_per_day=4_000_000).append("x" * 300)


# Processes.

WRITER = """
import sys
from pathlib import Path
from fer_edge.sinks.spool.spool import Spool, SpoolBounds

spool = Spool(Path(sys.argv[1]), SpoolBounds(50_000_000, 1e6, 0.05, 1e9))
for number in range(1_000_000):
    assert spool.append(f"event {number}")
    print(number, flush=True)
"""


def test_kill_9_costs_nothing_that_was_kept(spool, path):
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True
    ) as writer:
        for line in writer.stdout:
            if int(line) == 2000:
                writer.send_signal(signal.SIGKILL)
                break
        last = max([2000, *map(int, filter(str.strip, writer.stdout))])
    found = payloads(spool())
    assert found[: last + 1] == names(*range(last + 1))
    assert len(found) <= last + 2


def test_ids_go_on_where_the_run_before_ended(spool):
    one = spool()
    earlier = [next(one.ids) for _ in range(3)]
    one.close()
    assert next(spool().ids) > max(earlier)


def test_threads_may_write_read_and_synchronise_at_once(spool):
    one = spool(sync_seconds=0.01)
    delivered = []

    def deliver():
        while len(delivered) < 3000:
            rows = one.read(0, 50)
            one.deliver(row.position for row in rows)
            delivered.extend(row.payload for row in rows)

    reader = threading.Thread(target=deliver)
    reader.start()
    for name in names(*range(3000)):
        assert one.append(name)
    reader.join(30)
    assert delivered == names(*range(3000))


def test_a_problem_that_has_passed_is_told_of_no_longer_though_nothing_happens(spool, path):
    spool().close()
    with subprocess.Popen(
        [sys.executable, "-c", READER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reader:
        reader.stdout.readline()
        one = spool()
        figures = one.figures()
        assert "locked" in figures["spool_problem"]
        assert "dropped_full" not in figures, "what former runs dropped is not known yet"
    one.synchronise()
    one.synchronise()
    assert one.figures()["spool_problem"] == ""
    assert one.figures()["dropped_full"] == 0


def test_a_name_that_is_too_long_is_refused_before_and_at_the_start(tmp_path):
    path = tmp_path / f"{'x' * 300}.db"
    with pytest.raises(OutputError, match=r"cannot be made \(File name too long\)"):
        try_spool(path)
    with pytest.raises(OutputError, match=r"cannot be made \(File name too long\)"):
        Spool(path, SpoolBounds(1000, 1.0, 1.0, 1e6))
