"""Events and state to an MQTT broker, across its failures and ours."""

import logging
import os
import random
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from fer_edge.pipeline.backoff import Backoff
from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import BrokerUnavailableError, OutputError
from fer_edge.shared.records import NO_BASELINE, Frame, Observation
from fer_edge.sinks.mqtt.announced import Announced
from fer_edge.sinks.mqtt.connection import Answer, Connection, Message, Received
from fer_edge.sinks.mqtt.delivery import Delivery
from fer_edge.sinks.mqtt.endpoint import Endpoint, UnknownVersionError, Version
from fer_edge.sinks.mqtt.home_assistant import BIRTH, birth_topic
from fer_edge.sinks.mqtt.stills import Stills
from fer_edge.sinks.mqtt.topics import (
    OFF,
    OFFLINE,
    ON,
    ONLINE,
    Topics,
    describe_end,
    describe_state,
    encode_calibration,
    encode_state,
    needs_telling,
    read_calibrate,
)
from fer_edge.sinks.spool.spool import Spool
from fer_edge.sinks.switching import Switch
from fer_edge.state.controls import Controls
from fer_edge.state.records import DaemonState, Figure

_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 30.0
_STEADY_SECONDS: Final = 10.0  # after which a connection counts as a success
_FAREWELL_SECONDS: Final = 1.0
_GOODBYE_SECONDS: Final = 0.3
_BIRTH_SECONDS: Final = 3.0
"""Within which a fleet answers Home Assistant, so that not all do at once."""
_NEVER: Final = float("inf")
_COMMANDS: Final = {ON.encode(): True, OFF.encode(): False}
_DEAD: Final = "nothing is sent to the broker any more: the thread that does it has died"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Announcing:
    """How the device presents itself.

    Attributes:
        topics: Its own.
        discovery: For Home Assistant; None for none.
        discovery_prefix: First level of Home Assistant's topics.
        announced: What the broker keeps of this device, and should not keep any more.
        commands: Whether messages may switch the device and calibrate it.
        of_faces: Whether the state tells of faces.
        stills: Pictures to send; None for none.
        state_seconds: Between two states in which nothing important changes.
    """

    topics: Topics
    discovery: Message | None
    discovery_prefix: str
    announced: Announced
    commands: bool
    of_faces: bool
    state_seconds: float
    stills: Stills | None = None


