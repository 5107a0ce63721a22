"""A running `fer-edge run` under measurement, with every sink on and nobody watching."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from fer_edge.settings import Settings

PROGRAM = [sys.executable, "-c", "from fer_edge.cli import main; main()"]
SCRAPE_SECONDS = 5.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextlib.contextmanager
def broker(folder: Path) -> Iterator[int]:
    """Run a broker for as long as the context lasts; gives its port, or 0 where there is none."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None or "mqtt" not in Settings.__dataclass_fields__:
        yield 0
        return
    port = free_port()
    written = folder / "mosquitto.conf"
    written.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_type none\n")
    with subprocess.Popen([program, "-c", str(written)], stderr=subprocess.DEVNULL) as process:
        try:
            yield port
        finally:
            process.terminate()


class MeasuredDaemon:
    """`fer-edge run` as a process.

    Args:
        folder: For what it writes.
        assignments: Settings, each as section.key=value.
        broker_port: 0 leaves MQTT out.

    Attributes:
        sinks: What is on.
        port: Of its metrics and its page.
    """

    def __init__(self, folder: Path, *assignments: str, broker_port: int = 0) -> None:
        self._lines = folder / "observations.jsonl"
        self._lines.unlink(missing_ok=True)
        self._counted, self._at = 0, 0
        self._ended = threading.Event()
        self.port = free_port()
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = folder / "notify"
        address.unlink(missing_ok=True)
        self._notices.bind(str(address))
        self.sinks = ["JSON lines to a file", "metrics scraped each 5 s", "status socket"]
        chosen = [*assignments, f"web.port={self.port}", f"output.file={self._lines}"]
        if broker_port:
            self.sinks.append("events and MQTT")
            chosen += ["mqtt.host=127.0.0.1", f"mqtt.port={broker_port}"]
            chosen += [f"events.spool={folder / 'events.db'}", "events.purpose=measuring"]
        self._ready_after = 0.0
        self._ready = threading.Event()
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            [*PROGRAM, "run", *(word for each in chosen for word in ("--set", each))],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "NOTIFY_SOCKET": str(address)},
        )
        threading.Thread(target=self._scrape, daemon=True).start()
        threading.Thread(target=self._listen, daemon=True).start()

    def seconds_to_ready(self, *, timeout_seconds: float = 30.0) -> float:
        """Return how long it took from the start of the process to READY=1."""
        if not self._ready.wait(timeout_seconds):
            raise SystemExit(f"fer-edge run was not ready within {timeout_seconds:g} s")
        return self._ready_after

    def wait_for(self, frames: int, *, timeout_seconds: float = 60.0) -> None:
        """Wait until so many frames have been told."""
        deadline = time.monotonic() + timeout_seconds
        while self.frames() < frames:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise SystemExit(f"fer-edge run told {self.frames()} frames, not {frames}")
            time.sleep(0.005)

    def frames(self) -> int:
        """Return how many lines it has written."""
        with contextlib.suppress(FileNotFoundError), self._lines.open("rb") as stream:
            stream.seek(self._at)
            new = stream.read()
            self._counted += new.count(b"\n")
            self._at += len(new)
        return self._counted

    def ages_ms(self, first: int) -> list[float]:
        """Return the age of each frame from one on, by the lines that it has written."""
        with self._lines.open("rb") as stream:
            lines = list(stream)[first : self.frames()]
        return [json.loads(line)["timings_ms"]["age"] for line in lines]

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its threads, to the nanosecond."""
        # Linux: the CPU clock of another process (clock_getcpuclockid(3)).
        return time.clock_gettime((~self._process.pid << 3) | 2)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._process.terminate()
        self._process.wait(10)
        self._notices.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        """Take every notice, as systemd does: a full queue would hold up who sends."""
        with self._notices:
            while notice := self._notices.recv(4096):
                if b"READY=1" in notice and not self._ready.is_set():
                    self._ready_after = time.monotonic() - self._started
                    self._ready.set()

    def _scrape(self) -> None:
        while not self._ended.wait(SCRAPE_SECONDS):
            address = f"http://127.0.0.1:{self.port}/metrics"
            with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5) as answer:
                answer.read()
