"""Log-ins of browsers, and what a wrong token costs."""

import hashlib
import ipaddress
import secrets
import time
from typing import Final

LIFE_SECONDS: Final = 7 * 86_400
MOST_LOGINS: Final = 32

_FREE_FAILURES: Final = 3
_LONGEST_PAUSE_SECONDS: Final = 30.0
_FORGOTTEN_SECONDS: Final = 600.0
_MOST_PEERS: Final = 256


class Logins:
    """Cookies that stand for the token: at most so many, each for a week at most.

    They are kept here and nowhere else, and only their hashes: a restart ends them all.
    """

    def __init__(self) -> None:
        self._until: dict[bytes, float] = {}  # the oldest first

    def begin(self) -> str:
        """Return a new cookie's value; beyond `MOST_LOGINS` the oldest ends."""
        while len(self._until) >= MOST_LOGINS:
            del self._until[next(iter(self._until))]
        value = secrets.token_urlsafe(32)
        self._until[_hash(value)] = time.monotonic() + LIFE_SECONDS
        return value

    def knows(self, value: str) -> bool:
        """Return whether a cookie's value stands for a log-in."""
        return bool(value) and self._until.get(_hash(value), 0.0) > time.monotonic()

    def end(self, value: str) -> None:
        """End a log-in, if there is one."""
        self._until.pop(_hash(value), None)

    def end_all(self) -> None:
        """End every log-in."""
        self._until.clear()

    def __len__(self) -> int:
        """Count those that may still be used, or have ended by themselves."""
        return len(self._until)


class Slowing:
    """Makes whoever sends wrong tokens wait, ever longer, before another one is looked at.

    The first few are free: people mistype. Of IPv6 a whole network is one peer, for anybody has
    billions of addresses there.
    """

    def __init__(self) -> None:
        self._failures: dict[str, tuple[int, float]] = {}  # how many, and when the last one

    def pause_seconds(self, peer: str) -> float:
        """Return for how long nothing of this peer is looked at; 0 where it is now."""
        count, at = self._failures.get(_network(peer), (0, 0.0))
        if count < _FREE_FAILURES:
            return 0.0
        pause = min(2.0 ** min(count - _FREE_FAILURES, 9), _LONGEST_PAUSE_SECONDS)
        return max(0.0, at + pause - time.monotonic())

    def failed(self, peer: str) -> None:
        """Take in a wrong token."""
        now, key = time.monotonic(), _network(peer)
        count, at = self._failures.pop(key, (0, now))
        if now - at > _FORGOTTEN_SECONDS:
            count = 0
        while len(self._failures) >= _MOST_PEERS:
            del self._failures[next(iter(self._failures))]
        self._failures[key] = count + 1, now

    def succeeded(self, peer: str) -> None:
        """Take in the right one."""
        self._failures.pop(_network(peer), None)


def _hash(value: str) -> bytes:
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).digest()


def _network(peer: str) -> str:
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if address.version == 4:
        return str(address)
    mapped = address.ipv4_mapped
    return str(mapped or ipaddress.ip_network((address, 64), strict=False))
