"""What is sent to the listener: bounded in size, time and number, whoever sends it."""

import asyncio
import socket
import ssl
import subprocess
import threading
import time

import pytest
from builders import a_frame, an_observation
from web_browser import Browser, everything, until

from fer_edge.settings import Settings, WebSettings
from fer_edge.shared.errors import SettingsError
from fer_edge.sinks.web.http_server import HttpListener
from fer_edge.sinks.web.messages import Response, Work
from fer_edge.sinks.web.sink import WebSink
from fer_edge.sinks.web.tls import make_context

MOST = 1_000_000
TOKEN = "correct horse battery staple"


class Receiving:
    """A listener that takes up to a megabyte, and holds on to it for as long as a test wants."""

    def __init__(self, *, patience_seconds=5.0):
        self.sizes = []
        self.free = threading.Event()
        self.free.set()
        self.listener = HttpListener(
            "127.0.0.1", 0, lambda _: Work(self._take, MOST), patience_seconds=patience_seconds
        )
        self.port = self.listener.port

    async def _take(self, request):
        self.sizes.append(len(request.body))
        while not self.free.is_set():
            await asyncio.sleep(0.005)
        return Response(200, b"%d" % len(request.body))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.free.set()
        self.listener.close()


@pytest.fixture
def receiving():
    with Receiving() as listener:
        yield listener


def begun(port, head, body=b""):
    channel = socket.create_connection(("127.0.0.1", port), timeout=20)
    channel.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n\r\n" + body)
    return channel


@pytest.mark.parametrize("size", [0, 1, 8192, 20_000, MOST])
def test_what_fits_arrives_whole(receiving, size):
    answer = Browser(receiving.port).ask("/", "POST", bytes(size))
    assert (answer.status, answer.body) == (200, b"%d" % size)


@pytest.mark.parametrize("length", [b"1000001", b"2147483648", b"999999999999999999"])
def test_two_gigabytes_are_refused_before_they_come(receiving, length):
    with begun(receiving.port, b"Content-Length: " + length, bytes(100_000)) as channel:
        assert everything(channel).startswith(b"HTTP/1.1 413 ")
    assert receiving.sizes == []


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Transfer-Encoding: chunked", b"411"),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"411"),
        (b"Content-Length: -1", b"400"),
        (b"Content-Length: 5x", b"400"),
        (b"Content-Length: \xb2", b"400"),
        (b"Content-Length: 9999999999999999999999", b"400"),
        (b"Content-Length: 5\r\nContent-Length: 6", b"400"),
    ],
)
def test_lengths_that_are_none(receiving, head, status):
    with begun(receiving.port, head, b"5\r\nhello\r\n0\r\n\r\n") as channel:
        assert everything(channel).startswith(b"HTTP/1.1 " + status)
    assert receiving.sizes == []


def test_what_stays_short_of_its_length_is_nothing(receiving):
    with begun(receiving.port, b"Content-Length: 100", b"short") as channel:
        channel.shutdown(socket.SHUT_WR)
        assert everything(channel) == b""
    assert receiving.sizes == []


def test_a_body_that_comes_slowly_is_cut_off():
    with Receiving(patience_seconds=0.2) as receiving:
        with begun(receiving.port, b"Content-Length: 100", b"slow") as channel:
            began = time.monotonic()
            assert everything(channel) == b""
            assert time.monotonic() - began > 0.1
        assert receiving.sizes == []


def test_only_so_many_send_much_at_once(receiving):
    receiving.free.clear()
    sending = [begun(receiving.port, b"Content-Length: 50000", bytes(50_000)) for _ in range(2)]
    try:
        until(lambda: len(receiving.sizes) == 2)
        refused = Browser(receiving.port).ask("/", "POST", bytes(50_000))
        assert (refused.status, refused.headers["Retry-After"]) == (503, "3")
        assert "at most 2 at once" in refused.json()["expected"]
        receiving.free.set()
        assert all(everything(channel).endswith(b"50000") for channel in sending)
    finally:
        for channel in sending:
            channel.close()
    assert Browser(receiving.port).ask("/", "POST", bytes(50_000)).status == 200


def test_whoever_sends_is_not_cut_off_by_those_who_only_connect(receiving):
    with begun(receiving.port, b"Content-Length: 50000", bytes(10_000)) as sending:
        crowd = [socket.create_connection(("127.0.0.1", receiving.port)) for _ in range(40)]
        try:
            sending.sendall(bytes(40_000))
            assert everything(sending).endswith(b"50000")
        finally:
            for channel in crowd:
                channel.close()


def test_what_is_not_for_sending_takes_nothing(monkeypatch):
    monkeypatch.delenv("FER_EDGE_SECRET_WEB_TOKEN", raising=False)
    with WebSink(WebSettings(port=0)) as web:
        assert Browser(web.port).ask("/livez", body=b"x").status == 413


