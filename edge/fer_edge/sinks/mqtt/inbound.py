"""What a broker sends, looked at byte by byte before the MQTT library keeps any of it.

The library asks the socket for as many bytes as a packet claims to have, up to 268 million, and
keeps messages of QoS 2 for as long as the broker likes. So its one way to the socket leads through
here, where a packet is refused by its first bytes.
"""

from typing import Final

from paho.mqtt.client import Client

from fer_edge.shared.errors import DependencyError
from fer_edge.shared.installing import pip_install

MOST_BYTES: Final = 4096
"""Of a packet that the broker may send; also the most that is read at once."""

_CONNACK, _PUBLISH, _PUBACK, _SUBACK, _PINGRESP, _DISCONNECT = 2, 3, 4, 9, 13, 14
_EXPECTED: Final = frozenset({_PUBLISH, _PUBACK, _SUBACK, _PINGRESP, _DISCONNECT})
"""Answers to what we send, and messages; the rest belongs to QoS 2 or to what we never ask for."""
_MOST_DIGITS: Final = 4
_MESSAGE_LOAD: Final = 20
_MOST_UNREAD: Final = 1000
"""Messages that may want an acknowledgement while the broker reads nothing."""


class BreachError(ConnectionError):
    """The broker sends what nobody asked for; the library takes it for the connection's end."""


class Gate:
    """Follows where packets begin and end, and what each is.

    Attributes:
        breach: What was refused; "" where nothing was.
        load: What came so far: 1 for each packet, and 20 for a message.
    """

    def __init__(self) -> None:
        self.breach = ""
        self.load = 0
        self._greeted = False
        self._begun = False  # the first byte of a packet has come, its length has not
        self._digits = self._length = 0
        self._left = 0  # of a packet's body
        self._unread = 0

    def let_in(self, data: bytes, *, backlog: bool) -> bytes:
        """Return the bytes that came, if the broker may send them.

        Args:
            data: What the socket gave.
            backlog: Whether something of ours still waits for the broker to read.

        Raises:
            BreachError: It may not; nothing that comes later is let in either.
        """
        rest = memoryview(data)
        while rest:
            if self._left:
                taken = min(self._left, len(rest))
                self._left -= taken
                rest = rest[taken:]
                continue
            if self._begun:
                self._take_digit(rest[0])
            else:
                self._take_head(rest[0], backlog=backlog)
            rest = rest[1:]
        if self.breach:
            raise BreachError(self.breach)
        return data

    def _take_head(self, head: int, *, backlog: bool) -> None:
        kind, quality = head >> 4, (head >> 1) & 3
        self.load += _MESSAGE_LOAD if kind == _PUBLISH else 1
        if not self._greeted:
            self._greeted = kind == _CONNACK
            if not self._greeted:
                self._refuse("it does not answer as an MQTT broker does")
        elif kind == _PUBLISH and quality > 1:
            self._refuse(f"it sends a message of QoS {quality}, which was not asked for")
        elif kind not in _EXPECTED:
            self._refuse(f"it sends a packet of kind {kind}, which was not asked for")
        elif kind == _PUBLISH and quality:
            self._unread = self._unread + 1 if backlog else 0
            if self._unread > _MOST_UNREAD:
                self._refuse("it sends messages, and reads no acknowledgement")
        self._begun = True
        self._digits = self._length = 0

    def _take_digit(self, digit: int) -> None:
        self._length |= (digit & 0x7F) << (7 * self._digits)
        self._digits += 1
        more = bool(digit & 0x80)
        if self._length > MOST_BYTES or (more and self._digits == _MOST_DIGITS):
            self._refuse(f"it sends a packet of {self._length:,} bytes or more")
        if not more:
            self._left, self._begun = self._length, False

    def _refuse(self, breach: str) -> None:
        self.breach = self.breach or breach


class GatedClient(Client):
    """The library's client, whose every byte comes through a gate.

    Attributes:
        gate: Of the present connection.
    """

    gate: Gate

    def _sock_recv(self, bufsize: int) -> bytes:
        data = super()._sock_recv(min(bufsize, MOST_BYTES))
        return self.gate.let_in(data, backlog=self.want_write())


def require_gate() -> None:
    """Find out that the library still reads through the one method that is watched.

    Raises:
        DependencyError: It is a version that does not.
    """
    if not callable(getattr(Client, "_sock_recv", None)):
        raise DependencyError(
            "this paho-mqtt reads from its socket in another way than those known",
            expected="a version from 2.1 on in which what a broker sends can be bounded",
            fix=f"run `{pip_install('paho-mqtt==2.2.0')}`",
        )
