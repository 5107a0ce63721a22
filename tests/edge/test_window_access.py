"""Who may see the page and change something: by token, cookie, name and origin."""

import socket
import time
from types import SimpleNamespace

import pytest
from web_browser import GIVE_UP_SECONDS, Browser, until

from fer_edge.settings import Settings, WebSettings
from fer_edge.shared.errors import SettingsError
from fer_edge.sinks.web import live, logins
from fer_edge.sinks.web.messages import Request, answer_json
from fer_edge.sinks.web.part import Part
from fer_edge.sinks.web.router import Route
from fer_edge.sinks.web.sink import WebSink

TOKEN = "correct horse battery staple"
FORM = "correct+horse+battery+staple"


class Switch(Part):
    """Something on the page that can be changed."""

    def __init__(self):
        self.switched = 0

    def routes(self):
        return (Route("POST", "/switch", self._switch, 100, in_json=True),)

    async def _switch(self, request: Request):
        self.switched += 1
        return answer_json({"got": request.body.decode()})


@pytest.fixture(autouse=True)
def no_token_of_this_machine(monkeypatch):
    monkeypatch.delenv("FER_EDGE_SECRET_WEB_TOKEN", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


@pytest.fixture
def switch():
    return Switch()


@pytest.fixture
def near(switch):
    """A page on loopback, without a token."""
    with WebSink(
        WebSettings(port=0, view="picture", names="camera.example"), parts=[switch]
    ) as web:
        yield web


@pytest.fixture
def far(tmp_path, switch):
    """A page beyond loopback, with a token."""
    (tmp_path / "token").write_text(TOKEN + "\n")
    settings = WebSettings(
        port=0, view="picture", address="0.0.0.0", token_file=str(tmp_path / "token"),
        names="camera.example",
    )  # fmt: skip
    with WebSink(settings, parts=[switch]) as web:
        yield web


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=1000.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(logins, "time", clock)
    return clock


@pytest.fixture
def quick(monkeypatch):
    """Who may look is asked at once, and not only each second."""
    monkeypatch.setattr(live, "CHECK_SECONDS", 0.01)


def change_token(web, folder):
    (folder / "token").write_text(TOKEN + " another\n")
    web.renew(Settings())


def test_without_a_view_there_is_no_page():
    with WebSink(WebSettings(port=0)) as web:
        for path in ("/", "/login", "/live.mjpeg", "/still.jpg", "/events", "/page/page.css"):
            assert Browser(web.port).ask(path).status == 404, path


def test_boxes_have_no_picture():
    with WebSink(WebSettings(port=0, view="boxes")) as web:
        browser = Browser(web.port)
        assert browser.ask("/").status == 200
        assert browser.ask("/live.mjpeg").status == 404
        assert browser.ask("/still.jpg").status == 404


def test_on_loopback_the_page_opens_without_ado(near):
    answer = Browser(near.port).ask("/")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/", "/login", "/metrics", "/nothing", "/still.jpg"])
def test_every_answer_forbids_a_browser_what_it_need_not_do(far, path):
    headers = Browser(far.port).ask(path).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"


def test_the_page_leads_to_the_log_in_and_that_to_the_page(far):
    browser = Browser(far.port)
    led = browser.ask("/")
    assert (led.status, led.headers["Location"]) == (303, "/login")
    assert browser.ask("/login").status == 200
    logged_in = browser.log_in(FORM, Sec_Fetch_Site="same-origin")
    assert (logged_in.status, logged_in.headers["Location"]) == (303, "/")
    assert browser.ask("/").status == 200
    assert browser.ask("/metrics").status == 200
    assert browser.ask("/login").headers["Location"] == "/"


def test_the_cookie_is_for_this_site_alone_and_no_script(far):
    set_cookie = Browser(far.port).log_in(FORM).headers["Set-Cookie"]
    assert {"Path=/", "HttpOnly", "SameSite=Lax"} <= set(set_cookie.split("; "))
    assert "Max-Age=604800" in set_cookie
    assert TOKEN not in set_cookie
    assert "Secure" not in set_cookie, "or plain HTTP would never see it"


def test_behind_a_proxy_with_tls_the_cookie_never_crosses_a_wire_in_the_open(far):
    answer = Browser(far.port).log_in(FORM, X_Forwarded_Proto="https")
    assert answer.headers["Set-Cookie"].endswith("; Secure")


def test_a_wrong_token_gets_the_form_again_with_a_message(far):
    browser = Browser(far.port)
    answer = browser.log_in("wrong")
    assert answer.status == 401
    assert b'role="alert"' in answer.body
    assert b"<form" in answer.body
    assert "Set-Cookie" not in answer.headers
    assert far.figures()["wrong_tokens"] == 1


@pytest.mark.parametrize("body", [b"", b"token", b"token=", b"\xff\xfe", b"a=1&b=2&c=3&d=4&e=5"])
def test_what_is_no_form_logs_nobody_in(far, body):
    answer = Browser(far.port).ask("/login", "POST", body)
    assert answer.status in {400, 401}
    assert "Set-Cookie" not in answer.headers


def test_after_some_wrong_tokens_none_is_looked_at_for_a_while(far, clock):
    browser = Browser(far.port)
    for _ in range(3):
        assert browser.log_in("wrong").status == 401
    slowed = browser.log_in(FORM)
    assert (slowed.status, slowed.headers["Retry-After"]) == (429, "1")
    assert b"<form" in slowed.body
    assert browser.ask("/metrics", Authorization=f"Bearer {TOKEN}").status == 429
    clock.now += 1.1
    assert browser.log_in("wrong").status == 401
    assert browser.log_in("wrong").headers["Retry-After"] == "2"
    clock.now += 2.1
    assert browser.log_in(FORM).status == 303
    assert browser.log_in("wrong").status == 401, "the count begins anew"


def test_whoever_is_logged_in_is_not_slowed_by_others(far, clock):
    browser = Browser(far.port)
    browser.log_in(FORM)
    for _ in range(5):
        Browser(far.port).log_in("wrong")
    assert browser.ask("/").status == 200


def test_a_log_in_ends_after_a_week(far, clock):
    browser = Browser(far.port)
    browser.log_in(FORM)
    clock.now += logins.LIFE_SECONDS - 1
    assert browser.ask("/").status == 200
    clock.now += 2
    assert browser.ask("/").status == 303
    assert browser.ask("/metrics").status == 401


def test_logging_out_ends_it_on_the_device_too(far):
    browser = Browser(far.port)
    browser.log_in(FORM)
    cookie = browser.cookie
    out = browser.ask("/logout", "POST")
    assert (out.status, out.headers["Location"]) == (303, "/login")
    assert "Max-Age=0" in out.headers["Set-Cookie"]
    browser.cookie = cookie
    assert browser.ask("/metrics").status == 401


def test_log_ins_are_bounded_and_the_oldest_ends(far):
    browsers = [Browser(far.port) for _ in range(logins.MOST_LOGINS + 1)]
    for browser in browsers:
        browser.log_in(FORM)
    assert browsers[0].ask("/metrics").status == 401
    assert browsers[1].ask("/metrics").status == 200
    assert browsers[-1].ask("/metrics").status == 200


@pytest.mark.parametrize("cookie", ["fer_edge_{}=", "fer_edge_{}=x", "other={}", "=;;=", "\xff"])
def test_a_made_up_cookie_opens_nothing(far, cookie):
    browser = Browser(far.port)
    browser.cookie = cookie.format(far.port)
    assert browser.ask("/metrics").status == 401


@pytest.mark.parametrize("path", ["/live.mjpeg", "/still.jpg", "/events", "/metrics", "/nothing"])
def test_without_a_cookie_nothing_is_seen(far, path):
    answer = Browser(far.port).ask(path)
    assert (answer.status, answer.body) == (401, b"Unauthorized\n")


def test_where_answers_are_json_so_are_refusals(far, switch):
    answer = Browser(far.port).ask("/switch", "POST", b"{}")
    assert answer.status == 401
    assert set(answer.json()) == {"message", "expected", "fix"}
    assert switch.switched == 0


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost:80", "CAMERA.example:443", "192.0.2.7:9834", "[2001:db8::1]"]
)
def test_names_and_numbers_of_this_device_may(far, host):
    browser = Browser(far.port)
    browser.log_in(FORM)
    assert browser.ask("/metrics", Host=host).status == 200


