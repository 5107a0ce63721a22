"""What the page shows of the device, and what it says leaves it."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from builders import a_contract
from states import a_state
from tiny_model import tiny_model

from fer_edge import DEFAULT_MODEL
from fer_edge.assemble.baselines import why_no_calibration
from fer_edge.assemble.desk import why_no_wish
from fer_edge.assemble.device import Device, ShippedModels, describe_settings, seeing_settings
from fer_edge.assemble.privacy import privacy_paragraph
from fer_edge.models import open_model, shipped_models
from fer_edge.models.choice import SlotReader
from fer_edge.models.slots import ModelSlots
from fer_edge.settings import resolve
from fer_edge.sinks.web.findings import Findings

TOKEN = "correct horse battery staple"
MQTT = {"mqtt.host": "broker.example", "events.purpose": "light in the hall"}


@pytest.fixture(autouse=True)
def no_token_of_this_machine(monkeypatch):
    monkeypatch.delenv("FER_EDGE_SECRET_WEB_TOKEN", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def resolved(**flags):
    given = {key.replace("__", "."): str(value) for key, value in flags.items()}
    return resolve(flags=given, environment={}, file={})


def settings_of(**flags):
    return resolved(**flags).settings


def described(state=None, *, slots=None, **flags):
    found = resolved(**flags)
    return Device(found.settings, found.origins, slots=slots).describe(state)


def setting(told, name):
    (found,) = [one for one in told["settings"] if one["name"] == name]
    return found


def test_settings_stand_with_unit_and_origin():
    told = described(tracker__coast_seconds=0.7)
    found = setting(told, "tracker.coast_seconds")
    assert (found["value"], found["unit"], found["origin"]) == (0.7, "s", "flag")
    assert found["text"]
    assert setting(told, "source.width")["unit"] == "px"
    assert setting(told, "web.port")["origin"] == "default"
    assert len(told["settings"]) == len(resolved().rows())
    json.dumps(told)


def test_no_secret_is_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_EDGE_SECRET_MQTT_PASSWORD", "hunter2hunter2")
    (tmp_path / "token").write_text(TOKEN)
    told = described(
        source__uri="rtsp://anna:s3cret@cam/live?key=s3cret",
        web__token_file=tmp_path / "token",
        **{key.replace(".", "__"): value for key, value in MQTT.items()},
    )
    text = json.dumps(told)
    assert not [secret for secret in (TOKEN, "s3cret", "hunter2") if secret in text]
    assert setting(told, "source.uri")["value"] == "rtsp://***@cam/live?***"


def test_models_stand_with_their_yardsticks_and_the_time_of_the_one_that_serves():
    serving = open_model(DEFAULT_MODEL)
    told = described(a_state(model_sha256=serving.sha256))
    assert [one["name"] for one in told["models"]] == shipped_models()
    (one,) = [one for one in told["models"] if one["serving"]]
    assert (one["name"], one["milliseconds"]) == (DEFAULT_MODEL, 0.25)
    assert one["side_px"] == serving.contract.input.width
    assert 0 < one["figures"]["accuracy"] < 1
    assert one["figures"]["yardstick"]
    assert told["slots"] is None, "the settings name the model"


def test_a_model_of_ones_own_stands_beside_the_shipped_ones(tmp_path):
    (tmp_path / "own.tflite").write_bytes(tiny_model())
    model = open_model(str(tmp_path / "own.tflite"))
    state = a_state(model_sha256=model.sha256)
    told = described(state, model__path=tmp_path / "own.tflite")
    assert len(told["models"]) == len(shipped_models()) + 1
    assert (told["models"][-1]["name"], told["models"][-1]["serving"]) == (
        model.contract.name,
        True,
    )


def test_slots_are_shown_where_they_choose(tmp_path):
    slots = ModelSlots(tmp_path)
    settings = SlotReader(slots).fill_in(settings_of(model__path="slot"))
    told = Device(settings, {}, slots=slots).describe(None)["slots"]
    assert told["serving"] == "shipped"
    assert told["places"]["a"] is None
    assert str(tmp_path) not in json.dumps(told)


def test_a_shipped_model_is_chosen_through_the_slots(tmp_path):
    slots = ModelSlots(tmp_path)
    models = ShippedModels(SlotReader(slots).fill_in(settings_of(model__path="slot")), slots=slots)
    assert models.offered() == shipped_models()
    name = next(name for name in shipped_models() if name != DEFAULT_MODEL)
    assert "serves from now on" in models.choose(name)
    assert slots.pointer().serving == "a"
    assert slots.path("a").read_bytes() == Path(open_model(name).path).read_bytes()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({}, "settings name the model"),
        ({"model__path": "slot", "model__trust": f"sha256:{'0' * 64}"}, "model.trust"),
    ],
)
def test_no_model_is_offered_where_none_can_be_taken(tmp_path, flags, words):
    slots = ModelSlots(tmp_path)
    models = ShippedModels(SlotReader(slots).fill_in(settings_of(**flags)), slots=slots)
    assert models.offered() == ()
    assert words in models.why_none()


def test_wishes_need_the_token_on_loopback_too(tmp_path):
    assert "token" in why_no_wish(settings_of())
    (tmp_path / "token").write_text(TOKEN)
    assert why_no_wish(settings_of(web__token_file=tmp_path / "token")) == ""
    off = settings_of(web__token_file=tmp_path / "token", web__commands="false")
    assert why_no_wish(off) == "web.commands is off"


def test_calibration_needs_a_resting_face_and_somebody_to_follow():
    contract = a_contract()
    assert why_no_calibration(settings_of(), contract) == ""
    assert "tracker.mode" in why_no_calibration(settings_of(tracker__mode="each"), contract)
    smiles = replace(contract, labels=("smile", "frown"))
    assert "neutral" in why_no_calibration(settings_of(), smiles)
    calm = replace(contract, labels=("smile", "calm"))
    assert why_no_calibration(settings_of(), calm) == ""


def test_a_photo_is_read_as_the_daemon_reads_and_relative_to_nobody():
    settings = settings_of(detector__kind="haar", model__threads=2, baseline__mode="place")
    told = seeing_settings(settings)
    assert (told["detector.kind"], told["model.threads"]) == ("haar", "2")
    again = resolve(flags=told, environment={}, file={}).settings
    assert (again.detector, again.model) == (settings.detector, settings.model)
    assert again.baseline.mode == "none"
    assert not [key for key in told if key.startswith(("source", "web", "mqtt", "events"))]


# What leaves the device.


@pytest.mark.parametrize(
    ("flags", "says", "says_not"),
    [
        (
            {"output.file": ""},
            ["No picture of the camera leaves", "No picture is stored", "Nothing else leaves"],
            ["page", "broker", "Metrics"],
        ),
        ({}, ["whoever started this run"], ["broker"]),
        ({"output.file": "/tmp/lines"}, ["written to /tmp/lines"], ["whoever started"]),
        (
            {"web.port": 9834},
            ["No picture of the camera leaves", "Metrics and health", "port 9834"],
            ["this page", "photo"],
        ),
        (
            {"web.port": 9834, "web.view": "boxes"},
            ["No picture of the camera leaves", "boxes, labels and figures", "read and forgotten"],
            ["sees what the camera sees"],
        ),
        (
            {"web.port": 9834, "web.view": "picture"},
            ["sees what the camera sees", "No picture is stored"],
            ["No picture of the camera leaves", "still"],
        ),
        (
            MQTT | {"web.port": 9834, "web.view": "picture", "mqtt.camera": "true"},
            ["still goes to the broker broker.example every 10 s", "light in the hall"],
            ["Counts"],
        ),
        (
            MQTT | {"web.port": 9834, "web.view": "boxes", "mqtt.camera": "true"},
            ["No picture of the camera leaves", "When a face appeared", "at most 7 days"],
            ["still"],
        ),
        (
            MQTT | {"events.mode": "aggregate", "output.file": "", "events.spool": "/run/x/e.db"},
            ["Counts of faces", "at least 5 faces", "waits in memory"],
            ["appeared"],
        ),
    ],
)
def test_what_leaves_the_device_follows_from_the_settings(flags, says, says_not):
    told = privacy_paragraph(settings_of(**{k.replace(".", "__"): v for k, v in flags.items()}))
    assert not [words for words in says if words not in told], told
    assert not [words for words in says_not if words in told], told


def test_pictures_that_somebody_has_stored_are_not_denied():
    told = privacy_paragraph(settings_of(), keeps_pictures=True)
    assert "No picture is stored" not in told
    assert "stored" in told


# The doctor.


def examined(program, **options):
    findings = Findings(("-c", program), **options)

    async def look():
        first = findings.to_json()
        await findings.wait()
        return first, findings.to_json()

    return asyncio.run(look())


def test_the_machine_is_examined_late_and_what_was_found_is_kept():
    now = 1000.0
    one = {"check": "clock", "severity": "ok", "found": "synchronised", "fix": ""}
    printing = f"print({json.dumps(json.dumps({'healthy': True, 'findings': [one]}))})"
    first, then = examined(f"{printing}; raise SystemExit(1)", clock=lambda: now)
    assert first is None
    assert then == [{"grade": "ok", "check": "clock", "text": "synchronised", "fix": ""}]


def test_it_is_made_once_an_hour_however_often_somebody_asks(tmp_path):
    now = 1000.0
    counting = f"open({str(tmp_path / 'count')!r}, 'a').write('x'); print('{{\"findings\": []}}')"
    findings = Findings(("-c", counting), clock=lambda: now)

    async def look():
        for _ in range(3):
            findings.to_json()
        await findings.wait()
        return findings.to_json()

    assert asyncio.run(look()) == []
    now += 3500.0
    asyncio.run(look())
    assert (tmp_path / "count").read_text() == "x"
    now += 200.0
    asyncio.run(look())
    assert (tmp_path / "count").read_text() == "xx"


@pytest.mark.parametrize("program", ["raise SystemExit(1)", "print('{}')", "print(bytes(10**6))"])
def test_an_examination_that_fails_is_a_finding(program):
    _, (found,) = examined(program)
    assert (found["grade"], found["check"]) == ("warning", "doctor")
    assert "fer-edge doctor" in found["fix"]


def test_what_the_doctor_prints_is_what_the_page_shows():
    """One word of the doctor's that changes would empty the page."""
    from fer_edge.commands.doctor.examination import to_json
    from fer_edge.commands.doctor.findings import Finding

    printed = json.dumps(to_json([Finding("clock", "warning", "not synchronised", "set it")]))
    _, (found,) = examined(f"print({printed!r})")
    assert found == {
        "grade": "warning", "check": "clock", "text": "not synchronised", "fix": "set it",
    }  # fmt: skip


def test_settings_of_other_words_have_their_origins():
    rows = describe_settings(settings_of(), {"source.uri": "environment FER_EDGE_SOURCE_URI"})
    (uri,) = [row for row in rows if row["name"] == "source.uri"]
    assert uri["origin"] == "environment FER_EDGE_SOURCE_URI"
