"""What Home Assistant is told, and whether it fits what is published."""

import json
import re

import pytest
from builders import SEVEN, a_face, a_reading, an_observation

from fer_edge.sinks.mqtt.home_assistant import Offer, discovery, platforms
from fer_edge.sinks.mqtt.topics import Topics, describe_state
from fer_edge.state.records import CameraHealth, DaemonState

TOPICS = Topics("fer", "hall")


def described(*, page="", gone=None, **offered):
    options = {"offer": Offer(**offered), "page": page, "gone": gone or {}}
    message = discovery(TOPICS, "homeassistant", labels=SEVEN, **options)
    assert message.retained, "without that it is gone when Home Assistant restarts"
    return message, json.loads(message.payload)


def a_published_state():
    state = DaemonState(
        "running", "1", 1, 0.0, 1.0, "0", "m", "ab", CameraHealth("delivering", problem="dark"),
        faces=1, temperature_c=51.23, stages_ms={"age": {"p50": 12.34}},
    )  # fmt: skip
    reading = a_reading(face=a_face(track_id=1), stable="happy")
    seen = an_observation(readings=(reading,))
    return describe_state(state, seen, enabled=True, of_faces=True)


def test_the_device_and_its_entities_are_described_in_one_message():
    message, told = described()
    assert message.topic == "homeassistant/device/hall/config"
    assert told["device"]["identifiers"] == ["fer_hall"]
    assert told["origin"]["name"] == "fer-edge"
    assert told["availability_topic"] == "fer/hall/availability"
    platforms = {name: entity["platform"] for name, entity in told["components"].items()}
    assert platforms == {
        "present": "binary_sensor", "faces": "sensor", "expression": "sensor",
        "confidence": "sensor", "frames_per_second": "sensor", "latency": "sensor",
        "temperature": "sensor", "camera_problem": "binary_sensor", "enabled": "switch",
        "calibrate": "button",
    }  # fmt: skip


def test_every_entity_has_a_name_of_its_own_for_good():
    _, told = described()
    ids = [entity["unique_id"] for entity in told["components"].values()]
    assert len(set(ids)) == len(ids)
    assert all(one.startswith("fer_hall_") for one in ids)


def test_every_template_reads_what_the_state_holds():
    _, told = described()
    published = a_published_state()
    for name, entity in told["components"].items():
        if name == "calibrate":  # a button shows nothing
            continue
        fields = re.findall(r"value_json\.(\w+)", entity["value_template"])
        assert fields
        assert set(fields) <= published.keys()


def test_values_are_what_home_assistant_understands():
    """Renders the templates, which are Jinja's, where that is installed."""
    jinja2 = pytest.importorskip("jinja2", reason="no jinja2 to render templates with")
    _, told = described()
    shown = {
        name: jinja2.Template(entity["value_template"]).render(value_json=a_published_state())
        for name, entity in told["components"].items()
        if "value_template" in entity
    }
    assert shown["present"] == "ON"
    assert shown["expression"] in told["components"]["expression"]["options"]
    assert shown["confidence"] == "100.0"
    assert shown["camera_problem"] == "ON"
    assert shown["temperature"] == "51.2"


def test_every_expression_may_be_shown():
    _, told = described()
    options = told["components"]["expression"]["options"]
    assert options == [*SEVEN, "uncertain", "none"]


def test_the_picture_is_offered_only_where_it_is_sent():
    assert "picture" not in described()[1]["components"]
    camera = described(pictures=True)[1]["components"]["picture"]
    assert camera == {
        "platform": "camera", "name": "Picture", "topic": "fer/hall/picture",
        "unique_id": "fer_hall_picture",
    }  # fmt: skip
    gone = platforms(TOPICS, Offer(pictures=True))
    assert described(gone=gone)[1]["components"]["picture"] == {"platform": "camera"}


def test_the_devices_page_is_linked_where_somebody_reaches_it():
    assert "configuration_url" not in described()[1]["device"]
    told = described(page="http://hall.example:9834/")[1]["device"]
    assert told["configuration_url"] == "http://hall.example:9834/"


def test_the_switch_speaks_the_daemons_commands():
    _, told = described()
    switch = told["components"]["enabled"]
    assert switch["command_topic"] == "fer/hall/enabled/set"
    assert (switch["payload_on"], switch["payload_off"]) == ("ON", "OFF")


@pytest.mark.parametrize(
    ("changes", "removed"),
    [
        ({"of_faces": False}, {"present", "faces", "expression", "confidence"}),
        ({"commands": False}, {"enabled", "calibrate"}),
        ({"calibration": False}, {"calibrate"}),
        (
            {"of_faces": False, "commands": False},
            {"present", "faces", "expression", "confidence", "enabled", "calibrate"},
        ),
    ],
    ids=["aggregate", "no commands", "no calibration", "both"],
)
def test_what_is_not_offered_any_more_is_removed(changes, removed):
    """Home Assistant keeps what is left out; what has nothing but a platform goes."""
    assert not described(**changes)[1]["components"].keys() & removed, "it was never offered"
    before = platforms(TOPICS, Offer())
    told = described(**changes, gone=before)[1]["components"]
    bare = {name: entity for name, entity in told.items() if entity.keys() == {"platform"}}
    assert bare == {name: {"platform": before[name]} for name in removed}
    assert told.keys() == before.keys()


def test_what_an_earlier_version_offered_is_removed():
    _, told = described(gone={"mood": "sensor", "faces": "sensor"})
    assert told["components"]["mood"] == {"platform": "sensor"}
    assert len(told["components"]["faces"]) > 1, "what is offered is described"
