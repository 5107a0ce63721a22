"""From settings to the sinks of events and to the broker."""

import ipaddress
import os
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fer_edge.assemble.baselines import why_no_calibration
from fer_edge.assemble.privacy import sends_stills
from fer_edge.assemble.window import page_address
from fer_edge.settings import EventSettings, MqttSettings, Settings
from fer_edge.settings.names import announced_path, node_name, spool_path
from fer_edge.settings.pem_files import usable_pem
from fer_edge.settings.secrets import credential_path, read_secret
from fer_edge.shared.errors import SettingsError
from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.model.model_file import ModelFile
from fer_edge.sinks.events.aggregates import Aggregates
from fer_edge.sinks.events.faces import Deriver, FaceEvents, Origin
from fer_edge.sinks.events.sink import EventSink, open_event_file
from fer_edge.sinks.fan_out import NamedSink
from fer_edge.sinks.mqtt.announced import Announced, Kept, is_remembered
from fer_edge.sinks.mqtt.endpoint import Endpoint, Version
from fer_edge.sinks.mqtt.topics import Topics
from fer_edge.sinks.spool.ids import EventIds
from fer_edge.sinks.spool.spool import Spool, SpoolBounds
from fer_edge.state.controls import Controls

if TYPE_CHECKING:
    from fer_edge.sinks.mqtt.sink import Announcing

_MEGABYTE: Final = 1_000_000
_DAY_SECONDS: Final = 86_400.0
_LEVELS: Final = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")
_HOST: Final = re.compile(r"[^\s/:@\[\]?#]+")
_NUMBERS: Final = re.compile(r"[0-9.]+")


def make_event_sinks(
    settings: Settings,
    model: ModelFile,
    controls: Controls,
    *,
    tell: Callable[[str], None] | None = None,
) -> list[NamedSink]:
    """Open what makes events, and what the section `mqtt` switches on.

    `check_settings` has checked the sections.

    Args:
        settings: Of all parts.
        model: Reads the faces.
        controls: What a message may switch.
        tell: Gets the events, too, wherever else they go; returns at once.

    Raises:
        SettingsError: As `broker_endpoint` says.
        OutputError: The spool or the file cannot be opened.
    """
    events, mqtt = settings.events, settings.mqtt
    origin = Origin(node_name(settings), model.sha256, events.purpose)
    endpoint = broker_endpoint(settings) if mqtt.host else None
    # Not Path.exists, which raises where a folder cannot be entered: the spool says that better.
    ran_before = os.path.exists(spool_path(settings))  # noqa: PTH110
    spool = Spool(spool_path(settings), _bounds(events)) if endpoint is not None else None
    try:
        ids = EventIds() if spool is None else spool.ids
        file = open_event_file(Path(events.file)) if events.file else None
        sink = EventSink(_make_deriver(events, ids, origin), spool=spool, file=file, tell=tell)
        sinks = [NamedSink("events", sink)]
        if endpoint is not None and spool is not None:
            mqtt_sink = _mqtt_sink(
                settings, model.contract, controls, spool, endpoint, ran_before=ran_before
            )
            sinks.append(mqtt_sink)
    except BaseException:
        if spool is not None:
            spool.close()
        raise
    return sinks


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
    *,
    ran_before: bool,
) -> NamedSink:
    from fer_edge.sinks.mqtt.sink import MqttSink  # noqa: PLC0415 - paho only where it is wanted

    sink = MqttSink(
        spool,
        endpoint,
        _announcing(settings, contract, endpoint, ran_before=ran_before),
        controls,
        versions=mqtt_versions(settings.mqtt),
        in_flight=settings.mqtt.in_flight,
    )
    return NamedSink("mqtt", sink)


