"""Which address is answered by what."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fer_edge.sinks.web.messages import Handler, Request, Response, Work, plain, problem

_GET: Final = "GET"
_HEAD: Final = "HEAD"
_WAYS: Final = {_GET: (_GET, _HEAD), "POST": ("POST",)}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Route:
    """One address, asked in one way.

    Attributes:
        method: "GET", which answers HEAD as well, or "POST", which changes something.
        path: Exactly.
        handle: Makes the answer. What it raises is a defect, and answered with 500.
        most_body_bytes: That may be sent to it.
        public: Whether somebody who is not logged in may ask it.
        in_json: Whether it also says no in JSON: "message", "expected", "fix".
    """

    method: str
    path: str
    handle: Handler
    most_body_bytes: int = 0
    public: bool = False
    in_json: bool = False


class Router:
    """Finds the route of a request.

    Args:
        routes: All there are.

    Attributes:
        defects: How often a handler has raised something.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self.defects = 0
        self._routes: dict[str, dict[str, Route]] = {}
        for route in routes:
            self._routes.setdefault(route.path, {})[route.method] = route

    def find(self, request: Request) -> Route | None:
        """Return the route of a request; None where there is none."""
        method = _GET if request.method == _HEAD else request.method
        return self._routes.get(request.path, {}).get(method)

    def nothing(self, request: Request) -> Response:
        """Return what is answered where there is no route."""
        known = self._routes.get(request.path)
        if known is None:
            return plain(404)
        ways = [way for method in known for way in _WAYS[method]]
        return plain(405, Allow=", ".join(ways))

    def work(self, route: Route) -> Work:
        """Return what is to be done for a route."""

        async def handle(request: Request) -> Response:
            try:
                return await route.handle(request)
            except Exception:  # noqa: BLE001 - the seam between the listener and what answers
                self.defects += 1
                _log.exception("%s %s: this is a defect", route.method, route.path)
                return problem(500, "a defect", fix="see the log, and report it")

        return Work(handle, route.most_body_bytes)
