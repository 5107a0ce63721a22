"""One connection to an MQTT broker, from its beginning to its end."""

import dataclasses
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

_MOST_BYTES_IN: Final = 4096  # of a packet that the broker may send
_CONNECT_SECONDS: Final = 5.0
_NO_REASON: Final = "Unspecified error"
_RESERVED: Final = 4  # of the broker's window for messages that are no events


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
        refusal: Why the broker did not take it; "" where it did.
    """

    number: int
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
        self._endpoint = endpoint
        self._version = version
        self._accepted: ReasonCode | None = None
        self._ended = ""
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
        self._require()
        return info.mid

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
        if waiting or channel in readable:
            self._client.loop_read()
            self._refuse_long_packets()
        if channel in writable:
            self._client.loop_write()
        self._client.loop_misc()
        self._require()

    def close(self) -> None:
        """Say goodbye, so that the broker does not publish the will; may be called twice."""
        self._client.disconnect()
        self._hang_up()

    def _make_client(self, will: Message | None) -> Client:
        endpoint = self._endpoint
        newest = self._version == "5"
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=endpoint.client_id,
            clean_session=None if newest else True,
            protocol=MQTTProtocolVersion.MQTTv5 if newest else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
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
            options["properties"].MaximumPacketSize = _MOST_BYTES_IN
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
                    raise hung_up(endpoint) from error
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

    def _refuse_long_packets(self) -> None:
        # MQTT 5 lets the broker know the limit; for 3.1.1 only the client's own buffer tells.
        arriving = getattr(self._client, "_in_packet", {}).get("remaining_length", 0)
        if arriving > _MOST_BYTES_IN:
            self._ended = self._ended or f"it sends a message of {arriving} bytes"
            self._hang_up()

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

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:  # fmt: skip
        told = str(reason)
        self._ended = self._ended or ("it was ended" if told == _NO_REASON else told)

    def _on_publish(
        self, _client: Client, _data: Any, number: int, reason: ReasonCode,
        _properties: Properties,
    ) -> None:  # fmt: skip
        self.answers.append(Answer(number, str(reason) if reason.is_failure else ""))

    def _on_subscribe(
        self, _client: Client, _data: Any, _number: int, reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:  # fmt: skip
        refused = {str(reason) for reason in reasons if reason.is_failure}
        if refused:
            self.complaints.append(f"it refuses a subscription ({', '.join(sorted(refused))})")

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self.received.append(Received(message.topic, bytes(message.payload), message.retain))


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
