"""Metrics and health over HTTP, as friends and strangers meet them."""

import http.client
import json
import socket
import threading
import time
from types import SimpleNamespace

import pytest
from builders import an_observation
from states import a_camera, a_state
from web_browser import everything

from fer_edge.assemble.parts import make_sinks
from fer_edge.settings import OutputSettings, Settings, WebSettings
from fer_edge.shared.errors import EXIT_CONFIG, OutputError, SettingsError
from fer_edge.sinks.web import http_server as listener
from fer_edge.sinks.web import messages
from fer_edge.sinks.web.guard import is_loopback
from fer_edge.sinks.web.http_server import HttpListener
from fer_edge.sinks.web.messages import Response
from fer_edge.sinks.web.sink import WebSink
from fer_edge.state import health
from fer_edge.state.controls import Controls

TOKEN = "correct horse battery staple"


@pytest.fixture(autouse=True)
def no_token_of_this_machine(monkeypatch):
    monkeypatch.delenv("FER_EDGE_SECRET_WEB_TOKEN", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def a_sink(**settings):
    return WebSink(WebSettings(port=0, **settings))  # of a sink itself, 0 is any that is free


@pytest.fixture
def web():
    with a_sink() as sink:
        yield sink


@pytest.fixture
def locked(tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    with a_sink(token_file=str(tmp_path / "token"), address="0.0.0.0") as sink:
        yield sink


def ask(port, path="/metrics", method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers
    finally:
        connection.close()


def connected(port):
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def test_metrics_tell_what_was_emitted(web):
    web.emit(an_observation(timings={"age": 3.0}))
    web.report(a_state())
    status, body, headers = ask(web.port)
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "fer_edge_faces_total 1.0" in body
    assert "fer_edge_frames_total 1200.0" in body


def test_ready_is_a_camera_that_delivers(web):
    web.report(a_state())
    status, body, headers = ask(web.port, "/readyz")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert json.loads(body) == {"ready": True, "reasons": [], "phase": "running"}


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (None, "starting"),
        (a_state(phase="disabled"), "switched off"),
        (
            a_state(phase="waiting", camera=a_camera(phase="waiting", problem="refused")),
            "camera waiting, no frame for 0 s: refused",
        ),
    ],
)
def test_not_ready_says_why(web, state, reason):
    if state is not None:
        web.report(state)
    status, body, _ = ask(web.port, "/readyz")
    assert status == 503
    assert json.loads(body)["reasons"] == [reason]


def test_alive_is_a_loop_that_turns_not_a_thread_that_answers(monkeypatch):
    now = 1000.0
    monkeypatch.setattr(health, "time", SimpleNamespace(monotonic=lambda: now))
    with a_sink(alive_seconds=30) as web:
        assert ask(web.port, "/livez")[0] == 200, "it may still start"
        now += 31
        status, body, _ = ask(web.port, "/livez")
        assert (status, json.loads(body)["alive"]) == (503, False)
        assert ask(web.port, "/readyz")[0] == 503
        web.report(a_state())
        assert ask(web.port, "/livez")[0] == 200
        assert ask(web.port, "/readyz")[0] == 200


def test_a_query_is_passed_over(web):
    assert ask(web.port, "/livez?verbose=1")[0] == 200


def test_head_has_no_body(web):
    with connected(web.port) as channel:
        channel.sendall(b"HEAD /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head, _, body = everything(channel).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"Content-Length: " in head
    assert body == b""


@pytest.mark.parametrize("path", ["/", "/metrics/", "/livez/x", "/../etc/passwd", "/%2e%2e", "//"])
def test_there_is_nothing_else(web, path):
    assert ask(web.port, path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_but_questions(web, method):
    status, body, headers = ask(web.port, "/metrics", method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert "fer_edge" not in body


@pytest.mark.parametrize(
    "sent",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /metrics\r\n\r\n",
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"GET http://host/metrics HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost : x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        bytes(range(256)) + b"\r\n\r\n",
    ],
)
def test_what_is_no_request(web, sent):
    with connected(web.port) as channel:
        channel.sendall(sent)
        assert everything(channel).startswith(b"HTTP/1.1 400 Bad Request\r\n")


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n" + b"X-Filler: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(9000)) + b"\r\n",
    ],
)
def test_a_request_that_is_too_long_is_cut_off(web, sent):
    with connected(web.port) as channel:
        try:
            channel.sendall(sent)
            received = everything(channel)
        except ConnectionError:
            received = b""
    assert received == b"" or received.startswith(b"HTTP/1.1 431 ")
    assert ask(web.port, "/livez")[0] == 200


def test_a_line_without_an_end_is_cut_off(web):
    with connected(web.port) as channel:
        channel.sendall(b"x" * (messages.MOST_REQUEST_BYTES + 1))
        assert everything(channel).startswith(b"HTTP/1.1 431 ")


def patient(seconds, body=b"well\n"):
    return HttpListener("127.0.0.1", 0, lambda _: Response(200, body), patience_seconds=seconds)


def test_a_client_that_sends_slowly_is_cut_off_for_the_whole_request():
    began = time.monotonic()
    with patient(0.5) as web, connected(web.port) as channel:
        cut_off = False
        while not cut_off and time.monotonic() - began < 20:
            try:
                channel.sendall(b"G")
            except ConnectionError:
                cut_off = True
            time.sleep(0.05)
        assert cut_off
        assert time.monotonic() - began > 0.4


def test_a_client_that_never_takes_the_answer_is_cut_off():
    with patient(0.2, bytes(64 * 1024 * 1024)) as web, connected(web.port) as channel:
        channel.sendall(b"GET / HTTP/1.1\r\n\r\n")
        time.sleep(1.0)
        assert len(everything(channel)) < 64 * 1024 * 1024


