"""What may go wrong between a device and its broker, done to real ones, and what it cost.

Each fault takes a folder, how many events, and how fast; it returns `broker.tally` with whatever
else is worth a column.
"""

import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from broker import (
    SHIPPED,
    Mosquitto,
    Publisher,
    Subscriber,
    add_users,
    make_certificates,
    tally,
    wait_until,
)

SECRET = "mqtt-password-of-a-test"


def plain(broker, **more):
    return {"mqtt.host": "127.0.0.1", "mqtt.port": broker.port, **more}


def finish(publisher, subscriber, *, seconds=60.0):
    """Wait until everything accepted has arrived, and tell what became of it."""
    wait_until(lambda: publisher.figures()["waiting"] == 0, seconds=seconds, what="an empty spool")
    subscriber.wait_until_still(1.0)  # it may be slower than the broker; duplicates come last
    return tally(publisher.accepted(), subscriber.ids)


def kill_in_the_middle(broker, subscriber):
    """Kill the broker while the device waits for acknowledgements that will not come.

    Stopped first, so that the consumer can read what has been acknowledged and sent on to it: what
    a consumer has not read when the broker dies may be gone, and is no loss of the device's.
    """
    broker.freeze()
    subscriber.wait_until_still()
    broker.kill()


def broker_killed(folder, *, count, rate, down_seconds):
    with Mosquitto(folder) as broker, Subscriber(broker.port) as subscriber:
        broker.save()
        settings = plain(broker)
        with Publisher(folder, count=count, rate=rate, settings=settings) as publisher:
            wait_until(lambda: subscriber.count() > count // 4)
            kill_in_the_middle(broker, subscriber)
            time.sleep(down_seconds)
            broker.start()
            publisher.wait_for_emission()
            return finish(publisher, subscriber)


def broker_frozen(folder, *, count, rate):
    """The broker stops answering while its connections stay; noticed by its missing pings."""
    with Mosquitto(folder) as broker, Subscriber(broker.port) as subscriber:
        settings = plain(broker, **{"mqtt.keepalive_seconds": 5})
        with Publisher(folder, count=count, rate=rate, settings=settings) as publisher:
            wait_until(lambda: subscriber.count() > count // 4)
            broker.freeze()
            began = time.monotonic()
            publisher.wait_for_emission()
            wait_until(lambda: not publisher.figures()["connected"])
            noticed = time.monotonic() - began
            broker.thaw()
            told = finish(publisher, subscriber)
    return told | {"noticed_seconds": round(noticed, 1)}


def publisher_killed(folder, *, count, rate, times=3):
    with Mosquitto(folder) as broker, Subscriber(broker.port) as subscriber:
        settings = plain(broker)
        for turn in range(1, times + 1):
            with Publisher(folder, count=count, rate=rate, settings=settings) as publisher:
                goal = count * turn // (times + 1)
                wait_until(lambda p=publisher, g=goal: len(p.accepted()) > g)
                publisher.kill()
                left = count - len(publisher.accepted())
        with Publisher(folder, count=left, rate=rate, settings=settings) as publisher:
            publisher.wait_for_emission()
            return finish(publisher, subscriber)


def both_killed(folder, *, count, rate, down_seconds):
    with Mosquitto(folder) as broker, Subscriber(broker.port) as subscriber:
        broker.save()
        settings = plain(broker)
        with Publisher(folder, count=count, rate=rate, settings=settings) as publisher:
            wait_until(lambda: subscriber.count() > count // 4)
            kill_in_the_middle(broker, subscriber)
            time.sleep(down_seconds / 2)
            publisher.kill()
            left = count - len(publisher.accepted())
        with Publisher(folder, count=left, rate=rate, settings=settings) as publisher:
            time.sleep(down_seconds / 2)
            broker.start()
            publisher.wait_for_emission()
            return finish(publisher, subscriber)


def tls_wrong(folder, *, count, rate):
    """First no TLS, then a strange authority; both keep everything; then as it should be."""
    certificates = make_certificates(folder)
    lines = [
        f"cafile {certificates}/ca.pem",
        f"certfile {certificates}/broker.pem",
        f"keyfile {certificates}/broker.key",
        "require_certificate true",
    ]
    right = {
        "mqtt.tls": True,
        "mqtt.ca_file": certificates / "ca.pem",
        "mqtt.certificate_file": certificates / "device.pem",
        "mqtt.key_file": certificates / "device.key",
    }
    stages = {
        "plain": {},
        "strange authority": right | {"mqtt.ca_file": certificates / "stranger.pem"},
        "no certificate": right | {"mqtt.certificate_file": "", "mqtt.key_file": ""},
    }
    problems = {}
    with Mosquitto(folder, lines=lines) as broker:
        for name, wrong in stages.items():
            settings = plain(broker, **wrong)
            share = count // (len(stages) + 1)
            with Publisher(folder, count=share, rate=rate, settings=settings) as publisher:
                publisher.wait_for_emission()
                wait_until(lambda p=publisher: "not connected yet" not in p.figures()["problem"])
                problems[name] = publisher.figures()["problem"]
                publisher.stop()
        with Subscriber(broker.port, certificates=certificates) as subscriber:
            left = count - len(publisher.accepted())
            settings = plain(broker, **right)
            with Publisher(folder, count=left, rate=rate, settings=settings) as publisher:
                publisher.wait_for_emission()
                return finish(publisher, subscriber) | {"problems": problems}


def access_denied(folder, *, count, rate):
    """The access list forbids the device's events, later allows them."""
    folder = Path(folder)
    add_users(folder / "passwords", SECRET, "hall", "reader")
    (folder / "password").write_text(SECRET + "\n")
    shipped = (SHIPPED / "fer-edge.acl").read_text()
    forbidding = shipped.replace("pattern write fer/%u/events\n", "")
    assert forbidding != shipped
    access = folder / "access"
    access.write_text(forbidding)
    access.chmod(0o600)
    lines = [f"password_file {folder}/passwords", f"acl_file {access}"]
    with (
        Mosquitto(folder, lines=lines, anonymous=False) as broker,
        Subscriber(broker.port, username="reader", password=SECRET) as subscriber,
    ):
        settings = plain(broker) | {
            "mqtt.username": "hall",
            "mqtt.password_file": folder / "password",
        }
        with Publisher(folder, count=count, rate=rate, settings=settings) as publisher:
            publisher.wait_for_emission()
            wait_until(lambda: "refuses events" in publisher.figures()["problem"])
            problem = publisher.figures()["problem"]
            denied = subscriber.count()
            access.write_text(shipped)
            broker.read_access_list_anew()
            told = finish(publisher, subscriber)
    return told | {"problem": problem, "before": denied}


def disk_full(folder, *, count, rate, room_bytes):
    """The disk fills up while the broker is away; what was accepted survives a kill -9, too."""
    with Mosquitto(folder) as broker, Subscriber(broker.port) as subscriber:
        broker.save()
        settings = plain(broker)
        with small_disk(Path(folder) / "disk", room_bytes) as (disk, limit):
            settings["events.spool"] = disk / "events.db"
            broker.kill()
            plan = {"rate": rate, "settings": settings, "file_limit": limit}
            with Publisher(folder, count=count, **plan) as publisher:
                publisher.wait_for_emission()
                full = publisher.figures()
                publisher.kill()
            with Publisher(folder, count=0, **plan) as publisher:
                broker.start()
                publisher.wait_for_emission()
                told = finish(publisher, subscriber)
                publisher.stop()
    return told | {"problem": full["spool_problem"], "refused": count - told["accepted"]}


@contextmanager
def small_disk(folder, size):
    """A file system of so many bytes; where it cannot be mounted, a limit for each file instead."""
    folder.mkdir()
    mounted = os.getuid() == 0 and shutil.which("mount") is not None and not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder],
        check=False, capture_output=True,
    ).returncode  # fmt: skip
    try:
        yield folder, 0 if mounted else size // 2
    finally:
        if mounted:
            subprocess.run(["umount", folder], check=True)


def fifty_publishers(folder, *, count, rate, processes=5, nodes=10):
    """So many devices at once against one broker."""
    folder = Path(folder)
    with Mosquitto(folder) as broker, Subscriber(broker.port) as subscriber:
        began = time.monotonic()
        publishers = []
        for number in range(processes):
            own = folder / str(number)
            own.mkdir()
            names = [f"node-{number}-{node}" for node in range(nodes)]
            publishers.append(
                Publisher(own, count=count, rate=rate, settings=plain(broker), nodes=names)
            )
        accepted = []
        for number, publisher in enumerate(publishers):
            with publisher:
                publisher.wait_for_emission()
                for node in range(nodes):
                    name = f"node-{number}-{node}"
                    wait_until(lambda p=publisher, n=name: p.figures(n)["waiting"] == 0)
                publisher.stop()
                accepted += publisher.accepted()
        wait_until(lambda: subscriber.count() >= len(accepted), what="all events")
        seconds = time.monotonic() - began
        told = tally(accepted, subscriber.ids)
        # Order is promised for each device alone: its ids begin alike.
        runs = {}
        for one in dict.fromkeys(subscriber.ids):
            runs.setdefault(one.partition("-")[0], []).append(one)
        told["in_order"] = all(ids == sorted(ids) for ids in runs.values())
        return told | {"publishers": len(runs), "seconds": round(seconds, 1)}
