"""Who connects to the daemon, or is connected to: the status socket, the listener, the broker."""

import contextlib
import dataclasses
import itertools
import json
import random
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from fer_edge.daemon.status.asking import ask
from fer_edge.daemon.status.socket import StatusSocket, starting
from fer_edge.settings import Settings
from fer_edge.sinks.mqtt.announced import Announced
from fer_edge.sinks.mqtt.endpoint import Endpoint
from fer_edge.sinks.mqtt.sink import Announcing, MqttSink
from fer_edge.sinks.mqtt.topics import Topics
from fer_edge.sinks.spool.spool import Spool, SpoolBounds
from fer_edge.sinks.web.http_server import HttpListener
from fer_edge.sinks.web.messages import Request, Response
from fer_edge.state.controls import Controls
from hostile.changes import forge, spoil
from hostile.child import Case

_PATIENCE_SECONDS = 0.2
_TOPICS = Topics("fer", "hall")
_BOUNDS = SpoolBounds(1_000_000, 1e9, 3600.0, 1e9)
_CONNACKS = {5: b"\x20\x03\x00\x00\x00", 4: b"\x20\x02\x00\x00"}


def status_socket(rng: random.Random) -> Case:
    """Somebody at the status socket, or something in its place that is asked."""
    state = dataclasses.replace(starting(Settings()), started_at=1e9, pid=1).to_json()
    if rng.random() < 0.5:
        sent = [rng.randbytes(rng.choice([0, 1, 70_000])) for _ in range(rng.choice([1, 3]))]
        at_once = rng.random() < 0.5
        return Case(lambda: _visit_status(sent, at_once=at_once), b"".join(sent))
    document = {**state, "name": "", "age_seconds": 0.1}
    told = rng.choice([forge(document, rng), spoil(json.dumps(document).encode(), rng),
                       b"[" * 200_000, b'{"a":' * 90_000, b"9" * 5000, b"", b"null",
                       b'{"x":"' + b"y" * 2_000_000])  # fmt: skip
    return Case(lambda: _ask_instead(told), told)


def listener(rng: random.Random) -> Case:
    """What is no request, or an odd one."""
    sent = a_request(rng)
    return Case(lambda: _send_request(sent), sent)


def a_request(rng: random.Random) -> bytes:
    """Return what is sent to a listener."""
    if rng.random() < 0.2:
        return rng.randbytes(rng.choice([1, 100, 8191, 8192, 8193, 20_000]))
    method = rng.choice(["GET", "HEAD", "POST", "CONNECT", "get", "G\x00T", "X" * 3000, ""])
    path = rng.choice(["/", "/metrics", "/..%2f..", "/%00", "/" + "a" * 9000, "*", "//", "/\xff"])
    version = rng.choice(["HTTP/1.1", "HTTP/1.0", "HTTP/9.9", "", "HTTP/1.1 x"])
    headers = rng.sample(
        ["Host: x", "Content-Length: -1", "Transfer-Encoding: chunked", "X: " + "y" * 20_000, ": ",
         "Authorization: Bearer \xe9", "Host", "\x00: \x01", "Expect: 100-continue"],
        rng.randrange(5),
    )  # fmt: skip
    end = rng.choice(["\r\n\r\n", "\r\n\r\n", "\n\n", "\r\n", ""])
    return ("\r\n".join([f"{method} {path} {version}", *headers]) + end).encode("latin-1")


def commands(rng: random.Random) -> Case:
    """A broker that lets the daemon in and then sends what no broker sends."""
    sent = b"".join(a_packet(rng) for _ in range(rng.choice([1, 1, 3, 20])))
    if rng.random() < 0.1:
        sent = spoil(sent, rng)
    accepting = rng.random() < 0.9
    return Case(lambda: _be_the_broker(sent, accepting=accepting), sent)


