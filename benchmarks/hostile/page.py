"""Who asks the page: odd requests, damaged photos, and wishes that make no sense."""

import asyncio
import json
import os
import random
from collections.abc import Sequence

from fer_edge.assemble.desk import make_desk
from fer_edge.assemble.run_facts import RunFacts
from fer_edge.settings import Settings, WebSettings
from fer_edge.sinks.web.messages import Request
from fer_edge.sinks.web.photo import Photos
from fer_edge.sinks.web.router import Route
from fer_edge.sinks.web.sink import WebSink
from fer_edge.sinks.web.wishes import Possible, Wishes
from fer_edge.state.controls import Controls
from hostile.changes import ODD_VALUES, forge, spoil
from hostile.child import Case
from hostile.peers import first_line

TOKEN = "correct horse battery staple"
_PATHS = ["/", "/page/page.css", "/page/../guard.py", "/login", "/login", "/logout", "/live.mjpeg",
          "/still.jpg", "/events", "/history.json", "/device.json", "/photo", "/control/enabled",
          "/control/model", "/control/calibrate", "/metrics", "/readyz"]  # fmt: skip
_OF_PHOTOS = {200, 413, 422}
_OF_WISHES = {200, 202, 400, 409}
_WISHES = ({"enabled": False}, {"model": "edge-nano"}, {"seconds": 5})


def requests(rng: random.Random) -> Case:
    """A request to one of the page's addresses, by somebody with the token, a cookie or neither."""
    sent = a_page_request(rng)
    return Case(lambda: _visit(sent), sent)


def a_page_request(rng: random.Random) -> bytes:
    """Return what is sent to a page."""
    method = rng.choice(["GET", "GET", "GET", "HEAD", "POST", "POST", "PUT", "OPTIONS"])
    body = rng.choice([b"", b"{}", b"token=" + b"x" * rng.choice([1, 5000]), rng.randbytes(99),
                       b'{"enabled": false}', b"%" * 4096])  # fmt: skip
    if method in {"GET", "HEAD"} and rng.random() < 0.9:
        body = b""
    path = rng.choice(_PATHS) + rng.choice([*[""] * 9, "?token=x", "/", "%00", "#x"])
    length = rng.choice([len(body)] * 6 + [len(body) + 5, 2**31, -1, "0x10", "1" * 30])
    headers = rng.sample(
        ["Host: evil.example", "Host: localhost", "Origin: http://evil.example", "Origin: null",
         "Origin: \xe9", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-origin",
         "Cookie: " + "a=b; " * 900, "Cookie: fer_edge_0=x", "Expect: 100-continue",
         "Transfer-Encoding: chunked", "If-None-Match: *", "If-None-Match: \"",
         "X-Forwarded-Proto: https"],
        rng.choice([0, 0, 1, 1, 2, 3]),
    )  # fmt: skip
    if rng.random() < 0.7:
        headers.append(f"Authorization: Bearer {TOKEN}")
    lines = [f"{method} {path} HTTP/1.1", *headers, f"Content-Length: {length}"]
    whole = "\r\n".join([*lines, "", ""]).encode("latin-1") + body
    return spoil(whole, rng) if rng.random() < 0.2 else whole


def photos(rng: random.Random, pictures: Sequence[bytes]) -> Case:
    """A photo that was damaged, or something else; it is read as the daemon reads it."""
    sent = spoil(rng.choice(pictures), rng)
    if rng.random() < 0.1:
        sent = rng.choice([rng.randbytes(4096), b"<svg/>", b"P6\n99999 99999\n255\n" + sent])
    path = rng.choice(["/photo", "/photo", "/photo/annotated"])
    return Case(lambda: _ask(Photos({}).routes(), path, sent, _OF_PHOTOS), sent)


def wishes(rng: random.Random) -> Case:
    """A wish of odd words, values or bytes; none may raise, and only a right one is obeyed."""
    whole = rng.choice(_WISHES)
    sent = rng.choice(
        [forge(whole, rng), spoil(json.dumps(whole).encode(), rng), rng.randbytes(64),
         json.dumps({rng.choice(list(whole)): rng.choice(ODD_VALUES)}).encode(), b"[" * 1024]
    )  # fmt: skip
    return Case(lambda: _wish(sent), sent)


def _visit(sent: bytes) -> str:
    """Send it to a page; whatever it is, the next request must be answered, and nothing raise."""
    os.environ["FER_EDGE_SECRET_WEB_TOKEN"] = TOKEN
    web = WebSettings(view="picture", port=0)
    controls = Controls()
    desk = make_desk(Settings(web=web), controls, RunFacts())
    with WebSink(web, parts=[desk]) as sink:
        end = first_line(sink.port, sent)
        known = f"GET /livez HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        if first_line(sink.port, known.encode()) != "HTTP/1.1 200 OK":
            raise AssertionError("it answers no more")
        if sink.figures()["defects"]:
            raise AssertionError("a handler has raised something")
    if not controls.enabled and TOKEN.encode() not in sent:
        raise AssertionError("a stranger has switched it off")
    return end


def _wish(sent: bytes) -> str:
    controls = Controls()
    routes = Wishes(controls, Possible(_Models())).routes()
    ends = {_ask(routes, route.path, sent, _OF_WISHES) for route in routes}
    if not controls.enabled and b"enabled" not in sent:
        raise AssertionError("it was switched off")
    return " ".join(sorted(ends))


def _ask(routes: Sequence[Route], path: str, sent: bytes, expected: set[int]) -> str:
    (route,) = [route for route in routes if route.path == path]
    request = Request(path, {"content-length": str(len(sent))}, route.method, sent)
    answer = asyncio.run(route.handle(request))
    if answer.status not in expected:
        raise AssertionError(f"{answer.status}: {answer.body[:300]!r}")
    return str(answer.status)


class _Models:
    """Takes whatever is chosen."""

    def offered(self) -> Sequence[str]:
        return ("edge-nano",)

    def why_none(self) -> str:
        return ""

    def choose(self, name: str) -> str:
        return name
