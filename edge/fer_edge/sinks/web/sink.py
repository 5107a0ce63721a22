"""Metrics and health over HTTP: /metrics, /livez, /readyz, and nothing more."""

import hmac
import ipaddress
import json
from collections.abc import Mapping
from typing import Any, Final

from fer_edge.settings import WebSettings
from fer_edge.settings.secrets import read_secret
from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import OutputError, SettingsError
from fer_edge.shared.records import Observation
from fer_edge.sinks.web.http_server import HttpListener, Request, Response, plain
from fer_edge.sinks.web.prometheus import CONTENT_TYPE, PrometheusMetrics
from fer_edge.state.health import Pulse, why_not_delivering
from fer_edge.state.records import DaemonState, Figure

LEAST_TOKEN_CHARACTERS: Final = 16
_OWN_NAMES: Final = frozenset({"localhost", "ip6-localhost"})


class WebSink(Closing):
    """Counts observations and answers questions about them and about the daemon.

    Args:
        settings: Where to listen, and who may ask.
        faces: Whether to tell of faces, or of frames and machine alone.

    Raises:
        SettingsError: It would listen beyond this machine without a token, or the token is short.
        OutputError: The port cannot be listened at.
    """

    def __init__(self, settings: WebSettings, *, faces: bool = True) -> None:
        self._guard = Guard(settings)
        self._alive_seconds = settings.alive_seconds
        self._pulse = Pulse()
        self._metrics = PrometheusMetrics(self._pulse, faces=faces)
        self._requests = 0
        self._refused = 0
        self._listener = HttpListener(settings.address, settings.port, self.answer)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listener.port

    def emit(self, observation: Observation) -> None:
        """Count an observation."""
        self._metrics.add(observation)

    def report(self, state: DaemonState) -> None:
        """Take the state.

        Raises:
            OutputError: The listener has ended.
        """
        self._pulse.beat(state)
        self._metrics.count()
        if not self._listener.alive:
            raise OutputError(
                "metrics and health are no longer answered",
                expected="a thread that answers",
                fix="restart fer-edge, and report this as a defect",
            )

    def figures(self) -> Mapping[str, Figure]:
        """Return how much was asked, and how often somebody without the token was refused."""
        return {"requests": self._requests, "refused": self._refused}

    def close(self) -> None:
        """Listen no more; may be called twice."""
        self._listener.close()

    def answer(self, request: Request) -> Response:
        """Return what a request gets; safe from any thread."""
        self._requests += 1
        refusal = self._guard.refusal(request)
        if refusal is not None:
            self._refused += 1
            return refusal
        match request.path:
            case "/metrics":
                return Response(200, self._metrics.text(), CONTENT_TYPE)
            case "/livez":
                return self._livez()
            case "/readyz":
                return self._readyz()
            case _:
                return plain(404)

    def _livez(self) -> Response:
        age = self._pulse.age_seconds
        alive = age <= self._alive_seconds
        return _json(alive, {"alive": alive, "seconds_since_beat": round(age, 3)})

    def _readyz(self) -> Response:
        state = self._pulse.state
        reasons = why_not_delivering(
            state, age_seconds=self._pulse.age_seconds, alive_seconds=self._alive_seconds
        )
        told: dict[str, Any] = {
            "ready": not reasons,
            "reasons": reasons,
            "phase": state.phase if state else "starting",
        }
        return _json(not reasons, told)


class Guard:
    """Decides who may ask.

    Args:
        settings: Where is listened; without a token only loopback addresses are allowed.

    Raises:
        SettingsError: A token is needed and not there, or it is short.
    """

    def __init__(self, settings: WebSettings) -> None:
        self._token = read_secret("web-token", file=settings.token_file).encode()
        if self._token and len(self._token) < LEAST_TOKEN_CHARACTERS:
            raise SettingsError(
                f"the web-token has {len(self._token)} characters",
                expected=f"at least {LEAST_TOKEN_CHARACTERS} that nobody guesses",
                fix="make one with `openssl rand -hex 32`",
            )
        if not self._token and not is_loopback(settings.address):
            raise SettingsError(
                f"web.address = {settings.address!r} can be reached from other machines, and "
                "there is no web-token",
                expected="127.0.0.1, or a token that whoever asks must know",
                fix="name a file with one as web.token_file (or give the credential web-token)",
            )

    def refusal(self, request: Request) -> Response | None:
        """Return what somebody gets who may not ask; None for others."""
        if self._token:
            kind, _, sent = request.headers.get("authorization", "").partition(" ")
            known = hmac.compare_digest(sent.strip().encode("latin-1"), self._token)
            if kind.lower() == "bearer" and known:
                return None
            return plain(401, WWW_Authenticate='Bearer realm="fer-edge"')
        # A web page may give its own name this machine's address; its requests name that page.
        return None if _names_loopback(request.headers.get("host", "")) else plain(403)


def is_loopback(address: str) -> bool:
    """Return whether only this machine reaches an address; a name other than localhost is not."""
    if address.lower() in _OWN_NAMES:
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _names_loopback(host: str) -> bool:
    if not host:  # HTTP/1.0, which no browser speaks
        return True
    name, _, port = host.rpartition(":")
    if not port.isdecimal():
        name = host
    return is_loopback(name.strip("[]"))


def _json(good: bool, told: Mapping[str, Any]) -> Response:
    return Response(200 if good else 503, json.dumps(told).encode() + b"\n", "application/json")