@pytest.mark.parametrize("host", ["evil.example", "camera.example.evil", "localhost.evil:80"])
def test_a_foreign_host_is_refused_with_a_cookie_too(far, host):
    browser = Browser(far.port)
    browser.log_in(FORM)
    assert browser.ask("/metrics", Host=host).status == 403
    assert browser.ask("/login", Host=host).status == 403
    assert browser.ask("/metrics", Host=host, Authorization=f"Bearer {TOKEN}").status == 200


def test_on_loopback_a_number_that_is_not_bound_is_foreign(near):
    assert Browser(near.port).ask("/", Host="192.0.2.7").status == 403
    assert Browser(near.port).ask("/", Host="camera.example").status == 200


FOREIGN = [
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "cross-site", "Origin": "http://127.0.0.1"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://localhost"},
    {"Origin": "null"},
    {"Origin": ""},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_page_from_elsewhere_changes_nothing(near, switch, headers):
    answer = Browser(near.port).ask("/switch", "POST", b"{}", **headers)
    assert (answer.status, switch.switched) == (403, 0)
    assert "another site" in answer.json()["message"]


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_page_from_elsewhere_logs_nobody_in_or_out(far, headers):
    browser = Browser(far.port)
    assert browser.log_in(FORM, **headers).status == 403
    browser.log_in(FORM)
    assert browser.ask("/logout", "POST", **headers).status == 403
    assert browser.ask("/metrics").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec_Fetch_Site": "same-origin", "Origin": "null"},
        {"Sec_Fetch_Site": "none"},
        {"Origin": "http://camera.example", "Host": "camera.example"},
        {"Origin": "https://Camera.Example:8443", "Host": "camera.example:8443"},
    ],
)
def test_the_own_page_and_programs_change_something(near, switch, headers):
    answer = Browser(near.port).ask("/switch", "POST", b"on", **headers)
    assert (answer.status, answer.json()) == (200, {"got": "on"})
    assert switch.switched == 1


