"""A broker's address, and what to say when nobody there lets us in."""

import socket
import ssl
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from fer_edge.shared.errors import BrokerUnavailableError

Version: TypeAlias = Literal["5", "3.1.1"]

_NO_SUCH_VERSION: Final = "Unsupported protocol version"
_REMEDIES: Final = {
    "Not authorized": "check mqtt.username, its password and the broker's access list",
    "Bad user name or password": "check mqtt.username and its password",
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A broker and who connects to it.

    Attributes:
        host: Name or address.
        port: TCP port.
        client_id: Who this is; the broker ends an older connection of the same.
        username: "" for none.
        password: Goes with it.
        tls: What certificates are trusted and shown; None for a plain connection.
        keepalive_seconds: After twice that without an answer the connection is given up.
    """

    host: str
    port: int
    client_id: str
    username: str = ""
    password: str = ""
    tls: ssl.SSLContext | None = None
    keepalive_seconds: int = 30

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class UnknownVersionError(BrokerUnavailableError):
    """The broker does not speak this version of MQTT, or hung up without saying why."""


def unreachable(endpoint: Endpoint, error: Exception) -> BrokerUnavailableError:
    """Return what is wrong where no connection came about."""
    expected, fix = "a broker that listens there", "check mqtt.host and mqtt.port, and the broker"
    if isinstance(error, ssl.SSLCertVerificationError):
        expected = "a certificate of a trusted authority, for this name"
        fix = "name the authority's certificate as mqtt.ca_file, and the broker as it is certified"
        error = ValueError(error.verify_message)
    elif isinstance(error, ssl.SSLError | ConnectionResetError) and endpoint.tls is not None:
        expected = "a broker that speaks TLS on this port"
        fix = "name its port for TLS as mqtt.port (often 8883), or check the client certificate"
    elif isinstance(error, socket.gaierror):
        expected = "a name that can be looked up"
    return BrokerUnavailableError(
        f"the broker {endpoint} cannot be reached ({error})", expected=expected, fix=fix
    )


def silent(endpoint: Endpoint) -> BrokerUnavailableError:
    """Return what is wrong where somebody listens, but says nothing."""
    return BrokerUnavailableError(
        f"{endpoint} does not answer as an MQTT broker does",
        expected="an answer within five seconds",
        fix="check mqtt.host and mqtt.port",
    )


def hung_up(endpoint: Endpoint) -> UnknownVersionError:
    """Return what is wrong where the connection ended without an answer."""
    if endpoint.tls is None:
        return UnknownVersionError(
            f"{endpoint} ends a plain connection without an answer",
            expected="an MQTT broker; this is how a port for TLS behaves",
            fix="set mqtt.tls = true, or name the broker's plain port as mqtt.port",
        )
    return UnknownVersionError(
        f"{endpoint} ends the encrypted connection without an answer",
        expected="an MQTT broker; one that wants client certificates behaves so",
        fix="name mqtt.certificate_file and mqtt.key_file if it does",
    )


def refused(endpoint: Endpoint, version: Version, reason: str) -> BrokerUnavailableError:
    """Return what is wrong where the broker said no.

    Args:
        endpoint: The broker.
        version: Of MQTT, that was spoken.
        reason: In the words of MQTT 5.
    """
    if reason == _NO_SUCH_VERSION:
        return UnknownVersionError(
            f"the broker {endpoint} does not speak MQTT {version}",
            expected="a version that both speak",
            fix="set mqtt.protocol to auto",
        )
    return BrokerUnavailableError(
        f"the broker {endpoint} refuses the connection ({reason})",
        expected="a broker that lets this device in",
        fix=_REMEDIES.get(reason, "see the broker's log"),
    )
