"""What a setting says reaches the part that it is for, in that part's unit."""

from functools import partial

import pytest
from techniques import needs_weights
from tiny_model import tiny_model

from fer_edge.assemble import baselines, event_sinks, parts
from fer_edge.settings import resolve
from fer_edge.sinks.mqtt import sink as mqtt_sink
from fer_edge.state.controls import Controls


class MadeError(Exception):
    """Ends the making of parts: what is looked for has been made."""


def what_is_made(monkeypatch, module, name, make):
    """Return the arguments by which a part is made."""
    given = {}

    def note(*_, **named):
        given.update(named)
        raise MadeError

    monkeypatch.setattr(module, name, note)
    with pytest.raises(MadeError):
        make()
    return given


def settings_of(tmp_path, **given):
    (tmp_path / "tiny.tflite").write_bytes(tiny_model())
    flags = {
        "model.path": str(tmp_path / "tiny.tflite"), "events.purpose": "a test",
        "events.spool": str(tmp_path / "events.db"), "mqtt.host": "127.0.0.1",
        **{key.replace("__", "."): value for key, value in given.items()},
    }  # fmt: skip
    return resolve(flags=flags, environment={}, file={}).settings


@pytest.mark.parametrize(
    ("setting", "said", "part", "argument", "reaches"),
    [
        ("events.spool_mb", "0.7", "SpoolBounds", "bytes", 700_000),
        ("events.spool_days", "3.5", "SpoolBounds", "age_seconds", 302_400.0),
        ("events.sync_seconds", "7.25", "SpoolBounds", "sync_seconds", 7.25),
        ("events.written_mb_per_day", "13", "SpoolBounds", "written_bytes_per_day", 13_000_000),
        ("events.aggregate_seconds", "77", "Aggregates", "period_seconds", 77.0),
        ("events.least_faces", "9", "Aggregates", "least_faces", 9),
        ("mqtt.state_seconds", "17.5", "Announcing", "state_seconds", 17.5),
        ("mqtt.in_flight", "13", "MqttSink", "in_flight", 13),
    ],
)
def test_what_is_told_and_kept(monkeypatch, tmp_path, setting, said, part, argument, reaches):
    mode = "aggregate" if part == "Aggregates" else "faces"
    settings = settings_of(tmp_path, **{"events.mode": mode, setting: said})
    model = parts.open_trusted(settings.model)
    make = partial(event_sinks.make_event_sinks, settings, model, Controls())
    module = mqtt_sink if setting.startswith("mqtt.") else event_sinks
    assert what_is_made(monkeypatch, module, part, make)[argument] == reaches


@pytest.mark.parametrize(
    ("setting", "said", "part", "argument", "reaches"),
    [
        ("baseline.strength", "0.37", "Weighing", "strength", 0.37),
        ("tracker.known_search_seconds", "4.25", "SearchSchedule", "known_search_seconds", 4.25),
        ("model.threads", "3", "LitertClassifier", "threads", 3),
        ("model.threads", "3", "require_tried", "threads", 3),
    ],
)
def test_what_is_seen(monkeypatch, tmp_path, setting, said, part, argument, reaches):
    make = partial(parts.make_pipeline, settings_of(tmp_path, **{setting: said}))
    module = baselines if setting.startswith("baseline.") else parts
    assert what_is_made(monkeypatch, module, part, make)[argument] == reaches


@needs_weights
@pytest.mark.parametrize(
    ("setting", "argument"),
    [("yunet_side_px", "side_px"), ("yunet_second_side_px", "second_side_px")],
)
def test_the_size_at_which_yunet_looks(monkeypatch, tmp_path, setting, argument):
    said = {"detector.kind": "yunet", f"detector.{setting}": "352"}
    make = partial(parts.make_detector, settings_of(tmp_path, **said).detector)
    assert what_is_made(monkeypatch, parts, "YunetDetector", make)[argument] == 352
