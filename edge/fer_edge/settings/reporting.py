"""Settings of where what was seen goes."""

from dataclasses import dataclass

from fer_edge.shared.typed_tables import setting


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """Where observations go."""

    file: str = setting("-", "JSON lines file to append to; - is stdout, empty is none")


@dataclass(frozen=True, slots=True)
class EventSettings:
    """What is told of faces, and how it is kept until it is delivered."""

    mode: str = setting(
        "faces",
        "an event for each face, or only counts of many and nothing that tells of one face",
        choices=("faces", "aggregate"),
    )
    purpose: str = setting("", "what the events are for, in a sentence that stands in each of them")
    file: str = setting("", "JSON lines file to append events to; empty is none")
    settle_seconds: float = setting(
        1.0,
        "a face without a label has appeared, and a lost label is a change, after so long",
        low=0,
        high=60,
    )
    left_seconds: float = setting(2.5, "a face unseen for so long has left", low=0.1, high=3600)
    aggregate_seconds: float = setting(
        300.0, "period over which faces are counted", low=10, high=86_400
    )
    least_faces: int = setting(5, "a period with fewer faces sends no counts", low=2, high=10_000)
    spool: str = setting(
        "",
        "file of undelivered events; empty is events.db, or events-NAME.db, in the state folder",
    )
    spool_mb: float = setting(
        16.0, "most that undelivered events take; beyond it the oldest go", low=0.1, high=4096
    )
    spool_days: float = setting(
        7.0, "age at which an undelivered event is dropped", low=0.01, high=365
    )
    sync_seconds: float = setting(
        5.0, "most time of which a power cut may cost the events", low=0.1, high=600
    )
    written_mb_per_day: float = setting(
        500.0,
        "most that is written to the disk for events; beyond it they wait in memory",
        low=1,
        high=1e6,
    )


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """The broker that gets events and state."""

    host: str = setting("", "broker's name or address; empty is no MQTT")
    port: int = setting(0, "broker's port; 0 is 8883 with TLS and 1883 without", low=0, high=65_535)
    protocol: str = setting(
        "auto", "version of MQTT; auto tries 5 first", choices=("auto", "5", "3.1.1")
    )
    username: str = setting("", "name to log in with; empty is none")
    password_file: str = setting("", "file of the password; else the secret mqtt-password")
    tls: bool = setting(False, "whether to encrypt, and to check the broker's certificate")
    ca_file: str = setting("", "certificate of the broker's authority; empty is the system's")
    certificate_file: str = setting("", "this device's own certificate; empty is none")
    key_file: str = setting("", "private key of the certificate; empty is in the same file")
    base: str = setting("fer", "first level of every topic")
    node: str = setting(
        "", "this device's name in topics; empty is the host name, with -NAME for a named run"
    )
    keepalive_seconds: int = setting(
        30, "pause between signs of life to the broker", low=5, high=3600
    )
    in_flight: int = setting(
        50, "most events that are sent and not yet acknowledged", low=1, high=1000
    )
    state_seconds: float = setting(
        30.0, "pause between two messages of state while little changes", low=1, high=3600
    )
    commands: bool = setting(True, "whether messages may switch the camera and calibrate")
    camera: bool = setting(
        False, "whether stills are sent, too, for Home Assistant; only with web.view = picture"
    )
    camera_seconds: float = setting(10.0, "pause between two stills", low=1, high=3600)
    home_assistant: bool = setting(True, "whether the device is announced to Home Assistant")
    discovery_prefix: str = setting("homeassistant", "Home Assistant's discovery topic")


@dataclass(frozen=True, slots=True)
class DaemonSettings:
    """How a run is told from others."""

    name: str = setting("", "tells several runs on one machine apart, with their topics and spools")


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Metrics, health and the page over HTTP."""

    port: int = setting(
        0, "port of the page, /metrics, /livez and /readyz; 0 is none", low=0, high=65535
    )
    address: str = setting(
        "127.0.0.1", "address that is listened on; beyond this machine only with a token"
    )
    names: str = setting(
        "", "names by which browsers may ask, parted by commas; addresses here and localhost may"
    )
    token_file: str = setting("", "file with the token that is asked for, 16 characters or more")
    certificate: str = setting("", "certificate to encrypt with, and those above it; empty is none")
    key: str = setting("", "private key of the certificate; empty is in the same file")
    view: str = setting(
        "off",
        "what the page shows: nothing, for there is none; boxes and figures; or the picture, too",
        choices=("off", "boxes", "picture"),
    )
    commands: bool = setting(
        True,
        "whether the page may switch the camera, calibrate and choose a model; only with a token",
    )
    view_fps: float = setting(
        10.0, "most frames a second that are shown, while somebody looks", low=0.1, high=60
    )
    viewers: int = setting(
        10, "most who see the picture move at once; others see stills", low=1, high=100
    )
    alive_seconds: float = setting(
        20.0, "/livez answers 503 once the loop has not turned for so long", low=1, high=3600
    )