@pytest.mark.parametrize("path", ["/still.jpg", "/live.mjpeg", "/events", "/page/login.css"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_foreign_page_shows_nothing_of_this_one(near, path, site):
    answer = Browser(near.port).ask(path, Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors")
    assert answer.status == 403
    assert near.figures()["viewers"] == 0


def test_a_link_from_elsewhere_may_lead_here(near):
    headers = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert Browser(near.port).ask("/", **headers).status == 200


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [
        ("/", "POST", "GET, HEAD"),
        ("/still.jpg", "DELETE", "GET, HEAD"),
        ("/switch", "GET", "POST"),
        ("/login", "PUT", "GET, HEAD, POST"),
    ],
)
def test_wrong_methods(near, path, method, allowed):
    answer = Browser(near.port).ask(path, method)
    assert (answer.status, answer.headers["Allow"]) == (405, allowed)


def test_files_are_fetched_once(near):
    browser = Browser(near.port)
    page = browser.ask("/")
    again = browser.ask("/", If_None_Match=page.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    assert browser.ask("/", If_None_Match='"other"').body == page.body


@pytest.mark.parametrize(
    "path", ["/page/", "/page/../sink.py", "/page/%2e%2e/sink.py", "/page/index.html", "/page"]
)
def test_only_the_pages_own_files(near, path):
    assert Browser(near.port).ask(path).status == 404


@pytest.mark.parametrize("names", ["http://x", "x:80", "x/y", "a b", "x..y", "."])
def test_what_is_no_name(names):
    with pytest.raises(SettingsError, match=r"web\.names has"):
        WebSink(WebSettings(port=0, names=names))


def test_twice_the_same_header_is_refused(near):
    asked = Browser(near.port).watch("/livez HTTP/1.1\r\nHost: localhost\r\nHost: x\r\nX: ")
    with asked:
        assert asked.head().startswith("HTTP/1.1 400 ")


def test_peers_that_send_wrong_tokens_are_forgotten_in_time(clock):
    slowing = logins.Slowing()
    for number in range(400):
        for _ in range(4):
            slowing.failed(f"192.0.2.{number}")
    assert slowing.pause_seconds("192.0.2.399") > 0
    assert slowing.pause_seconds("192.0.2.1") == 0, "only so many are remembered"
    clock.now += 700
    slowing.failed("192.0.2.399")
    assert slowing.pause_seconds("192.0.2.399") == 0
    for _ in range(2000):
        slowing.failed("2001:db8::1")
    assert slowing.pause_seconds("2001:db8::2") == 30, "whoever has one address there has many"
    assert slowing.pause_seconds("2001:db8:0:1::2") == 0
    assert time.monotonic is not clock.monotonic


@pytest.mark.parametrize("path", ["/live.mjpeg", "/events"])
@pytest.mark.parametrize("end", ["log out", "a week", "another token"])
def test_whoever_looks_is_cut_off_where_the_log_in_ends(far, clock, quick, tmp_path, path, end):
    browser = Browser(far.port)
    browser.log_in(FORM)
    with browser.watch(path) as watching:
        assert watching.head().startswith("HTTP/1.1 200")
        if end == "log out":
            browser.ask("/logout", "POST")
        elif end == "a week":
            clock.now += logins.LIFE_SECONDS + 1
        else:
            change_token(far, tmp_path)
        watching.everything()  # it comes to an end
    until(lambda: far.figures()["viewers"] == far.figures()["pages"] == 0)


def test_a_program_with_a_token_of_before_is_cut_off(far, quick, tmp_path):
    channel = socket.create_connection(("127.0.0.1", far.port), timeout=GIVE_UP_SECONDS)
    with channel:
        head = f"GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        channel.sendall(head.encode())
        assert channel.recv(100).startswith(b"HTTP/1.1 200")
        until(lambda: far.figures()["pages"] == 1)
        change_token(far, tmp_path)
        until(lambda: far.figures()["pages"] == 0)