def a_packet(rng: random.Random) -> bytes:
    """Return a packet of MQTT, most often a message for the daemon."""
    if rng.random() < 0.2:
        kind = rng.randrange(256)
        body = rng.randbytes(rng.choice([0, 1, 2, 5, 300]))
        length = rng.choice([_length(len(body)), b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff\xff", b""])
        return bytes([kind]) + length + body
    quality = rng.choice([0, 1, 1, 2, 3])
    flags = quality << 1 | rng.choice([0, 0, 1, 8])
    own = _TOPICS.enabled.encode()
    topic = rng.choice([own, own, own, b"", b"\xff\xfe", b"#", b"a\x00b", b"x" * 40_000,
                        b"homeassistant/status", own + b"/x"])  # fmt: skip
    number = rng.choice([b"\x00\x01", b"\x00\x00", b"\xff\xff"]) if quality else b""
    properties = rng.choice([b"\x00", b"\x00", b"", b"\x7f", b"\x02\x01\x09", b"\xff\xff\xff\xff"])
    payload = rng.choice([b"ON", b"OFF", b"OFF", b"on", b"", b"\x00", b"\xff" * 300, b"online",
                          b"1" * 100_000])  # fmt: skip
    length = len(topic).to_bytes(2, "big")
    if rng.random() < 0.05:
        length = b"\xff\xff"
    body = length + topic + number + properties + payload
    return bytes([0x30 | flags]) + _length(len(body)) + body


def _visit_status(sent: list[bytes], *, at_once: bool) -> str:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with StatusSocket(folder, "", starting(Settings())) as asked:
            channels = [_connected(asked.path) for _ in sent]
            for channel, data in zip(channels, sent, strict=True):
                with contextlib.suppress(OSError):
                    channel.send(data)
                if at_once:  # a reset, not an end
                    channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    channel.close()
            (told,) = ask([asked.path], patience_seconds=5.0)
            for channel in channels:
                channel.close()
    if told.state is None:
        raise AssertionError(f"it tells nothing any more: {told.problems}")
    return "tells"


def _ask_instead(told: bytes) -> str:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "status.sock"
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            server.listen()
            threading.Thread(target=_tell, args=(server, told), daemon=True).start()
            (found,) = ask([path], patience_seconds=5.0)
        json.dumps(found.to_json())
    return "a state" if found.state is not None else found.problems[0]


def _tell(server: socket.socket, told: bytes) -> None:
    with contextlib.suppress(OSError):
        channel, _ = server.accept()
        with channel:
            channel.sendall(told)


def _connected(path: Path) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX)
    channel.settimeout(_PATIENCE_SECONDS)
    channel.connect(str(path))
    return channel


def _send_request(sent: bytes) -> str:
    """Send it; whatever it is, the next request must be answered."""
    errors: list[str] = []
    with HttpListener("127.0.0.1", 0, _answer, patience_seconds=_PATIENCE_SECONDS) as asked:
        asked._loop.set_exception_handler(lambda _, found: errors.append(str(found)))
        end = first_line(asked.port, sent)
        if first_line(asked.port, b"GET / HTTP/1.1\r\n\r\n") != "HTTP/1.1 200 OK":
            raise AssertionError("it answers no more")
    if errors:
        raise AssertionError(errors[0])
    return end


def _answer(request: Request) -> Response:
    return Response(200, request.path.encode("latin-1"))


def first_line(port: int, sent: bytes) -> str:
    """Send something to a listener; return how its answer begins."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as channel:
        try:
            channel.sendall(sent)
            channel.shutdown(socket.SHUT_WR)
            return channel.recv(4096).split(b"\r\n")[0].decode("latin-1") or "closed"
        except OSError as error:
            return type(error).__name__


def _be_the_broker(sent: bytes, *, accepting: bool) -> str:
    """Let the sink in and send; its thread must live, and obey nothing but OFF on its topic."""
    with tempfile.TemporaryDirectory() as name, _broker(sent, accepting=accepting) as broker:
        controls = Controls()
        announcing = Announcing(
            topics=_TOPICS,
            discovery=None,
            discovery_prefix="homeassistant",
            announced=Announced(Path(name) / "announced.json", "x", topics=(), components={}),
            commands=True,
            of_faces=True,
            state_seconds=30.0,
        )
        spool = Spool(Path(name) / "events.db", _BOUNDS)
        with MqttSink(
            spool, Endpoint("127.0.0.1", broker.port, "hall"), announcing, controls
        ) as sink:
            broker.heard.wait(5.0)
            time.sleep(0.03)  # what was sent is read
            alive = any(thread is sink._thread for thread in threading.enumerate())
            problem = str(sink.figures()["problem"])
        if not alive:
            raise AssertionError("the thread has died")
        if "defect" in problem:
            raise AssertionError(problem)
        if not controls.enabled and b"OFF" not in sent:
            raise AssertionError("it was switched off")
    return "on" if controls.enabled else "off"


class _Broker:
    """Lets in who connects, sends, and reads on until they end.

    Attributes:
        port: Where.
        heard: Set once all was sent, or the other end has gone.
    """

    def __init__(self, server: socket.socket, sent: bytes, *, accepting: bool) -> None:
        self.port = int(server.getsockname()[1])
        self.heard = threading.Event()
        self._server, self._sent, self._accepting = server, sent, accepting

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            for _ in itertools.count():
                channel, _ = self._server.accept()
                with channel, contextlib.suppress(OSError):
                    channel.settimeout(2.0)
                    hello = channel.recv(4096)
                    if self._accepting:
                        version = 5 if b"MQTT\x05" in hello else 4
                        channel.sendall(_CONNACKS[version])
                    channel.sendall(self._sent)
                    self.heard.set()
                    while channel.recv(65536):
                        pass
                self.heard.set()


@contextlib.contextmanager
def _broker(sent: bytes, *, accepting: bool) -> Iterator[_Broker]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        broker = _Broker(server, sent, accepting=accepting)
        threading.Thread(target=broker.serve, daemon=True).start()
        yield broker


def _length(value: int) -> bytes:
    """Return a length as MQTT writes it."""
    written = bytearray()
    while True:
        value, digit = divmod(value, 128)
        written.append(digit | (0x80 if value else 0))
        if not value:
            return bytes(written)
