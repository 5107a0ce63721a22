"""One connection to an MQTT broker, from its beginning to its end."""

import dataclasses
import logging
import math
import select
import ssl
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import BrokerUnavailableError
from fer_edge.sinks.mqtt.endpoint import (
    Endpoint,
    UnknownVersionError,
    Version,
    hung_up,
    refused,
    silent,
    unreachable,
)
from fer_edge.sinks.mqtt.inbound import MOST_BYTES, Gate, GatedClient, require_gate

_CONNECT_SECONDS: Final = 5.0
_NO_REASON: Final = "Unspecified error"
_RESERVED: Final = 4  # of the broker's window for messages that are no events
_MOST_UNANSWERED: Final = 1200
"""Messages on their way; above the most events that the settings allow."""

_MOST_OF_MQTT: Final = 268_435_455
_OVERHEAD_BYTES: Final = 1024
"""Of a packet beside its payload, at most: the topic, above all."""
_MOST_LOAD: Final = 4000
"""In a second, as `Gate.load` counts it: 200 messages, or 4,000 acknowledgements."""
_FLOOD_PAUSE_SECONDS: Final = 0.01

_log = logging.getLogger(__name__)


class Message(NamedTuple):
    """What is published.

    Attributes:
        topic: Where.
        payload: What.
        retained: Whether the broker keeps it for those who come later.
    """

    topic: str
    payload: str
    retained: bool = False


class Answer(NamedTuple):
    """A broker's acknowledgement.

    Attributes:
        number: Of the message, as `publish` gave it.
        topic: Of the message.
        refusal: Why the broker did not take it; "" where it did.
    """

    number: int
    topic: str
    refusal: str


class Received(NamedTuple):
    """A message that came.

    Attributes:
        topic: Where it was published.
        payload: What.
        retained: Whether the broker had kept it from earlier.
    """

    topic: str
    payload: bytes
    retained: bool


