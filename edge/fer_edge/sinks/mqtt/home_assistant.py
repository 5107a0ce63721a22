"""Home Assistant learns of the device by itself: one retained message describes it.

Source: home-assistant.io/integrations/mqtt/#device-discovery-payload.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from fer_edge import __version__
from fer_edge.shared.records import UNCERTAIN
from fer_edge.sinks.mqtt.connection import Message
from fer_edge.sinks.mqtt.topics import OFF, OFFLINE, ON, ONLINE, Topics

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


Entities: TypeAlias = dict[str, dict[str, Any]]


def entities_of(
    topics: Topics, *, labels: Sequence[str], of_faces: bool, commands: bool
) -> Entities:
    """Return the device's entities; of those that it does not offer, nothing but the platform.

    That is how Home Assistant is told to remove one: what is merely left out stays there.

    Args:
        topics: The device's.
        labels: Expressions that the model knows.
        of_faces: Whether the state tells of faces.
        commands: Whether the device may be switched.
    """
    faces, switch = _of_faces(labels), {"enabled": _switch(topics)}
    entities = {
        **(faces if of_faces else _platforms(faces)),
        **_of_the_device(),
        **(switch if commands else _platforms(switch)),
    }
    for name, entity in entities.items():
        if len(entity) > 1:
            entity["unique_id"] = f"fer_{topics.node}_{name}"
    return entities


def discovery(
    topics: Topics, prefix: str, entities: Entities, *, gone: Mapping[str, str] = _NONE
) -> Message:
    """Return the message that describes the device and its entities.

    Args:
        topics: The device's.
        prefix: First level of Home Assistant's discovery topics.
        entities: As `entities_of` returns them.
        gone: Further ones of earlier versions, with their platforms: they are removed.
    """
    removed = {name: {"platform": platform} for name, platform in gone.items()}
    description = {
        "device": {
            "identifiers": [f"fer_{topics.node}"],
            "name": topics.node,
            "manufacturer": "FER edge toolkit",
            "model": "fer-edge",
            "sw_version": __version__,
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


def _platforms(entities: Entities) -> Entities:
    return {name: {"platform": entity["platform"]} for name, entity in entities.items()}


def _of_faces(labels: Sequence[str]) -> Entities:
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


def _of_the_device() -> Entities:
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
