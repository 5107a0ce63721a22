"""Who may ask: by token, by cookie, by the name under which the device was asked."""

import hmac
import ipaddress
import math
import re
from typing import Final, NamedTuple

from fer_edge.settings import WebSettings
from fer_edge.settings.secrets import read_secret
from fer_edge.shared.errors import SettingsError
from fer_edge.sinks.web.logins import Logins, Slowing
from fer_edge.sinks.web.messages import Request, Response, plain, problem

LEAST_TOKEN_CHARACTERS: Final = 16
_OWN_NAMES: Final = frozenset({"localhost", "ip6-localhost"})
_NAME: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_READING: Final = frozenset({"GET", "HEAD"})
_OWN_SITES: Final = frozenset({"same-origin", "none"})
_ANYWHERE: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - to be compared with


class Refusal(NamedTuple):
    """Why somebody may not.

    Attributes:
        status: 401, 403 or 429.
        message: In a sentence.
        expected: What would be let through.
        fix: What to do.
        headers: Of the answer.
    """

    status: int
    message: str
    expected: str = ""
    fix: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def response(self, *, in_json: bool) -> Response:
        """Return it as a response, for programs or for a page's script."""
        headers = {name.replace("-", "_"): value for name, value in self.headers}
        if not in_json:
            return plain(self.status, **headers)
        return problem(self.status, self.message, expected=self.expected, fix=self.fix, **headers)


class Guard:
    """Decides who may ask.

    Whoever has the token may ask from anywhere. Whoever has only a cookie, or needs neither, uses
    a browser, which asks in the name of any page that is open in it. So they must name the device
    as it is known, and what changes something must come from its own page.

    Args:
        settings: Where is listened; without a token only loopback addresses are allowed.

    Attributes:
        failures: Wrong tokens so far.
        logins: Who has exchanged the token for a cookie.

    Raises:
        SettingsError: A token is needed and not there, or it is short.
    """

    def __init__(self, settings: WebSettings) -> None:
        self.failures = 0
        self.logins = Logins()
        self._slowing = Slowing()
        self._address = settings.address
        self._names = own_names(settings.names)
        self._token = read_token(settings)

    @property
    def needs_token(self) -> bool:
        """Whether a token is asked for."""
        return bool(self._token)

    def take_token(self, token: bytes) -> None:
        """Ask for this token from now on; another one than before ends all log-ins."""
        if token != self._token:
            self._token = token
            self.logins.end_all()

    def refusal(self, request: Request, *, cookie: str, public: bool = False) -> Refusal | None:
        """Return why a request is refused; None where it is not.

        Args:
            request: Its head.
            cookie: Name of the one that stands for the token.
            public: Whether what is asked for is everybody's.
        """
        if self._token and not public:
            sent = _sent_token(request)
            if sent is not None:
                return self.try_token(sent, peer=request.peer)
            if not self.logins.knows(request.cookie(cookie)):
                return _STRANGER
        return self._of_browsers(request)

    def still_lets(self, request: Request, *, cookie: str) -> bool:
        """Return whether somebody who was let in would be so now: log-ins end, tokens change.

        Args:
            request: With which they came.
            cookie: Name of the one that stands for the token.
        """
        if not self._token:
            return True
        sent = _sent_token(request)
        if sent is not None:
            return hmac.compare_digest(sent, self._token)
        return self.logins.knows(request.cookie(cookie))

    def try_token(self, sent: bytes, *, peer: str) -> Refusal | None:
        """Return why a token does not let in; None where it does. Failures are counted, and slow.

        Args:
            sent: What is said to be the token.
            peer: Who says so.
        """
        pause = math.ceil(self._slowing.pause_seconds(peer))
        if pause:
            return Refusal(
                429,
                "several wrong tokens have come from there",
                expected="the token",
                fix=f"wait {pause} s",
                headers=(("Retry-After", str(pause)),),
            )
        if hmac.compare_digest(sent, self._token):
            self._slowing.succeeded(peer)
            return None
        self.failures += 1
        self._slowing.failed(peer)
        return _STRANGER

    def _of_browsers(self, request: Request) -> Refusal | None:
        host = request.headers.get("host", "")
        if not self._is_own(host):  # a web page may give its own name this machine's address
            return Refusal(
                403,
                f"the device was asked as {host[:100]!r}",
                expected="its address, localhost, or one of web.names",
                fix="add that name to web.names",
            )
        site = request.headers.get("sec-fetch-site")
        if request.method in _READING:
            # A link may lead here; a picture in a page from elsewhere may not show what is here.
            led = request.headers.get("sec-fetch-mode") in {None, "navigate"}
            return None if led or site in {None, *_OWN_SITES} else _FOREIGN
        if site is not None:
            return None if site in _OWN_SITES else _FOREIGN
        origin = request.headers.get("origin")
        if origin is None:  # no browser: those say where they come from
            return None
        return None if origin.partition("://")[2].lower() == host.lower() else _FOREIGN

    def _is_own(self, host: str) -> bool:
        """Return whether a Host is a name of this device.

        Of a device that listens to all addresses any number is: who asks by number has no name
        that could have been given to somebody else.
        """
        if not host:  # HTTP/1.0, which no browser speaks
            return True
        name = _without_port(host).lower()
        if is_loopback(name) or name in self._names or name == self._address.lower():
            return True
        return self._address in _ANYWHERE and _is_number(name)


