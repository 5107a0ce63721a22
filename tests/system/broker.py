"""A real mosquitto on loopback, a subscriber that counts, and publishers that may be killed."""

import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

SHIPPED = Path(__file__).parents[2] / "deploy/mosquitto"
PUBLISHER = Path(__file__).with_name("event_publisher.py")
MISSING = "no mosquitto: apt-get install -y mosquitto"
_OF_THE_MACHINE = ("listener", "cafile", "certfile", "keyfile", "password_file", "acl_file")


def mosquitto_program():
    """Return the program's path, or None; Debian keeps it where users do not look."""
    return shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")


def a_free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, *, seconds=30.0, what="it"):
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, f"{what} did not happen within {seconds} s"
        time.sleep(0.02)


class Mosquitto:
    """The broker under the configuration that ships, but for its port, files and users.

    Args:
        folder: For its files.
        lines: Further configuration: users, certificates, an access list.
        anonymous: Whether anybody may do anything.
        verbatim: The shipped file as it is, but for the port and for the folder that stands for
            /etc/mosquitto.
    """

    def __init__(self, folder, *, lines=(), anonymous=True, verbatim=False):
        self.port = a_free_port()
        self.folder = Path(folder)
        self._configuration = self.folder / "mosquitto.conf"
        shipped = [
            line
            for line in (SHIPPED / "fer-edge.conf").read_text().splitlines()
            if line and not line.startswith(("#", *_OF_THE_MACHINE, "tls_version"))
        ]
        if anonymous:
            shipped = [line for line in shipped if not line.startswith("allow_anonymous")]
            shipped.append("allow_anonymous true")
        if os.getuid() == 0:
            shipped.append("user root")
        if verbatim:
            text = (SHIPPED / "fer-edge.conf").read_text()
            text = text.replace("/etc/mosquitto", str(self.folder))
            shipped = [text.replace("listener 8883", f"listener {self.port} 127.0.0.1")]
            shipped += ["user root"] if os.getuid() == 0 else []
        own = ["persistence true", f"persistence_location {self.folder}/"]
        listener = [] if verbatim else [f"listener {self.port} 127.0.0.1", *lines]
        self._configuration.write_text("\n".join([*listener, *shipped, *own]) + "\n")
        self._process = None
        self.start()

    def start(self):
        with (self.folder / "mosquitto.log").open("a") as log:
            self._process = subprocess.Popen(
                [mosquitto_program(), "-c", self._configuration],
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        wait_until(self._listens, what="mosquitto's start")

    def save(self):
        """Let it write down its sessions now, which it does once a minute by itself."""
        self._process.send_signal(signal.SIGUSR1)
        database = self.folder / "mosquitto.db"
        wait_until(database.exists, what="saving")
        time.sleep(0.1)

    def read_access_list_anew(self):
        self._process.send_signal(signal.SIGHUP)

    def freeze(self):
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self._process.send_signal(signal.SIGCONT)

    def kill(self):
        self._process.kill()
        self._process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def _listens(self):
        assert self._process.poll() is None, (self.folder / "mosquitto.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Subscriber:
    """Counts events as a consumer does that wants to miss none: with a session that is kept."""

    def __init__(
        self,
        port,
        *,
        username="",
        password="",
        certificates=None,
        topics="fer/#",
        client_id="the-counting-subscriber",
    ):
        self.ids = []
        self.payloads = []
        self.messages = []
        self._turn = threading.Condition()
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
        )
        client.reconnect_delay_set(1, 1)
        if username:
            client.username_pw_set(username, password)
        if certificates is not None:
            ca, own, key = (
                str(certificates / name) for name in ("ca.pem", "device.pem", "device.key")
            )
            client.tls_set(ca, own, key)
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600
        client.on_connect = lambda *_: client.subscribe(topics, 1)
        client.on_subscribe = lambda *_: self._subscribed.set()
        client.on_message = self._take
        self._subscribed = threading.Event()
        self.client = client
        client.connect("127.0.0.1", port, 30, clean_start=False, properties=properties)
        client.loop_start()
        assert self._subscribed.wait(10)

    def of(self, topic):
        """Return the payloads of a topic so far."""
        with self._turn:
            return [payload for name, payload, _ in self.messages if name == topic]

    def refused(self, topic):
        """Publish something; return whether the broker refused it."""
        answers = queue.Queue()
        self.client.on_publish = lambda _client, _data, _number, reason, _more: answers.put(reason)
        self.client.publish(topic, "online", 1)
        return answers.get(timeout=10).is_failure

    def count(self):
        with self._turn:
            return len(set(self.ids))

    def wait_until_still(self, seconds=0.5):
        """Wait until nothing has come for a while."""
        before = -1
        while before != (before := self.count()):
            time.sleep(seconds)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _take(self, _client, _data, message):
        with self._turn:
            if message.topic.endswith("/events"):
                self.ids.append(json.loads(message.payload)["id"])
                self.payloads.append(message.payload.decode())
            else:
                self.messages.append(
                    (message.topic, message.payload.decode(errors="replace"), message.retain)
                )


class Publisher:
    """A process that makes events as the daemon does, and notes which were accepted.

    Args:
        folder: Where its spool and its notes are; what an earlier one left there is gone on with.
        count: Events for each node.
        rate: Events a second for each node.
        settings: By `section.key`.
        nodes: Names of the devices that it plays.
        file_limit: Bytes that any of its files may have; 0 is no limit.
    """

    def __init__(
        self, folder, *, count, rate, settings: dict[str, Any], nodes=("hall",), file_limit=0
    ):
        self.notes = Path(folder) / "accepted"
        plan = {
            "folder": str(folder),
            "count": count,
            "rate": rate,
            "settings": {key: str(value) for key, value in settings.items()},
            "nodes": nodes,
            "file_limit": file_limit,
        }
        with (Path(folder) / "publisher.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, PUBLISHER, json.dumps(plan)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def accepted(self):
        """Return the ids noted so far, also by earlier processes in this folder."""
        if not self.notes.exists():
            return []
        text = self.notes.read_text()
        return text[: text.rfind("\n") + 1].split()

    def wait_for_emission(self):
        """Wait until all events were made."""
        line = self.process.stdout.readline()
        assert line == "emitted\n", (line, self.said())

    def figures(self, node="hall"):
        self.process.stdin.write(f"{node}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def said(self):
        return (self.notes.parent / "publisher.log").read_text()

    def kill(self):
        self.process.kill()
        self._end()

    def stop(self):
        """End it as systemd does, and wait."""
        self.process.stdin.close()
        self.process.wait(20)
        self._end()
        assert self.process.returncode == 0, self.said()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()

    def _end(self):
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            stream.close()


def add_users(file, password, *names):
    """Let users log in, as docs/guide/mqtt.md says."""
    file.touch(0o600)
    for name in names:
        subprocess.run(["mosquitto_passwd", "-b", file, name, password], check=True)


def tally(accepted, received):
    """Return what became of events: the fields of the documentation's table."""
    unique = dict.fromkeys(received)
    repeated = Counter(received)
    return {
        "accepted": len(accepted),
        "received": len(unique),
        "lost": len(set(accepted) - unique.keys()),
        "duplicates": sum(repeated.values()) - len(unique),
        "in_order": list(unique) == sorted(unique),
    }


def make_certificates(folder):
    """Make an authority, a broker's certificate, a device's, and a stranger of an authority.

    Returns:
        The folder: ca.pem, broker.pem, broker.key, device.pem, device.key, stranger.pem.
    """

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for name in ("ca", "stranger"):
        openssl("req", "-x509", *new, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2",
                "-subj", f"/CN={name}")  # fmt: skip
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for name in ("broker", "device"):
        openssl(
            "req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}"
        )
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days",
                "2", "-CAcreateserial", "-extfile", "names", "-out", f"{name}.pem")  # fmt: skip
    return folder
