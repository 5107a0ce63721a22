"""What is handed to the page: photos that are damaged or none, and wishes that make no sense."""

import asyncio
import json
import random
from collections.abc import Sequence

from fer_edge.sinks.web.messages import Request
from fer_edge.sinks.web.photo import Photos
from fer_edge.sinks.web.router import Route
from fer_edge.sinks.web.wishes import Possible, Wishes
from fer_edge.state.controls import Controls
from hostile.changes import ODD_VALUES, forge, spoil
from hostile.child import Case

_OF_PHOTOS = {200, 413, 422}
_OF_WISHES = {200, 202, 400, 409}
_WISHES = ({"enabled": False}, {"model": "edge-nano"}, {"seconds": 5})


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
