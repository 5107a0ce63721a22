"""What of a spool is on its way to a broker."""

import time
from collections import deque
from typing import Final

from fer_edge.pipeline.backoff import Backoff
from fer_edge.sinks.mqtt.connection import Answer, Connection, Message
from fer_edge.sinks.spool.spool import Spool

_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 60.0
_IDLE_SECONDS: Final = 5.0


class Delivery:
    """Sends events over one connection, from the lowest that the spool holds.

    Args:
        spool: Told of what is delivered.
        topic: Where events are published.
        in_flight: Sent before the first is acknowledged, where the broker takes so many.
    """

    def __init__(self, spool: Spool, topic: str, in_flight: int) -> None:
        self._spool = spool
        self._topic = topic
        self._in_flight = in_flight
        self._generation = spool.generation
        self._sent: dict[int, int] = {}  # positions by message number
        self._after = 0
        self._exhausted = False
        self._refused_events = ""
        self._refused_others: dict[str, str] = {}  # by topic
        self._retry_at = 0.0
        self._pauses = Backoff(
            first_seconds=_FIRST_PAUSE_SECONDS, longest_seconds=_LONGEST_PAUSE_SECONDS
        )

    @property
    def refusal(self) -> str:
        """What the broker does not take, and why; "" where it takes all."""
        return self._refused_events or next(iter(self._refused_others.values()), "")

    def send(self, connection: Connection) -> None:
        """Send as much as the window holds; a single event where the last one was refused.

        Raises:
            BrokerUnavailableError: The connection has ended.
        """
        if time.monotonic() < self._retry_at:
            return
        if self._generation != self._spool.generation:  # the file may hold more than it did
            self._generation, self._after = self._spool.generation, 0
        window = 1 if self._refused_events else min(self._in_flight, connection.window)
        room = window - len(self._sent)
        if room <= 0:
            return
        rows = self._spool.read(self._after, room)
        self._exhausted = len(rows) < room
        underway = set(self._sent.values())
        for row in rows:
            self._after = row.position
            if row.position not in underway:
                number = connection.publish(Message(self._topic, row.payload))
                self._sent[number] = row.position

    def settle(self, answers: deque[Answer]) -> int:
        """Take acknowledgements; return how many events were delivered."""
        delivered = []
        while answers:
            number, topic, refusal = answers.popleft()
            position = self._sent.pop(number, None)
            if position is None:
                self._refused_others.pop(topic, None)
                if refusal:
                    self._refused_others[topic] = _refusal(topic, refusal)
            elif refusal:
                self._hold(position, refusal)
            else:
                delivered.append(position)
        if delivered:
            self._refused_events = ""
            self._pauses.reset()
            self._spool.deliver(delivered)
        return len(delivered)

    def patience(self) -> float:
        """Return for how many seconds there is only the broker or the spool to wait for."""
        left = self._retry_at - time.monotonic()
        return min(left, _IDLE_SECONDS) if left > 0 else _IDLE_SECONDS

    def is_done(self) -> bool:
        """Return whether everything is delivered, or nothing can be now."""
        return (self._exhausted and not self._sent) or time.monotonic() < self._retry_at

    def _hold(self, position: int, reason: str) -> None:
        """Keep a refused event, to be tried again after a pause."""
        self._refused_events = _refusal("events", reason)
        self._after = min(self._after, position - 1)
        if time.monotonic() >= self._retry_at:
            self._retry_at = time.monotonic() + self._pauses.pause()


def _refusal(what: str, reason: str) -> str:
    return f"the broker refuses {what} ({reason}); allow it in its access list"
