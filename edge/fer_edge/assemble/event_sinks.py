"""From settings to the sinks of events and to the broker."""

import logging
import os
import platform
import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fer_edge.settings import EventSettings, MqttSettings, Settings
from fer_edge.settings.secrets import read_secret
from fer_edge.shared.errors import SettingsError
from fer_edge.shared.model.contract import ModelContract
from fer_edge.sinks.events.aggregates import Aggregates
from fer_edge.sinks.events.faces import Deriver, FaceEvents, Origin
from fer_edge.sinks.events.sink import EventSink, open_event_file
from fer_edge.sinks.fan_out import NamedSink
from fer_edge.sinks.mqtt.endpoint import Endpoint, Version
from fer_edge.sinks.spool.ids import EventIds
from fer_edge.sinks.spool.spool import Spool, SpoolBounds
from fer_edge.state.controls import Controls

if TYPE_CHECKING:
    from fer_edge.sinks.mqtt.sink import Announcing

_MEGABYTE: Final = 1_000_000
_DAY_SECONDS: Final = 86_400.0
_NODE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LEVELS: Final = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")
_LONGEST_PURPOSE: Final = 500
_NEARBY: Final = frozenset({"localhost", "127.0.0.1", "::1"})

_log = logging.getLogger(__name__)


def make_event_sinks(
    settings: Settings, contract: ModelContract, controls: Controls
) -> list[NamedSink]:
    """Open what the sections `events` and `mqtt` switch on.

    Args:
        settings: Of all parts.
        contract: Of the model that reads the faces.
        controls: What a message may switch.

    Raises:
        SettingsError: They do not fit together, or a secret or certificate cannot be read.
        OutputError: The spool or the file cannot be opened.
    """
    events, mqtt = settings.events, settings.mqtt
    if not (events.file or mqtt.host):
        return []
    _check(settings)
    node = _node(mqtt)
    origin = Origin(node, contract.flatbuffer_sha256, events.purpose)
    endpoint = _endpoint(mqtt, node) if mqtt.host else None
    spool = Spool(spool_path(events), _bounds(events)) if endpoint is not None else None
    try:
        ids = EventIds() if spool is None else spool.ids
        file = open_event_file(Path(events.file)) if events.file else None
        sink = EventSink(_make_deriver(events, ids, origin), spool=spool, file=file)
        sinks = [NamedSink("events", sink)]
        if endpoint is not None and spool is not None:
            sinks.append(_mqtt_sink(settings, contract, controls, spool, endpoint))
    except BaseException:
        if spool is not None:
            spool.close()
        raise
    return sinks


def spool_path(settings: EventSettings) -> Path:
    """Return where undelivered events are kept: systemd's state folder, or the user's."""
    if settings.spool:
        return Path(settings.spool)
    folder = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if not folder:
        home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local/state")
        folder = f"{home}/fer-edge"
    return Path(folder) / "events.db"


def _check(settings: Settings) -> None:
    events = settings.events
    if not events.purpose.strip() or len(events.purpose) > _LONGEST_PURPOSE:
        raise SettingsError(
            "events are to leave this device, but events.purpose does not say what for",
            expected=f"a sentence of at most {_LONGEST_PURPOSE} characters; each event bears it",
            fix="set events.purpose, for instance to 'light in the hall follows who is there'",
        )
    if events.mode == "aggregate" and settings.output.file:
        raise SettingsError(
            f"events.mode is aggregate, but output.file = {settings.output.file!r} tells of faces",
            expected="no sink that tells of single faces",
            fix="set output.file to an empty text, or events.mode to faces",
        )
    if settings.tracker.mode == "each":
        raise SettingsError(
            "events need faces that are followed, but tracker.mode is each",
            expected="tracker.mode = follow",
            fix="set it, or leave events.file and mqtt.host empty",
        )


def _make_deriver(settings: EventSettings, ids: EventIds, origin: Origin) -> Deriver:
    if settings.mode == "aggregate":
        return Aggregates(
            ids,
            origin,
            period_seconds=settings.aggregate_seconds,
            least_faces=settings.least_faces,
            settle_seconds=settings.settle_seconds,
        )
    return FaceEvents(
        ids,
        origin,
        settle_seconds=settings.settle_seconds,
        left_seconds=settings.left_seconds,
    )