def _announcing(
    settings: Settings, contract: ModelContract, endpoint: Endpoint, *, ran_before: bool
) -> "Announcing":
    from fer_edge.sinks.mqtt import home_assistant as ha  # noqa: PLC0415 - knows paho's messages
    from fer_edge.sinks.mqtt.sink import Announcing  # noqa: PLC0415
    from fer_edge.sinks.mqtt.stills import Stills  # noqa: PLC0415

    mqtt, topics = settings.mqtt, Topics(settings.mqtt.base, endpoint.client_id)
    of_faces = settings.events.mode == "faces"
    pictures = sends_stills(settings)
    everything = ha.Offer(pictures=True)
    offer = ha.Offer(
        of_faces=of_faces,
        commands=mqtt.commands,
        calibration=not why_no_calibration(settings, contract),
        pictures=pictures,
    )
    place = ha.config_topic(topics, mqtt.discovery_prefix)
    path, broker = announced_path(settings), str(endpoint)
    # The same device may have run under another name.
    ran_before = ran_before or is_remembered(path.parent, broker, place)
    announced = Announced(
        path,
        broker,
        topics=[topics.state, topics.availability, *([place] if mqtt.home_assistant else [])],
        components=ha.platforms(topics, offer) if mqtt.home_assistant else {},
        unsure=Kept((place,), ha.platforms(topics, everything)) if ran_before else Kept(),
    )
    described = ha.discovery(
        topics,
        mqtt.discovery_prefix,
        labels=contract.labels,
        offer=offer,
        page=page_address(settings.web),
        gone=announced.gone,
    )
    return Announcing(
        topics=topics,
        discovery=described if mqtt.home_assistant else None,
        discovery_prefix=mqtt.discovery_prefix,
        announced=announced,
        commands=mqtt.commands,
        of_faces=of_faces,
        state_seconds=mqtt.state_seconds,
        stills=Stills(pause_seconds=mqtt.camera_seconds) if pictures else None,
    )


def mqtt_versions(settings: MqttSettings) -> tuple[Version, ...]:
    """Return the versions of MQTT to try, in their order."""
    versions: dict[str, tuple[Version, ...]] = {"5": ("5",), "3.1.1": ("3.1.1",)}
    return versions.get(settings.protocol, ("5", "3.1.1"))


def broker_endpoint(settings: Settings) -> Endpoint:
    """Return the broker, and with what this device logs in.

    Raises:
        SettingsError: Settings do not fit together, or a secret or certificate cannot be read.
    """
    mqtt = settings.mqtt
    for key, value in (("base", mqtt.base), ("discovery_prefix", mqtt.discovery_prefix)):
        if not _LEVELS.fullmatch(value):
            raise SettingsError(
                f"mqtt.{key} = {value!r} is no topic to publish under",
                expected="letters, digits, - and _, with / between levels",
                fix="correct it",
            )
    check_host("mqtt.host", mqtt.host)
    return Endpoint(
        host=mqtt.host,
        port=mqtt.port or (8883 if mqtt.tls else 1883),
        client_id=node_name(settings),
        username=mqtt.username,
        password=read_secret("mqtt-password", file=mqtt.password_file),
        tls=_tls(mqtt),
        keepalive_seconds=mqtt.keepalive_seconds,
    )


def check_host(key: str, value: str) -> None:
    """Refuse what is neither an address nor a name.

    Args:
        key: Of the setting.
        value: Of it.

    Raises:
        SettingsError: It is a URL, has a port, or is a wrong number.
    """
    try:
        ipaddress.ip_address(value)
    except ValueError:
        if not _HOST.fullmatch(value) or _NUMBERS.fullmatch(value):
            raise SettingsError(
                f"{key} = {value!r} is no name or address of a machine",
                expected="such as broker.example, 192.0.2.1 or 2001:db8::1; no scheme, no port",
                fix="correct it",
            ) from None


def _tls(settings: MqttSettings) -> ssl.SSLContext | None:
    files = {
        "ca_file": settings.ca_file,
        "certificate_file": settings.certificate_file,
        "key_file": settings.key_file,
    }
    if not settings.tls:
        for key in (key for key, name in files.items() if name):
            raise SettingsError(
                f"mqtt.{key} is set, but mqtt.tls is off",
                expected="both or none",
                fix="set mqtt.tls = true",
            )
        return None
    if settings.key_file and not settings.certificate_file:
        raise SettingsError(
            "mqtt.key_file is set, but mqtt.certificate_file is not",
            expected="a certificate that the key belongs to",
            fix="name it as mqtt.certificate_file, or leave both out",
        )
    return _tls_context(*(name and credential_path(name) for name in files.values()))


def _tls_context(authority: str, certificate: str, key: str) -> ssl.SSLContext:
    fix = "check mqtt.ca_file, mqtt.certificate_file and mqtt.key_file"
    with usable_pem(authority, certificate, key, what="a certificate or key of mqtt", fix=fix):
        context = ssl.create_default_context(cafile=authority or None)
        if certificate:
            context.load_cert_chain(
                certificate, key or None, password=lambda: read_secret("mqtt-key-password")
            )
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
