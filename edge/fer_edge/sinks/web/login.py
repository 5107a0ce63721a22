"""The log-in: the token against a cookie, for browsers, whose pictures can send no token."""

import html
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import parse_qs

from fer_edge.sinks.web.guard import Guard
from fer_edge.sinks.web.logins import LIFE_SECONDS
from fer_edge.sinks.web.messages import Request, Response, redirect
from fer_edge.sinks.web.page_files import OF_FORMS
from fer_edge.sinks.web.router import Route

PLACE: Final = "/login"
MESSAGE: Final = b"<!-- message -->"
"""Stands in the page where it says why somebody was not let in."""
_MOST_FORM_BYTES: Final = 4096
_HTML: Final = "text/html; charset=utf-8"


class LogIn:
    """Answers /login and /logout.

    Args:
        guard: Knows the token, and who is logged in.
        page: The form, in HTML.
        cookie: Tells the cookie's name, which is this listener's own: browsers send cookies to
            every port of a host.
    """

    def __init__(self, guard: Guard, page: bytes, cookie: Callable[[], str]) -> None:
        self._guard = guard
        self._page = page
        self._cookie = cookie

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        return (
            Route("GET", PLACE, self._show, public=True),
            Route("POST", PLACE, self._begin, _MOST_FORM_BYTES, public=True),
            Route("POST", "/logout", self._end, _MOST_FORM_BYTES, public=True),
        )

    async def _show(self, request: Request) -> Response:
        known = self._guard.logins.knows(request.cookie(self._cookie()))
        if known or not self._guard.needs_token:
            return redirect("/")
        return Response(200, self._page, _HTML, headers=OF_FORMS)

    async def _begin(self, request: Request) -> Response:
        if not self._guard.needs_token:
            return redirect("/")
        fields = parse_qs(request.body.decode("utf-8", "replace"))
        token = fields.get("token", [""])[-1].strip().encode()
        refusal = self._guard.try_token(token, peer=request.peer)
        if refusal is None:
            value = self._guard.logins.begin()
            return redirect("/", Set_Cookie=self._set(request, value, LIFE_SECONDS))
        slowed = refusal.status == 429
        said = "This is not the token."
        if slowed:
            said = f"{refusal.message[0].upper()}{refusal.message[1:]}: {refusal.fix}."
        note = f'<p class="problem" role="alert">{html.escape(said)}</p>'.encode()
        page = self._page.replace(MESSAGE, note)
        headers = dict(refusal.headers) if slowed else {}
        return Response(refusal.status, page, _HTML, headers={**OF_FORMS, **headers})

    async def _end(self, request: Request) -> Response:
        self._guard.logins.end(request.cookie(self._cookie()))
        return redirect(PLACE, Set_Cookie=self._set(request, "", 0))

    def _set(self, request: Request, value: str, seconds: int) -> str:
        # Of a proxy's word nothing depends but whether the cookie ever crosses a wire in the open.
        secure = request.secure or request.headers.get("x-forwarded-proto") == "https"
        ending = "; Secure" if secure else ""
        return (
            f"{self._cookie()}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{ending}"
        )
