"""Network cameras as processes that fail on command, and the daemon that reads them, watched."""

import atexit
import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from command_line import PROGRAM, clean_environment

SYSTEM = Path(__file__).with_name("system")
SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's bindings of GStreamer are of its own Python
RTSP_PACKAGES = (
    "gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-base gstreamer1.0-plugins-good"
)
RATE = 30.0
WATCHDOG_SECONDS = 4.0
"""After so long without a word systemd would end the daemon."""
_PIPELINE = (
    "videotestsrc name=picture is-live=true ! capsfilter name=size ! {encoder} ! "
    "breakmydata name=fault skip={skip} ! {payloader} name=pay0"
)
PIPELINES = {
    "vp8": _PIPELINE.format(
        encoder="vp8enc deadline=1 keyframe-max-dist=15", skip=16, payloader="rtpvp8pay"
    ),
    "jpeg": _PIPELINE.format(encoder="jpegenc", skip=700, payloader="rtpjpegpay"),
}
_DETECTED = "is opened again in"
_RECOVERED = "delivers again"


_LIVING: "weakref.WeakSet[subprocess.Popen[str]]" = weakref.WeakSet()


def _start(command: Sequence[str], **options: Any) -> "subprocess.Popen[str]":
    """Start a process that does not outlive this one, however it ends."""
    process = subprocess.Popen(command, text=True, **options)
    _LIVING.add(process)
    return process


@atexit.register
def _end_all() -> None:
    for process in _LIVING:
        process.kill()


