"""Metrics and health over HTTP, and the page where it is wanted: /metrics, /livez, /readyz, /."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from fer_edge.settings import Settings, WebSettings
from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import OutputError
from fer_edge.shared.records import Frame, Observation
from fer_edge.sinks.web.guard import Guard, read_token
from fer_edge.sinks.web.http_server import HttpListener
from fer_edge.sinks.web.live import Live
from fer_edge.sinks.web.login import PLACE as LOG_IN
from fer_edge.sinks.web.login import LogIn
from fer_edge.sinks.web.messages import Request, Response, Work, answer_json, redirect
from fer_edge.sinks.web.page_files import Page
from fer_edge.sinks.web.part import Part
from fer_edge.sinks.web.prometheus import CONTENT_TYPE, PrometheusMetrics
from fer_edge.sinks.web.router import Route, Router
from fer_edge.sinks.web.tls import make_context
from fer_edge.state.health import Pulse, why_not_delivering, why_not_well
from fer_edge.state.records import DaemonState, Figure

_HOME: Final = "/"


class WebSink(Closing):
    """Counts observations, answers questions about them and the daemon, and shows the page.

    Args:
        settings: Where to listen, who may ask, and what may be seen.
        faces: Whether to tell of faces, or of frames and machine alone.
        name: Of the run.
        parts: What else the page has; closed with the sink.

    Raises:
        SettingsError: It would listen beyond this machine without a token, the token is short, or
            the certificate cannot be used.
        OutputError: The port cannot be listened at.
    """

    def __init__(
        self,
        settings: WebSettings,
        *,
        faces: bool = True,
        name: str = "",
        parts: Sequence[Part] = (),
    ) -> None:
        self._settings = settings
        self._name = name
        self._guard = Guard(settings)
        self._pulse = Pulse()
        self._metrics = PrometheusMetrics(self._pulse, faces=faces)
        self._requests = 0
        self._refused = 0
        self._shows = settings.view != "off"
        self._parts = parts
        self._live = Live(
            self._soon,
            pictures=settings.view == "picture",
            most_viewers=settings.viewers,
            frames_per_second=settings.view_fps,
            told=self._state,
            lets=self._may_look,
        )
        self._router = Router(self._routes())
        self._listener = HttpListener(
            settings.address, settings.port, self.answer, tls=make_context(settings)
        )

    @property
    def shows(self) -> bool:
        """Whether there is a page."""
        return self._shows

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listener.port

    def emit(self, observation: Observation) -> None:
        """Count an observation."""
        self._metrics.add(observation)
        for part in self._parts:
            part.take(observation)

    def show(self, frame: Frame, observation: Observation) -> None:
        """Show a frame to whoever looks; returns at once."""
        if self._shows:
            self._live.show(frame, observation)

    def tell_event(self, line: str) -> None:
        """Tell an event, as one line of JSON, to whoever looks; returns at once."""
        if self._shows:
            self._live.tell_event(line)
        for part in self._parts:
            part.tell_event(line)

    def report(self, state: DaemonState) -> None:
        """Take the state.

        Raises:
            OutputError: The listener has ended.
        """
        self._pulse.beat(state)
        self._metrics.count()
        self._live.tell_state()
        for part in self._parts:
            part.report(state)
        if not self._listener.alive:
            raise OutputError(
                "metrics and health are no longer answered",
                expected="a thread that answers",
                fix="restart fer-edge, and report this as a defect",
            )

    def figures(self) -> Mapping[str, Figure]:
        """Return how much was asked, how often somebody was refused, and who looks."""
        told: dict[str, Figure] = {"requests": self._requests, "refused": self._refused}
        if self._guard.needs_token:
            told["wrong_tokens"] = self._guard.failures
        if self._shows:
            told |= {
                "viewers": self._live.viewers,
                "pages": self._live.feeds,
                "pictures": self._live.encoded,
                "defects": self._router.defects,
            }
        return told

    def renew(self, settings: Settings) -> None:
        """Read token and certificate anew; who is connected stays so.

        Args:
            settings: Of all parts, as they are now; those of the web are what they were.

        Raises:
            SettingsError: A file cannot be used; token and certificate stay what they were.
        """
        for part in self._parts:
            part.renew(settings)
        token, tls = read_token(self._settings), make_context(self._settings)
        self._listener.soon(self._guard.take_token, token)
        self._listener.tls = tls

    def close(self) -> None:
        """Listen no more; may be called twice."""
        for part in self._parts:  # first: what they work at would hold up the listener's end
            part.close()
        self._listener.close()

    def answer(self, request: Request) -> Response | Work:
        """Return what a request gets, or what is to be done for it."""
        self._requests += 1
        route = self._router.find(request)
        public = route is not None and route.public
        refusal = self._guard.refusal(request, cookie=self._cookie(), public=public)
        if refusal is None:
            return self._router.nothing(request) if route is None else self._router.work(route)
        self._refused += 1
        if route is not None and route.path == _HOME and refusal.status == 401:
            return redirect(LOG_IN)
        return refusal.response(in_json=route is not None and route.in_json)

    def _routes(self) -> Iterator[Route]:
        yield Route("GET", "/metrics", self._answer_metrics)
        yield Route("GET", "/livez", self._livez)
        yield Route("GET", "/readyz", self._readyz)
        if not self._shows:
            return
        page = Page()
        yield from page.routes()
        yield from LogIn(self._guard, page.files["login.html"].body, self._cookie).routes()
        yield from self._live.routes()
        for part in self._parts:
            yield from part.routes()

    def _soon(self, act: Callable[..., object], *arguments: Any) -> None:
        self._listener.soon(act, *arguments)

    def _may_look(self, request: Request) -> bool:
        return self._guard.still_lets(request, cookie=self._cookie())

    def _cookie(self) -> str:
        return f"fer_edge_{self.port}"

    def _state(self) -> bytes:
        """Return what `fer-edge status --json` tells; nothing before the first state."""
        state, age = self._pulse.state, self._pulse.age_seconds
        if state is None:
            return b""
        problems = why_not_well(state, age_seconds=age, alive_seconds=self._settings.alive_seconds)
        told = {
            **state.to_json(),
            "name": self._name,
            "age_seconds": round(age, 3),
            "well": not problems,
            "problems": problems,
        }
        return json.dumps(told, separators=(",", ":")).encode()

    async def _answer_metrics(self, _request: Request) -> Response:
        return Response(200, self._metrics.text(), CONTENT_TYPE)

    async def _livez(self, _request: Request) -> Response:
        age = self._pulse.age_seconds
        alive = age <= self._settings.alive_seconds
        told = {"alive": alive, "seconds_since_beat": round(age, 3)}
        return answer_json(told, status=200 if alive else 503)

    async def _readyz(self, _request: Request) -> Response:
        state = self._pulse.state
        reasons = why_not_delivering(
            state,
            age_seconds=self._pulse.age_seconds,
            alive_seconds=self._settings.alive_seconds,
        )
        told = {
            "ready": not reasons,
            "reasons": reasons,
            "phase": state.phase if state else "starting",
        }
        return answer_json(told, status=503 if reasons else 200)
