"""Home Assistant learns of the device by itself: one retained message describes it.

Source: home-assistant.io/integrations/mqtt/#device-discovery-payload.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fer_edge import __version__
from fer_edge.shared.records import UNCERTAIN
from fer_edge.sinks.mqtt.connection import Message
from fer_edge.sinks.mqtt.topics import OFF, OFFLINE, ON, ONLINE, START, Topics

BIRTH: Final = b"online"
"""What Home Assistant says when it has started, and wants to hear of devices again."""
_NOTHING: Final = "none"
_NONE: Final[Mapping[str, str]] = {}


def birth_topic(prefix: str) -> str:
    """Return where Home Assistant says that it has started."""
    return f"{prefix}/status"


def config_topic(topics: Topics, prefix: str) -> str:
    """Return where the device is described."""
    return f"{prefix}/device/{topics.node}/config"


@dataclass(frozen=True, slots=True)
class Offer:
    """Which entities the device has.

    Attributes:
        of_faces: Whether the state tells of faces.
        commands: Whether the device may be switched.
        calibration: Whether it may be calibrated, too, where it may be switched.
        pictures: Whether stills are sent.
    """

    of_faces: bool = True
    commands: bool = True
    calibration: bool = True
    pictures: bool = False


def discovery(
    topics: Topics,
    prefix: str,
    *,
    labels: Sequence[str],
    offer: Offer,
    page: str = "",
    gone: Mapping[str, str] = _NONE,
) -> Message:
    """Return the message that describes the device and its entities.

    Args:
        topics: The device's.
        prefix: First level of Home Assistant's discovery topics.
        labels: Expressions that the model knows.
        offer: Which entities there are.
        page: Address of the device's own page; "" where nobody else reaches one.
        gone: Entities that were offered once, with their platforms. They are named with nothing
            but that, upon which Home Assistant removes them; what is left out stays there.
    """
    entities = _entities(topics, labels, offer)
    for name, entity in entities.items():
        entity["unique_id"] = f"fer_{topics.node}_{name}"
    removed = {
        name: {"platform": platform} for name, platform in gone.items() if name not in entities
    }
    description = {
        "device": {
            "identifiers": [f"fer_{topics.node}"],
            "name": topics.node,
            "manufacturer": "FER edge toolkit",
            "model": "fer-edge",
            "sw_version": __version__,
            **({"configuration_url": page} if page else {}),
        },
        "origin": {"name": "fer-edge", "sw_version": __version__},
        "state_topic": topics.state,
        "availability_topic": topics.availability,
        "payload_available": ONLINE,
        "payload_not_available": OFFLINE,
        "qos": 1,
        "components": removed | entities,
    }
    payload = json.dumps(description, separators=(",", ":"), ensure_ascii=False)
    return Message(config_topic(topics, prefix), payload, retained=True)


def platforms(topics: Topics, offer: Offer) -> dict[str, str]:
    """Return the platform of each entity that is offered."""
    entities = _entities(topics, (), offer)
    return {name: str(entity["platform"]) for name, entity in entities.items()}


def _entities(topics: Topics, labels: Sequence[str], offer: Offer) -> dict[str, dict[str, Any]]:
    calibrate = {"calibrate": _button(topics)} if offer.calibration else {}
    return {
        **(_of_faces(labels) if offer.of_faces else {}),
        **_of_the_device(),
        **({"enabled": _switch(topics), **calibrate} if offer.commands else {}),
        **({"picture": _camera(topics)} if offer.pictures else {}),
    }


def _of_faces(labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    return {
        "present": {
            "platform": "binary_sensor",
            "name": "Face",
            "device_class": "occupancy",
            "value_template": f"{{{{ '{ON}' if value_json.faces > 0 else '{OFF}' }}}}",
        },
        "faces": {
            "platform": "sensor",
            "name": "Faces",
            "icon": "mdi:account-group",
            "state_class": "measurement",
            "value_template": "{{ value_json.faces }}",
        },
        "expression": {
            "platform": "sensor",
            "name": "Expression",
            "icon": "mdi:emoticon-outline",
            "device_class": "enum",
            "options": [*labels, UNCERTAIN, _NOTHING],
            "value_template": f"{{{{ value_json.expression or '{_NOTHING}' }}}}",
        },
        "confidence": {
            "platform": "sensor",
            "name": "Confidence",
            "icon": "mdi:percent-outline",
            "state_class": "measurement",
            "unit_of_measurement": "%",
            "value_template": "{{ ((value_json.confidence or 0) * 100) | round }}",
        },
    }


def _of_the_device() -> dict[str, dict[str, Any]]:
    diagnostic = {"entity_category": "diagnostic", "state_class": "measurement"}
    return {
        "frames_per_second": {
            "platform": "sensor",
            "name": "Frames per second",
            "icon": "mdi:speedometer",
            "unit_of_measurement": "fps",
            "value_template": "{{ value_json.frames_per_second }}",
            **diagnostic,
        },
        "latency": {
            "platform": "sensor",
            "name": "Latency",
            "device_class": "duration",
            "unit_of_measurement": "ms",
            "value_template": "{{ value_json.latency_ms }}",
            **diagnostic,
        },
        "temperature": {
            "platform": "sensor",
            "name": "Temperature",
            "device_class": "temperature",
            "unit_of_measurement": "°C",
            "value_template": "{{ value_json.temperature_c }}",
            **diagnostic,
        },
        "camera_problem": {
            "platform": "binary_sensor",
            "name": "Camera problem",
            "device_class": "problem",
            "entity_category": "diagnostic",
            "value_template": f"{{{{ '{ON}' if value_json.camera_problem else '{OFF}' }}}}",
        },
    }


def _switch(topics: Topics) -> dict[str, Any]:
    return {
        "platform": "switch",
        "name": "Enabled",
        "icon": "mdi:eye",
        "command_topic": topics.enabled,
        "payload_on": ON,
        "payload_off": OFF,
        "value_template": "{{ value_json.enabled }}",
    }


def _button(topics: Topics) -> dict[str, Any]:
    return {
        "platform": "button",
        "name": "Calibrate",
        "icon": "mdi:emoticon-neutral-outline",
        "command_topic": topics.calibrate,
        "payload_press": START,
    }


def _camera(topics: Topics) -> dict[str, Any]:
    return {"platform": "camera", "name": "Picture", "topic": topics.picture}