def is_cut_off(channel):
    channel.setblocking(False)
    try:
        return channel.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_many_connections_do_not_keep_out_a_quick_one(web):
    holding = [connected(web.port) for _ in range(4 * listener.MOST_CONNECTIONS)]
    try:
        for number in range(5):
            status, _, _ = ask(web.port, "/livez")
            assert status == 200, number
        give_up = time.monotonic() + 4  # then their own time is over
        while sum(map(is_cut_off, holding)) < 3 * listener.MOST_CONNECTIONS:
            assert time.monotonic() < give_up
            time.sleep(0.01)
    finally:
        for channel in holding:
            channel.close()


def test_a_hundred_ask_at_once(web):
    web.report(a_state())
    codes = []

    def ask_often():
        for _ in range(20):
            try:
                codes.append(ask(web.port)[0])
            except OSError:
                codes.append(0)

    threads = [threading.Thread(target=ask_often) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [200] * 100
    assert web.figures() == {"requests": 100, "refused": 0}


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer wrong horse battery staple",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer \xff\xfe",
    ],
)
@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz", "/no"])
def test_without_the_token_nothing_is_told(locked, authorization, path):
    headers = {} if authorization is None else {"Authorization": authorization}
    status, body, answered = ask(locked.port, path, **headers)
    assert (status, body) == (401, "Unauthorized\n")
    assert answered["WWW-Authenticate"].startswith("Bearer")
    assert locked.figures()["refused"] == 1


def test_with_the_token_everything_is_told(locked):
    locked.report(a_state())
    for path in ("/metrics", "/livez", "/readyz"):
        assert ask(locked.port, path, Authorization=f"Bearer {TOKEN}")[0] == 200


def test_a_token_that_is_given_is_asked_for_on_loopback_too(monkeypatch):
    monkeypatch.setenv("FER_EDGE_SECRET_WEB_TOKEN", TOKEN)
    with a_sink() as web:
        assert ask(web.port, "/livez")[0] == 401
        assert ask(web.port, "/livez", Authorization=f"bearer {TOKEN}")[0] == 200


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "::", "", "192.168.1.5", "pi.local", "127.0.0.1.example.org", "[::1]"]
)
def test_beyond_this_machine_only_with_a_token(address):
    with pytest.raises(SettingsError, match="there is no web-token") as caught:
        a_sink(address=address)
    assert caught.value.exit_code == EXIT_CONFIG


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_all_addresses_are_those_of_ipv4_as_well(monkeypatch):
    monkeypatch.setenv("FER_EDGE_SECRET_WEB_TOKEN", TOKEN)
    with a_sink(address="::") as web:
        assert ask(web.port, "/livez", Authorization=f"Bearer {TOKEN}")[0] == 200


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LocalHost"])
def test_addresses_of_this_machine_alone(address):
    assert is_loopback(address)


@pytest.mark.parametrize("in_file", [True, False])
def test_blanks_around_the_token_lock_nobody_out(monkeypatch, tmp_path, in_file):
    written = f" {TOKEN}\t \n"
    (tmp_path / "token").write_text(written)
    if not in_file:
        monkeypatch.setenv("FER_EDGE_SECRET_WEB_TOKEN", written)
    with a_sink(token_file=str(tmp_path / "token") if in_file else "") as web:
        assert ask(web.port, "/livez")[0] == 401
        assert ask(web.port, "/livez", Authorization=f"Bearer {TOKEN}")[0] == 200


@pytest.mark.parametrize("token", ["x", "fifteen letters", " " * 20])
def test_a_short_token_is_refused(monkeypatch, token):
    monkeypatch.setenv("FER_EDGE_SECRET_WEB_TOKEN", token)
    with pytest.raises(SettingsError, match="at least 16"):
        a_sink()


def test_a_token_file_that_is_not_there(tmp_path):
    with pytest.raises(SettingsError, match="web-token"):
        a_sink(token_file=str(tmp_path / "missing"))


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "10.0.0.1", "localhost.evil"])
def test_a_web_page_cannot_ask_in_its_own_name(web, host):
    assert ask(web.port, "/metrics", Host=host)[0] == 403


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1:9834", "[::1]:9834", "[::1]", "LOCALHOST"]
)
def test_names_of_this_machine_may(web, host):
    assert ask(web.port, "/livez", Host=host)[0] == 200


def test_a_port_that_is_taken(web):
    with pytest.raises(OutputError, match=f"port {web.port} of 127.0.0.1"):
        WebSink(WebSettings(port=web.port))


def test_it_ends_at_once_and_leaves_port_and_thread():
    before = threading.active_count()
    web = a_sink()
    port = web.port
    with connected(port) as channel:
        channel.sendall(b"GET /me")
        began = time.monotonic()
        web.close()
        web.close()
        assert time.monotonic() - began < 4, "sooner than the client's time is over"
        assert everything(channel) == b""
    assert threading.active_count() == before
    with WebSink(WebSettings(port=port)) as again:
        assert again.port == port


def test_a_listener_that_has_ended_is_a_failure_that_is_told(web):
    web.close()
    with pytest.raises(OutputError, match="no longer answered"):
        web.report(a_state())


def test_settings_switch_it_on():
    quiet = OutputSettings(file="")
    assert make_sinks(Settings(output=quiet), Controls()) == []
    with a_sink() as free:
        port = free.port
    (named,) = make_sinks(Settings(output=quiet, web=WebSettings(port=port)), Controls())
    with named.sink:
        assert (named.name, named.essential) == ("web", False)
        assert ask(port, "/livez")[0] == 200