def _sent_token(request: Request) -> bytes | None:
    kind, _, sent = request.headers.get("authorization", "").partition(" ")
    return sent.strip().encode("latin-1") if kind.lower() == "bearer" else None


def own_names(names: str) -> frozenset[str]:
    """Return the names that `web.names` lists, separated by commas.

    Raises:
        SettingsError: One is no name.
    """
    found = {name.strip().strip("[]").lower() for name in names.split(",")} - {""}
    for name in found:
        if not (_NAME.fullmatch(name) or _is_number(name)):
            raise SettingsError(
                f"web.names has {name!r}",
                expected="names such as camera.example, parted by commas; no scheme, port or path",
                fix="correct it",
            )
    return frozenset(found)


def is_loopback(address: str) -> bool:
    """Return whether only this machine reaches an address; a name other than localhost is not."""
    if address.lower() in _OWN_NAMES:
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _without_port(host: str) -> str:
    name, _, port = host.rpartition(":")
    return (name if port.isdecimal() else host).strip("[]")


def read_token(settings: WebSettings) -> bytes:
    """Return what whoever asks must know; nothing where nothing is asked for.

    Blanks around it are no part of it: what is sent is read without them, too.

    Raises:
        SettingsError: A token is needed and not there, or it is short.
    """
    given = read_secret("web-token", file=settings.token_file)
    token = given.strip().encode()
    if given and len(token) < LEAST_TOKEN_CHARACTERS:
        raise SettingsError(
            f"the web-token has {len(token)} characters",
            expected=f"at least {LEAST_TOKEN_CHARACTERS} that nobody guesses",
            fix="make one with `openssl rand -hex 32`",
        )
    if not token and not is_loopback(settings.address):
        raise SettingsError(
            f"web.address = {settings.address!r} can be reached from other machines, and "
            "there is no web-token",
            expected="127.0.0.1, or a token that whoever asks must know",
            fix="name a file with one as web.token_file (or give the credential web-token)",
        )
    return token


_STRANGER: Final = Refusal(
    401,
    "not logged in",
    expected="the token, or the cookie that a log-in gives",
    fix="log in at /login",
    headers=(("WWW-Authenticate", 'Bearer realm="fer-edge"'),),
)
_FOREIGN: Final = Refusal(
    403,
    "this came from a page of another site",
    expected="the device's own page",
    fix="open the device's own page; a proxy must pass Host and Origin on as they come",
)
