"""Photos, history, device and wishes through the listener, as a browser and as strangers ask."""

import http.client
import json
import socket

import pytest
from builders import PORTRAIT, an_observation
from states import a_state

from fer_edge.assemble.parts import make_sinks
from fer_edge.assemble.run_facts import RunFacts
from fer_edge.settings import resolve
from fer_edge.sinks.web import http_server
from fer_edge.sinks.web.findings import Findings
from fer_edge.state.controls import Controls

TOKEN = "correct horse battery staple"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
ADDRESSES = [
    ("GET", "/history.json"), ("GET", "/device.json"), ("POST", "/photo"),
    ("POST", "/photo/annotated"), ("POST", "/control/enabled"), ("POST", "/control/model"),
    ("POST", "/control/calibrate"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def no_token_of_this_machine(monkeypatch):
    monkeypatch.delenv("FER_EDGE_SECRET_WEB_TOKEN", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def settings_of(**changes):
    port = socket.create_server(("127.0.0.1", 0))
    flags = {
        "output.file": "", "web.port": str(port.getsockname()[1]), "web.view": "boxes",
        **{key.replace("__", "."): str(value) for key, value in changes.items()},
    }  # fmt: skip
    port.close()
    return resolve(flags=flags, environment={}, file={}).settings


class Window:
    """The sinks of a run with a page, and who asks there."""

    def __init__(self, settings, controls):
        facts = RunFacts(lambda: {"web.view": "flag"})
        self.port = settings.web.port
        self.controls = controls
        self._sinks = [named.sink for named in make_sinks(settings, controls, facts=facts)]
        self.web = self._sinks[-1]

    def close(self):
        for sink in self._sinks:
            sink.close()

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@pytest.fixture
def window():
    opened = []

    def open_it(**changes):
        opened.append(Window(settings_of(**changes), Controls()))
        return opened[-1]

    yield open_it
    for one in opened:
        one.close()


@pytest.fixture
def locked(window, tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    return window(web__token_file=tmp_path / "token")


def beginning_of(channel):
    """Return how the answer begins; nothing where the connection is cut off."""
    try:
        with channel.makefile("rb") as answer:
            return answer.read(12)
    except ConnectionError:
        return b""


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_without_a_page_there_is_none_of_it(window, method, path):
    assert window(web__view="off").ask(method, path)[0] == 404


def test_whoever_is_not_logged_in_gets_none_of_it(locked):
    for method, path in ADDRESSES:
        status, body = locked.ask(method, path)
        assert status == 401, path
        assert json.loads(body).keys() == {"message", "expected", "fix"}
    assert locked.controls.enabled


def test_a_page_of_another_site_steers_nothing(window):
    one = window()
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}):
        for method, path in ADDRESSES:
            if method == "POST":
                assert one.ask(method, path, b"{}", **headers)[0] == 403, path


def test_history_and_device_are_told(window):
    one = window()
    one.web.emit(an_observation())
    one.web.tell_event('{"schema":1,"kind":"appeared"}')
    one.web.report(a_state())
    told = json.loads(one.ask("GET", "/history.json")[1])
    assert told["bins"][0]["frames"] == 1
    assert told["events"] == [{"schema": 1, "kind": "appeared"}]
    told = json.loads(one.ask("GET", "/device.json")[1])
    assert told.keys() == {
        "name", "version", "view", "settings", "models", "slots", "findings", "privacy", "metrics",
        "controls",
    }  # fmt: skip
    assert told["findings"] is None, "the examination has only begun"
    (view,) = [row for row in told["settings"] if row["name"] == "web.view"]
    assert (view["value"], view["origin"]) == ("boxes", "flag")


def test_who_only_asks_whether_they_may_starts_no_examination(window, monkeypatch):
    begun = []
    monkeypatch.setattr(Findings, "to_json", lambda _: begun.append(1))
    one = window()
    assert one.ask("HEAD", "/device.json") == (200, b"")
    assert one.ask("GET", "/device.json")[0] == 200
    assert begun == [1]


def test_wishes_need_a_token(window, locked):
    wish = json.dumps({"enabled": False})
    status, body = window().ask("POST", "/control/enabled", wish)
    assert (status, "web-token" in json.loads(body)["message"]) == (409, True)
    assert locked.ask("POST", "/control/enabled", wish, **BEARER)[0] == 200
    assert not locked.controls.enabled


def test_settings_that_are_read_anew_are_told_and_the_last_hours_stay(window):
    one = window()
    one.web.emit(an_observation())
    one.web.renew(settings_of(web__port=one.port, tracker__mode="each"))
    told = json.loads(one.ask("GET", "/device.json")[1])
    (mode,) = [row["value"] for row in told["settings"] if row["name"] == "tracker.mode"]
    assert mode == "each"
    assert json.loads(one.ask("GET", "/history.json")[1])["bins"]


def test_a_photo_of_two_gigabytes_is_refused_before_it_comes(window):
    one = window()
    with socket.create_connection(("127.0.0.1", one.port), timeout=20) as channel:
        channel.sendall(
            b"POST /photo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2147483648\r\n\r\n"
        )
        with channel.makefile("rb") as answer:
            begin = answer.read(12)
    assert begin == b"HTTP/1.1 413"


def test_a_photo_that_comes_drop_by_drop_is_cut_off_and_keeps_out_nobody(window, monkeypatch):
    one = window()
    monkeypatch.setattr(http_server, "_UPLOAD_SECONDS", 0.3)
    head = b"POST /photo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
    slow = [socket.create_connection(("127.0.0.1", one.port), timeout=20) for _ in range(6)]
    try:
        for channel in slow:
            channel.sendall(head + b"\xff\xd8\xff")
        assert one.ask("GET", "/livez")[0] == 200
        ends = [beginning_of(channel) for channel in slow]
    finally:
        for channel in slow:
            channel.close()
    assert set(ends) <= {b"", b"HTTP/1.1 503"}
    assert ends.count(b"") >= http_server.MOST_UPLOADS, "all others are told to come back"
    monkeypatch.setattr(http_server, "_UPLOAD_SECONDS", 30.0)
    status, body = one.ask("POST", "/photo", PORTRAIT.read_bytes())
    assert status == 200
    assert json.loads(body)["faces"][0]["label"] == "happy"