def _bounds(settings: EventSettings) -> SpoolBounds:
    return SpoolBounds(
        bytes=round(settings.spool_mb * _MEGABYTE),
        age_seconds=settings.spool_days * _DAY_SECONDS,
        sync_seconds=settings.sync_seconds,
        written_bytes_per_day=settings.written_mb_per_day * _MEGABYTE,
    )


def _mqtt_sink(
    settings: Settings,
    contract: ModelContract,
    controls: Controls,
    spool: Spool,
    endpoint: Endpoint,
) -> NamedSink:
    from fer_edge.sinks.mqtt.sink import MqttSink  # noqa: PLC0415 - paho only where it is wanted

    chosen: Version | str = settings.mqtt.protocol
    versions: dict[str, tuple[Version, ...]] = {"5": ("5",), "3.1.1": ("3.1.1",)}
    sink = MqttSink(
        spool,
        endpoint,
        _announcing(settings, contract, endpoint.client_id),
        controls,
        versions=versions.get(chosen, ("5", "3.1.1")),
        in_flight=settings.mqtt.in_flight,
    )
    return NamedSink("mqtt", sink)


def _announcing(settings: Settings, contract: ModelContract, node: str) -> "Announcing":
    from fer_edge.sinks.mqtt.home_assistant import discovery  # noqa: PLC0415 - knows paho's messages
    from fer_edge.sinks.mqtt.sink import Announcing  # noqa: PLC0415
    from fer_edge.sinks.mqtt.topics import Topics  # noqa: PLC0415

    mqtt = settings.mqtt
    topics = Topics(mqtt.base, node)
    of_faces = settings.events.mode == "faces"
    described = discovery(
        topics,
        mqtt.discovery_prefix,
        labels=contract.labels,
        of_faces=of_faces,
        commands=mqtt.commands,
    )
    return Announcing(
        topics=topics,
        discovery=described if mqtt.home_assistant else None,
        discovery_prefix=mqtt.discovery_prefix,
        commands=mqtt.commands,
        of_faces=of_faces,
        state_seconds=mqtt.state_seconds,
    )


def _node(settings: MqttSettings) -> str:
    for key, value in (("base", settings.base), ("discovery_prefix", settings.discovery_prefix)):
        if not _LEVELS.fullmatch(value):
            raise SettingsError(
                f"mqtt.{key} = {value!r} is no topic to publish under",
                expected="letters, digits, - and _, with / between levels",
                fix="correct it",
            )
    if settings.node:
        if not _NODE.fullmatch(settings.node):
            raise SettingsError(
                f"mqtt.node = {settings.node!r} cannot stand in a topic",
                expected="at most 64 letters, digits, - and _",
                fix="correct it",
            )
        return settings.node
    host = re.sub(r"[^A-Za-z0-9_-]", "-", platform.node().partition(".")[0])[:64]
    return host or "fer-edge"


def _endpoint(settings: MqttSettings, node: str) -> Endpoint:
    password = read_secret("mqtt-password", file=settings.password_file)
    if password and not settings.tls and settings.host not in _NEARBY:
        _log.warning("mqtt.tls is off: the password goes to %s unencrypted", settings.host)
    if settings.ca_file and not settings.tls:
        raise SettingsError(
            "mqtt.ca_file is set, but mqtt.tls is off",
            expected="both or none",
            fix="set mqtt.tls = true",
        )
    return Endpoint(
        host=settings.host,
        port=settings.port or (8883 if settings.tls else 1883),
        client_id=node,
        username=settings.username,
        password=password,
        tls=_tls(settings) if settings.tls else None,
        keepalive_seconds=settings.keepalive_seconds,
    )


def _tls(settings: MqttSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
        if settings.certificate_file:
            context.load_cert_chain(
                settings.certificate_file,
                settings.key_file or None,
                password=lambda: read_secret("mqtt-key-password"),
            )
    except (OSError, ValueError) as error:
        named = [settings.ca_file, settings.certificate_file, settings.key_file]
        raise SettingsError(
            f"a certificate or key of mqtt ({', '.join(filter(None, named))}) cannot be used"
            f" ({error})",
            expected="readable PEM files that belong together",
            fix="check mqtt.ca_file, mqtt.certificate_file and mqtt.key_file",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