class Connection(Closing):
    """A connection, made in the constructor; after an error it is of no more use.

    Everything happens on the caller's thread, in `step`; callbacks only take note.

    Args:
        endpoint: The broker.
        will: What the broker publishes if this end dies; None for nothing.
        version: Of MQTT. Only version 5 tells of messages that the broker refuses.
        subscriptions: Topics to listen to.

    Attributes:
        answers: Acknowledgements not yet looked at.
        received: Messages not yet looked at.
        window: Messages that the broker takes before it has acknowledged the first.
        complaints: What the broker refuses beside published messages.

    Raises:
        BrokerUnavailableError: It cannot be reached, or refuses.
        UnknownVersionError: Perhaps it speaks another version.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        will: Message | None,
        version: Version,
        subscriptions: Sequence[str],
    ) -> None:
        self.answers: deque[Answer] = deque()
        self.received: deque[Received] = deque()
        self.complaints: deque[str] = deque(maxlen=8)
        self.window = 65_535
        self._most_bytes = _MOST_OF_MQTT
        self._endpoint = endpoint
        self._version = version
        self._accepted: ReasonCode | None = None
        self._ended = ""
        self._unanswered: dict[int, tuple[float, str]] = {}
        """When each was sent, the oldest first, and its topic."""
        require_gate()
        self._gate = Gate()
        self._second, self._load_before = time.monotonic(), 0
        self._client = self._make_client(will)
        try:
            self._connect()
            self._subscribe(subscriptions)
        except BaseException:
            self._hang_up()
            raise

    def publish(self, message: Message) -> int:
        """Send a message with QoS 1; return its number, which its `Answer` bears.

        Raises:
            BrokerUnavailableError: The connection has ended.
        """
        info = self._client.publish(message.topic, message.payload, 1, retain=message.retained)
        if info.rc not in {MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_AGAIN}:
            self._ended = self._ended or f"it cannot be written to ({info.rc.name})"
        self._unanswered[info.mid] = time.monotonic(), message.topic
        self._expect_answers()
        self._require()
        return info.mid

    def publish_once(self, topic: str, payload: bytes) -> bool:
        """Send a message with QoS 0, which no broker keeps for anybody; return whether it was.

        It is not where the broker has not read the last messages yet, or takes none so large.

        Raises:
            BrokerUnavailableError: The connection has ended.
        """
        if self._client.want_write() or len(payload) + _OVERHEAD_BYTES > self._most_bytes:
            return False
        info = self._client.publish(topic, payload, 0)
        if info.rc not in {MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_AGAIN}:
            self._ended = self._ended or f"it cannot be written to ({info.rc.name})"
        self._require()
        return True

    def step(self, timeout_seconds: float, *, wake: int = -1) -> None:
        """Wait for the broker, or for `wake`, and do what there is to do.

        Args:
            timeout_seconds: Longest wait.
            wake: File descriptor that ends the wait when it is readable; it is not read.

        Raises:
            BrokerUnavailableError: The connection has ended.
        """
        channel: Any = self._client.socket()
        if channel is None:
            self._ended = self._ended or "it has ended"
            self._require()
        # TLS may have read more than was asked for; the socket then says nothing of it.
        waiting = isinstance(channel, ssl.SSLSocket) and channel.pending() > 0
        readable, writable, _ = select.select(
            [channel] if wake < 0 else [channel, wake],
            [channel] if self._client.want_write() else [],
            [],
            0.0 if waiting else timeout_seconds,
        )
        try:
            if waiting or channel in readable:
                self._client.loop_read()
                self._slow_a_flood()
            if channel in writable:
                self._client.loop_write()
            self._client.loop_misc()
            self._expect_answers()
        except Exception as error:  # noqa: BLE001 - the library's parser, on what others chose
            _log.debug("what the broker sent cannot be parsed", exc_info=error)
            self._ended = self._ended or f"it sends what is no MQTT ({type(error).__name__})"
        if self._ended:
            self._hang_up()
        self._require()

    def settle(self, seconds: float) -> None:
        """Wait until the broker has answered all; what is unread when a socket closes resets it.

        Args:
            seconds: Longest wait.

        Raises:
            BrokerUnavailableError: The connection has ended.
        """
        until = time.monotonic() + seconds
        while self._unanswered and (left := until - time.monotonic()) > 0:
            self.step(left)

    def close(self) -> None:
        """Say goodbye, so that the broker does not publish the will; may be called twice."""
        self._client.disconnect()
        self._hang_up()

    def _make_client(self, will: Message | None) -> Client:
        endpoint = self._endpoint
        newest = self._version == "5"
        client = GatedClient(
            CallbackAPIVersion.VERSION2,
            client_id=endpoint.client_id,
            clean_session=None if newest else True,
            protocol=MQTTProtocolVersion.MQTTv5 if newest else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.gate = self._gate
        client.connect_timeout = _CONNECT_SECONDS
        client.max_inflight_messages = 0  # the sender keeps to the window
        if will is not None:
            client.will_set(will.topic, will.payload, 1, retain=will.retained)
        if endpoint.username:
            client.username_pw_set(endpoint.username, endpoint.password or None)
        if endpoint.tls is not None:
            client.tls_set_context(endpoint.tls)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _connect(self) -> None:
        endpoint = self._endpoint
        options: dict[str, Any] = {}
        if self._version == "5":
            options["clean_start"] = True
            options["properties"] = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            options["properties"].MaximumPacketSize = MOST_BYTES
        try:
            self._client.connect(
                endpoint.host, endpoint.port, endpoint.keepalive_seconds, **options
            )
        except (OSError, ValueError) as error:
            raise unreachable(endpoint, error) from error
        give_up = time.monotonic() + _CONNECT_SECONDS
        while self._accepted is None and time.monotonic() < give_up:
            try:
                self.step(0.1)
            except BrokerUnavailableError as error:
                if self._accepted is None:
                    raise (silent if self._gate.breach else hung_up)(endpoint) from error
        if self._accepted is None:
            raise silent(endpoint)
        if self._accepted.is_failure:
            raise refused(endpoint, self._version, str(self._accepted))

    def _subscribe(self, topics: Sequence[str]) -> None:
        if topics:
            self._client.subscribe([(topic, 1) for topic in topics])

    def _require(self) -> None:
        if self._ended:
            raise BrokerUnavailableError(
                f"the connection to {self._endpoint} was lost: {self._ended}",
                expected="a broker that runs",
                fix="it is tried again by itself; if it is lost again and again, look for another "
                "client of the same name (mqtt.node)",
            )

    def _expect_answers(self) -> None:
        oldest, _ = next(iter(self._unanswered.values()), (math.inf, ""))
        silent_for = time.monotonic() - oldest
        # The broker may have switched the library's own signs of life off.
        if len(self._unanswered) > _MOST_UNANSWERED or (
            silent_for > 2 * self._endpoint.keepalive_seconds
        ):
            self._ended = self._ended or "it acknowledges nothing"

    def _slow_a_flood(self) -> None:
        """Read no faster than is of use, so that the rest of the program keeps its time."""
        now = time.monotonic()
        if now - self._second >= 1.0:
            self._second, self._load_before = now, self._gate.load
        elif self._gate.load - self._load_before > _MOST_LOAD:
            time.sleep(_FLOOD_PAUSE_SECONDS)

    def _hang_up(self) -> None:
        channel = self._client.socket()
        if channel is not None:
            channel.close()

    def _on_connect(
        self, _client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode,
        properties: Properties | None,
    ) -> None:  # fmt: skip
        self._accepted = reason
        limit = getattr(properties, "ReceiveMaximum", self.window)
        self.window = max(1, limit - _RESERVED)
        self._most_bytes = getattr(properties, "MaximumPacketSize", self._most_bytes)

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:  # fmt: skip
        told = str(reason)
        self._ended = (
            self._ended or self._gate.breach or ("it was ended" if told == _NO_REASON else told)
        )

    def _on_publish(
        self, _client: Client, _data: Any, number: int, reason: ReasonCode,
        _properties: Properties,
    ) -> None:  # fmt: skip
        _, topic = self._unanswered.pop(number, (0.0, ""))
        if topic:  # else of one that asked for no answer
            refusal = str(reason) if reason.is_failure else ""
            self.answers.append(Answer(number, topic, refusal))

    def _on_subscribe(
        self, _client: Client, _data: Any, _number: int, reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:  # fmt: skip
        refused = {str(reason) for reason in reasons if reason.is_failure}
        if refused:
            self.complaints.append(f"it refuses a subscription ({', '.join(sorted(refused))})")

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            self._ended = self._ended or "it sends a topic that is no text"
            return
        self.received.append(Received(topic, bytes(message.payload), message.retain))


def try_broker(endpoint: Endpoint, versions: Sequence[Version]) -> None:
    """Log in once and say goodbye, as somebody else than the daemon, which may be connected.

    Raises:
        BrokerUnavailableError: It cannot be reached, or refuses.
    """
    guest = dataclasses.replace(endpoint, client_id=f"{endpoint.client_id}-check")
    for version in versions:
        try:
            Connection(guest, will=None, version=version, subscriptions=()).close()
        except UnknownVersionError:
            if version == versions[-1]:
                raise
        else:
            return