class MqttSink(Closing):
    """Delivers what a spool holds, and publishes the daemon's state, from a thread of its own.

    Each connection begins with the lowest event in the spool, and an event goes only once the
    broker has acknowledged it. So events arrive in order and at least once; one that arrives again
    bears the same id. Where the broker refuses events they stay, and are tried again later.

    Args:
        spool: Closed with the sink.
        endpoint: The broker.
        announcing: How the device presents itself.
        controls: What a command switches.
        versions: Of MQTT, in the order in which they are tried.
        in_flight: Events sent before the first is acknowledged.
    """

    def __init__(
        self,
        spool: Spool,
        endpoint: Endpoint,
        announcing: Announcing,
        controls: Controls,
        *,
        versions: tuple[Version, ...] = ("5", "3.1.1"),
        in_flight: int = 50,
    ) -> None:
        self._spool = spool
        self._endpoint = endpoint
        self._announcing = announcing
        self._controls = controls
        self._switch = Switch(controls)
        self._versions = versions
        self._in_flight = in_flight
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._closing = threading.Event()
        self._closed = False
        self._seen: Observation | None = None
        self._state: dict[str, Any] = {}
        self._state_due = 0.0
        self._tell = False
        self._calibration = controls.calibration
        self._told_calibration = self._calibration
        self._baseline = NO_BASELINE
        self._withdrawing: dict[int, str] = {}  # topics by message number
        self._connected: Version | None = None
        self._problem = "not connected yet"
        self._connections = self._delivered = self._ignored = self._defects = self._pictures = 0
        spool.listener = self._stir
        self._thread = threading.Thread(target=self._work, name="mqtt", daemon=True)
        self._thread.start()

    def emit(self, observation: Observation) -> None:
        """Remember what was seen for the state; events come through the spool."""
        self._seen = observation

    def show(self, frame: Frame, _observation: Observation) -> None:
        """Take a frame where a still of it is to be sent; returns at once."""
        stills = self._announcing.stills
        if stills is not None and stills.show(frame):
            self._stir()

    def report(self, state: DaemonState) -> None:
        """Take the state; publish it when something important changed, or it is time to.

        Raises:
            OutputError: The thread has died.
        """
        self._switch.turn()
        if self._is_dead():
            raise OutputError(
                _DEAD,
                expected="a thread that runs",
                fix="see the log for its error, and restart fer-edge",
            )
        told = describe_state(
            state,
            self._seen,
            enabled=self._controls.enabled,
            of_faces=self._announcing.of_faces,
        )
        self._baseline = state.baseline
        now = time.monotonic()
        if self._controls.calibration is not self._calibration:
            self._calibration = self._controls.calibration
            self._stir()
        if needs_telling(told, self._state) or now >= self._state_due:
            self._state_due = now + self._announcing.state_seconds
            self._state = told
            self._tell = True
            self._stir()

    def figures(self) -> Mapping[str, Figure]:
        """Return how the connection and the spool do."""
        return {
            "connected": self._connected is not None,
            "protocol": self._connected or "",
            "problem": _DEAD if self._is_dead() else self._problem,
            "defects": self._defects,
            "connections": self._connections,
            "delivered": self._delivered,
            "ignored_commands": self._ignored,
            **({"pictures": self._pictures} if self._announcing.stills else {}),
            **self._spool.figures(),
        }

    def close(self) -> None:
        """Deliver for a second what can be delivered, say goodbye; may be called twice."""
        if self._closed:
            return
        self._closed = True
        self._closing.set()
        self._stir()
        self._thread.join(1.5 * _FAREWELL_SECONDS)
        self._spool.listener = lambda: None
        self._spool.close()
        if not self._thread.is_alive():  # it may hang in a connection attempt, and still need it
            os.close(self._wake)

    def _is_dead(self) -> bool:
        return not (self._thread.is_alive() or self._closed)

    def _stir(self) -> None:
        with suppress(BlockingIOError):  # full, so that it wakes anyway
            os.eventfd_write(self._wake, 1)

    def _work(self) -> None:
        pauses = Backoff(first_seconds=_FIRST_PAUSE_SECONDS, longest_seconds=_LONGEST_PAUSE_SECONDS)
        while not self._closing.is_set():
            # Always from the newest version on: a broker that just died may have looked like an
            # old one, and only the newest tells of messages that it refuses.
            for version in self._versions:
                try:
                    self._keep_connected(version, pauses)
                except UnknownVersionError as error:
                    self._say(str(error))
                except BrokerUnavailableError as error:
                    self._say(str(error))
                    break
                except Exception as error:  # noqa: BLE001 - counted and said; the thread lives on
                    self._defects += 1
                    self._tell_defect(error)
                    break
                if self._closing.is_set():
                    return
            self._closing.wait(pauses.pause())

    def _keep_connected(self, version: Version, pauses: Backoff) -> None:
        topics = self._announcing.topics
        will = Message(topics.availability, OFFLINE, retained=True)
        commands = [topics.enabled, topics.calibrate]
        subscriptions = commands if self._announcing.commands else []
        if self._announcing.discovery is not None:
            subscriptions.append(birth_topic(self._announcing.discovery_prefix))
        self._withdrawing.clear()
        with Connection(
            self._endpoint, will=will, version=version, subscriptions=subscriptions
        ) as connection:
            self._connections += 1
            self._connected = version
            self._say("")
            began = time.monotonic()
            try:
                self._serve(connection)
            finally:
                self._connected = None
                if time.monotonic() - began >= _STEADY_SECONDS:
                    pauses.reset()

    def _serve(self, connection: Connection) -> None:
        delivery = Delivery(self._spool, self._announcing.topics.events, self._in_flight)
        introduce_at = 0.0  # with the first state
        leave_at = _NEVER
        while (now := time.monotonic()) < leave_at:
            if self._state:
                if now >= introduce_at:
                    introduce_at = _NEVER
                    self._introduce(connection)
                elif self._tell:
                    self._publish_state(connection)
            self._answer_calibration(connection)
            self._show_picture(connection)
            delivery.send(connection)
            if self._closing.is_set():
                leave_at = min(leave_at, now + _FAREWELL_SECONDS)
                if delivery.is_done():
                    break
            introduction = introduce_at - now if self._state else _NEVER
            patience = min(
                delivery.patience(), introduction, leave_at - now, self._switch.patience(),
                # A sign of life is sent only between two steps.
                self._endpoint.keepalive_seconds / 4,
                self._announcing.stills.patience() if self._announcing.stills else _NEVER,
            )  # fmt: skip
            connection.step(max(0.0, patience), wake=self._wake)
            with suppress(BlockingIOError):
                os.eventfd_read(self._wake)
            self._settle_withdrawals(connection.answers)
            self._delivered += delivery.settle(connection.answers)
            self._say(delivery.refusal or next(iter(connection.complaints), ""))
            self._switch.turn()
            if self._take_commands(connection) and introduce_at == _NEVER:
                introduce_at = now + _BIRTH_SECONDS * random.random()  # noqa: S311 - spreads load
        if self._state:
            self._state = describe_end(self._state)
            self._publish_state(connection)
        connection.publish(Message(self._announcing.topics.availability, OFFLINE, retained=True))
        connection.settle(_GOODBYE_SECONDS)

    def _introduce(self, connection: Connection) -> None:
        """Describe the device; what is true now stands there before it is said to be online."""
        announced = self._announcing.announced
        announced.remember()
        for topic in announced.stale:
            number = connection.publish(Message(topic, "", retained=True))
            self._withdrawing[number] = topic
        if self._announcing.discovery is not None:
            connection.publish(self._announcing.discovery)
        self._publish_state(connection)
        connection.publish(Message(self._announcing.topics.availability, ONLINE, retained=True))

    def _settle_withdrawals(self, answers: deque[Answer]) -> None:
        """Take the answers to what was withdrawn out of all answers."""
        others = []
        for answer in answers:
            topic = self._withdrawing.pop(answer.number, None)
            if topic is None:
                others.append(answer)
            elif answer.refusal:
                _log.warning(
                    "the broker keeps %s, which is no longer used (%s); empty it with "
                    "`mosquitto_pub -r -n -t %s` as a user who may", topic, answer.refusal, topic,
                )  # fmt: skip
            else:
                self._announcing.announced.withdrawn(topic)
        answers.clear()
        answers.extend(others)

    def _publish_state(self, connection: Connection) -> None:
        self._tell = False
        payload = encode_state(self._state)
        connection.publish(Message(self._announcing.topics.state, payload, retained=True))

    def _take_commands(self, connection: Connection) -> bool:
        """Do as received messages say; return whether Home Assistant has started."""
        born = False
        while connection.received:
            message = connection.received.popleft()
            if message.topic == birth_topic(self._announcing.discovery_prefix):
                born = born or (message.payload == BIRTH and not message.retained)
            elif not (self._obey(message) or self._calibrate(message)):
                self._ignored += 1
        return born

    def _obey(self, message: Received) -> bool:
        wanted = _COMMANDS.get(message.payload)
        # A retained command would come back with every connection, long after it was meant.
        if wanted is None or message.retained or not self._announcing.commands:
            return False
        if message.topic != self._announcing.topics.enabled:
            return False
        self._switch.want(wanted)
        return True

    def _tell_defect(self, error: Exception) -> None:
        problem = f"sending to the broker failed inside ({type(error).__name__}: {error})"
        if problem != self._problem:
            _log.error("%s; this is a defect", problem, exc_info=error)
        self._problem = problem

    def _calibrate(self, message: Received) -> bool:
        if message.retained or not self._announcing.commands:
            return False
        if message.topic != self._announcing.topics.calibrate:
            return False
        wish = read_calibrate(message.payload)
        if isinstance(wish, str):
            self._controls.take_participant(wish)
        elif wish is not None:
            self._controls.calibrate(wish)
        return wish is not None

    def _answer_calibration(self, connection: Connection) -> None:
        note = self._calibration
        if note is not self._told_calibration:
            self._told_calibration = note
            if not note.phase:
                return  # what was told before is in force no longer
            # The state, of which the baseline is, may be of the moment before.
            baseline = "participant" if note.phase == "done" else self._baseline
            answer = encode_calibration(note, baseline=baseline)
            connection.publish(Message(self._announcing.topics.calibration, answer))

    def _show_picture(self, connection: Connection) -> None:
        stills = self._announcing.stills
        still = stills.take() if stills and not self._closing.is_set() else None
        if still is not None and connection.publish_once(self._announcing.topics.picture, still):
            self._pictures += 1

    def _say(self, problem: str) -> None:
        if problem != self._problem:
            if problem:
                _log.warning("%s", problem)
            else:
                _log.info("connected to %s", self._endpoint)
        self._problem = problem