class CameraProcess:
    """A camera server, killed and stopped as one pleases; comes back on the same port."""

    def __init__(self, command: Sequence[object], url: str) -> None:
        self._command = [str(word) for word in command]
        self._url = url
        self._port = 0
        self.process = self._start()

    @property
    def url(self) -> str:
        """Where it serves."""
        return self._url.format(port=self._port)

    def behave(self, word: str) -> None:
        """Tell it how to behave; one that crashed of what it does comes back first."""
        try:
            self._tell(word)
        except BrokenPipeError:  # GStreamer's payloader, of what breakmydata left of a picture
            self.kill()
            self.start_again()
            self._tell(word)

    def _tell(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it with -9, and wait until it is gone."""
        self.process.kill()
        with contextlib.suppress(BrokenPipeError):  # it had gone, with a word on its way
            self.process.communicate()

    def start_again(self) -> None:
        """Come back, on the same port."""
        self.process = self._start()

    def close(self) -> None:
        """End it; may be called twice."""
        self.kill()

    def _start(self) -> "subprocess.Popen[str]":
        process = _start(
            [*self._command, *([str(self._port)] if self._port else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=clean_environment(),
        )  # fmt: skip
        assert process.stdout is not None
        self._port = int(process.stdout.readline())
        return process


def http_camera() -> CameraProcess:
    """Return a camera of Motion JPEG over HTTP."""
    return CameraProcess(
        [sys.executable, SYSTEM / "mjpeg_camera.py"], "http://127.0.0.1:{port}/stream"
    )


def rtsp_camera(encoder: str) -> CameraProcess:
    """Return an RTSP camera of GStreamer."""
    return CameraProcess(
        [SYSTEM_PYTHON, SYSTEM / "rtsp_camera.py", PIPELINES[encoder]],
        "rtsp://127.0.0.1:{port}/live",
    )


def why_no_rtsp() -> str:
    """Return why no RTSP camera can be started here; "" where one can."""
    elements = ("vp8enc", "rtpvp8pay", "jpegenc", "rtpjpegpay", "udpsrc", "breakmydata")
    probe = (
        "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst; "
        f"Gst.init(None); missing = [n for n in {elements} if not Gst.ElementFactory.find(n)]; "
        "raise SystemExit(f'no {missing}' if missing else 0)"
    )
    if not Path(SYSTEM_PYTHON).exists():
        return f"no {SYSTEM_PYTHON} for GStreamer: apt-get install -y {RTSP_PACKAGES}"
    done = subprocess.run([SYSTEM_PYTHON, "-c", probe], check=False, capture_output=True, text=True)
    if not done.returncode:
        return ""
    reason = (done.stderr.strip() or "unknown").splitlines()[-1]
    return f"no RTSP server ({reason}): apt-get install -y {RTSP_PACKAGES}"


@dataclass
class Seen:
    """What a daemon has said so far; times are of the monotonic clock.

    Attributes:
        frames: When each line came, and its content.
        log: The same of standard error.
        notes: The same of what systemd would be told.
    """

    frames: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    log: list[tuple[float, str]] = field(default_factory=list)
    notes: list[tuple[float, str]] = field(default_factory=list)


class WatchedDaemon:
    """`fer-edge run` as a process of its own, with everything it says, and when.

    Args:
        source: Where it reads.
        settings: `section.key=value`.
        model: Its model.
        folder: For the socket on which it tells how it does.
        prefix: What to run it under, such as `taskset -c 0`.
    """

    def __init__(
        self,
        source: str,
        settings: Sequence[str] = (),
        *,
        model: Path | str = "edge-small",
        folder: Path,
        prefix: Sequence[str] = (),
        environment: dict[str, str] | None = None,
    ) -> None:
        self.seen = Seen()
        self._ended = threading.Event()
        address = folder / "notify"
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(address))
        self._notify.settimeout(0.2)
        flags = [word for setting in settings for word in ("--set", setting)]
        self.process = _start(
            [*prefix, *PROGRAM, "run", "--source", source, "--model", str(model), *flags],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=clean_environment({
                "NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": f"{WATCHDOG_SECONDS * 1e6:.0f}",
                **(environment or {}),
            }),
        )  # fmt: skip
        readers: list[Callable[[], None]] = [
            lambda: self._read(self.process.stdout, self._take_frame),
            lambda: self._read(self.process.stderr, self._take_line),
            self._read_notes,
        ]
        self._threads = [threading.Thread(target=reader, daemon=True) for reader in readers]
        for thread in self._threads:
            thread.start()

    def wait_for_frame(self, *, after: float = 0.0, timeout_seconds: float = 90.0) -> float:
        """Return when the first frame after a moment came."""
        return self._wait(
            lambda: next((at for at, _ in self.seen.frames if at > after), None),
            timeout_seconds, "no frame came",
        )  # fmt: skip

    def wait_for_log(self, text: str, *, after: float = 0.0, timeout_seconds: float = 90) -> float:
        """Return when a line with a text was said after a moment."""
        return self._wait(
            lambda: next((at for at, line in self.seen.log if at > after and text in line), None),
            timeout_seconds, f"{text!r} was not said",
        )  # fmt: skip

    def wait_until_detected(self, *, after: float, timeout_seconds: float = 90.0) -> float:
        """Return when it noticed a fault after a moment."""
        return self.wait_for_log(_DETECTED, after=after, timeout_seconds=timeout_seconds)

    def wait_until_recovered(self, *, after: float, timeout_seconds: float = 60.0) -> float:
        """Return when it had the camera again after a moment."""
        return self.wait_for_log(_RECOVERED, after=after, timeout_seconds=timeout_seconds)

    def frames_between(self, start: float, end: float) -> list[tuple[float, dict[str, Any]]]:
        """Return the frames that came in a time."""
        return [entry for entry in self.seen.frames if start <= entry[0] <= end]

    def resources(self) -> tuple[int, int]:
        """Return the number of its threads and descriptors."""
        process = Path(f"/proc/{self.process.pid}")
        return len(list((process / "task").iterdir())), len(list((process / "fd").iterdir()))

    def wait_for_resources(self, most: tuple[int, int], *, timeout_seconds: float = 10.0) -> None:
        """Wait until it has no more threads and descriptors than these."""

        def has_no_more() -> float | None:
            threads, descriptors = self.resources()
            fits = threads <= most[0] and descriptors <= most[1]
            return time.monotonic() if fits else None

        try:
            self._wait(has_no_more, timeout_seconds, f"more is left than {most}")
        except AssertionError as error:
            folder = Path(f"/proc/{self.process.pid}")
            open_now = [str(path.readlink()) for path in (folder / "fd").iterdir()]
            names = [(path / "comm").read_text().strip() for path in (folder / "task").iterdir()]
            raise AssertionError(f"{names} {open_now}") from error

    def rss_kb(self) -> int:
        """Return its resident memory."""
        return sum(self.rss_kinds_kb())

    def rss_kinds_kb(self) -> tuple[int, int]:
        """Return what of its resident memory is its own, and what are pages of files."""
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        kinds = dict(re.findall(r"Rss(Anon|File|Shmem):\s+(\d+)", text))
        return int(kinds["Anon"]), int(kinds["File"]) + int(kinds["Shmem"])

    def end(self) -> tuple[int, float]:
        """Interrupt it; return its exit code and how many seconds it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(120)
        return code, time.monotonic() - began

    def wait(self, timeout_seconds: float) -> int:
        """Wait until it ends by itself; return its exit code, with all that it said read."""
        code = self.process.wait(timeout_seconds)
        for thread in self._threads[:2]:
            thread.join()
        return code

    def close(self) -> None:
        """End it; may be called twice."""
        self.process.kill()
        self.process.wait()
        self._ended.set()
        for thread in self._threads:
            thread.join()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        self._notify.close()

    def said(self) -> str:
        """Return its standard error so far."""
        return "\n".join(line for _, line in self.seen.log)

    def _wait(self, look: Callable[[], float | None], timeout_seconds: float, what: str) -> float:
        give_up = time.monotonic() + timeout_seconds
        while (found := look()) is None:
            assert time.monotonic() < give_up, f"{what} in {timeout_seconds:g} s: {self.said()}"
            assert self.process.poll() is None, f"it ended: {self.said()}"
            time.sleep(0.01)
        return found

    @staticmethod
    def _read(stream: IO[str] | None, take: Callable[[str], None]) -> None:
        assert stream is not None
        for line in stream:
            take(line)

    def _take_frame(self, line: str) -> None:
        self.seen.frames.append((time.monotonic(), json.loads(line)))

    def _take_line(self, line: str) -> None:
        self.seen.log.append((time.monotonic(), line.rstrip()))

    def _read_notes(self) -> None:
        while not self._ended.is_set():
            try:
                note = self._notify.recv(4096).decode()
            except TimeoutError:
                continue
            self.seen.notes.append((time.monotonic(), note))


def interruptible() -> None:
    """Let this process end by Ctrl-C, and those it starts, even where a shell said otherwise."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