def test_a_handler_with_a_defect_keeps_the_listener_alive(monkeypatch, caplog):
    from fer_edge.sinks.web.part import Part
    from fer_edge.sinks.web.router import Route

    class Broken(Part):
        def routes(self):
            return (Route("GET", "/broken", self._break),)

        async def _break(self, request):
            raise ZeroDivisionError("as it happens")

    monkeypatch.delenv("FER_EDGE_SECRET_WEB_TOKEN", raising=False)
    with WebSink(WebSettings(port=0, view="boxes"), parts=[Broken()]) as web:
        assert Browser(web.port).ask("/broken").status == 500
        assert Browser(web.port).ask("/livez").status == 200
        assert web.figures()["defects"] == 1
    assert "as it happens" in caplog.text


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Two certificates for localhost, each with its key."""
    folder = tmp_path_factory.mktemp("pairs")
    for name in ("one", "two"):
        subprocess.run(
            [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext",
                "subjectAltName=IP:127.0.0.1", "-keyout", f"{name}.key", "-out", f"{name}.pem",
            ],
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip
    return folder


def trusting(certificate):
    return ssl.create_default_context(cafile=str(certificate))


@pytest.fixture
def secured(pairs, tmp_path, monkeypatch):
    monkeypatch.setenv("FER_EDGE_SECRET_WEB_TOKEN", TOKEN)
    for ending in ("pem", "key"):
        (tmp_path / f"web.{ending}").write_bytes((pairs / f"one.{ending}").read_bytes())
    settings = WebSettings(
        port=0, view="picture", certificate=str(tmp_path / "web.pem"), key=str(tmp_path / "web.key")
    )
    with WebSink(settings) as web:
        yield web


def test_a_browser_that_trusts_the_certificate_logs_in(secured, pairs):
    browser = Browser(secured.port, tls=trusting(pairs / "one.pem"))
    answer = browser.log_in(TOKEN)
    assert answer.status == 303
    assert answer.headers["Set-Cookie"].endswith("; Secure")
    assert browser.ask("/").status == 200


def test_the_picture_moves_over_tls_and_who_leaves_is_noticed(secured, pairs):
    browser = Browser(secured.port, tls=trusting(pairs / "one.pem"))
    browser.log_in(TOKEN)
    stop = threading.Event()
    showing = threading.Thread(
        target=lambda: until(stop.is_set, lambda: secured.show(a_frame(), an_observation()))
    )
    showing.start()
    try:
        with browser.watch("/live.mjpeg") as viewer:
            pictures = viewer.pictures()
            assert next(pictures)
            assert next(pictures)
        until(lambda: secured.figures()["viewers"] == 0)
    finally:
        stop.set()
        showing.join()


def test_a_large_answer_arrives_whole_over_tls(pairs):
    settings = WebSettings(certificate=str(pairs / "one.pem"), key=str(pairs / "one.key"))
    large = bytes(3_000_000)
    with HttpListener(
        "127.0.0.1", 0, lambda _: Response(200, large), tls=make_context(settings)
    ) as listener:
        browser = Browser(listener.port, tls=trusting(pairs / "one.pem"))
        assert browser.ask("/").body == large


def test_who_speaks_no_tls_gets_nothing(secured):
    with socket.create_connection(("127.0.0.1", secured.port), timeout=20) as channel:
        channel.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"HTTP" not in everything(channel)


def test_handshakes_that_never_come_keep_nobody_out(secured, pairs):
    crowd = [socket.create_connection(("127.0.0.1", secured.port)) for _ in range(40)]
    try:
        browser = Browser(secured.port, tls=trusting(pairs / "one.pem"))
        assert browser.ask("/livez").status == 401
    finally:
        for channel in crowd:
            channel.close()


def test_a_replaced_certificate_and_token_serve_from_then_on(secured, pairs, tmp_path, monkeypatch):
    browser = Browser(secured.port, tls=trusting(pairs / "one.pem"))
    browser.log_in(TOKEN)
    for ending in ("pem", "key"):
        (tmp_path / f"web.{ending}").write_bytes((pairs / f"two.{ending}").read_bytes())
    secured.renew(Settings())
    with pytest.raises(ssl.SSLError):
        browser.ask("/livez")
    again = Browser(secured.port, tls=trusting(pairs / "two.pem"))
    again.cookie = browser.cookie
    assert again.ask("/livez").status == 200, "whoever was logged in stays so"
    monkeypatch.setenv("FER_EDGE_SECRET_WEB_TOKEN", TOKEN + "2")
    secured.renew(Settings())
    assert again.ask("/livez").status == 401, "another token ends all log-ins"
    assert again.log_in(TOKEN + "2").status == 303


@pytest.mark.parametrize(
    ("certificate", "key"),
    [("one.pem", "two.key"), ("none.pem", ""), ("one.key", ""), ("", "one.key")],
)
def test_what_does_not_belong_together_is_refused_and_the_old_pair_stays(
    pairs, secured, certificate, key
):
    settings = WebSettings(
        port=0, view="picture",
        certificate=certificate and str(pairs / certificate), key=key and str(pairs / key),
    )  # fmt: skip
    with pytest.raises(SettingsError, match=r"web\.(certificate|key)|certificate or key"):
        WebSink(settings)
    assert Browser(secured.port, tls=trusting(pairs / "one.pem")).ask("/livez").status == 401


def test_who_asks_whether_to_send_is_told_to_go_on_or_not_to(receiving):
    asking = b"Content-Length: 5\r\nExpect: 100-continue"
    with begun(receiving.port, asking) as channel:
        assert channel.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        channel.sendall(b"hello")
        assert everything(channel).endswith(b"5")
    with begun(receiving.port, b"Content-Length: 5000000\r\nExpect: 100-continue") as channel:
        assert everything(channel).startswith(b"HTTP/1.1 413 ")
