"""The page: a handful of files that ship in `page/`, kept in memory."""

from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Final

from fer_edge.sinks.web.messages import Request, Response
from fer_edge.sinks.web.router import Route

_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "ico": "image/x-icon",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
}
OF_FORMS: Final = {"Referrer-Policy": "same-origin"}
"""Without it a form's own origin is sent as "null", and where there is no TLS by nothing else does
a browser say that the form was the device's own."""


class PageFile:
    """One file, answered with its tag, so that a browser fetches it once.

    Attributes:
        body: Its bytes.
    """

    def __init__(self, name: str, body: bytes) -> None:
        self.body = body
        self._type = _TYPES[name.rpartition(".")[2]]
        self._tag = f'"{sha256(body).hexdigest()[:16]}"'

    async def answer(self, request: Request) -> Response:
        """Return the file, or that the browser has it."""
        headers = {"ETag": self._tag, "Cache-Control": "no-cache", **OF_FORMS}
        if self._tag in request.headers.get("if-none-match", ""):
            return Response(304, headers=headers)
        return Response(200, self.body, self._type, headers=headers)


class Page:
    """All files of the page, by name."""

    def __init__(self) -> None:
        folder = files("fer_edge").joinpath("sinks/web/page")
        self.files = {
            path.name: PageFile(path.name, path.read_bytes())
            for path in folder.iterdir()
            if path.name.rpartition(".")[2] in _TYPES
        }

    def routes(self) -> Sequence[Route]:
        """Return what is answered with them: nothing in them is secret, but / shows what is."""
        return (
            Route("GET", "/", self.files["index.html"].answer),
            *(
                Route("GET", f"/page/{name}", file.answer, public=True)
                for name, file in self.files.items()
                if not name.endswith(".html")
            ),
        )
